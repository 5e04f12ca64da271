"""A memory for sources that have none: what they said before is kept in a bounded file of this machine."""

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from pathlib import Path

from cutover.core.clock import Deadline
from cutover.core.series import Reading, Sample, Source, Span, judged

MOST = 20_000  # samples of one figure; a day and a half at one every 6 s
LINE = 80  # bytes of one sample at most


@dataclass(frozen=True)
class Kept:
    """Asks `source` for now, and answers with what it said over the span, so that `for 5m` means something.

    It knows only what was read on this machine: another machine, or another folder, begins anew, and says `partial` until it
    has looked for long enough. One file for each figure, of at most 20,000 samples. `writes` is False where nothing may be:
    then what there is is the whole of it, and never partial.
    """

    source: Source
    folder: Path
    delay: float = 0.0
    writes: bool = True

    def read(self, query: str, span: Span, deadline: Deadline) -> Reading:
        found = self.source.read(query, span, deadline)
        if found.newest is None:
            return found  # a source that does not answer now is not well because it was before
        try:
            past = self._remembered(query, found.newest)
        except OSError as error:
            return Reading(found.samples, found.gap, f"{found.seen} (not kept: {error.strerror})", found.resets)
        samples = [one for one in past if span.since <= one.at < found.newest.at]
        return judged([*samples, found.newest], span.ending(found.newest.at), delay=self.delay, remembers=self.writes)

    def remembered(self, query: str, span: Span) -> Reading:
        """What it said over a span of the past, asking nobody."""
        file = self._file(query)
        try:
            past = _samples(file.read_bytes()) if file.exists() else []
        except OSError as error:
            return Reading.unreachable(f"what was kept of it: {error.strerror}")
        found = [one for one in past if span.since <= one.at <= span.until]
        return judged(found, span, delay=self.delay)

    def shell(self, query: str) -> str:
        return self.source.shell(query)

    def _file(self, query: str) -> Path:
        return self.folder / f"{sha256(query.encode()).hexdigest()[:24]}.jsonl"

    def _remembered(self, query: str, newest: Sample) -> list[Sample]:
        file = self._file(query)
        if not self.writes:
            return _samples(file.read_bytes()) if file.exists() else []
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX)  # two processes may look at the same time
            past = _samples(opened.read())
            # A line that a death cut short must not swallow this one.
            opened.write(b"\n" + json.dumps([newest.at, newest.value]).encode() + b"\n")
            if opened.tell() > MOST * LINE:
                kept = past[-MOST // 2 :]
                opened.seek(0)
                opened.truncate()
                opened.write(b"".join(json.dumps([one.at, one.value]).encode() + b"\n" for one in [*kept, newest]))
        return past


def _samples(data: bytes) -> list[Sample]:
    found = []
    for line in data.splitlines()[-MOST:]:
        with suppress(ValueError, TypeError, OverflowError, RecursionError):  # a line that a death cut short
            at, value = json.loads(line)
            if isfinite(at) and isfinite(value):
                found.append(Sample(float(at), float(value)))
    return found
