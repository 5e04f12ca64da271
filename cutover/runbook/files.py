"""Runbooks on disk: written whole, and compared with what the plan says now."""

import difflib
import os
import tempfile
from pathlib import Path

from cutover.core.hidden import hidden
from cutover.runbook.book import Book
from cutover.runbook.markdown import visible
from cutover.runbook.pages import render

DIFF_HEAD = 12  # lines of a difference that are shown


def write(book: Book, directory: Path) -> list[Path]:
    """Writes every runbook into `directory`, each atomically; raises OSError, and nothing is written when one cannot be rendered."""
    pages = render(book)
    directory.mkdir(parents=True, exist_ok=True)
    return [replaced(directory / name, page) for name, page in pages.items()]


def stale(book: Book, directory: Path) -> list[str]:
    """The files that are missing or differ from what would be written, each with the head of the difference."""
    return [
        complaint
        for name, page in render(book).items()
        if (complaint := _complaint(directory / name, page)) is not None
    ]


def _complaint(path: Path, page: str) -> str | None:
    try:
        there = path.read_bytes()
    except FileNotFoundError:
        return f"{path.name}: missing"
    if there == page.encode():
        return None
    old, new = there.decode(errors="replace").split("\n"), page.split("\n")
    diff = list(difflib.unified_diff(old, new, "committed", "rendered now", lineterm="", n=1))
    more = [f"… {len(diff) - DIFF_HEAD} more lines"] if len(diff) > DIFF_HEAD else []
    shown = [line[:1] + _shown(line[1:]) for line in diff[:DIFF_HEAD]]
    return "\n".join([f"{path.name}: differs", *(f"  {line}" for line in shown + more)])


def _shown(line: str) -> str:
    # What somebody committed goes to a terminal here.
    blanks = line[: len(line) - len(line.lstrip(" "))]
    return blanks + visible(line)


def replaced(path: Path, page: str, mode: int = 0o644) -> Path:
    """Writes the file whole or not at all, over the one that is there; raises OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(hidden(page))
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
