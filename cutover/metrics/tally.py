"""What was counted on one side: requests, errors among them, and how many took how long."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Histogram:
    """How many requests took at most each edge (seconds) and more than the one before; the last count is above all edges.

    What is between two edges is not known: every figure that is read from it is at most one bucket too high.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.edges) + 1 or not self.edges:
            raise ValueError(f"{len(self.edges)} edges have {len(self.edges) + 1} buckets, not {len(self.counts)}")
        if any(one >= other for one, other in pairwise(self.edges)) or min(self.counts) < 0:
            raise ValueError(f"edges rise and counts are never negative: {self}")

    @classmethod
    def of(cls, samples: Sequence[float], edges: Sequence[float]) -> "Histogram":
        """The histogram of raw samples (seconds)."""
        counts = [0] * (len(edges) + 1)
        for sample in samples:
            counts[bisect_left(edges, sample)] += 1
        return cls(tuple(edges), tuple(counts))

    @classmethod
    def from_cumulative(cls, at_most: dict[float, float]) -> "Histogram":
        """From counts of "at most so many seconds", as Prometheus' `le` buckets are; infinity must be among them.

        Counts that a rate has interpolated are rounded; one that falls where it should rise counts as the one before.
        """
        edges = sorted(at_most)
        if not edges or edges[-1] != float("inf"):
            raise ValueError("a histogram has a bucket without an upper edge (+Inf)")
        below, counts = 0, []
        for edge in edges:
            upto = max(below, round(at_most[edge]))
            counts.append(upto - below)
            below = upto
        return cls(tuple(edges[:-1]), tuple(counts))

    @property
    def total(self) -> int:
        return sum(self.counts)

    def above(self, edge: float) -> int:
        """How many took longer than this edge, which must be one of them."""
        return sum(self.counts[self.edges.index(edge) + 1 :])

    def quantile(self, part: float) -> float:
        """The upper edge of the bucket in which this part of all requests ends; infinity when that is above all edges."""
        seen = 0
        for edge, count in zip(self.edges, self.counts, strict=False):
            seen += count
            if seen >= part * self.total:
                return edge
        return float("inf")

    def __add__(self, other: "Histogram") -> "Histogram":
        if self.edges != other.edges:
            raise ValueError(f"histograms of different buckets do not add up: {self.edges} and {other.edges}")
        return Histogram(self.edges, tuple(one + more for one, more in zip(self.counts, other.counts, strict=True)))


@dataclass(frozen=True)
class Tally:
    """Requests of one side in a span of time, the errors among them, and their latencies where these are known."""

    requests: int
    errors: int
    latencies: Histogram | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.errors <= self.requests:
            raise ValueError(f"{self.errors} errors of {self.requests} requests")

    @property
    def rate(self) -> float:
        """Errors by requests; 0 where there were none."""
        return self.errors / self.requests if self.requests else 0.0

    def __str__(self) -> str:
        return f"{self.errors} errors of {self.requests} ({self.rate:.2%})"
