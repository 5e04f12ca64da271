"""One simulated cutover: what both sides count tick by tick, healthy or with a fault in green."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from random import Random
from statistics import NormalDist

from cutover.bench.draws import beta, binomial, multinomial, poisson
from cutover.metrics.tally import Histogram, Tally

TICK = 5.0  # seconds between two looks
SLOWER_TICKS = 6  # latencies are scraped and looked at every 30 s
EDGES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0)
MEDIAN, SIGMA = 0.1, 0.6  # log-normal latencies: p95 0.27 s; a hundredth has a tail four times as long
TAIL, LONGER = 0.01, 4.0
PHASES = ((0.05, 900.0), (0.25, 2700.0), (0.5, 3600.0), (0.95, 3600.0))  # (green's share, seconds)


@dataclass(frozen=True)
class Service:
    """What the traffic is like; rates are errors by requests, `per_second` is that of both sides together."""

    per_second: float
    errors: float
    incidents: float = 0.2
    """Common incidents an hour: 30 to 300 s in which 5 to 60 % of both sides' requests fail and all take up to 4 times as long."""
    common: float = 0.005
    own: float = 0.0005
    """How much the error rate varies from tick to tick: the correlation of a tick's requests, for both sides together and apart."""
    share_noise: float = 0.03
    """By how much of itself the share varies from tick to tick, in spite of its being at rest."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with green from `after` seconds of the first phase on."""

    name: str
    more: float = 0.0
    factor: float = 1.0
    longer: float = 0.0
    """Every request takes `factor` times as long, and `longer` seconds more."""
    leak: float = 0.0
    """Errors that rise by so much an hour."""
    after: float = 0.0

    def errors(self, rate: float, at: float) -> float:
        """Green's error rate, where blue's is `rate`."""
        if at < self.after:
            return rate
        return min(1.0, rate + (1 - rate) * (self.more + self.leak * (at - self.after) / 3600))

    def slowed(self, at: float) -> tuple[float, float]:
        return (self.factor, self.longer) if at >= self.after else (1.0, 0.0)


HEALTHY = Fault("healthy")


