"""A bash script in a process group of its own: it ends by a deadline, and what it prints is bounded and free of secrets."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO

from cutover.core.children import inherited
from cutover.core.clock import Deadline

KEPT = 8_000  # characters at the end of each stream; a script that prints for hours must not fill our memory
LONGEST_LINE = 300
GRACE = 2.0  # seconds between SIGTERM and SIGKILL
TICK, SHORT_TICK = 0.2, 0.02
SILENT = 2.0  # seconds after which whoever hears a script is told that it has said nothing new
SHORTEST_SECRET = 4  # a shorter value is found in half of all words


@dataclass(frozen=True)
class Ended:
    """How a script ended: its exit code, None when its time ran out, and the end of what it printed."""

    code: int | None
    output: str
    errors: str

    @property
    def last_line(self) -> str:
        """The last line of standard output that is not empty."""
        return next((line.strip() for line in reversed(self.output.splitlines()) if line.strip()), "")

    def complaint(self, what: str) -> str:
        """What went wrong, in one line."""
        how = "did not end in time and was killed" if self.code is None else f"ended with {self.code}"
        last = next((line.strip() for line in reversed(self.errors.splitlines()) if line.strip()), self.last_line)
        return f"{what} {how}" + (f": {last}" if last else ", and printed nothing")


def run_bash(
    script: str, variables: Mapping[str, str], deadline: Deadline, hear: Callable[[str], None] | None = None
) -> Ended:
    """Runs `script` with `variables` in its environment; `hear` is told each new last line, and may raise to end it.

    A script that says nothing is heard all the same, every other second, so that it can be ended.

    Nothing of the process group is left: what shall outlive the script has to be started by a service manager.
    """
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**inherited(), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stderr is not None
    secrets = [value for value in variables.values() if len(value) >= SHORTEST_SECRET]
    output, errors = _Tail(secrets), _Tail(secrets)
    finished = False
    try:
        with process.stdout, process.stderr:
            finished = _listened(process, {process.stdout: output, process.stderr: errors}, deadline, hear)
    finally:
        _end_group(process, gently=not finished)
    return Ended(process.returncode if finished else None, output.text(), errors.text())


@dataclass
class _Tail:
    """The end of a stream, with the values of variables taken out before anybody sees them."""

    secrets: Iterable[str]
    _kept: bytes = field(default=b"")

    def add(self, data: bytes) -> None:
        self._kept = (self._kept + data)[-4 * KEPT :]

    def text(self) -> str:
        shown = self._kept.decode("utf-8", "replace")
        for secret in self.secrets:
            shown = shown.replace(secret, "***")
        lines = ["".join(c if c.isprintable() else " " for c in line) for line in shown[-KEPT:].splitlines()]
        return "\n".join(line[:LONGEST_LINE] for line in lines)


def _listened(
    process: "subprocess.Popen[bytes]",
    tails: Mapping[IO[bytes], _Tail],
    deadline: Deadline,
    hear: Callable[[str], None] | None,
) -> bool:
    """Reads until the script has ended (its children may hold the pipes longer); False when time ran out first."""
    told, at = "", time.monotonic()
    with selectors.DefaultSelector() as selector:
        for stream in tails:
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        while True:
            ended = _has_ended(process)
            ready = [key.fileobj for key, _ in selector.select(0 if ended else min(TICK, deadline.remaining()))]
            got = False
            for stream, tail in tails.items():
                if stream in ready:
                    data = os.read(stream.fileno(), 65_536)
                    tail.add(data)
                    got = got or bool(data)
                    if not data:
                        selector.unregister(stream)
            if ended and (not got or deadline.expired):
                return True
            if hear is not None:
                lines = [line for tail in tails.values() for line in tail.text().splitlines()[-1:]]
                if lines and lines[-1].strip() and lines[-1] != told or time.monotonic() - at > SILENT:
                    told, at = (lines[-1] if lines else told), time.monotonic()
                    hear(told or "it has printed nothing yet")
            if not ended and deadline.expired:
                return False


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Without taking its process id from it: as long as that is kept, its group's number cannot be another group's."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end_group(process: "subprocess.Popen[bytes]", *, gently: bool) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if gently:
            os.killpg(process.pid, signal.SIGTERM)
            _wait_gently(process)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(5.0)


def _wait_gently(process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + GRACE
    while not _has_ended(process) and time.monotonic() < end:
        time.sleep(SHORT_TICK)
