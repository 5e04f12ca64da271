"""The plan as one document: what changes from what to what, what is there now, how it is undone and how long it took.

Text, JSON and pages show this same document.
"""

from collections.abc import Mapping
from typing import Any

from cutover.app import App
from cutover.core.gate import Gate, Guard
from cutover.core.plain import text
from cutover.core.plan import Phase, Plan
from cutover.core.step import Step
from cutover.plan_words import guard_policy
from cutover.plans.triggered import Triggered
from cutover.rehearsed import Rehearsed, Took
from cutover.reviewed import observed, start_digest

SCHEMA = "cutover.plan/1"
MADE, CHANGED, TAKEN_AWAY, HOLDS = "+", "~", "−", "="
LEGEND = {
    MADE: "is made new",
    CHANGED: "changes",
    TAKEN_AWAY: "is taken away",
    HOLDS: "holds already",
    "?": "is asked",
    "!": "is watched",
}
_NOTHING = ("", "null", "none", "absent", "off", "false")
_DENIES = ("no", "not", "nothing")


def plan_document(app: App, which: str = "cutover", *, dry_run: bool = False, times: Rehearsed) -> dict[str, Any]:
    """The plan `which` with what is observed now; `dry_run` leaves out what a check would have to write."""
    return document_of(app.plan_named(which), observed(app.plan_named(which)), times, dry_run=dry_run)


def document_of(plan: Plan, seen: Mapping[str, str], times: Rehearsed, *, dry_run: bool = False) -> dict[str, Any]:
    """The same of a plan whose states were `seen`, by step."""
    rows = [
        _gate(phase, item, dry_run) if isinstance(item, Gate) else _step(phase, item, seen[item.name], times.steps)
        for phase, item in plan.walk()
    ]
    return {
        "schema": SCHEMA,
        "environment": plan.environment,
        **_head(plan, seen, rows),
        "items": rows,
        "guards": [_guard(guard) for guard in plan.guards],
    }


def _head(plan: Plan, seen: Mapping[str, str], rows: list[dict[str, Any]]) -> dict[str, Any]:
    steps = [row for row in rows if "step" in row]
    return {
        "plan_digest": plan.digest(),
        "start_digest": start_digest(plan, seen),
        "to_change": sum(row["sign"] != HOLDS for row in steps),
        "irreversible": sum(row["irreversible"] for row in steps),
        "holds": sum(row["sign"] == HOLDS for row in steps),
        "gates": len(rows) - len(steps),
        "seconds": _seconds(rows),
        "soaks": sum(row["hold"] for row in rows if "gate" in row),
    }


def _seconds(rows: list[dict[str, Any]]) -> float:
    """How long what is to change will take: as measured, else as expected; the soaks come on top."""
    changing = [row for row in rows if "step" in row and row["sign"] != HOLDS]
    return float(sum(row["took"]["seconds"] if row["took"] else row["expected"] for row in changing))


def _gate(phase: Phase, gate: Gate, dry_run: bool) -> dict[str, Any]:
    return {
        "phase": phase.name,
        "gate": gate.name,
        "hold": gate.hold,
        "deadline": gate.deadline,
        "now": "not run in dry-run" if gate.check.writes and dry_run else "",
    }


def _step(phase: Phase, step: Step[Any], now: str, took: Mapping[str, Took]) -> dict[str, Any]:
    before, after = text(step.before), text(step.after)
    return {
        "phase": phase.name,
        "step": step.name,
        "sign": HOLDS if now == after else sign(before, after),
        "before": before,
        "after": after,
        "now": now,
        "undo": "none: point of no return" if step.one_way else f"{after} → {before}",
        "irreversible": step.one_way,
        "kept_by_rollback": step.standing,
        "expected": step.expected,
        "took": _took(took.get(step.name)),
    }


def _took(took: Took | None) -> dict[str, Any] | None:
    if took is None:
        return None
    return {"seconds": took.seconds, "at": took.at, "environment": took.environment, "run": took.run}


def sign(before: str, after: str) -> str:
    """`+` where there is nothing before, `−` where there is nothing after, `~` for everything else; states as people read them."""
    if _is_nothing(before) == _is_nothing(after):
        return CHANGED
    return MADE if _is_nothing(before) else TAKEN_AWAY


def _is_nothing(state: str) -> bool:
    words = state.strip('"').lower().split()
    return " ".join(words) in _NOTHING or (bool(words) and words[0] in _DENIES)


def _guard(guard: Guard) -> dict[str, Any]:
    """A guard as the runbook tells of it; a trigger has its own words."""
    says = f"if it fails: {guard_policy(guard)}"
    if isinstance(guard.check, Triggered):
        says = guard.check.rule.words()
    return {"guard": guard.name, "says": says, "policy": guard.policy.value, "during": list(guard.during)}
