"""Every diagram is taken by Mermaid's own parser, and shows its words as they are, whatever they are."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from browsing import mermaid_drawn, mermaid_errors
from hostile import NASTY, configured
from playwright.sync_api import Page
from runbook_toy import Move, Switch, book

from cutover.core.plan import Phase, Plan
from cutover.plan_words import Zone
from cutover.runbook import Book
from cutover.runbook.chart import plan_chart
from cutover.runbook.decision import as_mermaid, tree
from cutover.runbook.entries import chapters, first_zone
from cutover.runbook.markdown import label, visible

RUNBOOKS = Path(__file__).parents[2] / "runbooks"
BLOCK = re.compile(r"```mermaid\n(.*?)\n```", re.DOTALL)


def diagrams_of(one: Book) -> list[str]:
    """The charts of a book's plan and decision tree."""
    last = chapters(one.finish, start=Zone.ROLLBACK) if one.finish else ()
    chart = plan_chart(chapters(one.plan, start=first_zone(one.plan)), last)
    return [found for text in (chart, as_mermaid(tree(one))) for found in BLOCK.findall(text)]


def committed() -> dict[str, str]:
    return {
        f"{path.parent.name}/{path.name} {number}": found
        for path in sorted(RUNBOOKS.glob("*/*.md"))
        for number, found in enumerate(BLOCK.findall(path.read_text(encoding="utf-8")))
    }


def refused(page: Page, diagrams: Sequence[str]) -> list[str]:
    return [f"{said}\n{one}" for one, said in zip(diagrams, mermaid_errors(page, diagrams), strict=True) if said]


def test_every_committed_diagram_is_taken(page: Page) -> None:
    found = committed()
    folders = {path.name for path in RUNBOOKS.iterdir() if path.is_dir()}
    assert {f"{folder}/CUTOVER-RUNBOOK.md 0" for folder in folders} <= set(found)
    assert {f"{folder}/ROLLBACK-RUNBOOK.md 0" for folder in folders} <= set(found)
    assert refused(page, list(found.values())) == []


def test_every_committed_diagram_without_its_first_quote_is_not(page: Page) -> None:
    broken = [one.replace('"', "", 1) for one in committed().values()]
    assert all(mermaid_errors(page, broken))


def test_any_value_anywhere_leaves_a_diagram(page: Page) -> None:
    diagrams = [one for value in NASTY for one in diagrams_of(configured(value))]
    assert len(diagrams) == 2 * len(NASTY)
    assert refused(page, diagrams) == []


def test_a_name_that_is_nothing_but_the_value_leaves_a_diagram(page: Page) -> None:
    def named(value: str) -> Book:
        step = Switch(name=value, before="a", after="b")
        phases = (
            Phase(name=value, owner=value, items=(Move(name="m", before="a", after="b"), step)),
            Phase(name=f"{value}-", owner=value, items=(Move(name="n", before="a", after="b", one_way=True),)),
        )
        return replace(book(), plan=Plan(name="cutover", environment="toy", phases=phases), finish=None)

    assert refused(page, [one for value in NASTY for one in diagrams_of(named(value))]) == []


def test_a_label_shows_what_was_written(page: Page) -> None:
    chart = "\n".join(["flowchart TD", *(f"  n{at}[{label(value)}]" for at, value in enumerate(NASTY))])
    shown = mermaid_drawn(page, chart)
    wanted = [visible(value).replace("🙂", "?") or "(empty)" for value in NASTY]
    assert shown == wanted


def test_the_chart_cuts_a_phase_where_going_back_changes_its_meaning() -> None:
    chart = diagrams_of(book())[0]
    zones = re.findall(r'subgraph z\d\["(\w+):', chart)
    nodes = re.findall(r'^    \w+(?:\[|\{\{)"([^"]+)"', chart, re.MULTILINE)
    assert zones == ["cancel", "rollback", "finished"]
    assert nodes == [
        "Phase 1: prepare (2 steps, 2 gates, 1 h 5 min)",
        "Phase 2: window, 2.1 (1 step, 1 s)",
        "commit point: switchover",
        "Phase 2: window, 2.3 to 2.4 (1 step, 1 gate, 1 s)",
        "Phase 3: shift (2 steps, 1 gate, 10 min 2 s)",
        "no way back from: way-back",
    ]
    arrows = re.findall(r"^  (\w+) --> (\w+)$", chart, re.MULTILINE)
    assert len(arrows) == len(nodes) - 1 and all(one[1] == then[0] for one, then in pairwise(arrows))
