"""Green beside blue, by errors and by latency: the evidence of everything counted since a phase began."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from cutover.core.series import Gap
from cutover.metrics import bets
from cutover.metrics.bets import NOTHING, SHARE_PART, Margin
from cutover.metrics.onsets import EVERY, onsets
from cutover.metrics.tally import Histogram, Tally

EVERY_ALONE = 300.0  # seconds between two onsets where there is no blue to compare with
UNEVEN = 1.1  # times what was set is what a share at rest may be

Counted = Callable[[float, float], Tally | Gap]
"""What one side counted from one time to another (seconds since the epoch), or why that is not known.

It must say the same to everybody who asks for the same span, as a store of metrics does.
"""


class Unknown(Exception):
    """A side's counts are not known; the message says which and why."""


@dataclass(frozen=True)
class Rule:
    """What is compared: errors, or where `slower` is given, latencies: green's requests may take that many seconds longer.

    For latencies the errors of `bets` are the slow requests: on blue those that took longer than an edge of its histogram, on
    green those that took longer than the first edge at least `slower` seconds above it. Every edge is asked, with an equal part of
    the money, so the hypothesis is that at every moment green is at most `slower` seconds slower than blue at every quantile,
    give or take the margin (quantiles by the indicator of each value, as Howard and Ramdas do, "Sequential estimation of
    quantiles", Bernoulli 28, 2022). Where no edge lies exactly `slower` above another, green is allowed up to one bucket more.
    """

    alpha: float
    margin: Margin
    slower: float | None = None
    together: float = 1.0
    share: float | None = None
    """Green's share where it is known to be set: the bound then is at most a tenth more, with however few requests."""
    baseline: Tally | None = None
    spared: int = 0

    def questions(self, histogram: Histogram | None) -> tuple[tuple[float, float], ...]:
        """(edge for blue, edge for green) of each question; errors are one question without edges."""
        if self.slower is None or histogram is None:
            return ()
        edges = histogram.edges
        ends = ((edge, bisect_left(edges, edge + self.slower - 1e-12)) for edge in edges)
        return tuple((edge, edges[end]) for edge, end in ends if end < len(edges))

    def share_at_most(self, blue: Tally, green: Tally) -> float:
        """The bound of green's share, from what both sides counted and, where it is known, from what was set."""
        counted = bets.share_at_most(blue.requests, green.requests, self.alpha * SHARE_PART, self.together)
        return counted if self.share is None else min(counted, self.share * UNEVEN)

    @property
    def every(self) -> float:
        """Seconds between two onsets: without a blue beside it, a short while in which all goes worse looks like a fault."""
        return EVERY if self.baseline is None else EVERY_ALONE

    @property
    def threshold(self) -> float:
        """The logarithm of the winnings that are proof; what remains of alpha is spent on the share or the baseline."""
        return -math.log(self.alpha * (1 - SHARE_PART))


@dataclass(frozen=True)
class Evidence:
    """The logarithm of the winnings, what was counted since the phase began, and since when green looks worst (seconds)."""

    log: float
    threshold: float
    blue: Tally
    green: Tally
    share: float
    onset: float
    limit: float | None = None
    """The rate that green may have, where there is a baseline instead of a blue side."""

    @property
    def proven(self) -> bool:
        return self.log >= self.threshold

    def __str__(self) -> str:
        return f"evidence {_number(self.log)} of {_number(self.threshold)}"


def _number(log: float) -> str:
    return f"{math.exp(log):,.3g}" if log < 13 else f"e^{log:.0f}"


@dataclass
class Counts:
    """Both sides' counts of one look, asked once for each span: from an onset until `now`."""

    blue: Counted
    green: Counted
    now: float

    def __post_init__(self) -> None:
        self._known: dict[tuple[str, float], Tally] = {}

    def since(self, at: float, *, alone: bool = False) -> tuple[Tally, Tally]:
        """(blue, green) since that time; `alone` asks green only. Raises Unknown."""
        return (Tally(0, 0) if alone else self._of("blue", self.blue, at)), self._of("green", self.green, at)

    def _of(self, side: str, counted: Counted, at: float) -> Tally:
        if (side, at) not in self._known:
            tally = counted(at, self.now)
            if isinstance(tally, Gap):
                why = getattr(counted, "trouble", "")
                raise Unknown(f"{side}: {tally.value}" + (f": {why}" if why else ""))
            self._known[side, at] = tally
        return self._known[side, at]


def evidence(rule: Rule, counts: Counts, since: float) -> Evidence:
    """The evidence that green is worse than the rule allows, over all onsets since the phase began. Raises Unknown.

    Where green looks no worse than is allowed, the bets have won nothing, so that they are not reckoned up.
    """
    alone = rule.baseline is not None
    blue, green = counts.since(since, alone=alone)
    share = 1.0 if alone else rule.share_at_most(blue, green)
    limits = _limits(rule, green)
    logs, worst = [], (NOTHING, since)
    for onset in onsets(since, counts.now, rule.every):
        others, ours = counts.since(onset.at, alone=alone)
        # A share that moves would make an incident of that moment look like green's: its own requests count as well.
        here = max(share, _share(others, ours))
        log = onset.log_part + _won(rule, others, ours, here, limits)
        logs.append(log)
        worst = max(worst, (log, onset.at))
    limit = limits.get(None) if rule.slower is None else None
    return Evidence(bets.log_sum(logs), rule.threshold, rule.baseline or blue, green, share, worst[1], limit)


def _share(blue: Tally, green: Tally) -> float:
    return green.requests / max(1, blue.requests + green.requests)


Edges = tuple[float, float] | None


def _limits(rule: Rule, green: Tally) -> Mapping[Edges, float]:
    """What green's rate may be for each question, from the upper bound of the baseline's; empty without a baseline."""
    if rule.baseline is None:
        return {}
    asked = list(_asked(rule, rule.baseline, green))
    alpha = rule.alpha * SHARE_PART / max(1, len(asked))
    return {edges: rule.margin.allowed(bets.rate_at_most(blue, alpha, rule.together)) for edges, blue, _ in asked}


def _asked(rule: Rule, blue: Tally, green: Tally) -> Iterator[tuple[Edges, Tally, Tally]]:
    """Each question with the counts that answer it. Raises Unknown where there are no latencies, or of different buckets."""
    if rule.slower is None:
        yield None, blue, green
        return
    for side, tally in (("blue", blue), ("green", green)):
        if tally.latencies is None and tally.requests:
            raise Unknown(f"{side}: no latencies")
    ours, others = green.latencies, blue.latencies
    if ours is None or others is None:
        return
    if ours.edges != others.edges:
        raise Unknown("the sides' latencies have different buckets")
    for edges in rule.questions(ours):
        yield edges, Tally(others.total, others.above(edges[0])), Tally(ours.total, ours.above(edges[1]))


def _won(rule: Rule, blue: Tally, green: Tally, share: float, limits: Mapping[Edges, float]) -> float:
    asked = list(_asked(rule, rule.baseline or blue, green))
    logs = []
    for edges, other, ours in asked:
        if rule.baseline is not None:
            if ours.rate > limits[edges]:
                logs.append(bets.log_evidence_against(limits[edges], ours, rule.spared, rule.together))
        elif ours.rate > rule.margin.allowed(other.rate):
            logs.append(bets.log_evidence(other, ours, share, rule.margin, rule.together))
    return bets.log_sum(logs) - math.log(len(asked)) if logs else NOTHING
