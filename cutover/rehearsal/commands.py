"""Commands as an operator types them, in the twin's folder; somebody may answer what they wait for meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover.core.errors import CutoverError

OURS = ("AWS_", "PG", "SHOP_", "HOOKS_", "CUTOVER_", "PYTEST_", "INVOKE_", "SMOKE_")
STARTED = (b"cutover.cli.main", b"cutover.supervision", b"pytest")
LONGEST = 1800.0  # seconds for one command; waits inside of it have deadlines of their own
LOOKS = 0.5  # seconds between two looks at what it waits for
TAIL = 2500  # characters of its talk that are shown when it fails


class RehearsalFailed(CutoverError):
    """The rehearsal came to something that must not be."""


@dataclass(frozen=True)
class Done:
    """A command that has ended: its exit code, standard output, and talk."""

    args: tuple[str, ...]
    code: int
    out: str
    err: str
    began: float
    seconds: float

    @property
    def document(self) -> dict[str, Any]:
        """The one document on standard output; raises RehearsalFailed where that is not what is there."""
        try:
            found: dict[str, Any] = json.loads(self.out)
        except ValueError as error:
            raise RehearsalFailed(f"{self.line} did not print its document: {error}\n{self.err[-TAIL:]}") from None
        return found

    @property
    def line(self) -> str:
        return f"invoke {' '.join(self.args)}"

    def ended(self, *codes: int) -> "Done":
        """Itself, if it ended with one of the codes; else raises RehearsalFailed with what it said."""
        if self.code not in codes:
            raise RehearsalFailed(f"{self.line} ended with {self.code}:\n{self.err[-TAIL:].rstrip()}")
        return self


@dataclass
class Commands:
    """Types commands in `folder`; their journal, records and world are below `home`."""

    folder: Path
    home: Path
    place: Path
    """Where their output goes."""
    _under_way: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _number: int = 0

    def variables(self) -> dict[str, str]:
        """What they find in their environment: nothing that leads to real databases or to real AWS."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return {**kept, "CUTOVER_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}

    def typed(
        self, *args: str, meanwhile: Callable[[], None] = lambda: None, more: Mapping[str, str] | None = None
    ) -> Done:
        """The command, once it has ended; raises RehearsalFailed when that takes too long."""
        self._number += 1
        out, err = (self.place / f"{self._number}.{name}" for name in ("out", "err"))
        began = time.time()
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "cutover.cli.main", *args],
                cwd=self.folder,
                env={**self.variables(), **(more or {})},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,  # a Ctrl-C is ours to answer
            )
        self._under_way.append(process)
        code = self._over(process, args, meanwhile)
        self._under_way.remove(process)
        printed, said = (path.read_text(encoding="utf-8", errors="replace") for path in (out, err))
        return Done(args, code, printed, said, began, time.time() - began)

    def _over(self, process: "subprocess.Popen[bytes]", args: Sequence[str], meanwhile: Callable[[], None]) -> int:
        end = time.monotonic() + LONGEST
        while time.monotonic() < end:
            try:
                return process.wait(timeout=LOOKS)
            except subprocess.TimeoutExpired:
                meanwhile()
        raise RehearsalFailed(f"invoke {' '.join(args)} was not over after {LONGEST:g} s")

    def end(self) -> None:
        """Ends whatever is still under way, and what it has left to itself: a supervisor, a child of it."""
        for process in self._under_way:
            process.kill()
            process.wait(timeout=10)
        mine = f"CUTOVER_HOME={self.home}".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                # Only what our commands have started: somebody's shell may look at the twin, and the world ends its own.
                ours = any(name in (entry / "cmdline").read_bytes() for name in STARTED)
                if ours and int(entry.name) != os.getpid() and mine in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                continue

    def supervisors_gone(self, within: float = 90.0) -> None:
        """Waits until no supervisor is left that still might act; raises RehearsalFailed."""
        end = time.monotonic() + within
        while self._supervised():
            if time.monotonic() > end:
                raise RehearsalFailed(f"a supervisor was still there {within:g} s after its command")
            time.sleep(0.05)

    def _supervised(self) -> bool:
        mine = str(self.home).encode()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes()
                if b"cutover.supervision" in line and mine in line + (entry / "environ").read_bytes():
                    return True
            except OSError:
                continue
        return False
