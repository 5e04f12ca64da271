"""Every figure of the database part, each beside its reference in the same run: `invoke bench database`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from cutover.bench.comparing import compared
from cutover.bench.figures import Figures, Limit, Line, attempted, machine, parts_named, versions
from cutover.bench.growth import SHOP, Points, grown
from cutover.bench.in_window import in_window
from cutover.bench.measured_table import NARROW
from cutover.bench.pause import BARE, Load, direct, pooled
from cutover.bench.preflighting import preflighted
from cutover.bench.rolling_back import rolled_back
from cutover.bench.slow_store import far_away
from cutover.bench.unconditioned import unconditioned

PAUSE = (Limit("median", 100), Limit("worst", 250), Limit(BARE, 1.5))


@dataclass(frozen=True)
class Scale:
    """How much is measured: `load` for the pauses, `quiet` rounds of what varies little, rows and tables of the others."""

    load: Load
    growth: Load
    points: Points
    written: int
    comparisons: tuple[int, ...]
    window: int
    keyless: int
    tables: int
    quiet: int
    calls: int
    targets: bool = True

    def rounds(self, number: int) -> "Scale":
        """With another number of rounds, where the default is more."""
        few = min(number, self.quiet)
        load, growth = replace(self.load, rounds=number), replace(self.growth, rounds=few)
        return replace(self, load=load, growth=growth, quiet=few)


FULL = Scale(
    load=Load(rounds=20), growth=Load(rounds=3), written=50_000, comparisons=(1_000_000, 5_000_000),
    window=1_000_000, keyless=100_000, tables=1000, quiet=3, calls=500,
    points=Points(
        rows=(20_000, 200_000, 2_000_000), tables=(SHOP, 100, 1000, 2000), rate=(20, 500, 2000), databases=(1, 2, 4, 8)
    ),
)  # fmt: skip
_SMALL = Load(rounds=1, rate=200, clients=2, rows=300, calm=0.6)
QUICK = Scale(
    load=_SMALL, growth=_SMALL, written=500, comparisons=(20_000,), window=5000, keyless=500, tables=50, quiet=1, calls=5, targets=False,
    points=Points(rows=(300,), tables=(20,), rate=(300,), databases=(2,)),
)  # fmt: skip

Part = Callable[[Scale, Callable[[str], None]], Iterable[Line]]


def _validation(scale: Scale, say: Callable[[str], None]) -> Iterable[Line]:
    for rows in scale.comparisons:
        yield from attempted(f"comparing {rows:,} rows", partial(compared, rows, scale.quiet, say), say)
    rows = scale.comparisons[0]
    yield from attempted(f"comparing {rows:,} narrow rows", partial(compared, rows, scale.quiet, say, NARROW), say)


PARTS: dict[str, Part] = {
    "pause": lambda scale, say: direct(scale.load, PAUSE, say),
    "pgbouncer": lambda scale, say: pooled(replace(scale.load, pooled=True), say),
    "rollback": lambda scale, say: rolled_back(replace(scale.load, rounds=scale.quiet), scale.written, say),
    "store": lambda scale, say: far_away(replace(scale.load, rounds=scale.quiet), say),
    "lease": lambda scale, say: unconditioned(scale.calls, say),
    "validation": _validation,
    "window": lambda scale, say: in_window(scale.window, scale.quiet, scale.keyless, say),
    "preflight": lambda scale, say: preflighted(scale.tables, scale.quiet, say),
    "growth": lambda scale, say: grown(scale.growth, scale.points, say),
}


def chosen(only: str) -> Sequence[str]:
    """The parts named, separated by commas, or all; raises ConfigurationRefused for one that is not known."""
    return parts_named(PARTS, only)


def measure(parts: Sequence[str], scale: Scale, say: Callable[[str], None]) -> Figures:
    """Measures these parts one after another; one that fails says so in a line of its own."""
    title = "Database figures" if scale.targets else "Database figures, too small to mean anything"
    figures = Figures(title, f"{versions()}, {machine()}")
    for name in parts:
        say(f"{name}:")
        lines = figures.growth if name == "growth" else figures.lines
        for line in attempted(name, partial(PARTS[name], scale, say), say):
            lines.append(line if scale.targets else replace(line, limits=()))
    return figures
