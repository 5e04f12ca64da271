"""How fast a figure grows, whatever single samples do."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from cutover.core.series import Sample

MOST = 240  # samples whose pairs are looked at; more are thinned out evenly


@dataclass(frozen=True)
class Line:
    """The straight line through a figure: its value at the first sample, and what is added each second."""

    start: float
    slope: float


def fitted(samples: Sequence[Sample]) -> Line:
    """The line by Theil and Sen: the median of the slopes of all pairs, which up to 29 % of wild samples do not turn.

    Needs two samples of different times, else raises ValueError (P. K. Sen, 1968, JASA 63, 1379-1389).
    """
    every = -(-len(samples) // MOST)
    taken = samples[::every] if every > 1 else samples
    slopes = [
        (later.value - one.value) / (later.at - one.at)
        for number, one in enumerate(taken)
        for later in taken[number + 1 :]
        if later.at > one.at
    ]
    if not slopes:
        raise ValueError("a slope needs samples of two moments")
    slope, first = median(slopes), taken[0].at
    return Line(median(one.value - slope * (one.at - first) for one in taken), slope)
