"""Reads that are late: for some seconds after a write, AWS answers what it answered before it."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from typing import TypeVar

from cutover.world.aws_control import READS

MOST = 500  # answers that are kept; a question that names the time of day is asked only once
T = TypeVar("T")


class LateReads:
    """Keeps the answers since the last write; `seconds` is how late reads are, 0 by default.

    A question that was not asked between the last two writes is answered as it is now: nothing is older than the last write.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._until = float("-inf")
        self._before: dict[Hashable, object] = {}
        self._since: dict[Hashable, object] = {}
        self._lock = threading.Lock()

    def answer(self, operation: str, question: Hashable, fresh: T) -> T:
        """What is answered instead of `fresh`: the same, or for a read that comes soon after a write what it was before."""
        with self._lock:
            late = self.seconds > 0 and time.monotonic() < self._until
            if not operation.startswith(READS):
                # Of two writes in a hurry the first one is not seen, either.
                self._before = {**self._since, **self._before} if late else self._since
                self._since, self._until = {}, time.monotonic() + self.seconds
                return fresh
            if late and question in self._before:
                return self._before[question]  # type: ignore[return-value]
            self._since[question] = fresh
            if len(self._since) > MOST:
                del self._since[next(iter(self._since))]
            return fresh
