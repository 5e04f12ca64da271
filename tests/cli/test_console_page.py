"""The operator console in a browser: a run is driven by its buttons, and nothing that a record holds does anything."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from browsing import DESKTOP, PHONE, SCHEMES, axe, shown, sideways
from cli.shell import Shell
from cli.waiting_run import GATE, NAME, RUN, WaitingRun
from console_typed import console_on, pressed

from cutover.runs import Conductor

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOSTILE = "</li></section><script>complain('XSS')</script><img src=x onerror=complain('XSS')>\"'&\x1b[31m\u202e`|"
SLOWLY = 30_000.0  # ms; a command's start takes a second or two, and longer where both cores are at work
FIELDS = (
    "step", "gate", "guard", "phase", "plan", "seen", "error", "who", "reason", "outcome", "direction", "before", "after",
    "verdict", "then", "policy", "wanted", "what", "decision", "digest", "to", "cause", "call", "hint",
)  # fmt: skip


@pytest.fixture
def waiting(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[WaitingRun]:
    monkeypatch.setenv("CUTOVER_HOME", str(shell.home))
    run = WaitingRun(shell)
    yield run
    run.close()


def test_a_run_is_driven_from_the_page(waiting: WaitingRun, page: Page) -> None:
    waiting.begin()
    watching = waiting.watch()
    waiting.eventually(lambda: waiting.entries("waiting", gate=GATE), "the question")
    with console_on(page, waiting.shell.folder, waiting.shell.variables(), NAME):
        page.get_by_role("heading", name="Who must decide").wait_for(timeout=SLOWLY)
        assert "decision" in page.locator("#decide").inner_text()
        assert page.url.endswith("/"), "the token is not in the address any more"

        page.locator(f"#do-approve-{GATE}-decision").click()
        page.locator("#ask-environment").fill("prod")
        page.locator("#ask-reason").fill("x")
        page.locator("#ask-go").click()
        assert "not this environment's" in page.locator("#ask-told").inner_text()
        page.locator("#ask-close").click()

        assert "yes for decision" in pressed(page, f"#do-approve-{GATE}-decision", NAME, "lag is 0")
        page.locator("#now", has_text="soak-50").wait_for(timeout=SLOWLY)
        page.locator("#now", has_text="soak of 1 h").wait_for(timeout=SLOWLY)
        page.locator("#log", has_text="ann@desk").wait_for(timeout=SLOWLY)
        assert "stops at its next boundary" in pressed(page, "#do-hold", NAME, "lunch")
        assert pressed(page, "#do-resume", NAME, "back again")
        assert "was asked" in pressed(page, "#do-previous-phase", NAME, "slow pages")
        page.locator("#timeline", has_text="The way back").wait_for(timeout=SLOWLY)
        waiting.eventually(lambda: waiting.entries("leg-ended", outcome="undone"), "the way back")
        page.locator("#log li", has_text="ends: undone").wait_for(timeout=SLOWLY)
        seqs = page.locator("#log > li").evaluate_all("all => all.map(one => Number(one.dataset.seq))")
        assert seqs == [entry.seq for entry in waiting.entries()][-len(seqs) :], "every entry once, in order"
        waiting.ended(watching, signal.SIGTERM)
    assert waiting.flag.read_text().strip() == "10"
    assert {entry.data["who"] for entry in waiting.entries("leg-started")} >= {"ann"}


def test_nothing_that_a_record_holds_does_anything(waiting: WaitingRun, page: Page) -> None:
    waiting.begin()
    app = waiting.opened()
    kinds = (
        "leg-started",
        "intent",
        "waiting",
        "standing",
        "guard-failed",
        "failed",
        "override",
        "unexpected",
        HOSTILE,
    )
    with Conductor(app).leased("cutover") as state:
        for kind in kinds:
            data = {
                **dict.fromkeys(FIELDS, HOSTILE),
                "seconds": 900.0,
                "commands": [HOSTILE],
                "undoes": [],
                "taken": [],
            }
            if kind == "leg-started":
                data |= {"direction": "forward", "plan": "cutover"}
            if kind in ("waiting", "failed"):
                data["gate"] = GATE
            state.append(RUN, kind, data, app.lease[-1])
        state.wish(RUN, "reject", {"who": HOSTILE, "role": "decision", "gate": GATE, "comment": HOSTILE, "at": 9e9})
    app.close()
    with console_on(page, waiting.shell.folder, waiting.shell.variables(), NAME):
        page.locator("#log li", has_text="onerror=").first.wait_for(timeout=SLOWLY)
        page.locator("#decide", has_text="onerror=").wait_for(timeout=SLOWLY)
        assert page.locator("main img, main script, #log section").count() == 0
        for summary in page.locator("#log summary").all():
            summary.click()
        assert page.locator("img, li script").count() == 0


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_can_be_read_and_used_by_keys(waiting: WaitingRun, page: Page, size: tuple[int, int], scheme: str) -> None:
    shown(page, size, scheme)
    waiting.begin()
    waiting.watch()
    waiting.eventually(lambda: waiting.entries("waiting", gate=GATE), "the question")
    with console_on(page, waiting.shell.folder, waiting.shell.variables(), NAME):
        page.locator("#decide button").first.wait_for(timeout=SLOWLY)
        assert axe(page) == [] and sideways(page) == 0
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.locator("#do-hold").focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "ask-reason"
        assert axe(page) == []
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.id") == "do-hold"
        page.locator("#find").fill("preflight")
        page.locator("#found", has_text=" of ").wait_for()
        visible = page.locator("#log > li:visible").all_inner_texts()
        assert visible and all("preflight" in one for one in visible)


def test_who_may_only_look_is_offered_nothing(waiting: WaitingRun, page: Page) -> None:
    waiting.begin()
    with console_on(page, waiting.shell.folder, waiting.shell.variables(), NAME, "--read-only"):
        page.locator("#do-rollback[title]").wait_for(timeout=SLOWLY)
        assert page.locator("button[data-verb]:enabled").count() == 0
        assert page.locator("#do-rollback").get_attribute("title") == "for the role operator"
