"""The exact binomial distribution: whether a number of draws fits a share, without a normal approximation.

The test is equal-tailed: twice the smaller tail, so it rejects a share exactly where the interval of Clopper and Pearson
(Biometrika 26, 1934) leaves it out, and its false alarms are at most alpha for any number of draws.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

NEGLIGIBLE = 1e-17  # of a tail's sum: what a term may be before the rest is left out


def at_most(seen: int, draws: int, chance: float) -> float:
    """P(X <= seen) for X draws out of `draws` with this chance each."""
    if seen < 0:
        return 0.0
    if seen >= draws or chance == 0:
        return 1.0
    if chance == 1:
        return 0.0
    if seen >= draws * chance:  # the other tail is the smaller one, and a small number keeps its digits
        return 1.0 - _outwards(draws - seen - 1, draws, 1 - chance)
    return _outwards(seen, draws, chance)


def at_least(seen: int, draws: int, chance: float) -> float:
    """P(X >= seen)."""
    return at_most(draws - seen, draws, 1 - chance)


def _outwards(seen: int, draws: int, chance: float) -> float:
    """P(X <= seen) summed from `seen` down; quick where `seen` lies below the mean, because the terms fall off there."""
    log = math.lgamma(draws + 1) - math.lgamma(seen + 1) - math.lgamma(draws - seen + 1)
    term = math.exp(log + seen * math.log(chance) + (draws - seen) * math.log1p(-chance))
    total, odds = term, (1 - chance) / chance
    for count in range(seen, 0, -1):
        term *= count / (draws - count + 1) * odds
        total += term
        if term < total * NEGLIGIBLE:
            break
    return min(total, 1.0)


def p_value(seen: int, draws: int, least: float, most: float) -> float:
    """How likely a result at least this far off is, if the true chance is anywhere from `least` to `most` (1 inside)."""
    if seen < draws * least:
        return min(1.0, 2 * at_most(seen, draws, least))
    if seen > draws * most:
        return min(1.0, 2 * at_least(seen, draws, most))
    return 1.0


def bounds(draws: int, least: float, most: float, alpha: float) -> tuple[int, int]:
    """The fewest and the most of `draws` that are no reason to doubt a chance from `least` to `most` at this alpha."""
    low = _first(0, draws, lambda count: p_value(count, draws, least, 1.0) >= alpha)
    high = _first(0, draws, lambda count: p_value(draws - count, draws, 0.0, most) >= alpha)
    return low, draws - high


def _first(low: int, high: int, suits: Callable[[int], bool]) -> int:
    """The first number from `low` on that suits; all after it do, and `high` does."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if suits(middle) else (middle + 1, high)
    return low


def interval(seen: int, draws: int, alpha: float) -> tuple[float, float]:
    """The chances that `seen` of `draws` is no reason to doubt (Clopper-Pearson, by bisection of the tails)."""
    low = 0.0 if seen == 0 else _root(lambda chance: at_least(seen, draws, chance) < alpha / 2)
    high = 1.0 if seen == draws else _root(lambda chance: at_most(seen, draws, chance) >= alpha / 2)
    return low, high


def _root(below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2


def draws_for(chance: float, precision: float, confidence: float = 0.95) -> int:
    """Draws that find the rarer side's share to within `precision` of itself (0.2 is ±20 %).

    n = z² (1 - p) / (p precision²), from the normal approximation of the estimate's spread; for a share of 0 or 1 the
    number that bounds the absent side by a hundredth, see `absent_below`.
    """
    rarer = min(chance, 1 - chance)
    if rarer <= 0:
        return math.ceil(math.log(1 - confidence) / math.log1p(-0.01))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return math.ceil(z * z * (1 - rarer) / (rarer * precision * precision))


def absent_below(draws: int, confidence: float = 0.95) -> float:
    """The largest share of a side that was in none of the draws: 1 - (1 - confidence)^(1/n), about 3/n at 95 %."""
    return -math.expm1(math.log(1 - confidence) / draws) if draws else 1.0
