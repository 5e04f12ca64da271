"""What one side counted, by the counters that Prometheus scraped of it: whole requests, and nothing made up."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from math import isfinite

from cutover.core.clock import Deadline
from cutover.core.series import Gap
from cutover.metrics.onsets import EVERY
from cutover.metrics.prometheus import Counter, Prometheus, Unread
from cutover.metrics.tally import Histogram, Tally

PIECE = 1800.0  # seconds of samples in one answer
WITHIN = 10.0  # seconds that one reading may take; what it has read is kept
WAIT = 2.0  # seconds for which a look waits for it
LATE = 1.5  # times the longest scrape interval, in which there is a newer sample
REQUESTS, ERRORS, LATENCIES = "requests", "errors", "latencies"
NAME = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)")
LABEL = re.compile(r"[{,]\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)")


@dataclass(frozen=True)
class Selectors:
    """The counters of one side: its requests, those of them that failed, and the buckets of its latencies (seconds)."""

    requests: str
    errors: str
    latencies: str | None = None

    def by_name(self) -> dict[str, str]:
        known = {REQUESTS: self.requests, ERRORS: self.errors, LATENCIES: self.latencies}
        return {name: selector for name, selector in known.items() if selector is not None}


@dataclass
class _Read:
    """Everything counted after `base`: a rise between two samples lies in the bin in which the first of them was scraped.

    So what was counted since an edge between two bins is what rose between samples that both are younger than the edge.
    """

    base: float
    until: float
    newest: float = 0.0
    odd: bool = False
    """A counter was no number."""
    seen: dict[str, set[str]] = field(default_factory=dict)
    """The labels of the series that there were, by what is counted."""
    last: dict[tuple[object, ...], tuple[float, float]] = field(default_factory=dict)
    bins: dict[str | float, list[float]] = field(default_factory=dict)
    since: dict[str | float, list[float]] = field(default_factory=dict)
    """What was counted from each bin on, added up."""

    def take(self, what: str, counter: Counter) -> None:
        self.seen.setdefault(what, set()).update(counter.labels)
        series = (what, *sorted(counter.labels.items()))
        key: str | float = float(counter.labels["le"]) if what == LATENCIES else what
        for sample in counter.samples:
            before = self.last.get(series)
            if sample.at <= (before[0] if before else self.base):
                continue
            if not isfinite(sample.value):
                self.odd = True
                continue
            self.last[series] = sample.at, sample.value
            if what == REQUESTS:
                self.newest = max(self.newest, sample.at)
            if before is None:
                continue
            # A counter that fell has begun anew: what it has now was counted since.
            rise = sample.value - before[1] if sample.value >= before[1] else sample.value
            counts, number = self.bins.setdefault(key, []), int((before[0] - self.base) // EVERY)
            counts.extend([0.0] * (number + 1 - len(counts)))
            counts[number] += rise

    def counted(self, key: str | float, since: float) -> int:
        if key not in self.since:
            self.since[key] = list(accumulate(reversed(self.bins.get(key, ()))))[::-1]
        number = round((since - self.base) / EVERY)
        found = self.since[key]
        return round(found[number]) if number < len(found) else 0


class CountedByPrometheus:
    """`Counted` by the counters of one side, which are read beside the walk: a server that hangs holds up nobody's look.

    What is missing is a gap and never zero. `delay` is the longest scrape interval in seconds. Whoever asks for the same span
    is told the same, because only what was scraped counts. What a counter had before its first sample in the span is
    not counted, nor what a process counted after its last one.
    """

    def __init__(self, prometheus: Callable[[], Prometheus], selectors: Selectors, delay: float) -> None:
        self._prometheus, self._selectors, self._delay = prometheus, selectors, delay
        self._read: _Read | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._trouble = ""

    @property
    def trouble(self) -> str:
        """Why the newest reading did not come to its end; empty when it did."""
        return self._trouble

    def __call__(self, since: float, until: float) -> Tally | Gap:
        if self._thread is not None and self._thread.is_alive():
            return Gap.UNREACHABLE  # what is still at work has been waited for
        read = self._read
        if read is None or until < read.until or since < read.base or (since - read.base) % EVERY > 1e-6:
            read = self._read = _Read(since, since)
        if read.until < until:
            self._thread = threading.Thread(target=self._go_on, args=(read, until), name="counted", daemon=True)
            self._thread.start()
            self._thread.join(WAIT)
        with self._lock:
            if read.until < until:
                return Gap.UNREACHABLE
            return self._told(read, since)

    def _go_on(self, read: _Read, until: float) -> None:
        deadline = Deadline.after(WITHIN)
        try:
            while read.until < until:
                end = min(until, read.until + PIECE)
                found = {
                    name: self._prometheus().counters(selector, read.until, end, deadline)
                    for name, selector in self._selectors.by_name().items()
                }
                with self._lock:
                    for name, counters in found.items():
                        for counter in counters:
                            read.take(name, counter)
                    read.until, read.since = end, {}
            self._trouble = ""
        except Unread as error:
            self._trouble = str(error)
        except (KeyError, ValueError) as error:
            self._trouble = f"the latencies are no buckets with `le`: {error}"

    def _told(self, read: _Read, since: float) -> Tally | Gap:
        if not read.newest and read.until - read.base <= 2 * self._delay:
            return Tally(0, 0)  # nothing can have been scraped yet
        if read.odd:
            return Gap.NOT_A_NUMBER
        if not read.seen.get(REQUESTS) or (LATENCIES in self._selectors.by_name() and not read.seen.get(LATENCIES)):
            return Gap.NO_DATA
        if not read.seen.get(ERRORS) and not self._may_have_none(read):
            return Gap.NO_DATA
        if read.newest < read.until - LATE * self._delay:
            return Gap.STALE
        requests, errors = read.counted(REQUESTS, since), read.counted(ERRORS, since)
        return Tally(requests, min(errors, requests), self._latencies(read, since))

    def _may_have_none(self, read: _Read) -> bool:
        """Errors that nobody has seen are zero only where they are told from the requests by labels that these have."""
        ours, others = NAME.match(self._selectors.errors), NAME.match(self._selectors.requests)
        if ours is None or others is None or ours[1] != others[1]:
            return False
        return set(LABEL.findall(self._selectors.errors)) <= read.seen[REQUESTS]

    def _latencies(self, read: _Read, since: float) -> Histogram | None:
        edges = [key for key in read.bins if isinstance(key, float)]
        if float("inf") not in edges or len(edges) < 2:
            return None
        return Histogram.from_cumulative({edge: read.counted(edge, since) for edge in edges})


def settled(delay: float, now: Callable[[], float] = time.time) -> Callable[[], float]:
    """The clock of what is compared: so late that everything up to it was scraped, in whole seconds."""
    return lambda: float(int(now() - delay))
