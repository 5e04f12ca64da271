"""The engine rule: how one step is taken and how one gate is asked. DESIGN: observe, intend, run, observe, record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cutover.core import killpoint
from cutover.core.clock import Backoff, Clock, Deadline, Interrupt
from cutover.core.errors import (
    BudgetOverrun,
    CutoverError,
    GateFailed,
    NotConverged,
    StepFailed,
    Unexpected,
    Unreachable,
    Waiting,
)
from cutover.core.gate import Finding, Gate, Guard, Policy, Verdict
from cutover.core.journal import Journal, Position
from cutover.core.plain import plain, text
from cutover.core.step import Step

GUARD_PATIENCE = 10.0  # seconds that a guard may be blind before it counts as failed


class InterruptRequested(CutoverError):
    """The operator asked to stop; raised at a journal boundary only."""


class GuardTripped(CutoverError):
    """A guard failed; `policy` says what that starts."""

    def __init__(self, message: str, policy: Policy) -> None:
        super().__init__(message)
        self.policy = policy


@dataclass(frozen=True)
class Event:
    """Something to show: a journal entry, or (kind `looking`) what a wait sees right now."""

    kind: str
    data: Mapping[str, Any]


Listener = Callable[[Event], None]


@dataclass
class Walker:
    """Takes steps and asks gates for one run, and watches guards, holds, budgets and interrupts while it waits."""

    journal: Journal
    clock: Clock
    interrupt: Interrupt
    listen: Listener
    guards: tuple[Guard, ...] = ()
    budget: Deadline | None = None
    holdable: bool = True
    heed_interrupts: bool = True
    _asked: dict[str, float] = field(default_factory=dict)
    _blind_since: dict[str, float] = field(default_factory=dict)
    _begun: dict[str, float] = field(default_factory=dict)

    def record(self, kind: str, **data: Any) -> None:
        """Appends to the journal and shows it."""
        self.journal.append(kind, **data)
        if "step" in data or "gate" in data:
            self._begun[f"{kind}:{data.get('step') or data.get('gate')}"] = self.clock.monotonic()
        self.listen(Event(kind, data))

    def take(self, step: Step[Any]) -> None:
        """Brings the step's resource to `after`, or raises with what was seen and what was wanted."""
        self.breathe()
        position = self.journal.position()
        intended = _is_open(position, step)
        deadline = self._deadline(step.settle)
        began = self.clock.monotonic()
        seen = self._observe(step, deadline)
        if seen == step.after and not intended:
            self.record("skipped", step=step.name, seen=plain(seen), undoes=list(step.undoes))
            return
        if not (seen == step.before or (intended and (seen == step.after or seen in step.between))):
            self._unexpected(step, seen, intended)
        commands = tuple(step.commands(step.after))
        self.record(
            "intent",
            step=step.name,
            undoes=list(step.undoes),
            before=plain(step.before),
            after=plain(step.after),
            seen=plain(seen),
            commands=[command.shell() for command in commands],
        )
        failure: Exception | None = None
        try:
            for number, command in enumerate(commands):
                killpoint.reached(f"before command {step.name}:{number}")
                command.run(deadline)
                killpoint.reached(f"after command {step.name}:{number}")
        except Exception as error:  # any technology's exception: the outcome is unknown, so it is read back below
            failure = error
            self.record("command-failed", step=step.name, error=_reason(error))
        seen = self._settle(step, deadline, failure)
        seconds = round(self.clock.monotonic() - began, 3)
        self.record("converged", step=step.name, seen=plain(seen), undoes=list(step.undoes), seconds=seconds)

    def _observe(self, step: Step[Any], deadline: Deadline) -> Any:
        backoff = Backoff(self.clock)
        while True:
            try:
                return step.observe()
            except Unreachable as error:
                self._looking(step.name, f"not reachable: {error.message}", deadline)
                if deadline.expired:
                    raise
            self.breathe()
            backoff.pause(deadline)

    def _settle(self, step: Step[Any], deadline: Deadline, failure: Exception | None) -> Any:
        backoff = Backoff(self.clock)
        known = {step.before, step.after} | step.between
        # After a failed command a short look is enough: either it took effect, or trying again is the caller's decision.
        deadline = deadline.within(1.0) if failure is not None else deadline
        while True:
            try:
                seen = step.observe()
            except Unreachable as error:
                shown = f"not reachable: {error.message}"
                if deadline.expired:
                    raise
            else:
                shown = text(seen)
                if seen == step.after:
                    return seen
                if seen not in known:
                    self._unexpected(step, seen, True)
                if failure is not None and deadline.expired:
                    raise StepFailed(
                        f"{step.name}: {_reason(failure)}; seen {text(seen)}, wanted {text(step.after)}"
                    ) from failure
                if deadline.expired:
                    raise NotConverged(
                        f"{step.name}: seen {text(seen)}, wanted {text(step.after)} within {step.settle:g} s"
                    )
            self._looking(step.name, shown, deadline)
            if failure is None:
                self.breathe()
            backoff.pause(deadline)

    def _unexpected(self, step: Step[Any], seen: Any, intended: bool) -> None:
        wanted = text(step.before) if not intended else " or ".join(
            sorted({text(s) for s in (step.before, step.after, *step.between)})
        )
        self.record("unexpected", step=step.name, seen=plain(seen), wanted=wanted)
        raise Unexpected(
            f"{step.name}: seen {text(seen)}, wanted {wanted} (to go to {text(step.after)}). Somebody else changed "
            f"{step.resource}; nothing was touched. Look: {step.check_shell()}"
        )

    def ask(self, gate: Gate) -> None:
        """Waits until the gate's check has passed and stayed passed; a `fail` latches for this leg."""
        self.breathe()
        position = self.journal.position()
        if gate.name in position.failed:
            raise GateFailed(f"{gate.name}: failed before in this pass: {position.failed[gate.name]}")
        deadline = self._deadline(gate.deadline + gate.hold)
        backoff = Backoff(self.clock)
        last = ""
        while True:
            finding = gate.check.look()
            if finding.verdict is Verdict.FAIL:
                self.record("failed", gate=gate.name, seen=finding.seen, hint=finding.hint, data=plain(finding.data))
                raise GateFailed(f"{gate.name}: {finding.seen}" + (f" ({finding.hint})" if finding.hint else ""))
            shown = f"{finding.verdict.value}: {finding.seen}"
            if finding.verdict is Verdict.PASS:
                left = self._hold_left(gate)
                if left <= 0:
                    self.record(
                        "passed", gate=gate.name, seen=finding.seen, data=plain(finding.data), undoes=list(gate.undoes)
                    )
                    return
                shown = f"{finding.seen}; {left:.1f} s more"
            else:
                if shown != last:
                    self.record("waiting", gate=gate.name, verdict=finding.verdict.value, seen=finding.seen)
                last = shown
                if finding.verdict is Verdict.INSUFFICIENT and gate.since is None:
                    self._break_hold(gate)
                if deadline.expired:
                    raise GateFailed(
                        f"{gate.name}: not satisfied within {gate.deadline:g} s: {shown}"
                        + (f" ({finding.hint})" if finding.hint else "")
                    )
            self._looking(gate.name, shown, deadline)
            self.breathe()
            backoff.pause()

    def _hold_left(self, gate: Gate) -> float:
        if gate.hold <= 0:
            return 0.0
        position = self.journal.position()
        if gate.since is None and gate.name not in position.hold_begun:
            self.record("hold-begun", gate=gate.name, seconds=gate.hold)
            position = self.journal.position()
        if gate.since is not None:
            begun = position.converged_at.get(gate.since)
            marks = [f"converged:{gate.since}", f"skipped:{gate.since}"]
        else:
            begun = position.hold_begun[gate.name]
            marks = [f"hold-begun:{gate.name}"]
        if begun is None:
            return 0.0
        elapsed = self.clock.now() - begun
        # A wall clock that jumps ahead must not shorten a wait that this process itself has seen begin.
        for mark in marks:
            if mark in self._begun:
                elapsed = min(elapsed, self.clock.monotonic() - self._begun[mark])
        return gate.hold - elapsed

    def _break_hold(self, gate: Gate) -> None:
        if gate.name in self.journal.position().hold_begun:
            self.record("hold-broken", gate=gate.name)

    def breathe(self) -> None:
        """What is looked at before every step and during every wait; raises what must stop the walk."""
        if self.heed_interrupts and self.interrupt.signal_number is not None:
            raise InterruptRequested("interrupted")
        if self.holdable:
            self._heed_wishes()
        for guard in self.guards:
            self._watch(guard)
        if self.budget is not None and self.budget.expired:
            raise BudgetOverrun("the time budget has run out")

    def _heed_wishes(self) -> None:
        wishes = self.journal.wishes()
        if wishes and wishes[-1][0] == "hold":
            wish = wishes[-1][1]
            raise Waiting(f"held by {wish.get('who', 'somebody')}: {wish.get('reason') or 'no reason given'}")

    def _watch(self, guard: Guard) -> None:
        now = self.clock.monotonic()
        if now - self._asked.get(guard.name, float("-inf")) < guard.every:
            return
        finding = guard.check.look()
        self._asked[guard.name] = self.clock.monotonic()
        if finding.verdict is Verdict.BLIND:
            since = self._blind_since.setdefault(guard.name, now)
            if now - since < GUARD_PATIENCE:
                return
        else:
            self._blind_since.pop(guard.name, None)
        if finding.verdict in (Verdict.FAIL, Verdict.BLIND):
            self._trip(guard, finding)

    def _trip(self, guard: Guard, finding: Finding) -> None:
        self.record("guard-failed", guard=guard.name, policy=guard.policy.value, seen=finding.seen)
        if guard.policy is not Policy.NOTIFY:
            raise GuardTripped(f"guard {guard.name}: {finding.seen}", guard.policy)

    def _deadline(self, seconds: float) -> Deadline:
        deadline = Deadline.after(seconds, self.clock)
        if self.budget is not None:
            deadline = deadline.within(self.budget.remaining())
        return deadline

    def _looking(self, item: str, seen: str, deadline: Deadline) -> None:
        self.listen(Event("looking", {"item": item, "seen": seen, "left": deadline.remaining()}))


def _is_open(position: Position, step: Step[Any]) -> bool:
    intent = position.intent
    return intent is not None and (
        intent == step.name or intent in step.undoes or step.name in position.intent_undoes
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, CutoverError):
        return error.message
    return f"{type(error).__name__}: {str(error).strip()}"
