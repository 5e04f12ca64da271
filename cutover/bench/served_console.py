"""`invoke console` as a process of its own, typed in a stage, and somebody who has come in by its link."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from cutover.bench.figures import BenchFailed
from cutover.bench.staged import Staged

LINK = re.compile(r"http://127\.0\.0\.1:(\d+)/#(\S+)")
BEGINS = 90.0  # seconds; a busy machine takes long to start a process
ENDS = 60.0


@dataclass(frozen=True)
class ServedConsole:
    """One console; `cookie` is that of a session, as a browser sends it."""

    port: int
    cookie: str
    pid: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu(self) -> float:
        """Seconds of a processor that it and the commands which it has run have used until now."""
        words = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return sum(int(word) for word in words[11:15]) / os.sysconf("SC_CLK_TCK")

    def get(self, path: str) -> requests.Response:
        """What is answered; raises BenchFailed unless it is 200."""
        answer = requests.get(self.address + path, headers={"Cookie": self.cookie}, timeout=30)
        if answer.status_code != 200:
            raise BenchFailed(f"{path} was answered {answer.status_code}: {answer.text[:200]}")
        return answer


@contextmanager
def served_console(stage: Staged, environment: str) -> Iterator[ServedConsole]:
    """The console of this environment, with a session; it ends afterwards as by Ctrl-C. Raises BenchFailed."""
    running = stage.start("console", "--env", environment)
    try:
        out = running.place / "out"
        end = BEGINS
        found = stage.eventually(lambda: running.over or LINK.search(out.read_text()), "the console's link", end)
        if not isinstance(found, re.Match):
            raise BenchFailed(str(running.done()))
        yield _come_in(int(found[1]), found[2], running.pid)
        running.process.send_signal(signal.SIGINT)
        running.done(ENDS).ended(0)
    finally:
        running.kill()


def _come_in(port: int, token: str, pid: int) -> ServedConsole:
    answer = requests.post(
        f"http://127.0.0.1:{port}/session",
        json={"token": token},
        headers={"Sec-Fetch-Site": "same-origin"},
        timeout=30,
    )
    if answer.status_code != 204:
        raise BenchFailed(f"the link does not let anybody in: {answer.status_code} {answer.text[:200]}")
    return ServedConsole(port, "; ".join(f"{one.name}={one.value}" for one in answer.cookies), pid)
