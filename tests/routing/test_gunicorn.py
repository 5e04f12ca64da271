"""The exporter under gunicorn: workers that share a folder, are replaced and killed, and lose no count."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from test_exposition import read

HERE = Path(__file__).parent


class Over(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


class Shop:
    def __init__(self, process: "subprocess.Popen[bytes]", path: Path) -> None:
        self.process, self.path = process, path

    def asked(self, path: str) -> tuple[int, str, str]:
        connection = Over(self.path)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.getheader("X-Worker", "")
        finally:
            connection.close()

    def serves(self, begin: int, end: int) -> set[int]:
        """Routed requests; every one is answered by legacy in the end. Gives the workers that answered."""
        workers = set()
        for number in range(begin, end):
            status, body, worker = self.asked(f"/{number}")
            assert (status, body) == (200, f"/{number}")
            workers.add(int(worker))
        return workers

    def counted(self) -> float:
        """Requests that the exporter knows of."""
        status, text, _ = self.asked("/metrics")
        assert status == 200, text
        return read(text).get('cutover_requests_total{flag="search",side="legacy"}', 0.0)

    def counts(self, wanted: int, *, from_: float) -> None:
        """Waits until all are counted; the count must not fall meanwhile."""
        end, seen = time.monotonic() + 30, from_
        while seen != wanted:
            assert time.monotonic() < end, seen
            before, seen = seen, self.counted()
            assert before <= seen <= wanted
            time.sleep(0.02)


@contextmanager
def shop(folder: Path, every: str, workers: int) -> Iterator[Shop]:
    counts, path = folder / "counts", folder / "socket"
    counts.mkdir()
    environ = {**os.environ, "COUNTS": str(counts), "EVERY": every,
               "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent.parent)])}  # fmt: skip
    command = [sys.executable, "-m", "gunicorn", "--workers", str(workers), "--preload", "--bind", f"unix:{path}",
               "--graceful-timeout", "10", "--no-control-socket", "counting_shop:application"]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while True:
            assert process.poll() is None and time.monotonic() < end, (folder / "log").read_text(encoding="utf-8")
            try:
                Shop(process, path).asked("/metrics")
                break
            except OSError:
                time.sleep(0.05)
        yield Shop(process, path)
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_counts_of_replaced_and_killed_workers_stay(tmp_path: Path) -> None:
    with shop(tmp_path, "0.1", 2) as served:
        workers = served.serves(0, 60)
        served.counts(60, from_=0)
        os.kill(min(workers), signal.SIGKILL)
        served.counts(60, from_=60)
        served.serves(60, 80)
        served.counts(80, from_=60)
        _, text, _ = served.asked("/metrics")
        seen = read(text)
        errors, spared, fallbacks = (
            seen[f'cutover_{name}_total{{flag="search",side="candidate"}}']
            for name in ("errors", "spared", "fallbacks")
        )
        assert errors + spared == fallbacks > 0 == seen['cutover_errors_total{flag="search",side="legacy"}']
        assert seen['cutover_rollout_percentage{flag="search"}'] == 50


@pytest.mark.slow
def test_a_worker_that_ends_writes_what_it_counted_last(tmp_path: Path) -> None:
    with shop(tmp_path, "3600", 1) as served:
        (worker,) = served.serves(0, 10)
        served.process.send_signal(signal.SIGHUP)
        total, end = 10, time.monotonic() + 30
        while Path(f"/proc/{worker}").exists():
            assert time.monotonic() < end
            served.serves(total, total + 1)
            total += 1
        served.counts(total, from_=0)
