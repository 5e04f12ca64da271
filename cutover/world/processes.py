"""Starting, recognising and ending the processes of the local world."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from cutover.core.errors import CutoverError
from cutover.world.ready_file import facts_of

T = TypeVar("T")
SERVERS = ("postgres", "promethe", "pgbounce")  # how programs that are not ours begin


class WorldError(CutoverError):
    """The local world could not do what was asked; the message says what was seen and where the log is."""


@dataclass(frozen=True)
class Process:
    """One process of the world; `started` tells it from a later process that got the same pid."""

    name: str
    pid: int
    started: str
    port: int = 0

    @property
    def alive(self) -> bool:
        return bool(self.started) and started_at(self.pid) == self.started


@dataclass(frozen=True)
class Account:
    """The unprivileged user that PostgreSQL runs as; None in both means our own user."""

    uid: int | None = None
    gid: int | None = None


def started_at(pid: int) -> str:
    """When the process began, in the system's own unit; empty when it is gone or only a zombie is left."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # The name in brackets may hold spaces and brackets itself: count fields from the last one.
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] in "ZX" else fields[19]
    shown = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        timeout=5,
        check=False,
    ).stdout.strip()
    return "" if not shown or shown.startswith("Z") else shown.partition(" ")[2].strip()


def launch(
    name: str,
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
    cwd: Path | None = None,
) -> Process:
    """Starts a process that outlives us, in a session of its own; output is appended to `log`."""
    account = account or Account()
    with log.open("ab") as output:
        # The shell in between exits at once, so the component belongs to init: a long-lived caller has no zombies.
        shell = subprocess.run(
            ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
            user=account.uid,
            group=account.gid,
            extra_groups=None if account.uid is None else [],
            timeout=10,
            check=True,
        )
    pid = int(shell.stdout)
    return Process(name, pid, started_at(pid))


def wait_ready(process: Process, world: Path, *, log: Path, deadline: float = 30.0) -> dict[str, Any]:
    """Waits until the process has written its ready file and answers the file's content."""

    def seen() -> dict[str, Any] | None:
        if not process.alive:
            raise WorldError(f"{process.name} ended while it was starting; its log {log} ends with:\n{tail(log)}")
        facts = facts_of(world, process.name)
        return facts if facts.get("pid") == process.pid else None

    return poll(
        seen,
        deadline,
        lambda: f"{process.name} was not ready after {deadline:g} s; see {log}:\n{tail(log)}",
    )


def poll(
    look: Callable[[], T | None],
    deadline: float,
    late: Callable[[], str],
    *,
    pause: float = 0.01,
) -> T:
    """Looks until something is seen; raises WorldError with `late()` after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        seen = look()
        if seen is not None:
            return seen
        if time.monotonic() >= end:
            raise WorldError(late())
        time.sleep(pause)


def stop(processes: Sequence[Process], *, signum: int = signal.SIGTERM, patience: float = 5.0) -> None:
    """Ends exactly these processes: `signum` first, SIGKILL for those that are still there after `patience` seconds."""
    for process in processes:
        _signal(process, signum)
    end = time.monotonic() + patience
    waiting = [process for process in processes if process.alive]
    while waiting and time.monotonic() < end:
        time.sleep(0.01)
        waiting = [process for process in waiting if process.alive]
    for process in waiting:
        _signal(process, signal.SIGKILL)
    end = time.monotonic() + 5
    while any(process.alive for process in waiting):
        if time.monotonic() >= end:
            raise WorldError(f"could not end {', '.join(f'{p.name} (pid {p.pid})' for p in waiting if p.alive)}")
        time.sleep(0.01)


def _signal(process: Process, signum: int) -> None:
    if process.alive:
        try:
            os.kill(process.pid, signum)
        except ProcessLookupError:
            return


def strays(world: Path, scratch: Path | None) -> list[Process]:
    """Processes that show by their own command line or working directory that they belong to this world.

    Finds what a crash between start and note-taking left behind, and PostgreSQL backends whose postmaster was killed.
    """
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            working = (entry / "cwd").readlink()
        except OSError:
            continue
        module = next((part for part in argv if part.startswith("cutover.world.")), "")
        component = module != "" and ("--world", str(world)) in pairwise(argv)
        server = scratch is not None and working.is_relative_to(scratch) and argv[0].rpartition("/")[2][:8] in SERVERS
        if component or server:
            pid = int(entry.name)
            found.append(Process(module.rpartition(".")[2] if component else "server", pid, started_at(pid)))
    return found


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_atomically(path: Path, text: str) -> None:
    """Replaces the file in one move: a reader sees the old text or the new one, never half of it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log file."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"(no log: {error})"
