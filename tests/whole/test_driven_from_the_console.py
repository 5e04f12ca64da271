"""A whole cutover and the way back from the operator console, in a browser, with customers who never stop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from browsing import axe
from console_typed import console_on, pressed
from playwright.sync_api import expect
from whole.stage import Stage

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NAME = "shown"
SLOWLY = 180_000.0  # ms


def shown(page: Page) -> list[int]:
    found: list[int] = page.locator("#log > li").evaluate_all("all => all.map(one => Number(one.dataset.seq))")
    return found


def written(stage: Stage) -> list[int]:
    return [entry.seq for entry in stage.entries(NAME)]


def test_there_and_back_by_its_buttons(stage: Stage, page: Page) -> None:
    go = {"go": {"before": "shift-50", "roles": ["traffic"], "criteria": "errors on blue as ever"}}
    stage.environment(NAME, approvals=go)
    began = time.time()
    with console_on(page, stage.repository, stage.variables(stage.world_variables()), NAME):
        assert "no run" in page.locator("#head").inner_text()
        assert "is at it for ann@desk" in pressed(page, "#do-begin", NAME, "as planned")
        page.locator("#decide", has_text="errors on blue as ever").wait_for(timeout=SLOWLY)
        assert "rollback" in page.locator("#head .zones [aria-current]").inner_text()
        assert axe(page) == []
        assert "yes for traffic" in pressed(page, "#do-approve-go-traffic", NAME, "seen")
        page.locator("#head .state", has_text="green serves").wait_for(timeout=SLOWLY)
        page.locator("#cost", has_text="steps in about").wait_for(timeout=SLOWLY)
        expect(page.locator("#timeline .stage:not(.well)")).to_have_count(0, timeout=SLOWLY)
        for share in page.locator("#sides table").first.locator("tbody tr").all():
            # Observed, not only asked for: the page looks at the shares every ten seconds.
            expect(share.locator("td").nth(1)).to_have_text("100 %", timeout=SLOWLY)
        stage.nothing_lost(began, "green")

        assert "is at it for ann@desk" in pressed(page, "#do-rollback", NAME, "checkout is slow")
        page.locator("#timeline", has_text="The way back").wait_for(timeout=SLOWLY)
        page.locator("#head .state", has_text="blue serves, rolled back").wait_for(timeout=SLOWLY)
        stage.eventually(lambda: shown(page) == written(stage)[-len(shown(page)) :], "every entry once, in order")
        entries = stage.entries(NAME)
    (begun, *_) = [one for one in entries if one.kind == "leg-started"]
    assert (begun.data["who"], begun.data["reason"]) == ("ann@desk", "as planned")
    (back,) = [one for one in entries if one.kind == "leg-started" and one.data["direction"] == "back"]
    assert (back.data["who"], back.data["reason"]) == ("ann@desk", "checkout is slow")
    stage.nothing_lost(began, "blue")
    stage.writes_go_on()
    # What the buttons have begun ends by itself.
    stage.eventually(lambda: not [one for one in stage.processes() if "cutover.cli.main" in one] or None, "their end")
