"""What is measured: samples with their times, and what is wrong with them where something is."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import isfinite
from typing import Protocol

from cutover.core.clock import Deadline

MISSED = 0.5  # below this part of the samples that a span should have, what came is partial


class Gap(Enum):
    """Why a reading proves nothing; nothing of this is ever `well`."""

    UNREACHABLE = "unreachable"
    """The source did not answer, or with an error."""
    NO_DATA = "no data"
    """It answered, and has nothing for that time."""
    NEVER_THERE = "never there"
    """It answers, and has had nothing since the run began: it is not asked for what was meant."""
    NOT_A_NUMBER = "not a number"
    """A rate of nothing by nothing, or an infinity: the newest sample says nothing."""
    STALE = "stale"
    """The newest sample is older than the source's own delay allows."""
    PARTIAL = "partial"
    """The source says that it has not looked at everything, or much fewer samples came than the span should have."""


@dataclass(frozen=True)
class Sample:
    """One value, and when it was so (seconds since the epoch)."""

    at: float
    value: float


@dataclass(frozen=True)
class Span:
    """The time that is asked about, in seconds since the epoch, and the distance of its samples in seconds."""

    since: float
    until: float
    step: float

    def __post_init__(self) -> None:
        if not self.since < self.until or self.step <= 0:
            raise ValueError(f"no span of time: {self}")

    def ending(self, at: float) -> "Span":
        """The same, up to `at` where that is later: a sample of now is taken after the span was asked for."""
        return Span(self.since, max(self.until, at), self.step)


@dataclass(frozen=True)
class Reading:
    """What a source had for a span: samples by time, and the gap that makes them no proof; `seen` says it in a line.

    `resets` counts how often a counter began anew in the span (its process was started again); its rates bear that.
    """

    samples: tuple[Sample, ...] = ()
    gap: Gap | None = None
    seen: str = ""
    resets: int = 0

    @property
    def newest(self) -> Sample | None:
        return self.samples[-1] if self.samples else None

    @classmethod
    def unreachable(cls, why: str) -> "Reading":
        """What came instead of an answer, in one line whatever its own lines are."""
        return cls(gap=Gap.UNREACHABLE, seen=" ".join(why.split()))


class Source(Protocol):
    """Where figures come from; one class for each technology, in that technology's room."""

    def read(self, query: str, span: Span, deadline: Deadline) -> Reading:
        """The samples of one figure over a span, within the deadline; trouble is a reading with a gap, never an exception.

        A source without a memory (a probe, a query of now) has one sample, of now.
        """

    def shell(self, query: str) -> str:
        """The command with which a person reads the same figure of now."""


def judged(samples: Sequence[Sample], span: Span, *, delay: float, resets: int = 0, remembers: bool = True) -> Reading:
    """The reading of these samples, with the gap that they show themselves.

    `delay` is how many seconds after the event the source usually has a sample; a newest sample that is older than that and
    two steps is stale. `remembers` is False for a source that has a sample of now only: it can't be partial.
    """
    ordered = tuple(sorted((one for one in samples if one.at <= span.until + span.step), key=lambda one: one.at))
    if not ordered:
        return Reading(gap=Gap.NO_DATA, seen="no samples", resets=resets)
    numbers = tuple(one for one in ordered if isfinite(one.value))
    age = span.until - ordered[-1].at
    if age > delay + 2 * span.step:
        return Reading(numbers, Gap.STALE, f"the newest sample is {age:.0f} s old", resets)
    if not isfinite(ordered[-1].value):
        return Reading(numbers, Gap.NOT_A_NUMBER, f"the newest sample is {ordered[-1].value}", resets)
    wanted = (span.until - delay - span.since) / span.step
    if remembers and len(numbers) < MISSED * wanted:
        return Reading(numbers, Gap.PARTIAL, f"{len(numbers)} of {wanted:.0f} samples", resets)
    return Reading(numbers, None, f"{numbers[-1].value:g}", resets)
