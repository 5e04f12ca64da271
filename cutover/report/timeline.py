"""A run as spans of time, read from its entries: legs, their phases and items, and what each item waited for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.core.back import REOPENED, TURNS
from cutover.core.journal import Entry

ENDS = {
    "converged": "done",
    "skipped": "held already",
    "passed": "passed",
    "failed": "failed",
    "noted": "failed, noted",
}
AT_REST = ("done", "until", "waiting")  # how a leg ends after which nobody has to be at work
LONG = 1.0  # seconds without any process that are told


@dataclass
class Wait:
    """What was waited for: `soak`, `answer` (of people), `standing` (still, for a guard) or `nobody` (no process walked)."""

    kind: str
    about: str
    began: float
    ended: float | None = None
    seen: str = ""


@dataclass
class Item:
    """One step or gate in one leg; `seconds` is what it took by its own clock where it recorded that, else by the entries' times."""

    name: str
    kind: str
    phase: str
    began: float
    ended: float | None = None
    seconds: float | None = None
    result: str = "under way"
    seen: Any = ""
    waits: list[Wait] = field(default_factory=list)


@dataclass
class PhaseSpan:
    name: str
    began: float
    ended: float | None = None
    budget: float | None = None


@dataclass
class LegSpan:
    """One walk over the plan or its inverse, by whom and why, and how it ended (`outcome` None: it has not)."""

    number: int
    seq: int
    direction: str
    plan: str
    digest: str
    who: str
    reason: str
    cause: str
    to: str | None
    until: str | None
    began: float
    ended: float | None = None
    outcome: str | None = None
    error: str = ""
    complaints: list[str] = field(default_factory=list)
    resumed: list[Mapping[str, Any]] = field(default_factory=list)
    phases: list[PhaseSpan] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)

    @property
    def name(self) -> str:
        way = "back" if self.direction == "back" else "forward"
        return f"{self.number}. {way}" if self.plan == "cutover" else f"{self.number}. {self.plan}"


def timeline(entries: Sequence[Entry]) -> list[LegSpan]:
    """The legs of one run, oldest first."""
    reader = _Reader()
    for entry in entries:
        reader.read(entry)
    return reader.legs


