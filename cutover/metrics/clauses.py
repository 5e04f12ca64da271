"""The parts of a condition: a figure above or below a bound, near to what it was, or growing."""

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cutover.core.gate import Finding, Verdict
from cutover.core.series import Sample
from cutover.metrics.bounds import ABSOLUTE, BASELINE, LEGACY, OPERATORS, SPOKEN, Bound, Unbounded
from cutover.metrics.figures import BLUE, Asked, Figure, Figures, unproven
from cutover.metrics.slope import fitted
from cutover.metrics.stretch import Point, Stretch, clock, stretch
from cutover.metrics.units import PERCENT, RATES, TIMES, Quantity, lasting, number, shown

COVERED = 0.9  # of the time over which a growth is measured; with less there is no growth yet
FEWEST = 8  # samples of which a growth is made


@dataclass(frozen=True)
class Held(ABC):
    """What the two kinds of clauses that look at single samples have in common: the figure, and what it is held against."""

    figure: Figure
    bound: Bound

    def asks(self, now: float, seconds: float) -> Iterator[Asked]:
        """What is read so that the last `seconds` can be judged."""
        span = self.figure.span(now, seconds)
        yield Asked(self.figure.name, self.figure.side, span)
        if self.bound.reference == LEGACY:
            yield Asked(self.figure.name, BLUE, span)

    def judge(self, figures: Figures, now: float, seconds: float) -> Finding:
        """FAIL when the clause was so at every sample of the last `seconds`."""
        read = []
        for asked in self.asks(now, seconds):
            reading = figures.read(asked.name, asked.side, asked.span)
            trouble = unproven(asked, reading)
            if trouble is not None:
                return trouble
            read.append(reading.samples)
        reference: float | None = None
        if self.bound.reference == BASELINE and (reference := figures.baseline(self.figure.name)) is None:
            return Finding.not_yet(f"{self.figure.name}: no baseline was recorded before the cutover", ABSOLUTE)
        step = self.figure.known.step
        pairs = list(beside(read[0], read[1], step)) if len(read) > 1 else [(one, reference) for one in read[0]]
        if not pairs:
            return Finding.not_yet(f"{self.figure.name}: no samples of blue and green at the same times")
        found = stretch([self._point(sample, other) for sample, other in pairs], step, seconds)
        return self._finding(found, seconds)

    def _point(self, sample: Sample, reference: float | None) -> Point:
        unit = self.figure.known.unit
        try:
            broken: bool | None = self.so(sample.value, reference)
            why = ""
        except Unbounded as unbounded:
            broken, why = None, str(unbounded)
        return Point(sample.at, broken, sample.value, self.bound.value(unit, reference), reference, why)

    @abstractmethod
    def so(self, value: float, reference: float | None) -> bool:
        """Whether the clause holds for one value; raises Unbounded where that can't be said."""

    @abstractmethod
    def told(self, reference: float | None) -> str:
        """What the value is held against, with its figures."""

    def _finding(self, found: Stretch, seconds: float) -> Finding:
        newest, unit = found.newest, self.figure.known.unit
        what = f"{self.figure.name} on {self.figure.side} is {shown(newest.value, unit)}"
        if newest.broken is None:
            return Finding.not_yet(f"{what}, and {found.why}", ABSOLUTE)
        seen = f"{what} ({'' if newest.broken else 'not '}{self.told(newest.reference)})"
        data = {
            "figure": self.figure.name,
            "side": self.figure.side,
            "value": newest.value,
            "bound": newest.bound,
            "unit": unit,
            "reference": newest.reference,
            "since": found.since if newest.broken else None,
            "samples": found.samples,
        }
        if found.verdict is Verdict.FAIL:
            samples = "" if found.samples == 1 else f" at all {found.samples} samples"
            since = f"{samples} since {clock(found.since)} UTC" if seconds else f" at {clock(newest.at)} UTC"
            return Finding(Verdict.FAIL, seen + since, data=data)
        if found.verdict is Verdict.INSUFFICIENT:
            return Finding(Verdict.INSUFFICIENT, f"{seen}; {found.why}", data=data)
        if newest.broken:
            been = lasting(round(newest.at - found.since))
            seen += f" since {clock(found.since)} UTC, {been} of {lasting(seconds)}"
        return Finding(Verdict.PASS, seen, data=data)


@dataclass(frozen=True)
class Limit(Held):
    """A figure on the wrong side of a bound: `p95 > legacy + 100ms`."""

    sign: str

    def __str__(self) -> str:
        return f"{self.figure.name} {self.sign} {self.bound}"

    def so(self, value: float, reference: float | None) -> bool:
        return self.bound.broken(self.sign, value, self.figure.known.unit, reference)

    def told(self, reference: float | None) -> str:
        return self.bound.told(self.sign, self.figure.known.unit, reference)

    def words(self) -> str:
        return f"{self.figure.name} on {self.figure.side} is {SPOKEN[self.sign]} {self.bound.words()}"


@dataclass(frozen=True)
class Around(Held):
    """A figure that has left, or must not leave, what is near to blue's or to its baseline: `kpi within 5% of baseline`.

    `wanted` says which: `within` is what is wanted, and `outside` is what is not. It holds, as a clause, when it is outside.
    """

    percent: float
    wanted: bool

    def __str__(self) -> str:
        word = "within" if self.wanted else "outside"
        return f"{self.figure.name} {word} {number(self.percent)}% of {self.bound.reference}"

    def so(self, value: float, reference: float | None) -> bool:
        if reference is None or reference == 0:
            if value == 0:
                return False
            raise Unbounded(f"{self.bound.reference} is 0, of which there are no percent")
        return abs(value - reference) > abs(reference) * self.percent / 100

    def told(self, reference: float | None) -> str:
        known = shown(reference or 0.0, self.figure.known.unit)
        return f"outside {number(self.percent)}% of {self.bound.reference} {known}"

    def words(self) -> str:
        return f"{self.figure.name} on {self.figure.side} is outside {number(self.percent)}% of {self.bound.words()}"


