"""A report as a browser shows it: legible by axe's rules on a telephone in the dark, complete in itself, nowhere wider than the screen."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from browsing import PHONE, axe, shown, sideways
from report.walked import Policy, Walked, errors

from cutover.curves import Curve
from cutover.report.pages import written

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_a_report_can_be_read_on_a_telephone_in_the_dark(page: Page, tmp_path: Path) -> None:
    run = Walked(guards=lambda w: (errors(w, at=50, policy=Policy.ROLLBACK),))
    run.go()
    began = run.view.began
    samples = tuple((began + n / 4, 1 + math.sin(n / 5)) for n in range(80))
    curves = [Curve("error_rate", side, "%", samples, None, "") for side in ("blue", "green")]
    [path, *_] = written(run.report(curves=curves), tmp_path / "report")
    page.goto(path.as_uri())
    shown(page, PHONE, "dark")
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert axe(page) == []
    assert sideways(page) == 0
    assert page.locator("svg:visible").count() > 3 and page.locator("h1").is_visible()
