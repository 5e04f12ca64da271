"""The Mann-Whitney test with the interval of Hodges and Lehmann, as canary judges use it: for comparison, not for verdicts.

Mann and Whitney, Ann. Math. Stat. 18, 1947; Hodges and Lehmann, Ann. Math. Stat. 34, 1963; the normal approximation with ties
and continuity correction as in R's wilcox.test.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median


@dataclass(frozen=True)
class Shift:
    """By how much the first sample lies above the second: the estimate, and the interval of the asked confidence."""

    estimate: float
    low: float
    high: float


def u_statistic(ours: Sequence[float], others: Sequence[float]) -> float:
    """In how many pairs ours is the larger; equal ones count half."""
    ordered = sorted(others)
    return sum((bisect_left(ordered, one) + bisect_right(ordered, one)) / 2 for one in ours)


def greater(ours: Sequence[float], others: Sequence[float]) -> float:
    """The one-sided p-value of "ours tends to be larger"; 1 where all are equal."""
    count, other = len(ours), len(others)
    total = count + other
    ties = sum(often**3 - often for often in Counter([*ours, *others]).values())
    variance = count * other / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    return NormalDist().cdf(-(u_statistic(ours, others) - count * other / 2 - 0.5) / math.sqrt(variance))


def shift(ours: Sequence[float], others: Sequence[float], confidence: float) -> Shift:
    """The median of all differences, and the order statistics of them that the normal approximation of U names."""
    differences = sorted(one - other for one in ours for other in others)
    pairs = len(differences)
    spread = math.sqrt(pairs * (len(ours) + len(others) + 1) / 12)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    left_out = max(0, math.floor(pairs / 2 - z * spread - 0.5))
    return Shift(median(differences), differences[left_out], differences[pairs - 1 - left_out])
