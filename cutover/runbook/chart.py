"""The plan as a Mermaid flowchart: one node for each phase, and one of its own where going back changes its meaning."""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from cutover.core.plain import span
from cutover.plan_words import Zone
from cutover.runbook.entries import Chapter, Entry
from cutover.runbook.markdown import Markdown, fence, label

PLAN, LATER = "p", "f"
_ZONES = {
    Zone.CANCEL: "cancel: nothing was switched yet",
    Zone.ROLLBACK: "rollback: the way back is kept",
    Zone.FINISHED: "finished: no way back",
}


def plan_chart(chapters: Sequence[Chapter], last: Sequence[Chapter] = ()) -> Markdown:
    """The phases in order, in their zones, in a fence; `last` are those of the plan that removes the way back."""
    return fence("\n".join(_lines(chapters, last)), "plan", "mermaid")


def _lines(chapters: Sequence[Chapter], last: Sequence[Chapter]) -> Iterator[str]:
    nodes = [*_nodes(chapters, PLAN), *_nodes(last, LATER)]
    yield "flowchart TD"
    for number, (zone, inside) in enumerate(groupby(nodes, key=lambda node: node[0]), 1):
        yield f"  subgraph z{number}[{label(_ZONES[zone])}]"
        yield from (f"    {name}{shape}" for _, name, shape in inside)
        yield "  end"
    yield from (f"  {one[1]} --> {then[1]}" for one, then in pairwise(nodes))


def _nodes(chapters: Sequence[Chapter], letter: str) -> Iterator[tuple[Zone, str, str]]:
    """(zone, name, shape with its label): a phase is cut where its zone changes, and the step that changes it stands alone."""
    for chapter in chapters:
        parts = [list(part) for _, part in groupby(chapter.entries, key=_place)]
        for place, part in enumerate(parts, 1):
            name = f"{letter}{chapter.number}" + (f"_{place}" if len(parts) > 1 else "")
            yield part[0].zone_after, name, _shape(_titled(chapter, part, letter), part)


def _titled(chapter: Chapter, part: Sequence[Entry], letter: str) -> str:
    title = f"Phase {chapter.number}: {chapter.phase.name}" if letter == PLAN else f"Later: {chapter.phase.name}"
    if len(part) == len(chapter.entries):
        return title
    return f"{title}, " + " to ".join(dict.fromkeys((part[0].number, part[-1].number)))


def _place(entry: Entry) -> tuple[Zone, bool]:
    return entry.zone_after, _crosses(entry)


def _crosses(entry: Entry) -> bool:
    return entry.zone is not entry.zone_after


def _shape(title: str, part: Sequence[Entry]) -> str:
    first = part[0]
    if _crosses(first):
        words = "no way back from" if first.step.one_way else "commit point" if first.step.commit_point else "from here"
        return "{{" + label(f"{words}: {first.item.name}") + "}}"
    steps = sum(entry.is_step for entry in part)
    counted = [_counted(steps, "step"), _counted(len(part) - steps, "gate")]
    said = ", ".join(words for words in (*counted, span(sum(entry.expected for entry in part))) if words)
    return f"[{label(f'{title} ({said})')}]"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}" if number else ""
