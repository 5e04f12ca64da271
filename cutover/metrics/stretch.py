"""Whether something was so at every sample for long enough, when some of the samples may be missing."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from cutover.core.gate import Verdict
from cutover.metrics.units import lasting

HOLE = 2.5  # steps between two samples: one that failed to come is no hole, two are


@dataclass(frozen=True)
class Point:
    """One moment: whether the bound is broken there (None: it can't be said, `why`), and the values that say so."""

    at: float
    broken: bool | None
    value: float
    bound: float
    reference: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Stretch:
    """How long the bound has been broken: since when, at how many samples, and what that means."""

    verdict: Verdict
    newest: Point
    since: float
    samples: int
    why: str = ""


def stretch(points: Sequence[Point], step: float, seconds: float) -> Stretch:
    """FAIL when the bound is broken at every sample for the last `seconds`, PASS when at one of them it is not.

    A time without samples, or one that can't be judged, is neither: then it is not known yet. Points are ordered, at least one.
    """
    newest, since, count = points[-1], points[-1].at, 0
    for point in reversed(points):
        if since - point.at > HOLE * step:
            why = f"nothing was measured from {clock(point.at)} to {clock(since)}"
            return Stretch(Verdict.INSUFFICIENT, newest, since, count, why)
        if point.broken is None:
            return Stretch(Verdict.INSUFFICIENT, newest, since, count, point.why)
        if not point.broken:
            return Stretch(Verdict.PASS, newest, since, count)
        since, count = point.at, count + 1
        if newest.at - since >= seconds:
            return Stretch(Verdict.FAIL, newest, since, count)
    why = f"measured since {clock(since)} only, {lasting(round(newest.at - since))} of {lasting(seconds)}"
    return Stretch(Verdict.INSUFFICIENT, newest, since, count, why)


def clock(at: float) -> str:
    """A time of day, UTC."""
    return time.strftime("%H:%M:%S", time.gmtime(at))
