"""Commands typed in a repository folder that has no world."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import preloading


@dataclass(frozen=True)
class Said:
    """A command that has ended."""

    code: int
    out: str
    err: str

    def ended(self, code: int) -> Said:
        assert self.code == code, f"ended with {self.code}, wanted {code}\n{self.err}\n--- stdout\n{self.out}"
        assert "Traceback (most recent call last)" not in self.err + self.out, self.err
        assert "\x1b" not in self.err + self.out, "escapes without a terminal"
        return self


@dataclass(frozen=True)
class Shell:
    """A folder in which `invoke` and `cutover` are typed."""

    folder: Path
    home: Path

    def variables(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = ("AWS_", "PG", "SHOP_", "CUTOVER_", "PYTEST_", "INVOKE_", "NO_COLOR", "FORCE_COLOR")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(kept)}
        return {**clean, "CUTOVER_HOME": str(self.home), **(more or {})}

    def typed(self, line: str, *args: str) -> Said:
        """`invoke ARGS` at a terminal, where this line is typed at its question."""
        keyboard, terminal = pty.openpty()
        try:
            os.write(keyboard, f"{line}\n".encode())
            return self._run([preloading.invoke(), *args], stdin=terminal)
        finally:
            os.close(keyboard)
            os.close(terminal)

    def _run(self, command: list[str], stdin: int = subprocess.DEVNULL) -> Said:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.variables(),
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def invoke(self, *args: str) -> Said:
        return self._run([preloading.invoke(), *args])

    def cutover(self, *args: str) -> Said:
        """The console script, as it is installed."""
        return self._run([preloading.cutover(), *args])
