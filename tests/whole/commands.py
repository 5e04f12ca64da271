"""Commands as an operator types them: under way, and ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PLENTY = 150.0  # seconds for one command on a busy machine


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    args: tuple[str, ...]
    code: int
    out: str
    err: str
    began: float
    seconds: float

    @property
    def json(self) -> dict[str, Any]:
        """The one document on standard output; fails, showing both streams, when that is not what is there."""
        try:
            found = json.loads(self.out)
        except ValueError as error:
            raise AssertionError(f"standard output is not one JSON document: {error}\n{self}") from None
        assert isinstance(found, dict), self
        return found

    def __str__(self) -> str:
        return f"$ {' '.join(self.args)}\nended with {self.code} after {self.seconds:.1f} s\n{self.err}\n--- stdout\n{self.out[-3000:]}"

    def ended(self, *codes: int) -> Done:
        """Itself, if it ended with one of the codes and without a traceback."""
        assert self.code in codes, f"wanted {codes}\n{self}"
        assert "Traceback (most recent call last)" not in self.err + self.out, str(self)
        return self


@dataclass
class Running:
    """A command under way."""

    args: tuple[str, ...]
    process: subprocess.Popen[str]
    place: Path
    began: float = field(default_factory=time.time)

    @property
    def pid(self) -> int:
        return self.process.pid

    def err(self) -> str:
        return (self.place / "err").read_text(encoding="utf-8")

    def kill(self) -> None:
        """Ends it if it is still there."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=10)

    def done(self, within: float = PLENTY) -> Done:
        """Waits for its end; a command that takes longer is killed, and that is a failure."""
        try:
            code = self.process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"$ {' '.join(self.args)}\nnot over after {within:g} s\n{self.err()}") from None
        out = (self.place / "out").read_text(encoding="utf-8")
        return Done(self.args, code, out, self.err(), self.began, time.time() - self.began)


def interrupt(running: Running, number: signal.Signals = signal.SIGINT) -> None:
    """Sends the signal to the command's process alone."""
    os.kill(running.pid, number)
