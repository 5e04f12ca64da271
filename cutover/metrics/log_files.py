"""The files of one log: the live one, read from its end, and the rotated ones before it."""

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

BLOCK = 1 << 18
LONGEST_LINE = 1 << 20  # bytes; a longer one is a bad line
TOO_LONG = b"{"  # stands for a line that nobody keeps in memory; it cannot be read, as that could not
PEEK = 256
MOST_FILES = 400


class Unstable(Exception):
    """The file was cut off while it was read: whoever reads begins again."""


def backwards(opened: IO[bytes]) -> Iterator[bytes]:
    """The whole lines of a file, the last one first; one that is not yet ended by a newline is left out.

    A line that is too long comes as TOO_LONG. Raises Unstable when the file became shorter.
    """
    end = opened.seek(0, os.SEEK_END)
    rest, whole, too_long = b"", False, False
    while end > 0:
        begin = max(0, end - BLOCK)
        block = os.pread(opened.fileno(), end - begin, begin)
        if len(block) < end - begin:
            raise Unstable
        end = begin
        parts = (block + rest).split(b"\n")
        if not whole:
            if len(parts) == 1:  # nothing yet but the half-written line
                continue
            parts.pop()
            whole = True
        rest = parts[0]
        for line in reversed(parts[1:]):
            yield TOO_LONG if too_long else line
            too_long = False
        if len(rest) > LONGEST_LINE:
            rest, too_long = b"", True
    if whole:
        yield TOO_LONG if too_long else rest


def forwards(path: Path) -> Iterator[bytes]:
    """The whole lines of a rotated file, packed or not; raises OSError, EOFError and zlib.error as gzip does."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as opened:
        while line := opened.readline(LONGEST_LINE):
            if line.endswith(b"\n"):
                yield line[:-1]
                continue
            if len(line) < LONGEST_LINE:
                return  # the end of a file that was rotated in the middle of a line
            while (more := opened.readline(LONGEST_LINE)) and not more.endswith(b"\n"):
                pass
            yield TOO_LONG


def pieces(path: Path, since: float) -> Iterator[tuple[Iterator[bytes], bool]]:
    """The lines of each file that may hold some from `since` on, the newest file first; and whether its last line comes first.

    Raises Unstable when the live file was cut off meanwhile, else as `forwards` does.
    """
    with path.open("rb") as opened:
        live = os.fstat(opened.fileno())
        older = predecessors(path, live, head_of(opened), since)
        yield backwards(opened), True
        if os.fstat(opened.fileno()).st_size < live.st_size:
            raise Unstable
    for one in older:
        if one.suffix == ".gz":
            yield forwards(one), False
        else:
            with one.open("rb") as rotated:
                yield backwards(rotated), True


BROKEN = (OSError, EOFError, zlib.error)


def predecessors(path: Path, live: os.stat_result, head: bytes, since: float) -> list[Path]:
    """The rotated files that may hold lines from `since` on, the newest first; never the live file itself.

    A copy that is about to take the live file's place (copytruncate) begins as that does: it is left out for as long as the
    live file still has the same lines.
    """
    found: list[tuple[float, Path]] = []
    seen = {(live.st_dev, live.st_ino)}
    named = re.compile(rf"{re.escape(path.name)}[.-][A-Za-z0-9_.:-]+")
    for candidate in path.parent.iterdir():
        if not named.fullmatch(candidate.name):
            continue
        stat = candidate.stat()
        packed = candidate.suffix == ".gz"
        # While a file is being packed both forms are there.
        twin = candidate.with_suffix("") if packed else None
        if (stat.st_dev, stat.st_ino) in seen or stat.st_mtime < since or (twin is not None and twin.exists()):
            continue
        seen.add((stat.st_dev, stat.st_ino))
        if head and not packed and _head(candidate, len(head)) == head:
            continue
        found.append((stat.st_mtime, candidate))
    return [file for _, file in sorted(found, reverse=True)][:MOST_FILES]


def head_of(opened: IO[bytes]) -> bytes:
    """How a file begins: its first line, or so much of it as tells it from others."""
    return os.pread(opened.fileno(), PEEK, 0)


def _head(path: Path, length: int) -> bytes:
    with path.open("rb") as opened:
        return opened.read(length)
