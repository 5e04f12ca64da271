"""What an environment's journal says of its runs: which one is open, how far it went, how far back one can go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cutover.core.back import BY_A_PERSON, UNDO, WORD
from cutover.core.journal import Entry, Leg, Position, State, position_of
from cutover.core.leg import BACK
from cutover.core.plain import plain
from cutover.core.plan import Plan
from cutover.plans.ended import finished_at

CANCEL, ROLLBACK, FINISHED = "cancel", "rollback", "finished"
CUTOVER = "cutover"  # the name of the plan that a run begins with; `finish` and what ends blue have others


@dataclass(frozen=True)
class RunView:
    """One run as its journal tells it; `state` is open, green, rolled-back, finished or decommissioned."""

    run: str
    entries: tuple[Entry, ...]
    position: Position
    state: str

    @property
    def began(self) -> float:
        return self.entries[0].at

    @property
    def ended(self) -> float:
        return self.entries[-1].at

    @property
    def walked_until(self) -> float:
        """When the last walk over the cutover's own plan ended; its newest entry where none has.

        What is written later, of a checkpoint or by `finish`, is none of the time that the cutover took.
        """
        plan, ended = "", None
        for entry in self.entries:
            if entry.kind == "leg-started":
                plan, ended = entry.data["plan"], None if entry.data["plan"] == CUTOVER else ended
            elif entry.kind == "leg-ended" and plan == CUTOVER:
                ended = entry.at
        return self.ended if ended is None else ended

    @property
    def is_walking(self) -> bool:
        """Whether a walk over the cutover's own plan has not ended."""
        leg = self.position.leg
        return self.position.under_way and leg is not None and leg.plan == CUTOVER

    @property
    def complaints(self) -> tuple[str, ...]:
        """What the checks said of the last way back that came to its end."""
        last = next((entry for entry in reversed(self.entries) if entry.kind == "leg-ended"), None)
        return tuple(str(one) for one in (last.data.get("complaints") or ())) if last is not None else ()

    @property
    def is_final(self) -> bool:
        """Whether the way back is gone."""
        return self.state in ("finished", "decommissioned")

    @property
    def goes_on(self) -> bool:
        """Whether the end of blue was begun, and is not over."""
        leg = self.position.leg
        return self.state == "finished" and leg is not None and leg.plan == "decommission"


def runs_of(state: State) -> list[RunView]:
    """Every run of the environment, oldest first."""
    by_run: dict[str, list[Entry]] = {}
    for entry in state.entries():
        by_run.setdefault(entry.run, []).append(entry)
    return [view_of(run, entries) for run, entries in by_run.items()]


def active(state: State) -> RunView | None:
    """The run that is open or whose cutover stands (its way back is warm), None when there is none."""
    views = runs_of(state)
    return views[-1] if views and views[-1].state in ("open", "green") else None


def view_of(run: str, entries: Sequence[Entry], before: RunView | None = None) -> RunView:
    """One run by its entries, oldest first: all of them, or those that come after what `before` knows of it."""
    position = position_of(run, entries, before.position if before is not None else None)
    legs = position.legs
    ended = {leg.plan for leg in legs if leg.outcome == "done"} - {"cutover"}
    if ended:
        state = "decommissioned" if "decommission" in ended else "finished"
    elif legs and legs[-1].direction == BACK and legs[-1].outcome == "rolled-back":
        state = "rolled-back"
    elif legs and legs[-1].direction != BACK and legs[-1].outcome == "done":
        state = "green"
    else:
        state = "open"
    return RunView(run, (*(before.entries if before is not None else ()), *entries), position, state)


def zone(plan: Plan, position: Position) -> str:
    """How far back one can go: cancel (nothing switched), rollback (the way back is warm), finished."""
    if any(leg.plan == "finish" for leg in position.legs):
        return FINISHED
    return ROLLBACK if any(step.name in position.taken for step in plan.switching_steps()) else CANCEL


def is_of(view: RunView, plan: Plan) -> bool:
    """Whether the run was last walked by this plan; by another one nothing can be said of where the writes are."""
    digest = next((leg.digest for leg in reversed(view.position.legs) if leg.plan == plan.name), None)
    return digest in (None, plan.digest())


