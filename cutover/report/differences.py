"""What differed from the plan: times, repeated and failed calls, surprises, words of people, and what was never reached."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cutover.core.errors import CutoverError
from cutover.core.gate import Gate
from cutover.core.journal import Entry
from cutover.core.plain import span, text
from cutover.core.plan import Item, Plan
from cutover.core.step import Step
from cutover.report.timeline import LegSpan

TWICE, SECONDS = 2.0, 5.0  # a step is called slow when it took twice its usual time, and so many seconds more
TOLD = (
    "call-failed", "calls-repeated", "command-failed", "retrying", "unexpected", "overrun", "failed", "noted", "hold-broken",
    "standing", "standing-ended", "guard-failed", "guard-cleared", "rollback-too-dear", "override", "plan-changed", "recovering",
    "unclaimed", "leg-resumed",
)  # fmt: skip
DONE = ("done", "held already", "passed", "failed, noted")


def differences(plan: Plan | None, legs: Sequence[LegSpan], entries: Sequence[Entry]) -> dict[str, Any]:
    """All of it as plain data; times are seconds, moments seconds since the epoch.

    Without the plan that was walked nothing is known of what was expected, or left out.
    """
    known = _known(plan) if plan is not None else {}
    return {
        "steps": [_step(leg, item, known.get(item.name)) for leg in legs for item in leg.items if item.kind == "step"],
        "gates": [_gate(leg, item, known.get(item.name)) for leg in legs for item in leg.items if item.kind == "gate"],
        "phases": [
            {"leg": leg.number, "phase": one.name, "budget": one.budget, "taken": _rounded(one.began, one.ended)}
            for leg in legs
            for one in leg.phases
        ],
        "events": [{"at": e.at, "entry": e.seq, "kind": e.kind, "seen": _words(e)} for e in entries if e.kind in TOLD],
        "skipped": [item.name for leg in legs for item in leg.items if item.result == "held already"],
        "not_reached": list(_not_reached(plan, legs)) if plan is not None else [],
    }


def _known(plan: Plan) -> Mapping[str, Item]:
    """Every item by its name, on the way back, too."""
    known: dict[str, Item] = {item.name: item for _, item in plan.walk()}
    backward: dict[str, Item] = {}
    for item in known.values():
        try:
            back = item.inverse()
        except CutoverError:  # a one-way step has none
            continue
        if back is not None:
            backward[back.name] = back
    return {**backward, **known}


def _step(leg: LegSpan, item: Any, planned: Item | None) -> dict[str, Any]:
    expected = planned.expected if isinstance(planned, Step) else None
    slow = expected is not None and item.seconds is not None and item.result == "done"
    slow = slow and item.seconds > TWICE * (expected or 0.0) and item.seconds - (expected or 0.0) > SECONDS
    told = {"expected": expected, "most": planned.settle if isinstance(planned, Step) else None}
    return {**_item(leg, item), **told, "slow": slow}


def _gate(leg: LegSpan, item: Any, planned: Item | None) -> dict[str, Any]:
    deadline, soak = (planned.deadline, planned.hold) if isinstance(planned, Gate) else (None, None)
    return {**_item(leg, item), "deadline": deadline, "soak": soak}


def _item(leg: LegSpan, item: Any) -> dict[str, Any]:
    return {
        "leg": leg.number,
        "phase": item.phase,
        "name": item.name,
        "taken": item.seconds,
        "result": item.result,
    }


def _not_reached(plan: Plan, legs: Sequence[LegSpan]) -> Iterator[dict[str, str]]:
    taken = {item.name for leg in legs for item in leg.items if item.result in DONE}
    for phase, item in plan.walk():
        if item.name not in taken:
            yield {"phase": phase.name, "name": item.name}


def _rounded(began: float, ended: float | None) -> float | None:
    return None if ended is None else round(ended - began, 3)


def _words(entry: Entry) -> str:
    """The entry in one sentence."""
    data = entry.data
    about = str(
        data.get("step") or data.get("gate") or data.get("guard") or data.get("item") or data.get("phase") or ""
    )
    seen = "" if data.get("seen") is None else data["seen"] if isinstance(data["seen"], str) else text(data["seen"])
    error = str(data.get("error") or "")
    match entry.kind:
        case "calls-repeated":
            often = ", ".join(f"{call} {count} times" for call, count in dict(data.get("times") or {}).items())
            return f"{about}: made more than once: {often}"
        case "call-failed":
            return f"{about}: {data.get('call')} was tried again: {error}"
        case "command-failed":
            return f"{about}: the command failed, and the result was read back: {error}"
        case "retrying":
            return f"{about}: taken again: {error}"
        case "unexpected":
            return f"{about}: seen {seen}, wanted {data.get('wanted')}"
        case "overrun":
            after = "it was finished forward" if data.get("committed") else "it was before its commit point"
            return f"{about}: the budget ran out; {after}" + (f": {error}" if error else "")
        case "hold-broken":
            return f"{about}: the soak began anew"
        case "standing":
            then = (
                f"for {span(data['seconds'])}, then {data.get('then')}"
                if data.get("seconds")
                else "until a person decides"
            )
            return f"{about}: stood still {then}: {seen}"
        case "standing-ended":
            by = f"{data.get('who')} said to go on: {data.get('reason')}" if data.get("outcome") == "borne" else seen
            return f"{about}: {data.get('outcome')}: {by}"
        case "guard-failed":
            return f"{about}: {seen} → {data.get('policy')}"
        case "guard-cleared":
            return f"{about}: well again: {seen}"
        case "rollback-too-dear":
            return f"it did not go back by itself: {seen}"
        case "override":
            return f"{data.get('who')} overrode {data.get('what')}: {data.get('reason')}"
        case "plan-changed":
            return f"the plan became another one: {str(data.get('was'))[:12]}, then {str(data.get('now'))[:12]}"
        case "recovering":
            return f"{about}: the worker had died, and the supervisor ended the phase ({data.get('direction')})"
        case "unclaimed":
            return f"a name was not claimed: {error}"
        case "leg-resumed":
            return f"{data.get('who') or 'somebody'} went on with it"
    return f"{about}: {seen}"
