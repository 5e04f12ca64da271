"""Whether green fails more often than blue: evidence that may be looked at any number of times, at any time.

A bet of fair odds against "green is no worse" is laid on every request. Under that hypothesis the winnings are a
non-negative supermartingale that begins at 1, so they ever reach 1/alpha with a chance of at most alpha (Ville, 1939; testing by
betting: Shafer, JRSS A 184, 2021; two streams of successes and failures: Turner, Ly and Grünwald, "Generic E-variables for
exact sequential k-sample tests that allow for optional stopping", J. Stat. Plan. Inference 230, 2024). However often one looks.

The hypothesis, for request i with everything before it known: it comes to green with a chance `w` that stays the same
(the share at rest), and if it would fail on blue with the chance b_i, it fails on green with at most (1 + t) b_i + d, where
`t` is the margin's percentage and `d` its points. The b_i may be anything and change at any time: a common incident, a burst and
a night are in the hypothesis, because blue's requests of the same moment stand for them. A bet that multiplies by

    f = 1 + stake                                    for an error on green,
    c = (1 - d f) / (1 - d)                          for a success on green,
    g = 1 - w (1 + t) stake / ((1 - w) (1 - d))      for an error on blue,
    1                                                for a success on blue

has the expectation w (p f + (1 - p) c) + (1 - w) (b g + 1 - b), with p = (1 + t) b + d the worst that is allowed: that is 1 for
every b, and less for every smaller p. So its logarithm is a function of the three counts alone: whoever has the counts has the
evidence, on any machine. The stake that would win most is not known, so equal parts of the money go on a ladder of stakes.

`w` is not known either. The bet wins less the larger `w` is, so the upper end of a confidence sequence for it is taken
(Robbins' mixture, Ann. Math. Stat. 41, 1970, with Beta(1/2, 1/2)), whose own chance to be wrong is part of alpha.

Requests that fail together (a client's retries, one user's session) are not new evidence each. Where at most `together` of
them hang together, the winnings to the power of 1/together are safe for any dependence among them (Hölder's inequality).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from cutover.core.binomial import at_most
from cutover.metrics.tally import Tally

STAKES = tuple(
    0.002 * 2**rung for rung in range(14)
)  # 0.002 to 16.4: a fifth of a percent more errors, and 17 times as many
SHARE_PART = 0.1  # of alpha goes on the bound of the share, or of the baseline's rate; the rest on the bets
NOTHING = float("-inf")


@dataclass(frozen=True)
class Margin:
    """How much worse green may be: `points` (0.01 is one in a hundred requests) and `percent` of blue's own rate.

    Without points a first error on green can be evidence where blue has none; without percent a share that is a little uneven
    can be taken for trouble.
    """

    points: float = 0.01
    percent: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.points < 1 or self.percent < 0:
            raise ValueError(f"a margin is 0 or more points below 1, and 0 or more percent: {self}")

    def allowed(self, rate: float) -> float:
        """What green's rate may be, beside this rate of blue."""
        return min(1.0, rate * (1 + self.percent / 100) + self.points)

    def __str__(self) -> str:
        return f"{self.points * 100:g} points and {self.percent:g} % of blue's rate"


def log_evidence(blue: Tally, green: Tally, share: float, margin: Margin, together: float = 1.0) -> float:
    """The logarithm of the winnings, with a share of green that is at most `share`; minus infinity when no bet is possible."""
    return _mean(
        _winnings(blue, green, stake, share, margin) / together
        for stake in STAKES
        if _blue_keeps(stake, share, margin) > 0 and margin.points * (1 + stake) < 1
    )


def _blue_keeps(stake: float, share: float, margin: Margin) -> float:
    """What an error on blue leaves of the money."""
    if share >= 1:
        return NOTHING
    return 1 - share * (1 + margin.percent / 100) * stake / ((1 - share) * (1 - margin.points))


def _winnings(blue: Tally, green: Tally, stake: float, share: float, margin: Margin) -> float:
    kept = _kept(stake, margin.points)
    return (
        green.errors * math.log1p(stake)
        + (green.requests - green.errors) * math.log(kept)
        + blue.errors * math.log(_blue_keeps(stake, share, margin))
    )


def _kept(stake: float, chance: float) -> float:
    """What a success leaves of the money, where an error has at most this chance."""
    return (1 - chance * (1 + stake)) / (1 - chance)


def log_evidence_against(rate: float, green: Tally, spared: int = 0, together: float = 1.0) -> float:
    """The logarithm of the winnings against "green's rate is at most `rate`": no blue beside it.

    `spared` errors are not held against green: what one incident may cost both sides. An error of an incident has taken the
    place of a success, so it counts as one.
    """
    if rate >= 1:
        return NOTHING
    errors = max(0, green.errors - spared)
    return _mean(
        (errors * math.log1p(stake) + (green.requests - errors) * math.log(_kept(stake, rate))) / together
        for stake in STAKES
        if rate * (1 + stake) < 1
    )


def _mean(logs: Iterable[float]) -> float:
    """The logarithm of the winnings of all stakes together, each of which has an equal part of the money."""
    return log_sum([one - math.log(len(STAKES)) for one in logs])


def log_sum(logs: list[float]) -> float:
    """log(sum(exp(each))), whatever their size."""
    most = max(logs, default=NOTHING)
    if most in (NOTHING, math.inf):
        return most
    return most + math.log(sum(math.exp(one - most) for one in logs))


def share_at_most(blue: int, green: int, alpha: float, together: float = 1.0) -> float:
    """A bound that green's share of the requests ever exceeds with a chance of at most alpha; 1 where blue had none."""
    if not blue:
        return 1.0
    ours, others, most = green / together, blue / together, -math.log(alpha)
    mixed = math.lgamma(ours + 0.5) + math.lgamma(others + 0.5) - math.lgamma(ours + others + 1) - math.log(math.pi)
    low, high = ours / (ours + others), 1.0
    while high - low > 1e-9 + 1e-6 * low:
        middle = (low + high) / 2
        said = mixed - ours * math.log(middle) - others * math.log1p(-middle) if middle > 0 else NOTHING
        low, high = (middle, high) if said < most else (low, middle)
    return high


@lru_cache(maxsize=256)
def rate_at_most(counted: Tally, alpha: float, together: float = 1.0) -> float:
    """The one-sided bound of Clopper and Pearson (Biometrika 26, 1934) for a rate that was counted once, over a fixed time.

    Requests that fail together make it wider as if there were so many times fewer of them: usual, and not exact.
    """
    errors, requests = math.ceil(counted.errors / together), math.floor(counted.requests / together)
    if errors >= requests:
        return 1.0
    low, high = errors / requests, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if at_most(errors, requests, middle) > alpha else (low, middle)
    return high


def growth(blue: float, green: float, share: float, margin: Margin) -> float:
    """What one request on green adds to the logarithm of the winnings on average, with these true rates and the best stake."""
    return max(
        (
            green * math.log1p(stake)
            + (1 - green) * math.log(_kept(stake, margin.points))
            + (1 - share) / share * blue * math.log(_blue_keeps(stake, share, margin))
            for stake in STAKES
            if _blue_keeps(stake, share, margin) > 0 and margin.points * (1 + stake) < 1
        ),
        default=0.0,
    )


def growth_against(limit: float, green: float) -> float:
    """The same against a limit, without a blue beside it."""
    return max(
        (
            green * math.log1p(stake) + (1 - green) * math.log(_kept(stake, limit))
            for stake in STAKES
            if limit * (1 + stake) < 1
        ),
        default=0.0,
    )
