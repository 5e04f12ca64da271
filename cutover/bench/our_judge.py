"""Our own verdict on simulated traffic: the check of production on the simulated counts, asked only where it could fail."""

import math
from dataclasses import dataclass, field
from functools import cache

from cutover.bench.simulated_cutover import EDGES, SLOWER_TICKS, TICK, Phase
from cutover.core.gate import Verdict
from cutover.metrics.bets import STAKES, Margin, log_evidence
from cutover.metrics.compared import EVERY_ALONE, Rule
from cutover.metrics.family import Family
from cutover.metrics.green_no_worse import GreenNoWorse
from cutover.metrics.onsets import EVERY, onsets
from cutover.metrics.tally import Histogram, Tally

_MOST = math.log1p(STAKES[-1])  # what one error on green can win


@dataclass
class Sequential:
    """`GreenNoWorse` at every tick, with its part of a family of so many phases."""

    name: str = "ours: sequential, by counts"
    family: Family = field(default_factory=lambda: Family(tests=1, phases=5))
    part: float = 1.0
    """Of the phase's alpha: that of the pass, where a share is taken again."""
    slower: float | None = 0.1
    margin: Margin = field(default_factory=Margin)
    slow_margin: Margin = field(default_factory=lambda: Margin(points=0.002))
    baseline: Tally | None = None
    spared: int = 0
    every_look: bool = False
    """Asks the check at every tick, also where nothing could come of it: slow, and the same answers."""
    said: str = ""

    def check(self, phase: Phase, ticks: int) -> GreenNoWorse:
        return GreenNoWorse(
            blue=lambda since, until: phase.counted("blue", since, until),
            green=lambda since, until: phase.counted("green", since, until),
            since=lambda: phase.begin,
            now=lambda: phase.begin + ticks * TICK,
            alpha=self.family.each * self.part,
            margin=self.margin,
            slower=self.slower,
            slow_margin=self.slow_margin,
            share=phase.share if self.baseline is None else None,
            baseline=self.baseline,
            spared=self.spared,
        )

    def asked(self, phase: Phase, ticks: int) -> bool:
        if ticks == 0 or not (self.every_look or self._could_fail(phase, ticks)):
            return False
        finding = self.check(phase, ticks).look()
        self.said = finding.seen
        return finding.verdict is Verdict.FAIL

    def _could_fail(self, phase: Phase, ticks: int) -> bool:
        """Whether the evidence could reach the threshold, from bounds above it.

        All onsets together are at most as many times the largest of them, all questions at most the largest of them, and the
        winnings at the share that was seen at least those at its bound.
        """
        found = _firsts(ticks, EVERY if self.baseline is None else EVERY_ALONE)
        least = (
            -math.log(self.family.each * self.part) + (0 if self.slower is None else math.log(2)) - math.log(len(found))
        )
        alone = self.baseline is not None
        slow = self.slower is not None and ticks % SLOWER_TICKS == 0
        (m, y), (n, x) = phase.green[ticks], phase.blue[ticks]
        share = min(m / (m + n), phase.share) if m else 1.0
        ours = phase.above_green[ticks // SLOWER_TICKS] if slow else ()
        others = phase.above_blue[ticks // SLOWER_TICKS] if slow else ()
        for first, log_part in found:
            (m0, y0), (n0, x0) = phase.green[first], phase.blue[first]
            m1, y1, n1, x1 = m - m0, y - y0, n - n0, x - x0
            if alone:
                limit = self.margin.allowed(self.baseline.rate if self.baseline else 0.0)
                if _most(max(0, y1 - self.spared), m1, limit) >= least - log_part:
                    return True
                continue
            if _beyond(self.margin, n1, x1, m1, y1) and self._reaches(
                self.margin, n1, x1, m1, y1, share, least - log_part
            ):
                return True
            if slow:
                ours0, others0 = phase.above_green[first // SLOWER_TICKS], phase.above_blue[first // SLOWER_TICKS]
                m1, n1 = ours[0] - ours0[0], others[0] - others0[0]
                for edge, other in _pairs(self.slower or 0.0):
                    y1, x1 = ours[other + 1] - ours0[other + 1], others[edge + 1] - others0[edge + 1]
                    if _beyond(self.slow_margin, n1, x1, m1, y1) and self._reaches(
                        self.slow_margin, n1, x1, m1, y1, share, least - log_part
                    ):
                        return True
        return False

    def _reaches(
        self, margin: Margin, others: int, theirs: int, requests: int, errors: int, share: float, least: float
    ) -> bool:
        """Whether one bet could win that much: without blue's errors it wins no more than against the margin's points."""
        if errors * _MOST < least or _most(errors, requests, margin.points) < least:
            return False
        return log_evidence(Tally(others, theirs), Tally(requests, errors), share, margin) >= least


def _most(errors: int, requests: int, limit: float) -> float:
    """The logarithm of what any stake wins against a rate of at most `limit`: n KL(rate, limit), or nothing below it."""
    rate = errors / requests if requests else 0.0
    if rate <= limit:
        return -math.inf
    if limit <= 0:
        return math.inf
    passed = (1 - rate) * math.log((1 - rate) / (1 - limit)) if rate < 1 else 0.0
    return requests * (rate * math.log(rate / limit) + passed)


def _beyond(margin: Margin, others: int, theirs: int, requests: int, errors: int) -> bool:
    """Whether green's rate lies above what the margin allows beside blue's."""
    return errors * others > (theirs * (1 + margin.percent / 100) + margin.points * others) * requests


@cache
def _firsts(ticks: int, every: float) -> tuple[tuple[int, float], ...]:
    """(tick, logarithm of its part) of each onset that is asked after so many ticks."""
    return tuple((round(onset.at / TICK), onset.log_part) for onset in onsets(0.0, ticks * TICK, every))


@cache
def _pairs(slower: float) -> list[tuple[int, int]]:
    """The edges of each question about latencies, by their place."""
    asked = Rule(0.01, Margin(), slower).questions(Histogram.of([], EDGES))
    return [(EDGES.index(edge), EDGES.index(other)) for edge, other in asked]
