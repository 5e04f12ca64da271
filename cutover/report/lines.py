"""What was measured over the run as lines: the share of green, each figure of both sides, and what the customers saw."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from cutover.metrics.units import shown
from cutover.report.shares import by_whom
from cutover.report.svg import Drawing, Scale, cut, thinned, time_ticks, value_ticks

TOP, BELOW = 46.0, 28.0
MARKS = 14  # marks along a line, by which it is known without its colour
FAR = 4.0  # times the highest value: a bound above that would press the lines flat
SHAPES = ("dot", "square", "diamond")


@dataclass(frozen=True)
class Line:
    """One line: its name, its kind (a CSS class) and the shape of its marks, and its points; `steps` holds each value up to the next."""

    name: str
    kind: str
    shape: str
    points: Sequence[tuple[float, float]]
    steps: bool = False
    dots: bool = False


def share(document: Mapping[str, Any], width: float) -> Markup:
    """The share that was asked for, as steps for each hostname, and what was seen of it."""
    lines = [
        Line(f"asked, {host}", f"asked asked{number % 3}", SHAPES[number % 3], points, steps=True)
        for number, (host, points) in enumerate(_asked(document))
    ]
    for number, (name, seen) in enumerate(by_whom(document["share"]["observed"])):
        points = [(float(one["at"]), float(one["percent"])) for one in seen]
        shape = SHAPES[(number + 1) % 3]
        lines.append(Line(f"seen, {name}", f"seen seen{number % 4}", shape, points, dots=len(points) < 40))
    return _chart(document, lines, (0.0, 100.0), "Share of green", lambda value: f"{value:g} %", [], width)


def figure(document: Mapping[str, Any], name: str, width: float) -> Markup:
    """One figure of both sides, with the bounds of the triggers on it."""
    figures = document["figures"]
    mine = [one for one in figures["curves"] if one["figure"] == name]
    unit = mine[0]["unit"]
    shapes = {"blue": "dot", "green": "square"}
    lines = [
        Line(one["side"], one["side"], shapes.get(one["side"], "diamond"), _inside(figures, one["samples"]))
        for one in mine
    ]
    bounds = [
        (float(clause["bound"]), f"{trigger['trigger']}: {clause['clause']}")
        for trigger in document["triggers"]
        for clause in trigger["clauses"]
        if clause["figure"] == name and clause["fixed"]
    ]
    values = [value for line in lines for _, value in line.points]
    return _chart(document, lines, _range(values, bounds), name, lambda value: shown(value, unit), bounds, width)


def customers(document: Mapping[str, Any], what: str, width: float) -> Markup:
    """What the customers' own ledger says: `failed` (percent of their requests) or `p95_ms`."""
    pieces = document["customers"]["pieces"]
    if what == "failed":
        points = [(one["at"], 100.0 * one["failed"] / one["requests"]) for one in pieces]
        unit, title = "%", "Requests that failed, as the customers saw it"
    else:
        points = [(one["at"], one["p95_ms"]) for one in pieces if one["p95_ms"] is not None]
        unit, title = "ms", "95th percentile of the answers' time, as the customers saw it"
    lines = [Line("both sides", "both", "diamond", points)]
    return _chart(document, lines, _range([b for _, b in points], []), title, lambda v: shown(v, unit), [], width)


