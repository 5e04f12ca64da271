"""The figures of all triggers, read beside the walk again and again: a source that hangs holds up nobody's look."""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cutover.core.clock import Deadline
from cutover.core.series import Gap, Reading, Span
from cutover.figures import Figures
from cutover.metrics.figures import Asked

OFTEN = 1.0  # seconds between two readings of one figure at most often; never more often than it has samples
WITHIN = 10.0  # seconds that one round may take
IDLE = 60.0  # seconds after the last look after which nothing is read any more
GRACE = 900.0  # seconds at least after which a figure that nobody has seen yet may be called never there: visitors may be few
AGAIN = 60.0  # seconds between two questions whether it is
QUICK = 3.0  # seconds that it may take
LOOKED_BACK = 86_400.0
MOST = 5_000  # samples of such a question
LATE = 3  # readings that may be missing before what was read last says nothing


@dataclass(frozen=True)
class _Wanted:
    """One figure of one side over so many seconds before now."""

    name: str
    side: str
    seconds: float
    step: float

    @classmethod
    def of(cls, name: str, side: str, span: Span) -> "_Wanted":
        return cls(name, side, round(span.until - span.since, 3), span.step)

    @property
    def every(self) -> float:
        return max(OFTEN, self.step)


class Looks:
    """What conditions read: the newest reading of each figure. First looks wait for theirs, WITHIN seconds all together.

    A figure that was not read for a while says nothing: its reading is unreachable. One that its source has had nothing of since
    the run began (`began`, seconds since the epoch; at most a day is looked back) is called never there, once it was looked for
    as long as its span is, and a minute at least.
    """

    def __init__(
        self,
        figures: Callable[[], Figures],
        baselines: Callable[[], Mapping[str, float]],
        now: Callable[[], float] = time.time,
        began: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._figures, self._baselines, self._now, self._began = figures, baselines, now, began
        self._open: list[Figures] = []
        self._read: dict[_Wanted, tuple[float, Reading]] = {}
        self._wanted: dict[_Wanted, float] = {}
        self._seen: set[tuple[str, str]] = set()
        self._unseen: dict[tuple[str, str], tuple[float, float]] = {}
        """Since when a figure has had no samples at all, and when it was asked whether it ever had."""
        self._changed = threading.Condition()
        self._patient: float | None = None
        self._in_vain = False
        self._thread: threading.Thread | None = None
        self._closed = False

    def baseline(self, name: str) -> float | None:
        """What was recorded for the figure before the cutover; None where nothing was."""
        return self._baselines().get(name)

    def want(self, asked: Sequence[Asked]) -> None:
        """Says what will be read, so that all of it is read at the same time."""
        with self._changed:
            for one in asked:
                self._wanted[_Wanted.of(one.name, one.side, one.span)] = time.monotonic()
            self._begin()

    def read(self, name: str, side: str, span: Span) -> Reading:
        """The newest reading; trouble is a reading with a gap, never an exception."""
        wanted = _Wanted.of(name, side, span)
        with self._changed:
            end = self._patient_until()
            self._wanted[wanted] = time.monotonic()
            self._begin()
            while wanted not in self._read and time.monotonic() < end and not self._closed:
                self._changed.wait(end - time.monotonic())
            found = self._read.get(wanted)
            self._in_vain = self._in_vain or found is None
        if found is None:
            return Reading.unreachable(f"not read within {WITHIN:g} s")  # or later, when others have waited already
        at, reading = found
        if time.monotonic() - at > LATE * wanted.every + WITHIN:
            return Reading.unreachable(f"last read {time.monotonic() - at:.0f} s ago")
        return reading

    def _patient_until(self) -> float:
        """Until when a first look may wait: many that each wait for a source that hangs would hold up the walk for minutes.

        Where nobody has waited in vain, whoever comes later waits as long.
        """
        now = time.monotonic()
        if self._patient is None or now > self._patient + (IDLE if self._in_vain else 0.0):
            self._patient, self._in_vain = now + WITHIN, False
        return self._patient

    def close(self) -> None:
        """Ends the reading; what is under way is left to its own deadline."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _begin(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._go_on, name="looks", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _go_on(self) -> None:
        while True:
            with self._changed:
                due, wait = self._due()
                if not due and not self._closed and self._wanted:
                    self._changed.wait(wait)
                    continue
                if self._closed or not self._wanted:
                    self._thread = None
                    return
            for layer in _layers(due):
                self._one_round(layer)

    def _due(self) -> tuple[list[_Wanted], float]:
        """What is to be read now, and the seconds until something is."""
        now = time.monotonic()
        self._wanted = {one: asked for one, asked in self._wanted.items() if now - asked < IDLE + one.every}
        left = {one: one.every - (now - self._read[one][0]) if one in self._read else 0.0 for one in self._wanted}
        due = [one for one, seconds in left.items() if seconds <= 0]
        return due, min((seconds for seconds in left.values() if seconds > 0), default=IDLE)

    def _one_round(self, layer: Sequence[_Wanted]) -> None:
        now = self._now()
        if not self._open:
            self._open.append(self._figures())
        spans = {(one.name, one.side): Span(now - one.seconds, now, one.step) for one in layer}
        found = self._open[0].read_all(spans, Deadline.after(WITHIN))
        asked = self._unseen_in(layer, found, now)
        self._keep(layer, found)
        if asked:
            self._keep([one for one in layer if (one.name, one.side) in asked], self._ever_there(asked))

    def _keep(self, layer: Sequence[_Wanted], found: Mapping[tuple[str, str], Reading]) -> None:
        at = time.monotonic()
        with self._changed:
            for one in layer:
                if (one.name, one.side) in found:
                    self._read[one] = at, found[one.name, one.side]
            self._changed.notify_all()

    def _unseen_in(
        self, layer: Sequence[_Wanted], found: dict[tuple[str, str], Reading], now: float
    ) -> dict[tuple[str, str], Span]:
        """Which of them have no data, and had none for as long as they are looked for; what was asked just now is told again."""
        mine, began = time.monotonic(), self._began()
        asked: dict[tuple[str, str], Span] = {}
        for one in layer:
            key = (one.name, one.side)
            if found[key].samples or found[key].gap is Gap.NOT_A_NUMBER:
                self._seen.add(key)
            if found[key].gap is not Gap.NO_DATA or key in self._seen or began is None:
                continue
            since, last = self._unseen.setdefault(key, (mine, -math.inf))
            begin = max(began, now - LOOKED_BACK)
            if mine - since < max(GRACE, one.seconds) or begin >= now:
                continue
            if mine - last < AGAIN:
                found[key] = _never(begin)
            else:
                asked[key] = Span(begin, now, max(one.step, (now - begin) / MOST))
        return asked

    def _ever_there(self, asked: Mapping[tuple[str, str], Span]) -> dict[tuple[str, str], Reading]:
        """Those of which the source itself says that there was nothing in the whole run; for the others it is as it was."""
        told = {}
        # Short: the others' figures grow old meanwhile.
        for key, reading in self._open[0].read_all(asked, Deadline.after(QUICK)).items():
            if reading.gap is Gap.NO_DATA:
                told[key] = _never(asked[key].since)
                self._unseen[key] = self._unseen[key][0], time.monotonic()
            elif reading.samples or reading.gap is Gap.NOT_A_NUMBER:
                self._seen.add(key)  # before this process began to look
        return told


def _never(since: float) -> Reading:
    begun = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(since))
    return Reading(gap=Gap.NEVER_THERE, seen=f"nothing since {begun} UTC")


def _layers(due: Sequence[_Wanted]) -> list[list[_Wanted]]:
    """So that no layer asks for two spans of the same figure."""
    layers: list[dict[tuple[str, str], _Wanted]] = []
    for one in due:
        layer = next((layer for layer in layers if (one.name, one.side) not in layer), None)
        if layer is None:
            layers.append(layer := {})
        layer[one.name, one.side] = one
    return [list(layer.values()) for layer in layers]
