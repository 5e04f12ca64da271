"""Times, policies and zones in words."""

from enum import Enum

from cutover.core.gate import Gate, Guard, Policy
from cutover.core.plan import Phase

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


class Zone(Enum):
    """What going back means at a point of the plan."""

    CANCEL = "cancel"
    ROLLBACK = "rollback"
    FINISHED = "finished"


def span(seconds: float) -> str:
    """Seconds for a person: `0.2 s`, `90 s`, `24 h`, `7 d 12 h`."""
    if seconds < 120:
        return f"{round(seconds, 1):g} s"
    left, parts = round(seconds), []
    for size, unit in _UNITS:
        # A day or two is better said in hours.
        if left >= size and not (unit == "d" and seconds <= 172_800):
            parts.append(f"{left // size} {unit}")
            left %= size
    if left:
        parts.append(f"{left} s")
    return " ".join(parts[:2])


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
        return _POLICIES[gate.on_fail]
    if committed:
        return f"the phase is finished first, because writes wait; then {_POLICIES[gate.on_fail]}"
    return "this phase is taken back; blue serves as before"


def on_fail_back(*, commit_ahead: bool) -> str:
    """What a gate that fails on the way back starts: before blue has its writes back it stops, afterwards it reports."""
    if commit_ahead:
        return "the way back stops here; a person is needed"
    return "the way back goes on, and what failed is said at its end"


def guard_policy(guard: Guard) -> str:
    """What a guard that trips starts."""
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
