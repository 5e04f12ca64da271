"""What can be asked of a run from the page: each a command that is shown beside its button, and is what the button runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from cutover.asks import WALKS, phase_before
from cutover.console.sessions import Role
from cutover.core.errors import CutoverError
from cutover.core.guarding import unheeded
from cutover.core.lease import Lease
from cutover.core.leg import BACK
from cutover.core.plan import Plan
from cutover.plans.approval import Wish
from cutover.run_views import FINISHED, RunView, zone

BEGIN, HOLD, RESUME, PREVIOUS, ROLLBACK, APPROVE, REJECT = (
    "begin",
    "hold",
    "resume",
    "previous-phase",
    "rollback",
    "approve",
    "reject",
)
NEEDS: Mapping[str, Role] = {
    BEGIN: Role.OPERATOR,
    HOLD: Role.OPERATOR,
    RESUME: Role.OPERATOR,
    PREVIOUS: Role.OPERATOR,
    ROLLBACK: Role.OPERATOR,
    APPROVE: Role.APPROVER,
    REJECT: Role.APPROVER,
}
LABELS = {
    BEGIN: "Begin the cutover",
    HOLD: "Hold",
    RESUME: "Go on",
    PREVIOUS: "Back one phase",
    ROLLBACK: "Roll back to blue",
    APPROVE: "Approve",
    REJECT: "Reject",
}
REASON = "…"


@dataclass(frozen=True)
class Button:
    """`why_not` is why it can't be asked for now, empty where it can; `says` is what it does, in a sentence."""

    verb: str
    label: str
    says: str
    command: str
    why_not: str = ""
    needs: str = ""
    gate: str = ""
    role: str = ""


def buttons(
    plan: Plan, view: RunView | None, holder: Lease | None, wishes: Sequence[Wish] = (), *, protected: bool
) -> list[Button]:
    """The buttons for the run as it is now, always all of them."""
    env = plan.environment
    found = []
    for verb in (BEGIN, HOLD, RESUME, PREVIOUS, ROLLBACK):
        words = {"reason": REASON, "approve": "START_DIGEST" if protected else ""}
        command = typed(command_of(verb, env, holder, words))
        found.append(
            Button(
                verb,
                LABELS[verb],
                _says(verb, holder, _back_to(plan, view)),
                command,
                _why_not(verb, plan, view, holder, wishes),
                NEEDS[verb].value,
            )
        )
    return found


def command_of(verb: str, env: str, holder: Lease | None, words: Mapping[str, str]) -> Sequence[str]:
    """The command line; raises KeyError for a verb that there is not. `holder` is who walks the run now."""
    reason = words.get("reason", "")
    match verb:
        case "begin":
            approve = [f"--approve={words['approve']}"] if words.get("approve") else []
            return ["invoke", "cutover", f"--env={env}", f"--reason={reason}", "--yes", *approve]
        case "hold":
            return ["invoke", "hold", f"--env={env}", f"--reason={reason}"]
        case "resume":
            return ["invoke", "resume", f"--env={env}", f"--reason={reason}"]
        case "rollback" | "previous-phase":
            how = ["--ask"] if _heeds(holder) else ["--yes"]
            far = ["--previous-phase"] if verb == PREVIOUS else []
            return ["invoke", "rollback", f"--env={env}", *far, f"--reason={reason}", *how]
        case "approve" | "reject":
            said = [f"--gate={words['gate']}", f"--role={words['role']}", f"--comment={reason}"]
            return ["invoke", verb, f"--env={env}", *said]
    raise KeyError(verb)


def typed(command: Sequence[str]) -> str:
    """The command line as a person types it."""
    parts = [word.split("=", 1) for word in command]
    return " ".join(quote(one[0]) if len(one) == 1 else f"{one[0]} {quote(one[1])}" for one in parts)


def _heeds(holder: Lease | None) -> bool:
    return holder is not None and holder.operation in WALKS


def _back_to(plan: Plan, view: RunView | None) -> str:
    """The phase to whose end a run goes back that leaves the present one; empty where there is none, or it is not known."""
    try:
        return phase_before(plan, view) if view is not None else ""
    except CutoverError:
        return ""


def _says(verb: str, holder: Lease | None, back_to: str) -> str:
    by = (
        f"asks {holder.who} on {holder.host} to do it"
        if holder is not None
        else "a process on the console's machine does it"
    )
    return {
        BEGIN: "takes the system from blue to green; a process on the console's machine does it",
        HOLD: "the run stops at its next boundary, never inside the window",
        RESUME: "goes on with what is held or stands still, forward or back",
        PREVIOUS: f"goes back to the end of {back_to or 'the phase before'}, and waits; {by}",
        ROLLBACK: f"takes everything back, losing no write; {by}",
    }[verb]


def _why_not(verb: str, plan: Plan, view: RunView | None, holder: Lease | None, wishes: Sequence[Wish]) -> str:
    active = view if view is not None and view.state in ("open", "green") else None
    if verb == BEGIN:
        if holder is not None:
            return f"{holder.who} is at it for {holder.operation}"
        return "a run is open or stands: go on with it, or take it back" if active is not None else ""
    if active is None:
        return "there is no run"
    if verb in (HOLD, RESUME) and active.state == "green":
        return "the cutover is done"
    if verb == HOLD and holder is None:
        return "nobody walks the run"
    if verb == HOLD and _goes_back(active):
        return "a way back is not held"
    if verb == HOLD and not active.position.under_way:
        return "it stands by: there is nothing to hold"
    if verb == RESUME and holder is not None and active.position.under_way:
        asked = unheeded(wishes, active.position)[0] not in ("", "resume")
        return "" if asked or active.position.standing else "it goes on: nothing holds it"
    if verb in (PREVIOUS, ROLLBACK):
        return _why_no_way_back(verb, plan, active, holder)
    return ""


def _goes_back(view: RunView) -> bool:
    leg = view.position.leg
    return leg is not None and leg.direction == BACK and leg.outcome is None


def _why_no_way_back(verb: str, plan: Plan, view: RunView, holder: Lease | None) -> str:
    if zone(plan, view.position) == FINISHED:
        return "the way back was removed"
    if _goes_back(view):
        return "it is on its way back already"
    if holder is not None and not _heeds(holder):
        return f"{holder.who} is at it for {holder.operation}, which goes back for nobody"
    if verb == PREVIOUS:
        try:
            phase_before(plan, view)
        except CutoverError as error:
            return error.message
    return ""
