"""The cap on a storm of failures: a candidate that fails too often is not asked for a while."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from cutover.routing import forking, telling


@dataclass(frozen=True, kw_only=True)
class StormCap:
    """When the candidate is spared: after `failures` of its calls, and `rate` of all, failed within `window` seconds.

    It is then left alone for `pause` seconds; one call tries it, and if that fails too, twice as long, up to `longest`.
    Raises ValueError for values that would never spare it, or always.
    """

    failures: int = 5
    rate: float = 0.1
    window: float = 10.0
    pause: float = 1.0
    longest: float = 30.0

    def __post_init__(self) -> None:
        if self.failures < 1 or not 0 < self.rate <= 1 or not 0 < self.window or not 0 < self.pause <= self.longest:
            raise ValueError(f"no cap: {self}: at least one failure, a rate above 0 and up to 1, 0 < pause ≤ longest")


class Storm:
    """Whether one candidate is asked now. A candidate that is well costs one look at `calm`."""

    def __init__(
        self, name: str, cap: StormCap, requests: Callable[[], int], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._name, self._cap, self._requests, self._clock = name, cap, requests, clock
        self.calm = True
        """Nothing stands against asking."""
        self._since, self._failures, self._before = clock(), 0, 0
        self._until, self._pause = 0.0, 0.0
        self._trying = False
        self.forked()
        forking.remember(self)

    def forked(self) -> None:
        # Also entered from a signal's handler, in the thread that holds it.
        self._lock = threading.RLock()
        self._trying = False
        self._before = 0

    def asks(self) -> bool:
        """While not calm: True for the one call that tries it, which then says `passed`, `failed(tried=True)` or `left`."""
        with self._lock:
            if self.calm:
                return True
            if self._trying or self._clock() < self._until:
                return False
            self._trying = True
            return True

    def passed(self) -> None:
        """The call that tried it was answered."""
        with self._lock:
            if self._trying:
                self.calm, self._trying = True, False
                self._begin(self._clock())

    def left(self) -> None:
        """The call that tried it was broken off from outside, and proves nothing."""
        with self._lock:
            self._trying = False

    def failed(self, tried: bool = False) -> None:
        """A call of the candidate failed, or hangs."""
        with self._lock:
            now = self._clock()
            if not self.calm:
                if tried:
                    self._spare(now)
                return  # or it is one that had begun before
            if now - self._since > self._cap.window:
                self._begin(now)
                self._pause = 0.0
            self._failures += 1
            if self._failures >= self._cap.failures:
                # This call itself may be counted a moment later.
                asked = max(self._requests() - self._before, self._failures)
                if self._failures >= self._cap.rate * asked:
                    self._spare(now)

    def _begin(self, now: float) -> None:
        self._since, self._failures, self._before = now, 0, self._requests()

    def _spare(self, now: float) -> None:
        self._pause = min(2 * self._pause, self._cap.longest) if self._pause else self._cap.pause
        self._until, self._trying, self.calm = now + self._pause, False, False
        telling.warn(f"{self._name}: storm", f"the candidate fails too often, and is not asked for {self._pause:g} s")
