"""What something costs: wall time, the servers' CPU, and the largest memory of a process that does it from outside."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cutover.bench.figures import BenchFailed
from cutover.world.processes import Process

LOOK_EVERY = 0.02  # seconds


@dataclass
class Cost:
    """The rounds of one measurement: wall and server CPU in seconds, the client's largest memory in MB."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    client_mb: list[float] = field(default_factory=list)

    @contextmanager
    def measured(self, running: Iterable[Process]) -> Iterator[None]:
        """Adds what the body takes, and what the servers work meanwhile."""
        before, began = servers_cpu(running), time.monotonic()
        yield
        self.wall.append(time.monotonic() - began)
        self.cpu.append(servers_cpu(running) - before)


@dataclass(frozen=True)
class Outcome:
    """How a process ended: its exit code, what it said, and its largest memory in MB."""

    code: int
    out: str
    errors: str
    memory_mb: float


def run_outside(argv: Sequence[str], *, patience: float, env: Mapping[str, str] | None = None) -> Outcome:
    """Runs a process to its end; raises BenchFailed when it does not end within `patience` seconds."""
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=None if env is None else dict(env)
    )
    over = threading.Event()
    memory = [0.0]

    def watch() -> None:
        # The kernel's own record of a child starts with its parent's memory; the high-water mark is the process's own.
        while not over.wait(LOOK_EVERY):
            memory[0] = max(memory[0], _high_water(process.pid))

    watcher = threading.Thread(target=watch, name="memory", daemon=True)
    watcher.start()
    try:
        out, errors = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired as error:
        raise BenchFailed(f"{argv[0]} did not end within {patience:g} s") from error
    finally:
        over.set()
        watcher.join()
        if process.poll() is None:
            process.kill()
            process.communicate()
    return Outcome(process.returncode, out, errors, memory[0])


def servers_cpu(running: Iterable[Process]) -> float:
    """Seconds of CPU of the servers: of the processes that live, and of those that have ended."""
    postmasters = {process.pid for process in running}
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has just ended, and its time is its parent's now
        user, system, ended_user, ended_system = (int(text) for text in fields[11:15])
        if int(folder.name) in postmasters:
            ticks += user + system + ended_user + ended_system
        elif int(fields[1]) in postmasters:
            ticks += user + system
    return ticks / os.sysconf("SC_CLK_TCK")


def _high_water(pid: int) -> float:
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0
