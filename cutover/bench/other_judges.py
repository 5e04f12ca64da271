"""How others decide that green goes back: for comparison on simulated traffic only, at their defaults.

Each is asked at every tick of one phase (`asked(phase, ticks)`) and says whether it would take green back now.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from cutover.bench.mann_whitney import greater, shift
from cutover.bench.simulated_cutover import TICK, Phase

MINUTE = round(60 / TICK)  # ticks


class Judge(Protocol):
    """One way to decide, for one cutover; a new one is made for each."""

    name: str

    def asked(self, phase: Phase, ticks: int) -> bool:
        """Whether green is taken back after so many ticks of this phase."""


def rate(counts: list[tuple[int, int]], first: int, last: int) -> float | None:
    """Errors by requests between two ticks; None where there were no requests."""
    requests, errors = (counts[last][part] - counts[first][part] for part in (0, 1))
    return errors / requests if requests else None


@dataclass
class FixedThreshold:
    """Error rate of the last five minutes above 5 %, asked at every tick; no requests are no trouble."""

    name: str = "fixed: > 5 % over 5 min"
    ticks: int = 5 * MINUTE

    def asked(self, phase: Phase, ticks: int) -> bool:
        if ticks < self.ticks:
            return False
        seen = rate(phase.green, ticks - self.ticks, ticks)
        return seen is not None and seen > 0.05


@dataclass
class Flagger:
    """fluxcd/flagger's request-success-rate: each 60 s at least 99 %, and the fifth failed check goes back.

    Failed checks do not decay while a canary is under way, and no values count as failed (pkg/metrics/providers/prometheus.go).
    """

    name: str = "Flagger: 5 checks < 99 %"
    threshold: int = 5
    _failed: int = 0

    def asked(self, phase: Phase, ticks: int) -> bool:
        if ticks == 0 or ticks % MINUTE:
            return False
        seen = rate(phase.green, ticks - MINUTE, ticks)
        self._failed += seen is None or seen > 0.01
        return self._failed >= self.threshold


@dataclass
class Argo:
    """argoproj/argo-rollouts' analysis with its default failureLimit 0: the first measurement below 95 % success ends it.

    Measured each 60 s. No values are an error there and not a failure; five in a row end the analysis too.
    """

    name: str = "Argo: failureLimit 0, < 95 %"
    _errors: int = 0

    def asked(self, phase: Phase, ticks: int) -> bool:
        if ticks == 0 or ticks % MINUTE:
            return False
        seen = rate(phase.green, ticks - MINUTE, ticks)
        self._errors = self._errors + 1 if seen is None else 0
        return self._errors > 4 or (seen is not None and seen > 0.05)


def minutes(counts: list[tuple[int, int]], first: int, last: int) -> Iterator[float]:
    """The error rate of each whole minute with requests."""
    for begin, end in pairwise(range(first, last + 1, MINUTE)):
        seen = rate(counts, begin, end)
        if seen is not None:
            yield seen


@dataclass
class Kayenta:
    """spinnaker/kayenta's MannWhitneyClassifier: 98 % interval, tolerance 0.25 of the Hodges-Lehmann estimate, direction increase.

    The points are minutes, of all the phase, judged each ten minutes; the metric is critical, so `High` fails the canary.
    Its documentation asks for 50 points; fewer than `least` are not judged.
    """

    name: str = "Kayenta: Mann-Whitney 98 %"
    every: int = 10 * MINUTE
    least: int = 10
    tolerance: float = 0.25

    def asked(self, phase: Phase, ticks: int) -> bool:
        if ticks == 0 or ticks % self.every or phase.share >= 1:
            return False
        green, blue = list(minutes(phase.green, 0, ticks)), list(minutes(phase.blue, 0, ticks))
        if min(len(green), len(blue)) < self.least or green == blue:
            return False
        found = shift(green, blue, 0.98)
        return found.low > self.tolerance * abs(found.estimate)


@dataclass
class LookedAtAgain:
    """A Mann-Whitney test at 5 % over the last half hour of minutes, asked each minute: what repeated looks do to it."""

    name: str = "Mann-Whitney 5 %, each minute"
    points: int = 30
    least: int = 10

    def asked(self, phase: Phase, ticks: int) -> bool:
        if ticks == 0 or ticks % MINUTE or phase.share >= 1:
            return False
        first = max(ticks % MINUTE, ticks - self.points * MINUTE)
        green, blue = list(minutes(phase.green, first, ticks)), list(minutes(phase.blue, first, ticks))
        return min(len(green), len(blue)) >= self.least and greater(green, blue) < 0.05
