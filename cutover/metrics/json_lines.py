"""Figures from a log of JSON lines: counts, rates, shares and quantiles, read from the end as far as the span needs."""

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path

from cutover.core.clock import Deadline
from cutover.core.series import Gap, Reading, Sample, Span, judged
from cutover.metrics.log_bins import Bin
from cutover.metrics.log_files import BROKEN, Unstable, backwards, forwards, head_of, predecessors
from cutover.metrics.log_query import LogQuery, Unclear, field_of, moment_of, number_of

LONGEST = 30.0
TRIES = 3  # a log that is rotated while it is read is read again
LOOK = 500  # lines between two looks at the clock
DISORDER = 5.0  # seconds by which a line may stand behind a younger one
MOST_BAD = 0.01  # more lines than this that cannot be read, and what was counted is a part
MOST_STEPS = 50_000


@dataclass(frozen=True)
class JsonLines:
    """Answers one sample for each whole step of the span, at the step's end; memory does not grow with the log.

    A step without lines counts as zero where older and younger lines show that somebody was writing, and is no data before
    the first line and behind the last one: an application that is dead writes none, too.
    """

    file: str
    time_field: str = "time"
    delay: float = 10.0
    now: Callable[[], float] = field(default=time.time, repr=False, compare=False)

    def read(self, query: str, span: Span, deadline: Deadline) -> Reading:
        deadline = deadline.within(LONGEST)
        if (span.until - span.since) / span.step > MOST_STEPS:
            return Reading.unreachable(f"a span of a log has at most {MOST_STEPS} steps")
        try:
            wanted = LogQuery.parse(query)
            for _ in range(TRIES):
                count = _Count(wanted, span, self.time_field, self.now() - self.delay)
                try:
                    self._count(count, deadline)
                except Unstable:
                    continue
                return self._told(count)
        except Unclear as error:
            return Reading.unreachable(f"the query: {error}")
        except _NoTime:
            return Reading.unreachable(
                f"{self.file}: no whole answer before the deadline, {count.lines} lines were read"
            )
        except BROKEN as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            return Reading.unreachable(f"{self.file}: {why}")
        return Reading.unreachable(f"{self.file}: was rotated {TRIES} times while it was read")

    def shell(self, query: str) -> str:
        words = shlex.join([self.file, self.time_field, query])
        return f"python3 -m cutover.metrics.json_lines {words}   # of the last whole minute"

    def _count(self, count: "_Count", deadline: Deadline) -> None:
        path = Path(self.file)
        with ExitStack() as stack:
            try:
                opened = stack.enter_context(path.open("rb"))
            except FileNotFoundError:  # between a rename and the application's next line there is none
                rotated = _rotated(path)
                if not rotated:
                    raise
                opened = stack.enter_context(rotated[0].open("rb"))
            stat, head = os.fstat(opened.fileno()), head_of(opened)
            before = predecessors(path, stat, head, count.span.since - DISORDER)
            if count.all_of(backwards(opened), deadline, newest_first=True):
                return
            if os.fstat(opened.fileno()).st_size < stat.st_size:
                raise Unstable
        for file in before:
            if file.suffix == ".gz":
                reached = count.all_of(forwards(file), deadline, newest_first=False)
            else:
                with file.open("rb") as older:
                    reached = count.all_of(backwards(older), deadline, newest_first=True)
            if reached:
                return

    def _told(self, count: "_Count") -> Reading:
        found = judged(list(count.samples()), count.span, delay=self.delay + count.span.step)
        if count.bad:
            said = f"{count.bad} of {count.bad + count.lines} lines cannot be read"
            if found.gap is None and count.bad > MOST_BAD * (count.bad + count.lines):
                return Reading(found.samples, Gap.PARTIAL, said)
            return Reading(found.samples, found.gap, f"{found.seen} ({said})")
        return found


class _NoTime(Exception):
    """The deadline came before the end of what has to be read."""


class _Count:
    """What the lines amount to so far."""

    def __init__(self, query: LogQuery, span: Span, time_field: str, written: float) -> None:
        self.query, self.span, self._time = query, span, time_field
        self._written = written  # until when every line is there
        self.lines = self.bad = 0
        self._steps = int((span.until - span.since) / span.step + 1e-9)
        self._bins: dict[int, Bin] = {}
        self._first, self._last = inf, -inf

    def all_of(self, lines: Iterable[bytes], deadline: Deadline, *, newest_first: bool) -> bool:
        """Counts the lines; whether some of them are older than the span, so that nothing before them is needed."""
        reached = False
        for number, line in enumerate(lines):
            if number % LOOK == 0 and deadline.expired:
                raise _NoTime
            at = self._add(line)
            if at is not None and at < self.span.since - DISORDER:
                reached = True
                if newest_first:
                    break
        return reached

    def samples(self) -> Iterator[Sample]:
        """One for each whole step in which somebody was writing."""
        for number in range(self._steps):
            begin = self.span.since + number * self.span.step
            end = begin + self.span.step
            # A step that lines are still being written of would look like less.
            if end > self._first and begin <= self._last and end <= max(self._last, self._written):
                yield Sample(end, self._bins.get(number, Bin()).value(self.query.what, self.span.step))

    def _add(self, line: bytes) -> float | None:
        if not line.strip():
            return None
        try:
            read = json.loads(line)
            at = moment_of(field_of(read, self._time)) if isinstance(read, dict) else None
        except (ValueError, RecursionError):
            at = None
        if at is None:
            self.bad += 1
            return None
        self.lines += 1
        if at <= self.span.until:
            self._first = min(self._first, at)
            self._last = max(self._last, at)
        number = int((at - self.span.since) // self.span.step)
        if not 0 <= number < self._steps or not all(one.holds(read) for one in self.query.of):
            return at
        found = self._bins.setdefault(number, Bin())
        found.lines += 1
        if all(one.holds(read) for one in self.query.where):
            value = number_of(field_of(read, self.query.field)) if self.query.field else None
            if not self.query.field or (value is not None and isfinite(value)):
                found.add(value)
        return at


def _rotated(path: Path) -> list[Path]:
    """The predecessors of a live file that is away, the newest first, where they are not packed."""
    found = [one for one in path.parent.glob("*") if one.name.startswith(f"{path.name}.") and one.suffix != ".gz"]
    return sorted(found, key=lambda one: one.stat().st_mtime, reverse=True)


if __name__ == "__main__":
    now = time.time()
    log, time_field, asked = sys.argv[1:]
    told = JsonLines(log, time_field).read(asked, Span(now - 70, now - 10, 60.0), Deadline.after(LONGEST))
    print(told.seen if told.gap is None else f"{told.gap.value}: {told.seen}")
