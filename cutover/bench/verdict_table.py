"""The figures of simulated verdicts as tables, and as one plot."""

import math
from collections.abc import Sequence
from html import escape

from cutover.bench.verdicts import PATIENCE, SOON, Again, Alone, Found, Rollbacks

HEALTHY = ("method", "healthy cutovers", "taken back", "rate (95 % interval)", "of those without an incident")
DELAYS = (
    "fault",
    "method",
    "runs",
    "median",
    "p95",
    f"within {SOON:.0f} s",
    "found in 30 min",
    "ended before the fault",
)
PHASE = ("a healthy hour", "runs", "failed", "rate (95 % interval)")
AGAIN = (
    "each share taken so often",
    "method",
    "healthy cutovers",
    "called worse",
    "rate (95 % interval)",
    "of those without an incident",
)
UNBROKEN = 3  # curves
COLOURS = ("#0b6e4f", "#b3541e", "#4056a1", "#8a6d00", "#7b2d8b", "#6b7280")
Row = Sequence[str]


def healthy_rows(counted: Sequence[Rollbacks]) -> list[Row]:
    return [
        HEALTHY,
        *(
            (one.judge, str(one.runs), str(one.back), _rate(one.back, one.runs, *one.bounds()), f"{one.quiet_back} of {one.quiet}")
            for one in counted
        ),
    ]  # fmt: skip


def delay_rows(found: Sequence[Found]) -> list[Row]:
    return [
        DELAYS,
        *(
            (
                one.scenario,
                one.judge,
                str(len(one.delays) + one.early),
                _seconds(one.quantile(0.5)),
                _seconds(one.quantile(0.95)),
                f"{one.within(SOON):.1%}",
                f"{one.within(PATIENCE):.1%}",
                str(one.early),
            )
            for one in found
        ),
    ]


def alone_rows(counted: Sequence[Alone]) -> list[Row]:
    return [
        PHASE,
        *((one.name, str(one.runs), str(one.back), _rate(one.back, one.runs, *one.bounds())) for one in counted),
    ]


def again_rows(counted: Sequence[Again]) -> list[Row]:
    return [
        AGAIN,
        *(
            (
                str(one.passes),
                one.name,
                str(one.runs),
                str(one.back),
                _rate(one.back, one.runs, *one.bounds()),
                f"{one.quiet_back} of {one.quiet}",
            )
            for one in counted
        ),
    ]


def _rate(count: int, runs: int, low: float, high: float) -> str:
    return f"{count / max(1, runs):.2%} ({low:.2%}–{high:.2%})"


def _seconds(delay: float) -> str:
    return "never" if delay == math.inf else f"{delay:,.0f} s"


def markdown(rows: Sequence[Row]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], ("---",) * len(rows[0]), *rows[1:]))


def aligned(rows: Sequence[Row]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def plot(counted: Sequence[Rollbacks], faulty: Sequence[Found], note: str) -> str:
    """Left: how many healthy cutovers are taken back; right: after how many seconds a fault is found. One SVG, light ground."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1240 560" font-family="system-ui, sans-serif" font-size="13">',
        '<rect width="1240" height="560" fill="#ffffff"/>',
        *_bars(counted, 240, 70, 270, 330),
        *_curves(faulty, 665, 70, 540, 330),
        f'<text x="20" y="546" fill="#4b5563" font-size="11">{escape(note)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _bars(counted: Sequence[Rollbacks], left: float, top: float, width: float, height: float) -> list[str]:
    parts = [*_title(20, "Healthy cutovers taken back", "per cent of all; the line is the 95 % interval")]
    for percent in (0, 25, 50, 75, 100):
        x = left + width * percent / 100
        parts += [_line(x, top, x, top + height, "#e5e7eb"), _text(x, top + height + 20, f"{percent} %", "middle")]
    step = height / len(counted)
    for number, (one, colour) in enumerate(zip(counted, COLOURS, strict=False)):
        y, rate = top + number * step + step / 2, one.back / max(1, one.runs)
        low, high = (left + width * bound for bound in one.bounds())
        parts += [
            f'<rect x="{left}" y="{y - step * 0.28:.1f}" width="{max(1.0, width * rate):.1f}" height="{step * 0.56:.1f}" fill="{colour}"/>',
            # On white: a thin dark line would be lost on a dark bar.
            _line(low, y, high, y, "#ffffff", 5),
            *(_line(x, y - 5, x, y + 5, "#111827", 1.5) for x in (low, high)),
            _line(low, y, high, y, "#111827", 1.5),
            _text(left - 8, y + 4, one.judge, "end"),
            _text(min(high, left + width) + 8, y + 4, f"{rate:.2%}" if rate < 0.01 else f"{rate:.1%}", "start"),
        ]
    return parts


def _curves(faulty: Sequence[Found], left: float, top: float, width: float, height: float) -> list[str]:
    longest = 900.0
    said = f"per cent of the runs: {faulty[0].scenario if faulty else ''}"
    parts = [*_title(left - 45, "A fault is found after so many seconds", said)]
    for percent in (0, 25, 50, 75, 100):
        y = top + height * (1 - percent / 100)
        parts += [_line(left, y, left + width, y, "#e5e7eb"), _text(left - 8, y + 4, f"{percent} %", "end")]
    for seconds in (0, 60, 180, 300, 450, 600, 750, 900):
        x = left + width * seconds / longest
        parts += [_line(x, top, x, top + height, "#e5e7eb"), _text(x, top + height + 20, f"{seconds}", "middle")]
    parts.append(
        _text(
            left + width / 2,
            top + height + 42,
            "seconds since the fault began; in brackets: half of the runs have found it",
            "middle",
        )
    )
    for number, (one, colour) in enumerate(zip(faulty, COLOURS, strict=False)):
        runs = len(one.delays) + one.early
        points, x, y = [], left, top + height
        for place, delay in enumerate(sorted(d for d in one.delays if d <= longest), 1):
            x = left + width * delay / longest
            points += [f"{x:.1f},{y:.1f}", f"{x:.1f},{(y := top + height * (1 - place / runs)):.1f}"]
        line = " ".join([f"{left},{top + height}", *points, f"{left + width},{y:.1f}"])
        # Several lie on each other: the later ones have gaps through which the earlier ones are seen.
        dashes = ' stroke-dasharray="9 9"' if number >= UNBROKEN else ""
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.5"{dashes}/>')
        # Below, where no curve runs: two columns of the methods in the order of the bars.
        rows = (len(faulty) + 1) // 2
        across, down = left - 45 + (number // rows) * 295, top + height + 68 + (number % rows) * 21
        parts += [
            _line(across, down, across + 30, down, colour, 3, dashes),
            _text(across + 38, down + 4, f"{one.judge} ({_seconds(one.quantile(0.5))})", "start"),
        ]
    return parts


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, wide: float = 1, more: str = "") -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}" stroke-width="{wide:g}"{more}/>'


def _text(x: float, y: float, said: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#111827">{escape(said)}</text>'


def _title(x: float, said: str, below: str) -> list[str]:
    return [
        f'<text x="{x}" y="28" font-size="15" font-weight="600" fill="#111827">{escape(said)}</text>',
        f'<text x="{x}" y="48" fill="#4b5563">{escape(below)}</text>',
    ]
