"""How the write pause grows: with rows, tables, write rate, and databases; each point on servers of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from cutover.bench.figures import Line, attempted
from cutover.bench.pause import Load, measure
from cutover.bench.switching import SIDES

SHOP = 16  # tables that are there anyway


@dataclass(frozen=True)
class Points:
    """What is varied, and through which values; everything else is as in the `Load` that it begins with."""

    rows: tuple[int, ...]
    tables: tuple[int, ...]
    rate: tuple[int, ...]
    databases: tuple[int, ...]


def grown(load: Load, points: Points, say: Callable[[str], None]) -> Iterator[Line]:
    """Two lines for each point; a point that fails says so and the others go on."""
    loads = {
        **{f"{rows:,} rows": replace(load, rows=rows) for rows in points.rows},
        **{f"{tables:,} tables": replace(load, tables=max(0, tables - SHOP)) for tables in points.tables},
        **{f"{rate:,} writes/s": replace(load, rate=rate, clients=max(load.clients, rate // 250)) for rate in points.rate},
        **{f"{n} database{'s' * (n > 1)}": replace(load, databases=n) for n in points.databases},
    }  # fmt: skip
    for name, one in loads.items():
        yield from attempted(name, partial(_point, name, one, say), say)


def _point(name: str, load: Load, say: Callable[[str], None]) -> Iterator[Line]:
    seen = measure(load, say)
    for way in SIDES:
        yield seen.line(f"{name}, {way}", way, seen=f"{seen.shown_phases(way)} · {seen.told}")
