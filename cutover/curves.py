"""Every figure of both sides over a span of time, as whoever tells of a run later needs it: bounded, and with gaps named."""

from dataclasses import dataclass
from math import isfinite

from cutover.core.clock import Deadline
from cutover.core.series import Reading, Span
from cutover.figures import Figures
from cutover.metrics.kept import Kept
from cutover.plans.means import Means

MOST = 720  # samples of one figure; where there would be more they are farther apart


@dataclass(frozen=True)
class Curve:
    """One figure of one side: samples as (seconds since the epoch, value in `unit`), all of them finite, oldest first.

    `gap` says why they are not the whole of it, None where they are; `seen` says it in a line. `step` is how many seconds apart
    they were asked for.
    """

    figure: str
    side: str
    unit: str
    samples: tuple[tuple[float, float], ...]
    gap: str | None
    seen: str
    step: float = 15.0

    @property
    def values(self) -> tuple[float, ...]:
        return tuple(value for _, value in self.samples)


def curves(means: Means, since: float, until: float, deadline: Deadline, most: int = MOST) -> list[Curve]:
    """All of them in the order of the environment, read at the same time; nothing is kept, and trouble is a named gap.

    `since` and `until` are seconds since the epoch. A source without a memory tells what was remembered of it on this machine.
    """
    figures = Figures(means, writes=False)
    found: dict[tuple[str, str], Reading] = {}
    wanted: dict[tuple[str, str], Span] = {}
    for asked in figures.asked:
        one = figures.one(*asked)
        span = Span(since, until, max(one.step, (until - since) / most))
        if isinstance(one.source, Kept) and (kept := one.source.remembered(one.query, span)).samples:
            found[asked] = kept  # a source without a memory knows only what is so by now
        else:
            wanted[asked] = span
    found |= figures.read_all(wanted, deadline)
    spaced = (until - since) / most
    return [
        _curve(name, side, one.unit, found[name, side], max(one.step, spaced))
        for name, side in figures.asked
        for one in [figures.one(name, side)]
    ]


def _curve(name: str, side: str, unit: str, reading: Reading, step: float) -> Curve:
    samples = tuple((one.at, one.value) for one in reading.samples if isfinite(one.value))
    return Curve(name, side, unit, samples, None if reading.gap is None else reading.gap.value, reading.seen, step)
