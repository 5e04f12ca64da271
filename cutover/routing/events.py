"""One JSON line for each call: component, outcome, duration, metadata. A request only puts it into a bounded queue."""

import json
import os
import queue
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from cutover.routing import forking, telling

SCHEMA = "cutover.event/1"


class Stream(Protocol):
    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class Events:
    """Writes events to a file, appended a batch at a time, or to a stream; what the queue cannot hold is dropped and counted.

    A file is opened anew for each batch, so that it may be moved away (logrotate); what cannot be written is dropped and
    counted too. `most` is the number of events that may wait. Keys, arguments and texts of exceptions are in no event.
    """

    def __init__(self, where: str | os.PathLike[str] | Stream, *, most: int = 10_000) -> None:
        self._where, self._most = where, most
        self.dropped = 0
        self.forked()
        forking.remember(self)

    def forked(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[float, str, str, float, Mapping[str, Any]] | threading.Event] = (
            queue.SimpleQueue()
        )
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self.dropped = 0

    def put(self, component: str, outcome: str, seconds: float, **metadata: Any) -> None:
        """One event; never waits, never raises. `outcome` is success, failure, fallback or mismatch."""
        if self._waiting.qsize() >= self._most:
            with self._lock:
                self.dropped += 1
            return
        self._waiting.put((time.time(), component, outcome, seconds, metadata))
        if self._thread is None:
            self._start()

    def flush(self, seconds: float = 1.0) -> bool:
        """Waits until what was put before is written; False when that takes longer."""
        done = threading.Event()
        self._waiting.put(done)
        self._start()
        return done.wait(seconds)

    def _start(self) -> None:
        with self._lock, suppress(RuntimeError):  # no more threads: events wait, and are dropped when the queue is full
            if self._thread is None:
                thread = threading.Thread(target=self._write, args=(self._waiting,), name="cutover-events", daemon=True)
                thread.start()
                self._thread = thread

    def _write(self, waiting: "queue.SimpleQueue[Any]") -> None:
        while True:
            batch, asked = [waiting.get()], []
            while len(batch) < 1000 and not isinstance(batch[-1], threading.Event):
                try:
                    batch.append(waiting.get_nowait())
                except queue.Empty:
                    break
            if isinstance(batch[-1], threading.Event):
                asked.append(batch.pop())
            if batch:
                try:
                    self._append("".join(_line(*one) for one in batch))
                except Exception as error:  # noqa: BLE001  a full disk or a closed stream is no reason to stop counting
                    with self._lock:
                        self.dropped += len(batch)
                    telling.warn("events", f"{len(batch)} could not be written: {type(error).__name__}")
            for one in asked:
                one.set()

    def _append(self, text: str) -> None:
        if isinstance(self._where, (str, os.PathLike)):
            with open(self._where, "a", encoding="utf-8") as file:
                file.write(text)
        else:
            self._where.write(text)
            self._where.flush()


def _line(at: float, component: str, outcome: str, seconds: float, metadata: Mapping[str, Any]) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    document = {
        "schema": SCHEMA,
        "at": f"{whole}.{int(at % 1 * 1000):03d}Z",
        "component": component,
        "outcome": outcome,
        "duration_ms": round(seconds * 1000, 3),
        "metadata": metadata,
    }
    return json.dumps(document, ensure_ascii=False, default=lambda other: type(other).__name__) + "\n"