def _inside(figures: Mapping[str, Any], samples: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """Without what a source that has no memory says of now, long after the run."""
    return [(at, value) for at, value in samples if figures["since"] <= at <= figures["until"]]


def _asked(document: Mapping[str, Any]) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """Each hostname's share from the run's begin to its end."""
    moves = document["share"]["asked"]
    outcome = document["outcome"]
    end = document["written"] if outcome["ended"] is None else outcome["ended"]
    for host in dict.fromkeys(one["host"] for one in moves):
        points = [(float(one["at"]), float(one["percent"])) for one in moves if one["host"] == host]
        points = [one for one in points if one[0] <= end] or points[:1]
        yield host, [(outcome["began"], 0.0), *points, (max(end, points[-1][0]), points[-1][1])]


def _range(values: Sequence[float], bounds: Sequence[tuple[float, str]]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=0.0)
    high = max([high, *(bound for bound, _ in bounds if bound <= FAR * high or not high)])
    high = 1.0 if low == high == 0 else high
    low = 0.0 if 0 <= low <= high / 2 else low - 0.1 * ((high - low) or abs(high) or 1.0)
    return low, high + 0.08 * ((high - low) or 1.0)


def _chart(
    document: Mapping[str, Any],
    lines: Sequence[Line],
    bounds_of_values: tuple[float, float],
    title: str,
    words: Callable[[float], str],
    bounds: Sequence[tuple[float, str]],
    width: float,
) -> Markup:
    since, until = document["figures"]["since"], document["figures"]["until"]
    left = 66.0 if width > 600 else 54.0
    rows = _legend_rows(lines, width)
    top = TOP + 18 * (rows - 1)
    height = top + (190.0 if width > 600 else 170.0) + BELOW
    says = "; ".join(f"{line.name}: {_told(line, words)}" for line in lines)
    drawing = Drawing(width, height, title, says)
    x = Scale(since, max(until, since + 1.0), left, width - 12)
    y = Scale(*bounds_of_values, height - BELOW, top)
    _bands(drawing, document, x, y)
    for value in value_ticks(*bounds_of_values):
        drawing.line(left, y(value), width - 12, y(value), "grid")
        drawing.text(left - 6, y(value) + 4, words(value), "tick", anchor="end")
    for at, told in time_ticks(x):
        drawing.line(x(at), y.start, x(at), y.start + 4, "axis")
        drawing.text(x(at), height - 8, told, "tick", anchor="middle")
    drawing.line(left, y.start, width - 12, y.start, "axis")
    _bounds(drawing, bounds, bounds_of_values, x, y, words)
    for line in lines:
        _line(drawing, line, x, y)
    _legend(drawing, lines, width)
    return drawing.svg()


def _told(line: Line, words: Callable[[float], str]) -> str:
    values = [value for _, value in line.points]
    return f"{words(min(values))} to {words(max(values))}" if values else "no samples"


def _bands(drawing: Drawing, document: Mapping[str, Any], x: Scale, y: Scale) -> None:
    free = -1.0
    for leg in document["legs"]:
        if leg["began"] > x.high:  # what ends blue later is no part of this time
            continue
        for number, phase in enumerate(leg["phases"]):
            end = document["written"] if phase["ended"] is None else phase["ended"]
            a, b = x(phase["began"]), x(end)
            kind = "bandback" if leg["direction"] == "back" else f"band{number % 2}"
            drawing.box(a, y.end, max(1.0, b - a), y.start - y.end, f"band {kind}", f"{leg['name']}: {phase['name']}")
            if b - a > 7 * len(phase["name"]) and a >= free:
                drawing.text(a + 2, y.end - 5, phase["name"], "band")
                free = b
    for one in document["commits"]:
        drawing.line(x(one["at"]), y.end, x(one["at"]), y.start, "commit")
        drawing.mark(x(one["at"]), y.start, "diamond", "commitmark", f"from here on {one['says']}")


def _bounds(
    drawing: Drawing,
    bounds: Sequence[tuple[float, str]],
    of_values: tuple[float, float],
    x: Scale,
    y: Scale,
    words: Callable[[float], str],
) -> None:
    above = [f"{name} ({words(bound)})" for bound, name in bounds if bound > of_values[1]]
    for bound, name in bounds:
        if of_values[0] <= bound <= of_values[1]:
            drawing.line(x.start, y(bound), x.end, y(bound), "bound")
            under = y(bound) - y.end < 26
            drawing.text(x.end - 4, y(bound) + (14 if under else -5), cut(name, x.end - x.start), "bound", anchor="end")
    if above:
        told = cut("above this picture: " + "; ".join(above), x.end - x.start)
        drawing.text(x.end - 4, y.end + 26, told, "bound", anchor="end")


def _line(drawing: Drawing, line: Line, x: Scale, y: Scale) -> None:
    points = list(line.points)
    if line.steps:
        points = [points[0]]
        for (_, before), (at, value) in pairwise(line.points):
            points += [(at, before), (at, value)]
    if not line.dots:
        for piece in [points] if line.steps else thinned(points, x):
            drawing.path([(x(at), y(value)) for at, value in piece], f"line {line.kind}")
    every = 1 if line.dots or line.steps else max(1, len(points) // MARKS)
    for at, value in (line.points if line.steps else points)[::every]:
        drawing.mark(x(at), y(value), line.shape, f"mark {line.kind}")


def _legend_rows(lines: Sequence[Line], width: float) -> int:
    return max((row for _, _, row in _legend_places(lines, width)), default=0) + 1


def _legend_places(lines: Sequence[Line], width: float) -> Iterator[tuple[Line, float, int]]:
    x, row = 8.0, 0
    for line in lines:
        need = 44.0 + 7.2 * min(len(line.name), 44)
        if x + need > width and x > 8.0:
            x, row = 8.0, row + 1
        yield line, x, row
        x += need


def _legend(drawing: Drawing, lines: Sequence[Line], width: float) -> None:
    for line, x, row in _legend_places(lines, width):
        y = 14.0 + 18 * row
        if not line.dots:
            drawing.path([(x, y), (x + 26, y)], f"line {line.kind}")
        drawing.mark(x + 13, y, line.shape, f"mark {line.kind}")
        drawing.text(x + 32, y + 4, cut(line.name, 310), "label")