@dataclass(frozen=True)
class Growth:
    """A figure that grows too fast: `memory grows > 10%/h`.

    The growth is the slope of a straight line by Theil and Sen through the last `over` seconds; a percentage is of the line's
    own value at the beginning of that time.
    """

    figure: Figure
    sign: str
    much: Quantity
    per: str
    over: float

    def __str__(self) -> str:
        return f"{self.figure.name} grows {self.sign} {self.much}/{self.per} over {lasting(self.over)}"

    def asks(self, now: float, seconds: float) -> Iterator[Asked]:
        """What is read so that the growth over the time before now can be judged; `seconds` is 0."""
        step = max(self.figure.known.step, self.over / 120)
        yield Asked(self.figure.name, self.figure.side, self.figure.span(now, self.over, step))

    def judge(self, figures: Figures, now: float, seconds: float) -> Finding:
        """FAIL when it grows as the clause says."""
        (asked,) = self.asks(now, seconds)
        reading = figures.read(asked.name, asked.side, asked.span)
        trouble = unproven(asked, reading)
        if trouble is not None:
            return trouble
        samples = [one for one in reading.samples if one.at >= reading.samples[-1].at - self.over]
        covered = samples[-1].at - samples[0].at
        what = f"{self.figure.name} on {self.figure.side}"
        if covered < COVERED * self.over or len(samples) < FEWEST:
            been = f"{len(samples)} samples over {lasting(round(covered))} of {lasting(self.over)}"
            return Finding.not_yet(f"{what}: {been}")
        line, unit = fitted(samples), self.figure.known.unit
        grown = line.slope * TIMES[self.per]
        if self.much.unit == PERCENT and unit != PERCENT:
            if line.start <= 0:
                return Finding.not_yet(
                    f"{what} began at {shown(line.start, unit)}, of which there are no percent", ABSOLUTE
                )
            grown, bound, unit = 100 * grown / line.start, self.much.value, PERCENT
        else:
            bound = self.much.in_unit(unit)
        so = OPERATORS[self.sign](grown, bound)
        seen = (
            f"{what} is {shown(samples[-1].value, self.figure.known.unit)} and grows by {shown(grown, unit)}/{self.per} "
            f"({'' if so else 'not '}{self.sign} {self.much}/{self.per}), {len(samples)} samples since {clock(samples[0].at)} UTC"
        )
        data = {
            "figure": self.figure.name,
            "side": self.figure.side,
            "value": grown,
            "bound": bound,
            "unit": f"{unit}/{self.per}",
            "since": samples[0].at,
            "samples": len(samples),
        }
        return Finding(Verdict.FAIL if so else Verdict.PASS, seen, data=data)

    def words(self) -> str:
        speed = f"{SPOKEN[self.sign]} {self.much}/{self.per}"
        return f"{self.figure.name} on {self.figure.side} has grown by {speed} over the last {lasting(self.over)}"


@dataclass(frozen=True)
class AtLeast:
    """How many of something there must have been in the last `within` seconds, or there is no verdict.

    A figure with a unit such as /s is summed over time; any other one has a count of its own in each sample, and these are added.
    """

    count: float
    figure: Figure
    within: float | None = None

    def __str__(self) -> str:
        return f"at least {number(self.count)} {self.figure.name}" + (
            f" in {lasting(self.within)}" if self.within else ""
        )

    def asks(self, now: float, seconds: float, sides: Sequence[str]) -> Iterator[Asked]:
        for side in sides:
            yield Asked(self.figure.name, side, self.figure.span(now, self.within or seconds))

    def missing(self, figures: Figures, now: float, seconds: float, sides: Sequence[str]) -> Finding | None:
        """Why there were too few of them on one of the sides, or None when there were enough."""
        for asked in self.asks(now, seconds, sides):
            reading = figures.read(asked.name, asked.side, asked.span)
            trouble = unproven(asked, reading)
            if trouble is not None:
                return trouble
            counted = self.counted(reading.samples, self.within or seconds)
            if counted < self.count:
                seen = f"{counted:,.0f} of {number(self.count)} {asked.name} on {asked.side}"
                seen += f" in {lasting(self.within or seconds)}"
                return Finding.not_yet(seen, counted=counted, wanted=self.count)
        return None

    def counted(self, samples: Sequence[Sample], seconds: float) -> float:
        """How many there were in the last `seconds` before the newest sample."""
        known = self.figure.known
        each = RATES[known.unit] * known.step if known.unit in RATES else 1.0
        return sum(one.value for one in samples if one.at > samples[-1].at - seconds) * each


Clause = Limit | Around | Growth


def beside(mine: Sequence[Sample], theirs: Sequence[Sample], step: float) -> Iterator[tuple[Sample, float]]:
    """Each sample with the other side's value at that time, at most a step away; one without is left out."""
    times = [one.at for one in theirs]
    for sample in mine:
        place = bisect_left(times, sample.at)
        near = min(theirs[max(0, place - 1) : place + 1], key=lambda one: abs(one.at - sample.at), default=None)
        if near is not None and abs(near.at - sample.at) <= step:
            yield sample, near.value
