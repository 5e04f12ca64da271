"""An application that never stops writing: clients in a process of their own, each write noted when it is acknowledged.

`python -m cutover.bench.writers FILE RATE CLIENTS`, the address in BENCH_APPLICATION; ends at SIGTERM. A line of FILE is
`monotonic seconds, key, seconds that it took` for an acknowledged write, or `monotonic seconds, !, SQLSTATE` for a failed statement.
"""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import psycopg

# One transaction over two tables, as applications have them: such writers deadlock with a careless LOCK TABLE.
WRITE = """WITH counted AS (UPDATE public.counted SET n = n + 1 WHERE id = %(id)s),
 written AS (INSERT INTO public.written (key) VALUES (%(key)s) ON CONFLICT (key) DO NOTHING RETURNING key)
INSERT INTO public.loose SELECT key FROM written"""


@dataclass
class Notes:
    """What the writers noted: times in seconds of the system's monotonic clock."""

    acknowledged: list[tuple[float, str]] = field(default_factory=list)
    failed: list[tuple[float, str]] = field(default_factory=list)
    took: list[tuple[float, float]] = field(default_factory=list)
    """When each acknowledged write was acknowledged, and the seconds that it took."""

    @classmethod
    def read(cls, path: Path) -> "Notes":
        notes = cls()
        for line in path.read_text(encoding="utf-8").splitlines():
            at, key, more = line.split(",")
            if key == "!":
                notes.failed.append((float(at), more))
                continue
            notes.acknowledged.append((float(at), key))
            notes.took.append((float(at), float(more)))
        notes.acknowledged.sort()
        return notes

    def longest_gap(self, since: float, until: float) -> float:
        """The longest time in seconds between two acknowledged writes, whoever made them."""
        times = [at for at, _ in self.acknowledged if since <= at <= until]
        return max((after - before for before, after in itertools.pairwise(times)), default=float("nan"))

    def slowest(self, since: float, until: float) -> float:
        """The longest time in seconds that an acknowledged write took; it was acknowledged between the two."""
        return max((took for at, took in self.took if since <= at <= until), default=float("nan"))

    @property
    def per_second(self) -> float:
        """How many writes per second were acknowledged, pauses included."""
        times = [at for at, _ in self.acknowledged]
        return len(times) / max(times[-1] - times[0], 0.001) if times else 0.0

    def failures(self, since: float, until: float) -> int:
        return sum(since <= at <= until for at, _ in self.failed)


@contextmanager
def writing(application: str, path: Path, *, rate: int, clients: int) -> Iterator[None]:
    """The writers' process around the body."""
    argv = [sys.executable, "-m", "cutover.bench.writers", str(path), str(rate), str(clients)]
    process = subprocess.Popen(argv, env={**os.environ, "BENCH_APPLICATION": application})
    try:
        end = time.monotonic() + 20.0
        while not path.exists() or path.stat().st_size == 0:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the writers did not begin")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        finally:
            process.kill()
            process.wait()


class _Client(threading.Thread):
    def __init__(self, number: int, interval: float, sink: TextIO) -> None:
        super().__init__(daemon=True)
        self._number, self._interval, self._sink = number, interval, sink
        self._application = os.environ["BENCH_APPLICATION"]
        self.stopped = threading.Event()

    def run(self) -> None:
        connection: psycopg.Connection[tuple[object, ...]] | None = None
        due = time.monotonic()
        while not self.stopped.is_set():
            key = str(uuid.uuid4())
            while not self.stopped.is_set():
                try:
                    if connection is None:
                        connection = psycopg.connect(self._application, autocommit=True, prepare_threshold=None)
                    began = time.monotonic()
                    connection.execute(WRITE, {"id": self._number, "key": key})
                    self._sink.write(f"{(now := time.monotonic()):.6f},{key},{now - began:.6f}\n")
                    break
                except psycopg.Error as error:
                    if connection is not None:  # a refused connection is no failed statement
                        self._sink.write(f"{time.monotonic():.6f},!,{error.sqlstate}\n")
                        connection.close()
                    connection = None
                    self.stopped.wait(0.002)
            # What could not be written in time is not made up for by a burst afterwards.
            due = max(due + self._interval, time.monotonic() - 0.1)
            self.stopped.wait(max(0.0, due - time.monotonic()))


def main() -> None:
    path, rate, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    with open(path, "w", encoding="utf-8", buffering=1) as sink:
        clients = [_Client(number, count / rate, sink) for number in range(count)]
        for client in clients:
            client.start()
        over.wait()
        for client in clients:
            client.stopped.set()
        for client in clients:
            client.join(timeout=10)


if __name__ == "__main__":
    main()
