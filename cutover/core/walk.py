"""The engine rule: how one step is taken and how one gate is asked. DESIGN: observe, intend, run, observe, record."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from cutover.core import killpoint
from cutover.core.clock import Backoff, Deadline
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
from cutover.core.gate import Finding, Gate, Verdict
from cutover.core.journal import Position
from cutover.core.plain import plain, text
from cutover.core.step import Step
from cutover.core.telling import heard
from cutover.core.watch import Event, GuardTripped, InterruptRequested, Listener, Watch, found, reason

__all__ = [
    "Event",
    "GuardTripped",
    "InterruptRequested",
    "Listener",
    "Walker",
    "found",
    "is_open",
    "observed",
    "past_commit",
]

T = TypeVar("T")

WATCHED = 60.0  # seconds between two entries which say that a soak is watched; longer soaks say it less often
STOPS = (InterruptRequested, GuardTripped, Waiting, BudgetOverrun)  # what `breathe` ends a wait with


@dataclass
class Walker(Watch):
    """Takes steps and asks gates for one run."""

    def take(self, step: Step[Any]) -> None:
        """Brings the step's resource to `after`, or raises with what was seen and what was wanted."""
        with self.counting(step=step.name):
            self._take(step)

    def _take(self, step: Step[Any]) -> None:
        self.breathe()
        self.stand_still()
        position = self.journal.position()
        intended = is_open(position, step)
        deadline = self.deadline(step.settle)
        began = self.clock.monotonic()
        seen = self._observe(step, deadline)
        if seen == step.after and not intended:
            self.record("skipped", step=step.name, seen=plain(seen), undoes=list(step.undoes))
            return
        if not (seen == step.before or (intended and (seen == step.after or seen in step.between))):
            self._unexpected(step, seen, intended)
        commands = tuple(step.commands(step.after))
        shells = [command.shell() for command in commands]
        self.record(
            "intent",
            step=step.name,
            undoes=list(step.undoes),
            before=plain(step.before),
            after=plain(step.after),
            seen=plain(seen),
            commands=shells,
        )
        failure: Exception | None = None
        try:
            for number, command in enumerate(commands):
                killpoint.reached(f"before command {step.name}:{number}")
                with heard(partial(self._said, step.name, deadline)):
                    command.run(deadline)
                killpoint.reached(f"after command {step.name}:{number}")
        except STOPS:
            raise  # by our own watch while the command was at work, as in any other wait: its intent stays open
        except Exception as error:  # noqa: BLE001 - any technology's exception: the outcome is unknown, so it is read back
            failure = error
            self.record("command-failed", step=step.name, error=reason(error))
        seen = self._settle(step, deadline, failure)
        seconds = round(self.clock.monotonic() - began, 3)
        evidence = _evidence(step)
        self.record(
            "converged", step=step.name, seen=plain(seen), undoes=list(step.undoes), seconds=seconds, evidence=evidence
        )

    def _said(self, name: str, deadline: Deadline, seen: str) -> None:
        self.looking(name, seen, deadline)
        self.breathe()

    def _shown(self, name: str, deadline: Deadline, seen: str) -> None:
        self.looking(name, seen, deadline)

    def _observe(self, step: Step[Any], deadline: Deadline) -> Any:
        backoff = Backoff(self.clock)
        while True:
            try:
                with heard(partial(self._said, step.name, deadline)):
                    return observed(step)
            except Unreachable as error:
                self.looking(step.name, f"not reachable: {error.message}", deadline)
                self.breathe()
                if deadline.expired:
                    raise
            backoff.pause(deadline)

    def _settle(self, step: Step[Any], deadline: Deadline, failure: Exception | None) -> Any:
        backoff = Backoff(self.clock)
        known = {step.before, step.after} | step.between
        # After a failed command a short look is enough: either it took effect, or trying again is the caller's decision. How short
        # says the failure; under a budget, where writes may be waiting, it is short whatever failed.
        if failure is not None:
            told = failure if self.budget is None else None
            deadline = deadline.within(getattr(told, "shows_within", CutoverError.shows_within))
        # After a failure nothing may end the reading back: it decides what the record says.
        listener = self._said if failure is None else self._shown
        while True:
            try:
                with heard(partial(listener, step.name, deadline)):
                    seen = observed(step)
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
                        f"{step.name}: {reason(failure)}; seen {text(seen)}, wanted {text(step.after)}"
                    ) from failure
                if deadline.expired:
                    self.breathe()  # a deadline that the budget cut short is the budget's overrun, not the step's
                    raise NotConverged(
                        f"{step.name}: seen {text(seen)}, wanted {text(step.after)} within {step.settle:g} s"
                    )
            self.looking(step.name, f"{shown} {_progress(step)}".strip(), deadline)
            if failure is None:
                self.breathe()
            backoff.pause(deadline)

    def _unexpected(self, step: Step[Any], seen: Any, intended: bool) -> None:
        wanted = (
            text(step.before)
            if not intended
            else " or ".join(sorted({text(s) for s in (step.before, step.after, *step.between)}))
        )
        self.record("unexpected", step=step.name, seen=plain(seen), wanted=wanted)
        mend = step.mend(seen)
        raise Unexpected(
            f"{step.name}: seen {text(seen)}, wanted {wanted} (to go to {text(step.after)}). Somebody else changed "
            f"{step.resource}; nothing was touched. "
            + (f"So that it can go on:\n{mend}\n" if mend else "")
            + f"Look: {step.check_shell()}"
        )

    def ask(self, gate: Gate) -> None:
        """Waits until the gate's check has passed and stayed passed; a `fail` latches for this leg."""
        with self.counting(gate=gate.name):
            self._ask(gate)

    def _ask(self, gate: Gate) -> None:
        self.breathe()
        self.stand_still()
        position = self.journal.position()
        if gate.name in position.failed:
            raise GateFailed(gate.name, f"failed before in this pass: {position.failed[gate.name]}")
        deadline = self.deadline(self._time_of(gate))
        backoff = Backoff(self.clock)
        last = ""
        lapse: Deadline | None = None
        while True:
            with heard(partial(self._said, gate.name, deadline)):
                finding = found(gate.check)
            if finding.verdict is Verdict.FAIL:
                self.record("failed", gate=gate.name, seen=finding.seen, hint=finding.hint, data=plain(finding.data))
                raise GateFailed(gate.name, _hinted(finding.seen, finding))
            shown = f"{finding.verdict.value}: {finding.seen}"
            if finding.verdict is Verdict.PASS:
                left = self._hold_left(gate)
                if left <= 0:
                    self.record(
                        "passed", gate=gate.name, seen=finding.seen, data=plain(finding.data), undoes=list(gate.undoes)
                    )
                    return
                shown = f"{finding.seen}; {left:.1f} s more"
                lapse = None
            else:
                if shown != last:
                    asks = {"asks": True} if gate.detaches and gate.hold <= 0 else {}
                    self.record("waiting", gate=gate.name, verdict=finding.verdict.value, seen=finding.seen, **asks)
                last = shown
                within = gate.deadline
                if gate.lapse is not None:
                    within = gate.lapse if gate.name in self.journal.position().hold_begun else within
                    lapse = lapse or self.deadline(within)
                elif finding.verdict is Verdict.INSUFFICIENT:
                    self._break_hold(gate)
                if deadline.expired or (lapse is not None and lapse.expired):
                    self.breathe()
                    time = f"within {within:g} s" if within else "at the first look"
                    raise GateFailed(gate.name, _hinted(f"not satisfied {time}: {shown}", finding), timed_out=True)
            self.looking(gate.name, shown, deadline)
            self.breathe()
            if self.stand_still():
                # What was wrong meanwhile was not well: the soak, and the time that it may take, begin anew.
                self._break_hold(gate)
                deadline, lapse = self.deadline(gate.deadline + gate.hold), None
                continue
            if self.detached and gate.detaches:
                raise Waiting(f"{gate.name}: {shown}")
            self._watched(gate)
            backoff.pause()

    def _time_of(self, gate: Gate) -> float:
        """Seconds that the gate has; one that waits for a person has them from its first question, over restarts, too."""
        asked = self.journal.position().asked.get(gate.name)
        if not gate.detaches or gate.hold > 0 or asked is None:
            return gate.deadline + gate.hold
        return max(0.0, gate.deadline - self.elapsed(asked.at, f"waiting:{gate.name}"))

    def _hold_left(self, gate: Gate) -> float:
        if gate.hold <= 0:
            return 0.0
        position = self.journal.position()
        if gate.since is not None and gate.since in position.converged_at:
            begun = position.converged_at[gate.since]
            return gate.hold - self.elapsed(begun, f"converged:{gate.since}", f"skipped:{gate.since}")
        # A `since` that never converged gives no head start: the hold then counts from now.
        if gate.name not in position.hold_begun:
            self.record("hold-begun", gate=gate.name, seconds=gate.hold)
        begun = self.journal.position().hold_begun[gate.name]
        return gate.hold - self.elapsed(begun, f"hold-begun:{gate.name}")

    def _break_hold(self, gate: Gate) -> None:
        if gate.name in self.journal.position().hold_begun:
            self.record("hold-broken", gate=gate.name)

    def _watched(self, gate: Gate) -> None:
        """Writes down now and then that a soak is watched: after a crash only the time up to the newest entry counts."""
        position = self.journal.position()
        if gate.name in position.hold_begun and self.clock.now() - position.at >= max(WATCHED, gate.hold / 1000):
            self.record("watched", gate=gate.name)


