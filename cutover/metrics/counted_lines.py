"""What one side counted, by the lines of a log: each line is a request, or none."""

import json
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from cutover.core.clock import Deadline
from cutover.core.series import Gap
from cutover.metrics.log_files import BROKEN, Unstable, pieces
from cutover.metrics.log_query import LogQuery, Unclear, field_of, latency_field, moment_of, number_of
from cutover.metrics.onsets import EVERY
from cutover.metrics.tally import Histogram, Tally

WITHIN = 300.0  # seconds that one reading may take: after a restart in a long soak all of it is read again
WAIT = 2.0  # seconds for which a look waits for it
LOOK = 500  # lines between two looks at the clock
DISORDER = 5.0  # seconds by which a line may stand behind a younger one
QUIET = 120.0  # seconds without any line after which nobody is known to write
MOST_BAD = 0.01  # more lines than this that cannot be read, and what was counted is a part
TRIES = 3  # a log that is rotated while it is read is read again
EDGES = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Seconds; each is a question of the comparison, and more questions need more requests."""


@dataclass(frozen=True)
class LineWords:
    """Which lines of a side are requests, which of these failed, and the field that says how long one took."""

    requests: LogQuery
    errors: LogQuery
    latency: str | None = None
    scale: float = 1.0
    """Of the field: 0.001 where it is in milliseconds."""

    @classmethod
    def parse(cls, requests: str, errors: str, latencies: str | None) -> "LineWords":
        """From `count where …`, and `FIELD in ms`; raises Unclear."""
        found = [LogQuery.parse(requests), LogQuery.parse(errors)]
        if any(one.what != "count" for one in found):
            raise Unclear("wants `count`, or `count where field = value and …`")
        name, scale = latency_field(latencies) if latencies is not None else (None, 1.0)
        return cls(found[0], found[1], name, scale)


@dataclass
class _Bins:
    """Everything counted from `base` to `until`, in bins of EVERY seconds by the line's own time; `newest` is of any line."""

    base: float
    until: float
    newest: float = -inf
    lines: int = 0
    bad: int = 0
    requests: dict[int, int] = field(default_factory=dict)
    errors: dict[int, int] = field(default_factory=dict)
    latencies: dict[int, list[int]] = field(default_factory=dict)

    def copied(self) -> "_Bins":
        """For a reading that may be given up half-way."""
        slow = {number: list(counts) for number, counts in self.latencies.items()}
        return _Bins(
            self.base, self.until, self.newest, self.lines, self.bad, dict(self.requests), dict(self.errors), slow
        )

    def told(self, since: float, *, slow: bool) -> Tally:
        first = round((since - self.base) / EVERY)
        requests, errors = (
            sum(count for number, count in counts.items() if number >= first) for counts in (self.requests, self.errors)
        )
        if not slow:
            return Tally(requests, errors)
        columns = [counts for number, counts in self.latencies.items() if number >= first]
        totals = [sum(column) for column in zip(*columns, strict=True)] if columns else [0] * (len(EDGES) + 1)
        return Tally(requests, errors, Histogram(EDGES, tuple(totals)))