def ending(view: RunView, plan: Plan) -> tuple[str, str]:
    """How a run came out, or where it stands, in a few words for a table, and in a sentence."""
    leg = view.position.leg
    if leg is None:
        return "nothing was begun", "Its journal has no leg."
    stopped = _stopped_by(view)
    switched = zone(plan, view.position) != CANCEL
    known = is_of(view, plan)
    serves = "green has the writes, or part of the traffic" if switched else "blue serves, nothing is switched"
    serves = serves if known else "the plan is another one by now, which does not tell what serves"
    why = f": {stopped}" if stopped else ""
    if view.is_final and not view.goes_on:
        gone = "blue was ended" if view.state == "decommissioned" else "the way back is gone"
        return view.state, f"Green serves, and {gone}."
    if view.position.under_way:
        way = {"back": "on its way back", "forward": "under way"}.get(leg.direction, "under way")
        still = (
            "; it stands still" if view.position.standing else "; it waits for people" if view.position.asked else ""
        )
        return way + still.replace("; it", ","), f"It has not ended: {serves}{still}."
    match leg.outcome:
        case "done":
            return "done", "Green serves; the way back is warm."
        case "rolled-back" if view.complaints:
            said = "; ".join(view.complaints)
            return (
                "rolled back, checks failed",
                f"Blue serves again ({_turned_by(leg)}), but checking it failed: {said}.",
            )
        case "rolled-back":
            return "rolled back", f"Blue serves again; {_turned_by(leg)}."
        case "undone" if leg.cause == UNDO:
            return "window taken back", f"The window was undone before its commit point; blue serves: {leg.reason}."
        case "undone":
            return f"back at {leg.to}", f"It was taken back to the end of {leg.to}; {serves}."
        case "waiting":
            return "waiting", f"It waits{why}; {serves}."
        case "until":
            return f"stopped after {leg.until}", f"It stopped after {leg.until}, as asked; {serves}."
        case "interrupted":
            return "interrupted", f"It was interrupted at a safe boundary; {serves}."
        case "incomplete":
            return "rollback incomplete", f"The way back did not come to its end, and a person is needed{why}."
        case "reopened":
            return "window reopened", f"The way back failed, and the window was finished forward again; {serves}."
    if not known:
        return "stopped", f"It stopped{why}; {serves}."
    if switched:
        return "stopped", f"It stopped after the switch{why}; {serves}."
    return "aborted", f"It was aborted before anything was switched{why}; blue serves."


def _turned_by(leg: Leg) -> str:
    """Why a run was taken back; what a person asked the walking process for says already by whom."""
    if leg.cause == WORD and leg.reason:
        return leg.reason
    by = "a person asked for it" if leg.cause in BY_A_PERSON else "the run's own policy"
    return f"{by}: {leg.reason or 'no reason was given'}"


def _stopped_by(view: RunView) -> str:
    """The error that ended the last leg of an open run; empty when it goes on, or ended as it was asked to."""
    last = next((entry for entry in reversed(view.entries) if entry.kind in ("leg-started", "leg-ended")), None)
    return str(last.data.get("error") or "") if last is not None and view.state == "open" else ""


def plain_view(view: RunView, plan: Plan) -> dict[str, Any]:
    """A run as data for `status` and `history`."""
    position = view.position
    leg = position.leg
    return {
        "run": view.run,
        "state": view.state,
        "zone": zone(plan, position),
        "began": view.began,
        "finished_at": finished_at(view.entries),
        "last": view.ended,
        "direction": leg.direction if leg else None,
        "outcome": leg.outcome if leg else None,
        "reason": leg.reason if leg else "",
        "who": leg.who if leg else "",
        "seconds": round(view.walked_until - view.began, 3),
        "entries": len(view.entries),
        "ending": ending(view, plan)[0],
        "stopped_by": _stopped_by(view),
        "phase": position.phase,
        "open_intent": position.intent,
        "standing": [
            {"guard": s.guard, "seen": s.seen, "at": s.at, "seconds": s.seconds, "then": s.then}
            for s in position.standing.values()
        ],
        "asked": {gate: moment.at for gate, moment in position.asked.items()} if view.state == "open" else {},
        "overridden": [
            {word: str(entry.data.get(word, "")) for word in ("what", "reason", "who")}
            for entry in view.entries
            if entry.kind == "override"
        ],
        "done": plain(position.done),
        "head": view.entries[-1].hash,
    }
