"""Response times in logarithmic bins of bounded number: quantiles with a stated error, and two histograms add up exactly."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, exp, log
from types import MappingProxyType

ERROR = 0.02
"""A quantile is off by at most this part of the true one, for times between SHORTEST and LONGEST seconds."""
SHORTEST = 1e-6
GAMMA = (1 + ERROR) / (1 - ERROR)
PER_LOG = 1 / log(GAMMA)
"""Bins for each factor of e: bin k > 0 holds SHORTEST × (GAMMA^(k-1), GAMMA^k]."""
BINS = 480
LONGEST = SHORTEST * GAMMA ** (BINS - 1)
"""About 210 s; what takes longer is counted in the last bin, what is shorter than SHORTEST in the first."""
SHIFT = log(SHORTEST) * PER_LOG


def bin_of(seconds: float) -> int:
    """The bin of one response time, 0 to BINS - 1; what is no positive number lies in bin 0."""
    if not seconds > SHORTEST:
        return 0
    return min(ceil(log(seconds) * PER_LOG - SHIFT), BINS - 1) if seconds < LONGEST else BINS - 1


def upper(number: int) -> float:
    """The longest time of a bin, in seconds: `le` of a Prometheus histogram."""
    return SHORTEST * exp(number / PER_LOG)


@dataclass(frozen=True)
class Histogram:
    """Counts by bin, without the empty ones, and the sum of all times in seconds.

    Bins and estimate are those of DDSketch (Masson, Rim, Lee: DDSketch, a fast and fully-mergeable quantile sketch with
    relative-error guarantees, PVLDB 12, 2019): with γ = (1 + α) / (1 − α), the middle 2γ^k / (γ + 1) of bin k is off by at
    most α. It has no collapsing: the bins are few and fixed, so that histograms of any two processes add up exactly.
    """

    counts: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    seconds: float = 0.0

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def quantile(self, q: float) -> float | None:
        """The time that the part `q` (0 to 1) of all does not exceed, in seconds, within ERROR; None without any."""
        if not 0 <= q <= 1:
            raise ValueError(f"{q} is no quantile: 0 to 1")
        rank, seen = max(1, ceil(q * self.total)), 0
        for number, count in sorted(self.counts.items()):
            seen += count
            if seen >= rank:
                return 2 * upper(number) / (GAMMA + 1) if number else SHORTEST
        return None

    def __add__(self, other: "Histogram") -> "Histogram":
        counts = dict(self.counts)
        for number, count in other.counts.items():
            counts[number] = counts.get(number, 0) + count
        return Histogram(MappingProxyType(counts), self.seconds + other.seconds)
