"""A few daemon threads for calls that may hang: nobody waits for one longer than he wants to, and their number is bounded."""

import contextvars
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from cutover.routing import forking

LONGEST_BUDGET = 86_400.0
"""Seconds; what waits longer than a day waits for ever."""


class TooLong(Exception):
    """The call did not end within its budget; it may still be running."""


class Call:
    """One call on its way. `answer` or `error` hold once `ended` is free."""

    __slots__ = ("answer", "began", "context", "ended", "error", "function", "took")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.context = contextvars.copy_context()
        self.answer: Any = None
        self.error: BaseException | None = None
        self.began = time.perf_counter()
        self.took = 0.0
        self.ended = threading.Lock()
        self.ended.acquire()

    def run(self) -> None:
        """In the worker's thread, which says afterwards that it has `ended`; raises nothing."""
        try:
            self.answer = self.context.run(self.function)
        except BaseException as error:  # noqa: BLE001  it belongs to whoever waits
            self.error = error
        finally:
            self.took = time.perf_counter() - self.began

    def wait(self, seconds: float) -> Any:
        """The answer, or what was raised; TooLong when it has not ended after so many seconds."""
        # A handler of a signal may have used the time up: what has ended meanwhile is no timeout.
        if not self.ended.acquire(timeout=max(0.0, seconds)) and not self.ended.acquire(blocking=False):
            raise TooLong
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # or frame and exception would keep each other alive
        return self.answer


class Workers:
    """At most `most` threads, started when they are needed; what finds none free is not queued."""

    def __init__(self, name: str, most: int) -> None:
        if most < 1:
            raise ValueError(f"{most} threads do no work: at least 1")
        self._name, self._most = name, most
        self.forked()
        forking.remember(self)

    def forked(self) -> None:
        self._lock = threading.RLock()
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._threads = 0
        self._running: set[Call] = set()

    def hanging(self, budget: float) -> int:
        """How many calls have been running for longer than that, in seconds."""
        now = time.perf_counter()
        with self._lock:
            return sum(now - call.began > budget for call in self._running)

    def begin(self, function: Callable[[], Any]) -> Call | None:
        """The call, begun; None when all threads are taken, or none can be started."""
        calls = self._calls
        with self._lock:
            if len(self._running) >= self._most:
                return None
            if self._threads <= len(self._running):
                try:
                    threading.Thread(
                        target=self._work, args=(calls,), name=f"cutover-{self._name}", daemon=True
                    ).start()
                except RuntimeError:  # the system has no more, or the interpreter is ending
                    return None
                self._threads += 1
            call = Call(function)
            self._running.add(call)
        calls.put(call)
        return call

    def close(self) -> None:
        """Ends the threads that are free; a hanging one ends with its call."""
        with self._lock:
            for _ in range(self._threads):
                self._calls.put(None)
            self._calls = queue.SimpleQueue()
            self._threads = 0
            self._running = set()

    def _work(self, calls: "queue.SimpleQueue[Call | None]") -> None:
        while (call := calls.get()) is not None:
            call.run()
            with self._lock:
                self._running.discard(call)
            call.ended.release()  # only now: whoever waits may begin the next one at once
            del call
