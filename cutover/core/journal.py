"""The append-only record of a run, and the position that is read from it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Protocol

from cutover.core import killpoint
from cutover.core.lease import Lease, LeaseStore
from cutover.core.moment import Moment, Standing
from cutover.core.plain import digest
from cutover.core.rows import Rows


@dataclass(frozen=True)
class Entry:
    """One line of the journal; `hash` covers everything else, `prev` is the hash of the line before."""

    seq: int
    run: str
    at: float
    token: int
    kind: str
    data: Mapping[str, Any]
    prev: str
    hash: str

    @staticmethod
    def seal(seq: int, run: str, at: float, token: int, kind: str, data: Mapping[str, Any], prev: str) -> str:
        """The hash of an entry with these fields."""
        return digest([seq, run, at, token, kind, data, prev])


class Store(Protocol):
    """Where the entries of one environment are kept, durable when `append` returns."""

    def append(self, run: str, kind: str, data: Mapping[str, Any], lease: Lease) -> Entry:
        """Adds one entry; raises LeaseLost, and writes nothing, when a newer token exists."""

    def entries(self, run: str | None = None) -> Sequence[Entry]:
        """All entries, or those of one run, oldest first; raises JournalBroken when the chain does not hold."""

    def wish(self, run: str, kind: str, data: Mapping[str, Any]) -> None:
        """Leaves a word for whoever holds the lease (a hold that another terminal asks for)."""

    def wishes(self, run: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """The words left for a run, oldest first."""


class State(Store, LeaseStore, Protocol):
    """Journal and lease of one environment in one place."""

    def newer(self, than: Entry | None) -> Sequence[Entry]:
        """What was written after that entry (None: all), also what belongs to no run; raises JournalBroken when it does not follow."""

    def rows(self) -> Rows:
        """Everything that is kept, proven by nobody: a broken chain raises nothing here; raises JournalBroken or Unreachable."""

    def close(self) -> None:
        """Gives back what was opened; the lease stays as it is."""


@dataclass(frozen=True)
class Leg:
    """One walk over a plan or its inverse, as its first entry says."""

    seq: int
    direction: str
    plan: str
    digest: str
    to: str | None
    until: str | None
    reason: str
    who: str
    everything: bool
    taken: tuple[str, ...]
    at: float
    cause: str = ""
    half_done: tuple[str, ...] = ()
    outcome: str | None = None


@dataclass(frozen=True)
class Position:
    """Where a run stands: derived from its entries, never stored.

    `done` are the forward items that hold now, in the order in which they were last done; `kept` are those that an ended
    way back left standing; `leg_done` the items finished in the present leg; `intent` the step with an intent that was not
    answered (what it undoes is no longer `done`); `failed` what failed in this leg (latched); `converged_at` when each step
    was last seen done. `hold_begun` is when each hold began, put off by the time in which no process watched; `standing` is
    by guard what the run stands still for, `noticed` are the guards whose failure was told, `borne` those which fail and
    with which a person said to go on; `asked` is since when a gate waits for an answer. `at` is when whoever walks the
    run, under `token`, wrote its newest entry.
    """

    run: str
    leg: Leg | None = None
    legs: tuple[Leg, ...] = ()
    done: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    leg_done: tuple[str, ...] = ()
    intent: str | None = None
    intent_undoes: tuple[str, ...] = ()
    phase: str | None = None
    phase_entered: Mapping[str, float] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    hold_begun: Mapping[str, float] = field(default_factory=dict)
    converged_at: Mapping[str, float] = field(default_factory=dict)
    standing: Mapping[str, Standing] = field(default_factory=dict)
    noticed: frozenset[str] = frozenset()
    borne: frozenset[str] = frozenset()
    asked: Mapping[str, Moment] = field(default_factory=dict)
    at: float = 0.0
    token: int = 0

    @property
    def taken(self) -> tuple[str, ...]:
        """The forward items that a way back has to look at: the done ones, and one whose intent is open."""
        return self.done + tuple(name for name in self.half_done if name not in self.done)

    @property
    def half_done(self) -> tuple[str, ...]:
        """The forward items that an intent which was not answered is about."""
        return tuple(n for n in (self.intent, *self.intent_undoes) if n and not n.endswith("-undo"))

    @property
    def under_way(self) -> bool:
        """Whether the present leg has not ended (it was interrupted without a word)."""
        return self.leg is not None and self.leg.outcome is None


class Journal:
    """One run's view of the store: appends under the lease, and reads the position."""

    def __init__(self, store: Store, lease: Lease, run: str) -> None:
        self._store, self.lease, self.run = store, lease, run
        self._entries: list[Entry] = list(store.entries(run))
        self._position = position_of(run, self._entries)

    def append(self, kind: str, **data: Any) -> Entry:
        """Adds one entry for this run; durable when it returns."""
        label = f"{kind}:{data.get('step') or data.get('gate') or data.get('phase') or data.get('direction') or ''}"
        killpoint.reached(f"before {label}")
        entry = self._store.append(self.run, kind, data, self.lease)
        self._entries.append(entry)
        self._position = _after(self._position, entry)
        killpoint.reached(f"after {label}")
        return entry

    def entries(self) -> Sequence[Entry]:
        return tuple(self._entries)

    @property
    def length(self) -> int:
        """How many entries there are."""
        return len(self._entries)

    @property
    def began(self) -> float | None:
        """When the run's first entry was written; None before it."""
        return self._entries[0].at if self._entries else None

    def wishes(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        return self._store.wishes(self.run)

    def position(self) -> Position:
        return self._position


def position_of(run: str, entries: Iterable[Entry], before: Position | None = None) -> Position:
    """The position after these entries of one run: all of them, or those that come after `before`."""
    return reduce(_after, entries, before or Position(run))


def _after(p: Position, entry: Entry) -> Position:
    told = _told(p, entry)
    if entry.kind in ("leg-started", "leg-resumed"):
        return _with(told, at=entry.at, token=entry.token)
    # What another process writes down meanwhile, who was told of it for example, does not mean that somebody watched.
    return _with(told, at=entry.at) if entry.token == p.token or not p.token else told


def _with(p: Position, **changes: Any) -> Position:
    """The position with these changes; a long journal is read by thousands of them, which `dataclasses.replace` makes slow."""
    changed = object.__new__(Position)
    vars(changed).update(vars(p), **changes)
    return changed


def _told(p: Position, entry: Entry) -> Position:
    data = entry.data
    match entry.kind:
        case "leg-started":
            return _leg_started(p, _leg(entry))
        case "leg-resumed":
            return _with(p, hold_begun=_put_off(p, entry.at))
        case "standing":
            still = Standing(data["guard"], Moment(entry.at, entry.seq), data["seen"], data["seconds"], data["then"])
            return _with(p, standing={**p.standing, still.guard: still})
        case "standing-ended":
            standing = {name: still for name, still in p.standing.items() if name != data["guard"]}
            borne = p.borne | {data["guard"]} if data["outcome"] == "borne" else p.borne
            return _with(p, standing=standing, borne=borne)
        case "guard-failed" if data["policy"] == "notify":
            return _with(p, noticed=p.noticed | {data["guard"]})
        case "guard-cleared":
            return _with(p, noticed=p.noticed - {data["guard"]}, borne=p.borne - {data["guard"]})
        case "phase-entered":
            return _with(p, phase=data["phase"], phase_entered={**p.phase_entered, data["phase"]: entry.at})
        case "phase-left":
            return _with(p, phase=None)
        case "intent":
            undoes = tuple(data["undoes"])
            return _with(p, intent=data["step"], intent_undoes=undoes, done=_without(p.done, undoes))
        case "converged" | "skipped" | "passed" | "noted":
            return _item_done(p, entry)
        case "waiting":
            return _with(p, asked={data["gate"]: Moment(entry.at, entry.seq), **p.asked})
        case "hold-begun":
            return _with(p, hold_begun={**p.hold_begun, data["gate"]: entry.at})
        case "hold-broken":
            return _with(p, hold_begun={k: v for k, v in p.hold_begun.items() if k != data["gate"]})
        case "failed":
            return _with(p, failed={**p.failed, data["gate"]: data["seen"]})
        case "leg-ended" if p.leg is not None:
            ended = replace(p.leg, outcome=data["outcome"])
            cleared = data.get("cleared", ())
            kept = (*_without(p.kept, p.done), *(name for name in p.done if name in cleared))
            return _with(
                p, leg=ended, legs=(*p.legs[:-1], ended), phase=None, done=_without(p.done, cleared), kept=kept
            )
    return p


def _leg_started(p: Position, leg: Leg) -> Position:
    """A leg that goes on forward where the one before it was only told to wait keeps what was waited for."""
    begun = _with(p, leg=leg, legs=(*p.legs, leg), leg_done=(), failed={}, phase=None, phase_entered={})
    last = p.leg
    goes_on = last is not None and last.direction == leg.direction == "forward" and last.plan == leg.plan
    if goes_on and last is not None and last.outcome in ("interrupted", "waiting"):
        return _with(begun, hold_begun=_put_off(p, leg.at))
    fresh = _with(begun, hold_begun={})
    return fresh if goes_on else _with(fresh, asked={}, standing={}, noticed=frozenset(), borne=frozenset())


def _put_off(p: Position, now: float) -> Mapping[str, float]:
    """Since the newest entry nobody watched; a hold has to be watched for all of its time."""
    unwatched = max(0.0, now - p.at)
    return {gate: begun + unwatched for gate, begun in p.hold_begun.items()}


def _item_done(p: Position, entry: Entry) -> Position:
    data = entry.data
    name = data.get("step") or data["gate"]
    undoes = tuple(data.get("undoes", ()))
    done = _without(p.done, undoes) if undoes else (*_without(p.done, (name,)), name)
    answered = p.intent is not None and (p.intent == name or p.intent in undoes)
    return _with(
        p,
        done=done,
        kept=_without(p.kept, (name, *undoes)),
        leg_done=(*p.leg_done, name),
        intent=None if answered else p.intent,
        intent_undoes=() if answered else p.intent_undoes,
        converged_at={**p.converged_at, name: entry.at},
        asked={gate: moment for gate, moment in p.asked.items() if gate != name},
    )


def _without(names: Iterable[str], gone: Iterable[str]) -> tuple[str, ...]:
    gone = set(gone)
    return tuple(name for name in names if name not in gone)


def _leg(entry: Entry) -> Leg:
    data = entry.data
    said = {name: data.get(name, "") for name in ("reason", "who", "cause")}
    return Leg(
        seq=entry.seq,
        direction=data["direction"],
        plan=data["plan"],
        digest=data["digest"],
        to=data.get("to"),
        until=data.get("until"),
        everything=bool(data.get("everything")),
        taken=tuple(data.get("taken", ())),
        at=entry.at,
        half_done=tuple(data.get("half_done", ())),
        **said,
    )