@dataclass
class Phase:
    """The counts of one phase, cumulated: entry k is what had been counted after k ticks (of latencies: after k scrapes)."""

    share: float
    begin: float
    blue: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])
    green: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])
    slow_blue: list[tuple[int, ...]] = field(default_factory=lambda: [(0,) * (len(EDGES) + 1)])
    slow_green: list[tuple[int, ...]] = field(default_factory=lambda: [(0,) * (len(EDGES) + 1)])

    above_blue: list[tuple[int, ...]] = field(default_factory=lambda: [(0,) * (len(EDGES) + 1)])
    above_green: list[tuple[int, ...]] = field(default_factory=lambda: [(0,) * (len(EDGES) + 1)])
    """The same scrapes as counts of all, and of those above each edge."""

    @property
    def ticks(self) -> int:
        return len(self.blue) - 1

    def counted(self, side: str, since: float, until: float) -> Tally:
        """As a store of metrics answers it: whole ticks (of latencies whole scrapes) from one time to the other."""
        first, last = round((since - self.begin) / TICK), round((until - self.begin) / TICK)
        counts = self.blue if side == "blue" else self.green
        slow = self.slow_blue if side == "blue" else self.slow_green
        early, late = min(first // SLOWER_TICKS, len(slow) - 1), min(last // SLOWER_TICKS, len(slow) - 1)
        latencies = Histogram(EDGES, tuple(b - a for a, b in zip(slow[early], slow[late], strict=True)))
        return Tally(counts[last][0] - counts[first][0], counts[last][1] - counts[first][1], latencies)

    def grow(
        self, dice: Random, weather: "Weather", service: Service, fault: Fault, until: float, *, slow: bool
    ) -> None:
        """Counts on, tick by tick, until that time."""
        while self.begin + self.ticks * TICK < until:
            at = self.begin + self.ticks * TICK
            mean, rate, slowed = weather.at(at)
            share = min(1.0, self.share * math.exp(dice.gauss(0.0, service.share_noise))) if self.share < 1 else 1.0
            for index, (counts, part) in enumerate(((self.blue, 1 - share), (self.green, share))):
                requests = poisson(dice, mean * part)
                true = fault.errors(rate, at) if index else rate
                errors = binomial(dice, requests, beta(dice, true, service.own)) if requests else 0
                counts.append((counts[-1][0] + requests, counts[-1][1] + errors))
            if slow and self.ticks % SLOWER_TICKS == 0:
                factor, longer = fault.slowed(at)
                usual, ours = buckets(round(slowed, 2)), buckets(round(slowed * factor, 2), longer)
                self._scrape(dice, self.blue, self.slow_blue, self.above_blue, usual)
                self._scrape(dice, self.green, self.slow_green, self.above_green, ours)

    @staticmethod
    def _scrape(
        dice: Random,
        counted: list[tuple[int, int]],
        slow: list[tuple[int, ...]],
        above: list[tuple[int, ...]],
        chances: tuple[float, ...],
    ) -> None:
        requests = counted[-1][0] - counted[-1 - SLOWER_TICKS][0]
        counts = tuple(a + b for a, b in zip(slow[-1], multinomial(dice, requests, chances), strict=True))
        slow.append(counts)
        above.append(tuple(accumulate(reversed(counts)))[::-1])


class Weather:
    """What befalls both sides alike: the day's pattern, bursts, the common error rate, incidents. Asked in order of time."""

    def __init__(self, dice: Random, service: Service, length: float) -> None:
        self._dice, self._service = dice, service
        self._day = dice.uniform(0, 2 * math.pi)
        self._incidents = list(_incidents(dice, service.incidents, length))
        self._burst = 0.0

    @property
    def quiet(self) -> bool:
        """Whether no incident befalls this cutover."""
        return not self._incidents

    def befalls(self, at: float, seconds: float, errors: float) -> None:
        """Puts one incident where it is wanted; latencies stay as they are."""
        self._incidents.append((at, at + seconds, errors, 1.0))

    def at(self, at: float) -> tuple[float, float, float]:
        """(requests that are expected in this tick, chance of an error on either side, factor of all latencies)."""
        dice, service = self._dice, self._service
        day = 1 + 0.5 * math.sin(2 * math.pi * at / 86_400 + self._day)
        if dice.random() < TICK / 600:  # a burst every ten minutes, that dies away within a minute
            self._burst = dice.uniform(0.5, 3.0)
        self._burst *= 0.75
        mean = service.per_second * TICK * day * (1 + self._burst) * dice.gammavariate(20, 1 / 20)
        rate, slowed = beta(dice, service.errors, service.common), 1.0
        for begin, end, errors, factor in self._incidents:
            if begin <= at < end:
                rate, slowed = rate + (1 - rate) * errors, slowed * factor
        return mean, rate, slowed


def _incidents(dice: Random, hourly: float, length: float) -> Iterator[tuple[float, float, float, float]]:
    at = dice.expovariate(hourly / 3600) if hourly else math.inf
    while at < length:
        yield at, at + dice.uniform(30, 300), dice.uniform(0.05, 0.6), dice.uniform(1.0, 4.0)
        at += dice.expovariate(hourly / 3600)


@cache
def buckets(factor: float, longer: float = 0.0) -> tuple[float, ...]:
    """The chance of each bucket, with all latencies `factor` times as long and `longer` seconds more."""
    below = [_at_most((edge - longer) / factor) if edge > longer else 0.0 for edge in EDGES]
    return tuple(b - a for a, b in zip([0.0, *below], [*below, 1.0], strict=True))


def _at_most(seconds: float) -> float:
    normal = NormalDist()
    usual = normal.cdf(math.log(seconds / MEDIAN) / SIGMA)
    return (1 - TAIL) * usual + TAIL * normal.cdf(math.log(seconds / (LONGER * MEDIAN)) / SIGMA)


def factor_for(more: float) -> float:
    """The factor that makes the 95th percentile `more` seconds longer."""
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(middle) < 0.95 else (low, middle)
    return (low + more) / low
