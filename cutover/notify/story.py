"""The journal of a run as messages: which entries people are told of, how urgently, and what to type next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cutover.core.back import ASKED, BY_A_PERSON, REOPENED, UNDO
from cutover.core.journal import Entry
from cutover.notify.message import RESOLVE, TRIGGER, Message, Severity
from cutover.notify.texts import Texts, clean

BACK = "back"
DETAIL, INFO, WARNING, CRITICAL = Severity.DETAIL, Severity.INFO, Severity.WARNING, Severity.CRITICAL
PAGING = ("rollback", "freeze", "previous-phase")  # policies of a guard that move something, or leave it half-way


@dataclass(frozen=True)
class _Told:
    event: str
    severity: Severity
    users: str = ""
    next_command: str = ""
    body: tuple[str, ...] = ()
    over: bool = False
    """Whether whatever trouble was open is over with this."""


@dataclass
class Story:
    """Reads the entries of one run in their order; `tell` gives the message of each that deserves one.

    Everything follows from the entries alone, so that any process tells the same messages under the same keys.
    """

    environment: str
    run: str
    texts: Texts = field(default_factory=Texts)
    incident: Message | None = None
    """The message that opened the trouble that is not over."""
    taken_on: bool = False
    """Whether a person has typed something since it opened: then nobody else is woken."""
    phase: str = ""
    seen: dict[str, str] = field(default_factory=dict)
    """What each gate of this leg saw last."""
    _leg: Mapping[str, Any] = field(default_factory=dict)
    _touched: bool = False

    def tell(self, entry: Entry) -> Message | None:
        """The message of the next entry."""
        told = self._told(entry)
        if told is None:
            return None
        values = {**self._leg, **entry.data, "environment": self.environment, "run": self.run}
        message = Message(
            key=f"{self.environment}/{self.run}/{entry.seq}",
            environment=self.environment,
            run=self.run,
            event=told.event,
            severity=told.severity,
            title=self.texts.fill(told.event, values),
            at=entry.at,
            body=tuple(clean(line) for line in told.body if line),
            users=self.texts.fill(told.users, values) if told.users else "",
            next_command=told.next_command.replace("{env}", self.environment),
        )
        return self._of_incident(message, over=told.over)

    def _of_incident(self, message: Message, *, over: bool) -> Message:
        """A critical message opens an incident or belongs to the open one; a good end resolves it."""
        opened = self.incident
        if message.severity >= CRITICAL:
            message = replace(message, incident=opened.key if opened else message.key, action=TRIGGER)
            if opened is None:
                self.incident, self.taken_on = message, message.event == "rollback" and self._by_a_person()
        elif opened is not None:
            message = replace(message, incident=opened.key, action=RESOLVE if over else "")
            self.incident = None if over else opened
        return message

    def _told(self, entry: Entry) -> _Told | None:
        data = entry.data
        if "gate" in data and "seen" in data:
            told_before = str(data["gate"]) in self.seen
            self.seen[str(data["gate"])] = clean(data["seen"])
            if entry.kind == "waiting" and told_before:
                return None
        if entry.kind in ("intent", "converged"):
            self._touched = True
        found = _BY_KIND.get(entry.kind)
        return found(self, data) if found is not None else None

    def _by_a_person(self) -> bool:
        return str(self._leg.get("cause") or ASKED) in BY_A_PERSON

    # --- legs ------------------------------------------------------------------------------------------------------

    def _leg_started(self, data: Mapping[str, Any]) -> _Told:
        self._leg, self.phase = data, ""
        self.seen.clear()
        self.taken_on = self.taken_on or self._by_a_person()
        plan, reason = str(data.get("plan", "")), str(data.get("reason") or "")
        if data.get("direction") == BACK:
            if data.get("cause") == UNDO:
                return _Told("undo", WARNING)
            where = f"to the end of {data['to']}" if data.get("to") else "to blue"
            by = f"by {data.get('who') or 'nobody'}, {where}"
            return _Told("rollback", CRITICAL, "users-rollback", _STATUS, (f"reason: {reason}", by))
        if data.get("cause") == REOPENED:
            return _Told("reopening", CRITICAL, next_command=_STATUS)
        if plan in ("finish", "decommission"):
            return _Told("finish-started", INFO)
        return _Told("started", INFO, next_command=_STATUS)

    def _leg_ended(self, data: Mapping[str, Any]) -> _Told | None:
        outcome, plan = str(data.get("outcome")), str(self._leg.get("plan", ""))
        complaints = tuple(str(line) for line in data.get("complaints") or ())
        match outcome:
            case "done":
                if plan in ("finish", "decommission"):
                    return _Told("finished" if plan == "finish" else "decommissioned", INFO, over=True)
                return _Told("done", INFO, "users-done", _ROLLBACK, over=True)
            case "until":
                return _Told("until", INFO, next_command="invoke cutover --env {env}", over=True)
            case "undone" if self._leg.get("cause") == UNDO:
                return _Told("undone", WARNING, "users-undone", _RESUME, over=True)
            case "undone":
                return _Told("undone", WARNING, next_command=_RESUME, over=True)
            case "rolled-back" if complaints:
                return _Told("rollback-incomplete", CRITICAL, "users-rolled-back", _STATUS, complaints)
            case "rolled-back":
                again = "the post-mortem is due in 24 h"
                return _Told("rolled-back", WARNING, "users-rolled-back", _STATUS, (again,), over=True)
            case "incomplete":
                return _Told("rollback-incomplete", CRITICAL, next_command=_RESUME)
            case "reopened":
                return _Told("reopened", CRITICAL, next_command=_ROLLBACK)
            case "waiting":
                return _Told("waiting", WARNING, next_command=_EITHER)
            case "interrupted":
                return _Told("interrupted", WARNING, next_command=_EITHER)
            case "stopped":
                # Before anything was done whoever began it stands at the terminal; later a person has to be found.
                return _Told("stopped", CRITICAL if self._touched else WARNING, next_command=_EITHER)
        return None

    # --- within a leg ----------------------------------------------------------------------------------------------

    def _resumed(self, data: Mapping[str, Any]) -> _Told:
        self.taken_on = True
        return _Told("resumed", INFO, next_command=_STATUS)

    def _entered(self, data: Mapping[str, Any]) -> _Told:
        self.phase = str(data["phase"])
        shut = data.get("budget") and self._leg.get("direction") != BACK
        return _Told("phase", INFO, "users-window" if shut else "")

    def _left(self, data: Mapping[str, Any]) -> _Told:
        self.phase = ""
        return _Told("phase-over", DETAIL)

    def _guard(self, data: Mapping[str, Any]) -> _Told:
        severity = CRITICAL if data.get("policy") in PAGING else WARNING
        return _Told("guard-failed", severity, next_command=_STATUS, body=(f"starts: {data.get('policy')}",))

    def _standing(self, data: Mapping[str, Any]) -> _Told:
        if data.get("seconds") is None:
            return _Told("standing", CRITICAL, next_command=f"{_RESUME} --reason '…'   or   {_ROLLBACK}")
        then = f"unless it is well in {data['seconds']:g} s: {data.get('then')}"
        return _Told("standing", CRITICAL, next_command=_STATUS, body=(then,))

    def _standing_ended(self, data: Mapping[str, Any]) -> _Told:
        if data.get("outcome") == "not well":
            return _Told("standing-ended", DETAIL)
        why = str(data.get("reason") or data.get("seen") or "")
        return _Told("standing-ended", INFO, body=(why,), over=True)

    def _waiting(self, data: Mapping[str, Any]) -> _Told:
        if not data.get("asks"):
            return _Told("gate-waiting", DETAIL)
        approve = f"invoke approve --env {{env}} --gate {data['gate']} --role … --comment '…'"
        return _Told("approval-wanted", WARNING, next_command=approve)

    def _gate_failed(self, data: Mapping[str, Any]) -> _Told:
        return _Told("gate-failed", WARNING, next_command=_STATUS, body=(str(data.get("hint") or ""),))

    def _unexpected(self, data: Mapping[str, Any]) -> _Told:
        return _Told("unexpected", CRITICAL, next_command=_STATUS, body=(f"wanted: {data.get('wanted')}",))

    def _overrun(self, data: Mapping[str, Any]) -> _Told:
        after = "it is past its commit point: it is finished forward" if data.get("committed") else "it is taken back"
        return _Told("overrun", WARNING, body=(after, str(data.get("error") or "")))


_STATUS = "invoke status --env {env}"
_RESUME = "invoke resume --env {env}"
_ROLLBACK = "invoke rollback --env {env} --reason '…'"
_EITHER = f"{_RESUME}   or   {_ROLLBACK}"
_BY_KIND: Mapping[str, Callable[[Story, Mapping[str, Any]], _Told | None]] = {
    "leg-started": Story._leg_started,
    "leg-resumed": Story._resumed,
    "leg-ended": Story._leg_ended,
    "phase-entered": Story._entered,
    "phase-left": Story._left,
    "waiting": Story._waiting,
    "standing": Story._standing,
    "standing-ended": Story._standing_ended,
    "guard-cleared": lambda _, data: _Told("guard-cleared", INFO),
    "rollback-too-dear": lambda _, data: _Told("rollback-too-dear", CRITICAL, next_command=_ROLLBACK),
    "override": lambda _, data: _Told("override", WARNING, body=(f"by {data.get('who')}: {data.get('reason')}",)),
    "hold-begun": lambda _, data: _Told("soak-begun", DETAIL),
    "failed": Story._gate_failed,
    "guard-failed": Story._guard,
    "unexpected": Story._unexpected,
    "overrun": Story._overrun,
    "plan-changed": lambda _, data: _Told("plan-changed", WARNING),
    "recovering": lambda _, data: _Told("recovering", CRITICAL, next_command=_STATUS),
}
