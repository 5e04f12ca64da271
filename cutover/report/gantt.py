"""The run as bars over time: one picture of all its phases, and one of each phase's steps and gates on a scale of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from cutover.report.blocks import took
from cutover.report.svg import Drawing, Scale, clock, cut, time_ticks
from cutover.run_views import CUTOVER

WIDE, NARROW = 960.0, 360.0
LEAST = 2.0  # pixels of the shortest bar
WAITS = {"soak": "soak", "answer": "answer", "standing": "standing", "nobody": "nobody"}


@dataclass(frozen=True)
class Row:
    """One bar: what it is called, its kind (a CSS class), its time, and what lies over it."""

    label: str
    kind: str
    began: float
    ended: float
    note: str
    over: tuple[tuple[str, float, float, str], ...] = ()


def overview(document: Mapping[str, Any], width: float) -> Markup:
    """All phases of the cutover and its way back on one scale, with what was waited for and the points of commit."""
    legs = [leg for leg in document["legs"] if leg["plan"] == CUTOVER]
    rows = [row for leg in legs for row in _phases(document, leg)]
    ended = max((row.ended for row in rows), default=document["outcome"]["began"] + 1.0)
    says = "; ".join(f"{row.label} {row.note}" for row in rows)
    return _bars(rows, document["outcome"]["began"], ended, width, "Timeline of the run", says, document["commits"])


def later(document: Mapping[str, Any], leg: Mapping[str, Any], width: float) -> Markup:
    """The phases of what was walked after the cutover, perhaps weeks later: on a scale of their own."""
    rows = list(_phases(document, leg))
    ended = max((row.ended for row in rows), default=leg["began"] + 1.0)
    says = "; ".join(f"{row.label} {row.note}" for row in rows)
    return _bars(rows, leg["began"], ended, width, f"Timeline of {leg['name']}", says, ())


def phase_pictures(document: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], list[Row]]]:
    """Each phase of each leg with the rows of its picture."""
    for leg in document["legs"]:
        for phase in leg["phases"]:
            way = "back" if leg["direction"] == "back" else ""
            rows = [_item_row(one, _end(phase, document), way) for one in items_of(leg, phase)]
            if rows:
                yield leg, phase, rows


def items_of(leg: Mapping[str, Any], phase: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The steps and gates of one time that the phase was entered: a leg may have entered it twice."""
    later = min((one["began"] for one in leg["phases"] if one["began"] > phase["began"]), default=float("inf"))
    return [one for one in leg["items"] if one["phase"] == phase["name"] and phase["began"] <= one["began"] < later]


def one_phase(
    document: Mapping[str, Any], leg: Mapping[str, Any], phase: Mapping[str, Any], rows: Sequence[Row], width: float
) -> Markup:
    """The steps and gates of one phase."""
    began, ended = phase["began"], max(_end(phase, document), *(row.ended for row in rows))
    commits = [one for one in document["commits"] if began <= one["at"] <= ended]
    title = f"Steps and gates of {phase['name']}, leg {leg['name']}"
    return _bars(rows, began, ended, width, title, "; ".join(f"{row.label} {row.note}" for row in rows), commits)


def _end(span_: Mapping[str, Any], document: Mapping[str, Any]) -> float:
    """When it ended; now, for the report, where it has not."""
    return float(document["written"] if span_["ended"] is None else span_["ended"])


def _phases(document: Mapping[str, Any], leg: Mapping[str, Any]) -> Iterator[Row]:
    way = "←" if leg["direction"] == "back" else "→"
    kind = "back" if leg["direction"] == "back" else "forward"
    for phase in leg["phases"]:
        ended = _end(phase, document)
        over = [
            (WAITS[wait["kind"]], wait["began"], _end(wait, document), wait["about"])
            for item in leg["items"]
            for wait in item["waits"]
            if item["phase"] == phase["name"] and phase["began"] <= item["began"] <= ended
        ]
        note = took(ended - phase["began"]) + ("" if phase["ended"] is not None else " so far")
        yield Row(f"{way} {phase['name']}", kind, phase["began"], ended, note, tuple(over))
    for wait in leg["waits"]:
        words = "nobody at work" if wait["kind"] == "nobody" else f"stood still: {wait['about']}"
        ended = _end(wait, document)
        yield Row(words, WAITS[wait["kind"]], wait["began"], ended, took(ended - wait["began"]))


