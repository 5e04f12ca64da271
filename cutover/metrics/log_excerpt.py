"""The last lines of a log before a moment, whatever it is written in, in bounded time and memory."""

import json
import re
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cutover.core.clock import Deadline
from cutover.metrics.log_files import BROKEN, Unstable, pieces
from cutover.metrics.log_query import field_of, moment_of

LOOK = 500  # lines between two looks at the clock
DISORDER = 5.0  # seconds by which a line may stand behind a younger one
MOST_PACKED = 20_000  # lines that are kept of one packed file, which can only be read from its beginning
BEGINS = re.compile(r"\W{0,2}(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)")


class Unread(Exception):
    """The log could not be read, or not to its end in time; the message says why, in one line."""


@dataclass(frozen=True)
class Excerpt:
    """Lines of a log, oldest first, and what is to be known about them (empty: they are those that were asked for)."""

    lines: tuple[str, ...]
    note: str = ""


def excerpt(file: str, time_field: str, since: float, until: float, most: int, deadline: Deadline) -> Excerpt:
    """The last `most` lines from `since` to `until` (seconds since 1970), with what stands below them as a traceback does.

    The time is read from a JSON line's field, or from an ISO 8601 date at the beginning of a line. Where no line has one the
    newest lines are told. Raises Unread.
    """
    path = Path(file)
    try:
        for _ in range(3):  # a log that is rotated while it is read is read again
            try:
                return _excerpt(path, _Window(time_field, since, until, most), deadline)
            except Unstable:
                continue
    except BROKEN as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise Unread(f"{file}: {why}") from None
    raise Unread(f"{file}: was rotated again and again while it was read")


@dataclass(frozen=True)
class _Window:
    time_field: str
    since: float
    until: float
    most: int


def _excerpt(path: Path, window: _Window, deadline: Deadline) -> Excerpt:
    if not stat.S_ISREG(path.stat().st_mode):
        raise Unread(f"{path}: is no file")
    taken: list[str] = []
    below: list[str] = []  # lines without a time, which belong to the one above
    timed = False
    for number, raw in enumerate(_newest_first(path, window.since)):
        if number % LOOK == 0 and deadline.expired:
            raise Unread(f"{path}: no whole answer before the deadline, {number} lines were read")
        line = raw.decode("utf-8", "replace").rstrip("\r")
        if not line.strip():
            continue
        at = _when(line, window.time_field)
        if at is None:
            below = [*below, line][: window.most]
            if not timed and len(below) >= window.most:
                break
            continue
        timed = True
        if at < window.since - DISORDER:
            below = []
            break
        if window.since <= at <= window.until:
            taken += [*below, line]
        below = []
        if len(taken) >= window.most:
            break
    if not timed:
        return Excerpt(tuple(reversed(below)), "its lines have no time: these are the newest")
    return Excerpt(tuple(reversed(taken[: window.most])), "" if taken else "no line of that time")


def _newest_first(path: Path, since: float) -> Iterator[bytes]:
    for lines, newest_first in pieces(path, since - DISORDER):
        yield from lines if newest_first else reversed(deque(lines, maxlen=MOST_PACKED))


def _when(line: str, time_field: str) -> float | None:
    if line.lstrip().startswith("{"):
        try:
            read = json.loads(line)
            return moment_of(field_of(read, time_field)) if isinstance(read, dict) else None
        except (ValueError, RecursionError):
            return None
    found = BEGINS.match(line)
    try:
        return moment_of(found[1].replace(",", ".")) if found else None
    except ValueError:
        return None
