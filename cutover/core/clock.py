"""Time, so that tests can own it: a clock, deadlines, and the interrupt that ends every wait."""

import time
from dataclasses import dataclass, field
from typing import Protocol


class Clock(Protocol):
    """Wall time for the record, monotonic time for deadlines."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Waits; never longer than asked by more than scheduling takes."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True)
class Deadline:
    """A point in monotonic time; what is asked of others must fit into `remaining()`."""

    clock: Clock = field(repr=False)
    at: float

    @classmethod
    def after(cls, seconds: float, clock: Clock | None = None) -> "Deadline":
        """The deadline that is `seconds` from now."""
        clock = clock or SystemClock()
        return cls(clock, clock.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left, 0 when it has passed."""
        return max(0.0, self.at - self.clock.monotonic())

    @property
    def expired(self) -> bool:
        return self.clock.monotonic() >= self.at

    def within(self, seconds: float) -> "Deadline":
        """The earlier of this deadline and `seconds` from now."""
        return Deadline(self.clock, min(self.at, self.clock.monotonic() + seconds))


class Interrupt:
    """Set by a signal handler; looked at between polls, so that a stop falls on a journal boundary."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def set(self, signal_number: int) -> None:
        self.signal_number = signal_number


class Backoff:
    """Pauses between polls: 2 ms first so that a fast change costs nothing, then slower, at most `longest` s."""

    def __init__(self, clock: Clock, *, first: float = 0.002, factor: float = 1.6, longest: float = 1.0) -> None:
        self._clock = clock
        self._next = first
        self._factor = factor
        self._longest = longest

    def pause(self, deadline: Deadline | None = None) -> None:
        seconds = self._next if deadline is None else min(self._next, deadline.remaining())
        self._next = min(self._next * self._factor, self._longest)
        self._clock.sleep(seconds)