class _Reader:
    def __init__(self) -> None:
        self.legs: list[LegSpan] = []
        self._open: Item | None = None
        self._phase = ""
        self._cursor = 0.0
        """When the item that is next to be told of can have begun: where the one before it ended."""
        self._last = 0.0

    def read(self, entry: Entry) -> None:
        if entry.kind == "leg-started":
            self._leg(entry)
        elif self.legs:
            read = _READS.get(entry.kind)
            if read is not None:
                read(self, self.legs[-1], entry)
        self._last = entry.at

    def _leg(self, entry: Entry) -> None:
        if self.legs:
            self._before(self.legs[-1], entry)
        self.legs.append(_started(len(self.legs) + 1, entry))
        self._cursor, self._phase = entry.at, ""

    def _before(self, leg: LegSpan, entry: Entry) -> None:
        """The leg before a new one: it ended, or turned round without a word of its own, or its process died."""
        stayed = False  # the same process went on without a break, however long it had waited
        if leg.outcome is None:
            cause = entry.data.get("cause")
            leg.outcome = "turned back" if cause in TURNS else "turned forward" if cause == REOPENED else "cut off"
            stayed = leg.outcome != "cut off"
            leg.ended = entry.at if stayed else self._last
            self._close(leg.outcome, leg.ended)
        if not stayed and leg.outcome not in AT_REST and entry.at - self._last > LONG:
            leg.waits.append(Wait("nobody", f"after {leg.outcome}", self._last, entry.at))

    def _resumed(self, leg: LegSpan, entry: Entry) -> None:
        leg.resumed.append({"at": entry.at, "who": str(entry.data.get("who") or "")})
        if entry.at - self._last > LONG:
            leg.waits.append(Wait("nobody", "until it was resumed", self._last, entry.at))
        self._cursor = entry.at

    def _leg_ended(self, leg: LegSpan, entry: Entry) -> None:
        leg.ended, leg.outcome = entry.at, str(entry.data["outcome"])
        leg.error = str(entry.data.get("error") or "")
        leg.complaints = [str(one) for one in entry.data.get("complaints") or ()]
        self._close(leg.outcome, entry.at)

    def _close(self, result: str, at: float) -> None:
        """Ends what is still open where its leg ends."""
        if self._open is not None:
            self._end(result, at)
        for phase in self.legs[-1].phases:
            phase.ended = at if phase.ended is None else phase.ended
        for wait in self.legs[-1].waits:
            wait.ended = at if wait.ended is None else wait.ended

    def _entered(self, leg: LegSpan, entry: Entry) -> None:
        self._phase = str(entry.data["phase"])
        leg.phases.append(PhaseSpan(self._phase, entry.at, budget=entry.data.get("budget")))
        self._cursor = entry.at

    def _left(self, leg: LegSpan, entry: Entry) -> None:
        for phase in reversed(leg.phases):
            if phase.name == entry.data["phase"] and phase.ended is None:
                phase.ended = entry.at
                break
        self._phase, self._cursor = "", entry.at

    def _item(self, leg: LegSpan, entry: Entry, began: float) -> Item:
        """The item that the entry is about; it begins here when it was not open."""
        name, kind = str(entry.data.get("step") or entry.data.get("gate")), "step" if "step" in entry.data else "gate"
        if self._open is None or self._open.name != name:
            if self._open is not None:
                self._end("left", entry.at)
            self._open = Item(name, kind, self._phase, began)
            leg.items.append(self._open)
        return self._open

    def _intent(self, leg: LegSpan, entry: Entry) -> None:
        self._item(leg, entry, entry.at)

    def _asked(self, leg: LegSpan, entry: Entry) -> None:
        item = self._item(leg, entry, self._cursor)
        seen = str(entry.data.get("seen") or "")
        if entry.kind == "hold-begun":
            item.waits.append(Wait("soak", item.name, entry.at))
        elif entry.kind == "hold-broken":
            _ended(item, "soak", entry.at, "broken")
        elif entry.data.get("asks"):
            asked = next((one for one in item.waits if one.kind == "answer" and one.ended is None), None)
            if asked is None:
                item.waits.append(Wait("answer", item.name, entry.at, seen=seen))

    def _done(self, leg: LegSpan, entry: Entry) -> None:
        seconds = entry.data.get("seconds")
        item = self._item(leg, entry, self._cursor)
        if seconds is not None:  # it looked before it wrote down what it intends
            item.began = min(item.began, max(self._cursor, entry.at - float(seconds)))
            item.seconds = float(seconds)
        item.seen = entry.data.get("seen")
        self._end(ENDS[entry.kind], entry.at)

    def _unexpected(self, leg: LegSpan, entry: Entry) -> None:
        item = self._item(leg, entry, self._cursor)
        item.seen = entry.data.get("seen")
        self._end("unexpected", entry.at)

    def _end(self, result: str, at: float) -> None:
        item = self._open
        assert item is not None
        item.ended, item.result = at, result
        if item.seconds is None:
            item.seconds = round(max(0.0, at - item.began), 3)
        for wait in item.waits:
            wait.ended = at if wait.ended is None else wait.ended
        self._open, self._cursor = None, at

    def _standing(self, leg: LegSpan, entry: Entry) -> None:
        leg.waits.append(Wait("standing", str(entry.data["guard"]), entry.at, seen=str(entry.data.get("seen") or "")))

    def _standing_ended(self, leg: LegSpan, entry: Entry) -> None:
        for wait in leg.waits:
            if wait.kind == "standing" and wait.about == entry.data["guard"] and wait.ended is None:
                wait.ended = entry.at


def _started(number: int, entry: Entry) -> LegSpan:
    data = entry.data
    return LegSpan(
        number=number,
        seq=entry.seq,
        direction=str(data["direction"]),
        plan=str(data["plan"]),
        digest=str(data["digest"]),
        who=str(data.get("who") or ""),
        reason=str(data.get("reason") or ""),
        cause=str(data.get("cause") or ""),
        to=data.get("to"),
        until=data.get("until"),
        began=entry.at,
    )


def _ended(item: Item, kind: str, at: float, seen: str) -> None:
    for wait in item.waits:
        if wait.kind == kind and wait.ended is None:
            wait.ended, wait.seen = at, seen


_READS: Mapping[str, Callable[[_Reader, LegSpan, Entry], None]] = {
    "leg-resumed": _Reader._resumed,
    "leg-ended": _Reader._leg_ended,
    "phase-entered": _Reader._entered,
    "phase-left": _Reader._left,
    "intent": _Reader._intent,
    "waiting": _Reader._asked,
    "hold-begun": _Reader._asked,
    "hold-broken": _Reader._asked,
    **dict.fromkeys(ENDS, _Reader._done),
    "unexpected": _Reader._unexpected,
    "standing": _Reader._standing,
    "standing-ended": _Reader._standing_ended,
}
