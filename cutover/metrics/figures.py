"""What a condition knows of a figure, and whom it asks for the values."""

from dataclasses import dataclass
from typing import Literal, Protocol

from cutover.core.gate import Finding
from cutover.core.series import Gap, Reading, Span

Side = Literal["blue", "green", "both"]
BLUE, GREEN, BOTH = "blue", "green", "both"
SLACK = 3  # steps that are read beyond what is judged: the newest sample is never of this very moment
FEWEST = 8  # steps that are read at least: a series that has ended is seen to be stale before it is seen no more
SHORTEST = 20.0  # seconds, for the same reason, however near its samples are to each other


@dataclass(frozen=True)
class Known:
    """A figure of the environment: the unit of its values, and the side that it is measured on.

    `step` is the distance of its samples in seconds, `delay` how many seconds after the event its source usually has one.
    """

    unit: str = ""
    side: Side = "both"
    step: float = 15.0
    delay: float = 0.0


@dataclass(frozen=True)
class Figure:
    """A figure in a condition: its name, and what is known of it."""

    name: str
    known: Known

    @property
    def side(self) -> str:
        """The side that is judged: green, unless the figure is blue's alone."""
        return BLUE if self.known.side == BLUE else GREEN

    def span(self, now: float, seconds: float, step: float | None = None) -> Span:
        """What has to be read so that the last `seconds` before the newest sample can be judged."""
        step = step or self.known.step
        return Span(now - self.known.delay - max(seconds + SLACK * step, FEWEST * step, SHORTEST), now, step)


@dataclass(frozen=True)
class Asked:
    """One figure of one side over a span: what a condition will read."""

    name: str
    side: str
    span: Span


class Figures(Protocol):
    """The measured figures of an environment, by name and side; values are in the figure's unit."""

    def read(self, name: str, side: str, span: Span) -> Reading:
        """The samples of the figure on `blue` or `green`; trouble is a reading with a gap."""

    def baseline(self, name: str) -> float | None:
        """What was recorded for the figure before the cutover; None where nothing was."""


def unproven(asked: Asked, reading: Reading) -> Finding | None:
    """Why the reading proves nothing: blind where the source fails, insufficient where there is too little to see.

    Without samples there is too little, unless there were never any: then nobody would ever see anything.
    """
    what = f"{asked.name} on {asked.side}"
    if reading.gap is Gap.NEVER_THERE:
        return Finding.blind(f"{what}: {reading.gap.value}: {reading.seen}", "look at the figure's query")
    if reading.gap in (Gap.UNREACHABLE, Gap.STALE):
        return Finding.blind(f"{what}: {reading.gap.value}: {reading.seen}", "look at the figure's source")
    if reading.gap is not None:
        return Finding.not_yet(f"{what}: {reading.gap.value}: {reading.seen}")
    if not reading.samples:
        return Finding.not_yet(f"{what}: {Gap.NO_DATA.value}")
    return None
