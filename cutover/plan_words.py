"""Times, policies and zones in words."""

from enum import Enum

from cutover.core.gate import Gate, Guard, Policy
from cutover.core.plain import span
from cutover.core.plan import Phase


class Zone(Enum):
    """What going back means at a point of the plan."""

    CANCEL = "cancel"
    ROLLBACK = "rollback"
    FINISHED = "finished"


def overrun(phase: Phase) -> str:
    """What happens when the phase's time has run out."""
    if phase.budget is None:
        return "–"
    match phase.overrun:
        case Policy.UNDO if any(getattr(item, "commit_point", False) for item in phase.items):
            return "taken back before the commit point, finished forward after it"
        case Policy.UNDO:
            return "taken back"
        case policy:
            return _POLICIES[policy]


def on_fail(gate: Gate, phase: Phase, *, committed: bool) -> str:
    """What a gate that fails, or is not satisfied in time, starts; `committed` is whether the phase is past its commit."""
    if phase.overrun is not Policy.UNDO or gate.on_fail is Policy.NOTIFY:
        late = gate.on_timeout or gate.on_fail
        return _POLICIES[gate.on_fail] + ("" if late is gate.on_fail else f"; when its time is over, {_POLICIES[late]}")
    if committed:
        return f"the phase is finished first, because writes wait; then {_POLICIES[gate.on_fail]}"
    return "this phase is taken back; blue serves as before"


def on_failure(phase: Phase) -> str:
    """What a step starts that fails in the phase; empty where the run only stops."""
    return "" if phase.on_failure is Policy.STOP else _POLICIES[phase.on_failure]


def on_fail_back(*, commit_ahead: bool) -> str:
    """What a gate that fails on the way back starts: before blue has its writes back it stops, afterwards it reports."""
    if commit_ahead:
        return "the way back stops here; a person is needed"
    return "the way back goes on, and what failed is said at its end"


def guard_policy(guard: Guard) -> str:
    """What a guard that trips starts."""
    if guard.investigate:
        return f"the run stands still for {span(guard.investigate)}; unless it is well then, {_POLICIES[guard.policy]}"
    return _POLICIES[guard.policy]


_POLICIES = {
    Policy.STOP: "the run stops where it is; nothing is taken back",
    Policy.NOTIFY: "it is noted, and the run goes on",
    Policy.HOLD: "the run holds where it is until a person decides",
    Policy.FREEZE: "the run freezes where it is: going back is worse here; a person decides",
    Policy.PREVIOUS_PHASE: "the run goes back to the end of the phase before, and waits",
    Policy.ROLLBACK: "everything is rolled back",
    Policy.UNDO: "the phase is taken back",
}
