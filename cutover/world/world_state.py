"""What the local world remembers about itself: `world.json`, the environment files, the lock against two at once."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cutover.world.processes import Process, WorldError, write_atomically
from cutover.world.ready_file import facts_of

SCHEMA = 1


@dataclass(frozen=True)
class State:
    """One version of `world.json`; `phase` is "starting" until everything serves, then "up"."""

    scratch: Path
    rows: int
    phase: str = "starting"
    components: Mapping[str, Process] = field(default_factory=dict)

    def having(self, process: Process) -> State:
        return replace(self, components={**self.components, process.name: process})

    @property
    def dead(self) -> list[str]:
        return [name for name, process in self.components.items() if not process.alive]

    def write(self, world: Path) -> None:
        shown: dict[str, Any] = {"schema": SCHEMA, "phase": self.phase, "scratch": str(self.scratch), "rows": self.rows}
        shown["components"] = [asdict(process) for process in self.components.values()]
        write_atomically(world / "world.json", json.dumps(shown, indent=1) + "\n")


def read(world: Path) -> State | None:
    """The state that was written last; None when there is no world, or one of another schema."""
    try:
        facts = facts_of(world, "world")
    except ValueError:
        return None
    if facts.get("schema") != SCHEMA:
        return None
    processes = [Process(**entry) for entry in facts["components"]]
    return State(
        Path(facts["scratch"]), facts["rows"], facts["phase"], {process.name: process for process in processes}
    )


def write_environment(world: Path, values: Mapping[str, str]) -> None:
    """Writes `env` (NAME=value) and `env.sh` (to be sourced)."""
    ordered = sorted(values.items())
    write_atomically(world / "env", "".join(f"{name}={value}\n" for name, value in ordered))
    quoted = "".join(f"export {name}={_quoted(value)}\n" for name, value in ordered)
    write_atomically(world / "env.sh", quoted)


def _quoted(value: str) -> str:
    return shlex.quote(value) if "'" in value else f"'{value}'"


def environment(world: Path) -> dict[str, str]:
    """The variables that the world exports; empty when it is not up."""
    try:
        lines = (world / "env").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


@contextmanager
def locked(home: Path, *, deadline: float = 120.0) -> Iterator[Path]:
    """Holds the lock of this world, so that two commands never build or remove it at once; yields the lock's file."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "world.lock"
    end = time.monotonic() + deadline
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            # `down` removes the file while it holds it: a lock on a removed file protects nothing.
            if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                break
            os.close(descriptor)
        if time.monotonic() >= end:
            raise WorldError(
                f"another command has been building or removing the world for {deadline:g} s: {path} is locked"
            )
        time.sleep(0.05)
    try:
        yield path
    finally:
        os.close(descriptor)
