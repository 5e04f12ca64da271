"""Commands as an operator types them: under way, and ended."""

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover.bench.figures import BenchFailed

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
        """The one document on standard output; raises BenchFailed, showing both streams, when that is not what is there."""
        try:
            found = json.loads(self.out)
        except ValueError as error:
            raise BenchFailed(f"standard output is not one JSON document: {error}\n{self}") from None
        if not isinstance(found, dict):
            raise BenchFailed(f"standard output is no JSON object\n{self}")
        return found

    def __str__(self) -> str:
        return f"$ {' '.join(self.args)}\nended with {self.code} after {self.seconds:.1f} s\n{self.err}\n--- stdout\n{self.out[-3000:]}"

    def ended(self, *codes: int) -> "Done":
        """Itself, if it ended with one of the codes and without a traceback; else raises BenchFailed."""
        if self.code not in codes:
            raise BenchFailed(f"wanted {codes}\n{self}")
        if "Traceback (most recent call last)" in self.err + self.out:
            raise BenchFailed(str(self))
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

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    def err(self) -> str:
        return (self.place / "err").read_text(encoding="utf-8")

    def kill(self) -> None:
        """Ends it if it is still there."""
        if not self.over:
            self.process.kill()
            self.process.wait(timeout=10)

    def done(self, within: float = PLENTY) -> Done:
        """Waits for its end; a command that takes longer is killed, and that is a failure."""
        try:
            code = self.process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BenchFailed(f"$ {' '.join(self.args)}\nnot over after {within:g} s\n{self.err()}") from None
        out = (self.place / "out").read_text(encoding="utf-8")
        return Done(self.args, code, out, self.err(), self.began, time.time() - self.began)
