"""Writes logs as applications and logrotate do."""

import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any

from cutover.core.clock import Deadline
from cutover.core.series import Reading, Span
from cutover.metrics.json_lines import JsonLines

START = 1_700_000_000.0


class Log:
    """One log in a folder; times are seconds after START."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "access.jsonl"
        self.file.touch()

    def line(self, at: float, **fields: Any) -> None:
        self.raw(json.dumps({"time": START + at, **fields}) + "\n", at)

    def raw(self, text: str | bytes, at: float) -> None:
        with self.file.open("ab") as opened:
            opened.write(text.encode() if isinstance(text, str) else text)
        os.utime(self.file, (START + at, START + at))

    def renamed(self, number: int = 1) -> Path:
        """logrotate's own way: the file gets another name, and a new one is made."""
        old = self.file.with_name(f"{self.file.name}.{number}")
        self.file.rename(old)
        self.file.touch()
        return old

    def copied(self, number: int = 1) -> Path:
        """The first half of copytruncate: the copy is there, and the live file not yet cut off."""
        return Path(shutil.copy2(self.file, self.file.with_name(f"{self.file.name}.{number}")))

    def read(self, query: str, since: float, until: float, step: float, **settings: Any) -> Reading:
        span = Span(START + since, START + until, step)
        return JsonLines(str(self.file), **settings).read(query, span, Deadline.after(20))

    def values(self, query: str, since: float, until: float, step: float) -> list[float]:
        return [sample.value for sample in self.read(query, since, until, step).samples]


def packed(file: Path) -> Path:
    """What gzip leaves of a file."""
    result = file.with_name(f"{file.name}.gz")
    stat = file.stat()
    with gzip.open(result, "wb") as opened:
        opened.write(file.read_bytes())
    file.unlink()
    os.utime(result, (stat.st_atime, stat.st_mtime))
    return result
