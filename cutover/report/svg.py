"""A small writer of SVG: every text is escaped, and nothing in a picture leads out of its file."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from math import ceil, floor, log10

from markupsafe import Markup

from cutover.runbook.markdown import visible

SMALL = 6.6  # pixels that one character of a small text takes, about
TIME_STEPS = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    10_800,
    21_600,
    43_200,
    86_400,
    172_800,
    604_800,
)


@dataclass(frozen=True)
class Scale:
    """Maps values from `low` to `high` onto pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        part = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.start + min(1.0, max(0.0, part)) * (self.end - self.start)


@dataclass
class Drawing:
    """One picture, `width` × `height` pixels; `title` and `says` tell it to those who cannot see it."""

    width: float
    height: float
    title: str
    says: str = ""
    _parts: list[str] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self._parts.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def box(self, x: float, y: float, width: float, height: float, kind: str, title: str = "") -> None:
        inside = f"<title>{_text(title)}</title>" if title else ""
        size = f'width="{max(0.0, width):.1f}" height="{height:.1f}"'
        self._parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size}>{inside}</rect>')

    def text(self, x: float, y: float, words: str, kind: str = "", *, anchor: str = "start") -> None:
        self._parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_text(words)}</text>')

    def path(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        if points:
            steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            self._parts.append(f'<polyline class="{kind}" points="{steps}"/>')

    def mark(self, x: float, y: float, shape: str, kind: str, title: str = "") -> None:
        """A dot, a square or a diamond: sides are told apart by shape, too."""
        inside = f"<title>{_text(title)}</title>" if title else ""
        if shape == "dot":
            self._parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5">{inside}</circle>')
            return
        r = 4.5 if shape == "diamond" else 3.2
        corners = [(x, y - r), (x + r, y), (x, y + r), (x - r, y)]
        if shape == "square":
            corners = [(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)]
        steps = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
        self._parts.append(f'<polygon class="{kind}" points="{steps}">{inside}</polygon>')

    def svg(self) -> Markup:
        size = f'viewBox="0 0 {self.width:.0f} {self.height:.0f}" width="{self.width:.0f}" height="{self.height:.0f}"'
        says = f"<desc>{_text(self.says)}</desc>" if self.says else ""
        # Every value was escaped where it was put in; what is joined here is this module's own markup.
        return Markup(f'<svg {size} role="img"><title>{_text(self.title)}</title>{says}{"".join(self._parts)}</svg>')


def _text(words: object) -> str:
    return escape(visible(words), quote=True)


def cut(words: str, pixels: float) -> str:
    """The words, shortened in their middle to what fits: the end of a name tells steps apart."""
    words = visible(words)
    most = max(3, int(pixels / SMALL))
    if len(words) <= most:
        return words
    head = (most - 1) // 2
    return words[:head] + "…" + words[len(words) - (most - 1 - head) :]


def clock(at: float, step: float) -> str:
    """A moment for an axis whose ticks are `step` seconds apart, UTC."""
    pattern = "%H:%M:%S" if step < 60 else "%H:%M" if step < 86_400 else "%m-%d"
    return time.strftime(pattern, time.gmtime(at))


def time_ticks(scale: Scale, *, apart: float = 90.0) -> Iterator[tuple[float, str]]:
    """Round moments at least `apart` pixels from each other, with their words; the day stands at the first of each day."""
    pixels = abs(scale.end - scale.start) or 1.0
    least = (scale.high - scale.low) * apart / pixels
    step = next((one for one in TIME_STEPS if one >= least), 604_800 * ceil(least / 604_800))
    at, day = ceil(scale.low / step) * step, ""
    while at <= scale.high:
        today = time.strftime("%m-%d", time.gmtime(at))
        words = clock(at, step)
        yield at, f"{today} {words}" if step >= 3600 and today != day and words != today else words
        day, at = today, at + step


def value_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round values from `low` to `high`."""
    span = (high - low) or 1.0
    raw = span / count
    size = 10 ** floor(log10(raw))
    step = next(size * part for part in (1, 2, 2.5, 5, 10) if size * part >= raw * 0.999)
    first = ceil(low / step - 1e-9)
    return [n * step for n in range(first, floor(high / step + 1e-9) + 1)]


def thinned(samples: Sequence[tuple[float, float]], scale: Scale) -> list[list[tuple[float, float]]]:
    """Samples as pieces of a line: at most two for each pixel, its least and its most; a hole of many steps ends a piece."""
    if not samples:
        return []
    gaps = sorted(b[0] - a[0] for a, b in pairwise(samples))
    hole = 4 * (gaps[len(gaps) // 2] if gaps else 1.0)
    pieces: list[list[tuple[float, float]]] = [[]]
    for number, one in enumerate(samples):
        if number and one[0] - samples[number - 1][0] > hole:
            pieces.append([])
        pieces[-1].append(one)
    return [_by_pixel(piece, scale) for piece in pieces]


def _by_pixel(piece: Sequence[tuple[float, float]], scale: Scale) -> list[tuple[float, float]]:
    columns: dict[int, list[tuple[float, float]]] = {}
    for one in piece:
        columns.setdefault(int(scale(one[0])), []).append(one)
    found = []
    for inside in columns.values():
        ends = {min(inside, key=lambda one: one[1]), max(inside, key=lambda one: one[1])}
        found += sorted(ends)
    return found
