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
    """Keeps the last answer to each read; `seconds` is how late reads are, 0 by default."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._written = float("-inf")
        self._kept: dict[Hashable, object] = {}
        self._lock = threading.Lock()

    def answer(self, operation: str, question: Hashable, fresh: T) -> T:
        """What is answered instead of `fresh`: the same, or for a read that comes soon after a write what it was before."""
        with self._lock:
            if not operation.startswith(READS):
                self._written = time.monotonic()
                return fresh
            if question in self._kept and time.monotonic() - self._written < self.seconds:
                return self._kept[question]  # type: ignore[return-value]
            self._kept.pop(question, None)
            self._kept[question] = fresh
            if len(self._kept) > MOST:
                del self._kept[next(iter(self._kept))]
            return fresh