def _hinted(seen: str, finding: Finding) -> str:
    return seen + (f" ({finding.hint})" if finding.hint else "")


def is_open(position: Position, step: Step[Any]) -> bool:
    """Whether the intent that was not answered is this step's own, its inverse's, or that of a move which shares its way."""
    intent = position.intent
    mine = {step.name, *step.undoes}
    return intent is not None and not mine.isdisjoint((intent, *position.intent_undoes))


def _progress(step: Step[Any]) -> str:
    try:
        return step.progress()
    except Exception:  # noqa: BLE001 - only shown: the wait goes on without it
        return ""


def _evidence(step: Step[Any]) -> Any:
    try:
        return plain(step.evidence())
    except Exception as error:  # noqa: BLE001 - the step is done; a missing detail must not undo that
        return {"missing": reason(error)}


def observed(step: Step[Any]) -> Any:
    """What the step sees; anything raised on the way means that its state is not known: Unreachable."""
    return _looked(step, step.observe)


def past_commit(step: Step[Any]) -> bool:
    """Whether the step sees that it is past its commit point; raises as `observed` does."""
    return _looked(step, step.past_commit)


def _looked(step: Step[Any], look: Callable[[], T]) -> T:
    try:
        return look()
    except CutoverError:
        raise
    except Exception as error:  # an adapter's leak must end as a foreseeable error, or a window would stay shut
        raise Unreachable(f"{step.name}: {reason(error)}") from error