def _item_row(item: Mapping[str, Any], end: float, way: str) -> Row:
    ended = end if item["ended"] is None else item["ended"]
    over = tuple(
        (WAITS[wait["kind"]], wait["began"], ended if wait["ended"] is None else wait["ended"], wait["about"])
        for wait in item["waits"]
    )
    well = item["result"] in ("done", "held already", "passed")
    kind = item["kind"] + way if well else "running" if item["ended"] is None else "bad"
    note = took(item["seconds"] if item["seconds"] is not None else ended - item["began"])
    return Row(item["name"], kind, item["began"], ended, note + ("" if well else f", {item['result']}"), over)


def _bars(
    rows: Sequence[Row],
    began: float,
    ended: float,
    width: float,
    title: str,
    says: str,
    commits: Sequence[Mapping[str, Any]],
) -> Markup:
    narrow = width < 600
    left, right = (8.0, 8.0) if narrow else (250.0, 150.0)
    each, top = (38.0, 22.0) if narrow else (24.0, 22.0)
    below = top + each * len(rows)
    drawing = Drawing(width, below + 26, title, says)
    scale = Scale(began, max(ended, began + 0.001), left, width - right)
    _axis(drawing, scale, top, below)
    for number, row in enumerate(rows):
        y = top + each * number
        bar = y + 19 if narrow else y + 5
        if narrow:
            drawing.text(left, y + 14, cut(row.label, width - 130), "label")
            drawing.text(width - right, y + 14, cut(row.note, 110), "note", anchor="end")
        else:
            drawing.text(left - 10, bar + 11, cut(row.label, left - 16), "label", anchor="end")
        _bar(drawing, scale, row, bar)
        if not narrow:
            drawing.text(width - right + 10, bar + 11, cut(row.note, right - 12), "note")
    for number, one in enumerate(commits):
        x = scale(one["at"])
        drawing.line(x, top - 4, x, below, "commit")
        drawing.mark(x, top - 6, "diamond", "commitmark", f"{one['step']}: {one['says']}")
        anchor = "end" if x > width - right - 90 else "start"
        words = one["says"] if number == 0 or x - scale(commits[number - 1]["at"]) > 90 else ""
        drawing.text(x - 8 if anchor == "end" else x + 8, top - 3, words, "note", anchor=anchor)
    return drawing.svg()


def _bar(drawing: Drawing, scale: Scale, row: Row, y: float) -> None:
    x, end = scale(row.began), scale(row.ended)
    wide = max(LEAST, end - x)
    x = min(x, scale.end - wide)
    drawing.box(x, y, wide, 14, f"bar {row.kind}", f"{row.label}: {row.note}")
    for kind, began, ended, about in row.over:
        drawing.box(scale(began), y + 4, max(1.0, scale(ended) - scale(began)), 6, f"bar {kind}", f"{kind}: {about}")


def _axis(drawing: Drawing, scale: Scale, top: float, below: float) -> None:
    seconds = scale.high - scale.low
    if seconds < 3:  # too short for the clock: seconds since its begin
        for part in (0.0, 0.25, 0.5, 0.75, 1.0):
            x = scale(scale.low + seconds * part)
            drawing.line(x, top, x, below, "grid")
            anchor = "start" if part == 0 else "end" if part == 1 else "middle"
            words = f"{clock(scale.low, 1)} UTC" if part == 0 else f"+{seconds * part:.2g} s"
            if part != 0.25 or scale.end - scale.start > 400:
                drawing.text(x, below + 17, words, "tick", anchor=anchor)
        return
    for at, words in time_ticks(scale):
        x = scale(at)
        drawing.line(x, top, x, below, "grid")
        drawing.text(x, below + 17, words, "tick", anchor="middle")
    if not list(time_ticks(scale)):
        drawing.text(scale.start, below + 17, clock(scale.low, 1), "tick")
