"""The plan as an operator reviews it: one page, from the document that text and JSON show too."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cutover.core.plain import text
from cutover.core.plan import Plan
from cutover.core.step import Step
from cutover.plan_rows import CHANGED, HOLDS, LEGEND, MADE, TAKEN_AWAY, sign
from cutover.plan_words import Zone
from cutover.rehearsed import Rehearsed
from cutover.reviewed import BLIND
from cutover.runbook import decision
from cutover.runbook.book import Book
from cutover.runbook.chart import plan_chart
from cutover.runbook.entries import chapters, first_zone
from cutover.runbook.html import page
from cutover.runbook.markdown import Markdown, anchor

KINDS = {MADE: "made", CHANGED: "changed", TAKEN_AWAY: "taken", HOLDS: "holds"}


@dataclass(frozen=True)
class _Later:
    """A plan that a command of its own walks later, with its steps that have no way back and their signs."""

    name: str
    anchor: Markdown
    steps: list[tuple[Step[Any], str]]


def review(
    book: Book, document: Mapping[str, Any], times: Rehearsed, *, at: float, rehearsed_on: str | None = None
) -> str:
    """The page; `document` is `plan_document`'s of the cutover, `at` when it was observed (seconds since the epoch)."""
    rows = {row.get("step") or row["gate"]: row for row in document["items"]}
    forward = chapters(book.plan, start=first_zone(book.plan))
    last = chapters(book.finish, start=Zone.ROLLBACK) if book.finish else ()
    tree = decision.tree(book)
    return page(
        "review.html.j2",
        title=f"Plan for review: cutover of {book.environment}",
        book=book,
        document=document,
        rows=rows,
        chapters=forward,
        steps=sum("step" in row for row in document["items"]),
        blind=_blind(document),
        phases={chapter.phase.name: times.phases.get(chapter.phase.name) for chapter in forward},
        runs=_runs(document),
        unread=times.unread,
        rehearsed_on=rehearsed_on,
        later=list(_later(book)),
        legend=LEGEND,
        kinds=KINDS,
        crossings=_crossings(book),
        tree=tree,
        tree_chart=_inside(decision.as_mermaid(tree)),
        plan_chart=_inside(plan_chart(forward, last)),
        invoke=lambda task: f"invoke {task} --env {shlex.quote(book.environment)}",
        at=at,
    )


def _blind(document: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Each reason why steps could not be observed, with how many there are."""
    seen = (str(row["now"]) for row in document["items"] if "step" in row)
    return Counter(now.removeprefix(BLIND) for now in seen if now.startswith(BLIND)).most_common()


def _runs(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The runs that the shown times are from, the newest first: (run, environment, day)."""
    took = [row["took"] for row in document["items"] if row.get("took")]
    newest = {(one["run"], one["environment"]): one["at"] for one in sorted(took, key=lambda one: float(one["at"]))}
    shown = sorted(newest.items(), key=lambda found: -found[1])
    return [(run, environment, at) for (run, environment), at in shown]


def _later(book: Book) -> Iterator[_Later]:
    plans: tuple[Plan | None, ...] = (book.finish, book.decommission)
    for plan in plans:
        steps = [(s, sign(text(s.before), text(s.after))) for _, s in plan.steps() if s.one_way] if plan else []
        if plan and steps:
            yield _Later(plan.name, anchor("later", plan.name), steps)


def _crossings(book: Book) -> dict[str, str]:
    """What it means that a step has brought the plan into the next zone."""
    if book.plan.commit_steps():
        back = "From here it is no cancel any more but a rollback: traffic and writes go back to blue, and no write is lost."
    else:
        back = "From here it is no cancel any more but a rollback: traffic goes back to blue; no write has to."
    return {Zone.ROLLBACK.value: back, Zone.FINISHED.value: "From here there is no way back."}


def _inside(fenced: str) -> str:
    """What stands between the first and the last line of a fenced block."""
    return "\n".join(fenced.split("\n")[1:-1])
