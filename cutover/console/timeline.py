"""A run beside its plan: each phase and item with how it stands, where the run is now, and what its way back has done."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cutover.core.errors import CutoverError
from cutover.core.gate import Gate
from cutover.core.journal import Entry, Leg, Position
from cutover.core.leg import BACK
from cutover.core.plain import text
from cutover.core.plan import Item, Phase, Plan
from cutover.core.step import UNDO
from cutover.run_views import CANCEL, FINISHED, ROLLBACK

DONE, SKIPPED, NOW, STOPPED, FAILED, AHEAD, UNDONE, NOTED = (
    "done",
    "held already",
    "now",
    "stopped here",
    "failed",
    "ahead",
    "taken back",
    "noted",
)
LAST = ("converged", "skipped", "passed", "noted", "failed")  # the kinds of entries that end an item


@dataclass(frozen=True)
class Row:
    """One item: `state` is one of this module's words. Times are seconds, `since` is seconds since the epoch.

    `takes` is what it took when it was last measured, or what the plan expects; None where only a soak or a person decides.
    """

    name: str
    gate: bool
    state: str
    what: str
    seen: str = ""
    took: float | None = None
    takes: float | None = None
    measured: bool = False
    since: float | None = None
    hold: float = 0.0
    commit: bool = False
    one_way: bool = False


@dataclass(frozen=True)
class Stage:
    """One phase; `zone` is how far back one can go once it is over."""

    name: str
    owner: str
    zone: str
    state: str
    rows: tuple[Row, ...]
    budget: float | None = None
    since: float | None = None


@dataclass(frozen=True)
class Timeline:
    """The way that the run goes, and where it has gone back, that way; `now` is the item that it is at, None at the end."""

    stages: tuple[Stage, ...]
    back: tuple[Stage, ...] = ()
    now: Item | None = None
    phase: Phase | None = None
    under_way: bool = False


def timeline(plan: Plan, position: Position, entries: Sequence[Entry], took: Mapping[str, float]) -> Timeline:
    """The run at `position`; `entries` are its own, `took` the seconds of each step when it was last measured in any run."""
    leg = position.leg
    if leg is None:
        return Timeline(tuple(_stages(plan, plan, position, {}, None, took, running=False)))
    mine = [entry for entry in entries if entry.seq >= leg.seq]
    inverse = _inverse(plan, leg) if leg.direction == BACK else None
    walked = inverse if inverse is not None else plan
    todo = _todo(walked, position, back=inverse is not None)
    at = todo[0] if todo and leg.outcome not in ("done", "rolled-back", "undone") else None
    forward = list(_stages(plan, plan, position, _last(entries), at, took, running=leg.outcome is None))
    back: tuple[Stage, ...] = ()
    if inverse is not None:
        back = tuple(_stages(plan, inverse, position, _last(mine), at, took, running=leg.outcome is None, back=True))
    phase, now = at if at is not None else (None, None)
    return Timeline(tuple(forward), back, now, phase, leg.outcome is None)


def _inverse(plan: Plan, leg: Leg) -> Plan | None:
    """The way back as that leg walks it; None where the plan of now does not know what was taken."""
    try:
        return plan.inverse(leg.taken, to=leg.to, everything=leg.everything, half_done=leg.half_done)
    except CutoverError:
        return None


def _todo(walked: Plan, position: Position, *, back: bool) -> list[tuple[Phase, Item]]:
    if back:
        return [(phase, item) for phase, item in walked.walk() if item.name not in position.leg_done]
    pending = walked.pending(position.done)
    return [(phase, item) for phase, item in walked.walk() if item.name in pending]


def _last(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """By item what was written about it, oldest first."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        name = entry.data.get("step") or entry.data.get("gate")
        if name:
            found.setdefault(str(name), []).append(entry)
    return found


def _stages(
    plan: Plan,
    walked: Plan,
    position: Position,
    about: Mapping[str, list[Entry]],
    at: tuple[Phase, Item] | None,
    took: Mapping[str, float],
    *,
    running: bool,
    back: bool = False,
) -> Iterator[Stage]:
    zone = FINISHED if plan.name != "cutover" else CANCEL
    switching = {step.name for step in plan.switching_steps()}
    here = at[1].name if at is not None else ""
    for phase in walked.phases:
        rows = tuple(
            _row(item, position, about.get(item.name, []), took, here, running=running, back=back)
            for item in phase.items
        )
        if plan.name == "cutover" and not back and switching & {item.name for item in phase.items}:
            zone = ROLLBACK
        yield Stage(
            phase.name,
            phase.owner,
            zone,
            _of_phase(rows),
            rows,
            phase.budget,
            position.phase_entered.get(phase.name) if position.phase == phase.name else None,
        )


def _row(
    item: Item,
    position: Position,
    about: Sequence[Entry],
    took: Mapping[str, float],
    here: str,
    *,
    running: bool,
    back: bool,
) -> Row:
    ended = next((entry for entry in reversed(about) if entry.kind in LAST), None)
    newest = about[-1] if about else None
    state = _state(item.name, position, ended, here, running=running, back=back)
    seen = str(newest.data.get("seen", "")) if newest is not None and isinstance(item, Gate) else ""
    if isinstance(item, Gate):
        return Row(
            item.name, True, state, item.check.why().split("\n", 1)[0], seen, since=_since(about), hold=item.hold
        )
    measured = took.get(item.name, took.get(item.name.removesuffix(UNDO)))
    seconds = ended.data.get("seconds") if ended is not None and state in (DONE, UNDONE) else None
    return Row(
        item.name,
        False,
        state,
        f"{text(item.before)} → {text(item.after)}",
        took=float(seconds) if seconds is not None else None,
        takes=measured if measured is not None else item.expected,
        measured=measured is not None,
        since=_since(about) if state in (NOW, STOPPED) else None,
        commit=item.commit_point,
        one_way=item.one_way,
    )


def _state(name: str, position: Position, ended: Entry | None, here: str, *, running: bool, back: bool) -> str:
    kind = ended.kind if ended is not None else ""
    if name == here:
        return FAILED if name in position.failed else NOW if running else STOPPED
    if name in (position.leg_done if back else position.done):
        return {"skipped": SKIPPED, "noted": NOTED}.get(kind, DONE)
    if name in position.kept:
        return DONE
    return UNDONE if kind in ("converged", "skipped", "passed", "noted") and not back else AHEAD


def _since(about: Sequence[Entry]) -> float | None:
    """Since when the item is at it: its newest intent, or its first question after the last answer."""
    begun: float | None = None
    for entry in about:
        if entry.kind in LAST:
            begun = None
        elif entry.kind == "intent" or begun is None:
            begun = entry.at
    return begun


def _of_phase(rows: Sequence[Row]) -> str:
    states = {row.state for row in rows}
    for state in (NOW, FAILED, STOPPED):
        if state in states:
            return state
    if states <= {DONE, SKIPPED, NOTED}:
        return DONE
    if UNDONE in states and not states & {DONE, SKIPPED, NOTED}:
        return UNDONE
    return AHEAD if AHEAD in states else DONE