class CountedByLines:
    """`Counted` by a log of JSON lines, which is read beside the walk: what takes long holds up nobody's look.

    A line belongs to the time that stands in it, so whoever asks for the same span is told the same, once `delay` has passed.
    Where no line at all, a request or not, is younger than two minutes, nobody is known to write: stale, and never zero.
    """

    def __init__(self, file: Callable[[], str], time_field: str, words: LineWords) -> None:
        self._file, self._time, self._words = file, time_field, words
        self._bins: _Bins | None = None
        self._thread: threading.Thread | None = None
        self._trouble = ""

    @property
    def trouble(self) -> str:
        """Why the newest reading did not come to its end; empty when it did."""
        return self._trouble

    def __call__(self, since: float, until: float) -> Tally | Gap:
        if self._thread is not None and self._thread.is_alive():
            return Gap.UNREACHABLE  # what is still at work has been waited for
        bins = self._bins
        if bins is None or until < bins.until or since < bins.base or (since - bins.base) % EVERY > 1e-6:
            bins = self._bins = _Bins(since, since)
        if bins.until < until:
            self._thread = threading.Thread(target=self._go_on, args=(bins, until), name="counted", daemon=True)
            self._thread.start()
            self._thread.join(WAIT)
            bins = self._bins or bins
        if bins.until < until:
            return Gap.UNREACHABLE
        if _bad(bins):
            return Gap.PARTIAL
        if bins.newest == -inf:
            return Gap.NO_DATA
        if bins.newest < until - QUIET:
            return Gap.STALE
        return bins.told(since, slow=self._words.latency is not None)

    def _go_on(self, bins: _Bins, until: float) -> None:
        deadline = Deadline.after(WITHIN)
        try:
            path = Path(self._file())
            for _ in range(TRIES):
                read = bins.copied()
                try:
                    self._read(path, read, until, deadline)
                except Unstable:
                    continue
                self._bins, self._trouble = read, _bad(read)
                return
            self._trouble = f"{path}: was rotated {TRIES} times while it was read"
        except _NoTime:
            self._trouble = f"not read within {WITHIN:g} s"
        except BROKEN as error:
            self._trouble = str(getattr(error, "strerror", "") or type(error).__name__)
        except Exception as error:  # noqa: BLE001 - where the file is may be a reference: its text may hold a value
            self._trouble = type(error).__name__

    def _read(self, path: Path, read: _Bins, until: float, deadline: Deadline) -> None:
        # At first some lines before the begin, too: they show that somebody writes, though nobody asks for anything.
        least = read.until - (QUIET if read.newest == -inf else 0.0) - DISORDER
        for lines, newest_first in pieces(path, least):
            if self._all_of(lines, read, until, least, deadline, newest_first=newest_first):
                break
        read.until = until

    def _all_of(
        self,
        lines: Iterable[bytes],
        read: _Bins,
        until: float,
        least: float,
        deadline: Deadline,
        *,
        newest_first: bool,
    ) -> bool:
        """Counts the lines from `read.until` to `until`; whether some are so old that nothing before them is needed."""
        # A line that cannot be read belongs to the good one after it, and counts once, when that does.
        reached, owned, waiting = False, False, 0
        for number, raw in enumerate(lines):
            if number % LOOK == 0 and deadline.expired:
                raise _NoTime
            if not raw.strip():
                continue
            line, at = _parsed(raw, self._time)
            if line is None or at is None:
                if newest_first:
                    read.bad += owned
                else:
                    waiting += 1
                continue
            owned = read.until <= at < until
            read.bad += waiting if owned else 0
            waiting = 0
            if at < least:
                reached = True
                if newest_first:
                    return True
            if at >= until:
                continue
            read.newest = max(read.newest, at)
            if at >= read.until:
                read.lines += 1
                self._count(line, int((at - read.base) // EVERY), read)
        return reached

    def _count(self, line: dict[str, Any], number: int, read: _Bins) -> None:
        words = self._words
        if not all(one.holds(line) for one in words.requests.where):
            return
        read.requests[number] = read.requests.get(number, 0) + 1
        if all(one.holds(line) for one in words.errors.where):
            read.errors[number] = read.errors.get(number, 0) + 1
        if words.latency is not None:
            seconds = number_of(field_of(line, words.latency))
            counts = read.latencies.setdefault(number, [0] * (len(EDGES) + 1))
            # A request that says nothing took longer than all: it was cut off, or the field is not what was meant.
            counts[len(EDGES) if seconds is None else bisect_left(EDGES, seconds * words.scale)] += 1


def _bad(read: _Bins) -> str:
    """What is wrong with the lines; empty where enough of them can be read."""
    whole = read.bad + read.lines
    return f"{read.bad} of {whole} lines cannot be read" if read.bad > MOST_BAD * whole else ""


class _NoTime(Exception):
    """The deadline came before the end of what has to be read."""


def _parsed(raw: bytes, time_field: str) -> tuple[dict[str, Any] | None, float | None]:
    try:
        read = json.loads(raw)
        return (read, moment_of(field_of(read, time_field))) if isinstance(read, dict) else (None, None)
    except (ValueError, RecursionError):
        return None, None
