"""The way back: the inverse of what was taken, newest first, retried until it is done or a person is needed."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cutover.core.clock import Backoff, Deadline
from cutover.core.errors import (
    BudgetOverrun,
    CutoverError,
    GateFailed,
    Interrupted,
    NotConverged,
    RollbackIncomplete,
    StepFailed,
    Unreachable,
)
from cutover.core.gate import Policy
from cutover.core.journal import Leg, Position
from cutover.core.leg import BACK, Legs
from cutover.core.plain import plain
from cutover.core.plan import Phase, Plan
from cutover.core.walk import InterruptRequested, observed

RETRYABLE = (StepFailed, NotConverged, Unreachable)
UNDO, REOPENED = "undo", "way back failed"
ASKED, WORD, POLICY = (
    "asked",
    "word",
    "policy",
)  # typed here; a word of another terminal, which the walking process heeded; a policy
TURNS = (POLICY, WORD, UNDO)  # why a process that walks forward turns round
BY_A_PERSON = (ASKED, WORD)
UNDO_CAUSES = (UNDO, REOPENED)


@dataclass
class Back(Legs, ABC):
    """Walks the inverse of its plan."""

    @abstractmethod
    def reopen(self, phase_name: str, error: CutoverError) -> None:
        """Finishes the window forward again, so that the side which still serves accepts writes."""

    def back(
        self,
        *,
        reason: str,
        to: str | None = None,
        everything: bool = False,
        cause: str = ASKED,
        plan_changed: bool = False,
    ) -> str:
        """Takes back what was taken, down to the end of phase `to`; returns `rolled-back` or `undone`.

        A way back that is under way is gone on with. Each step is retried until `patience` has run out; then
        RollbackIncomplete lists the commands that remain.
        """
        if cause == ASKED:
            self.may_end_after(to, "invoke rollback --env {env} --to {phase} --reason '…'")
        position = self.journal.position()
        leg = position.leg
        asked = (to, everything)
        resumed = leg is not None and position.under_way and leg.direction == BACK
        if resumed and leg is not None:
            inverse, to, everything = self.inverse_of(leg), leg.to, leg.everything
            self.begin(BACK, resumed=True, plan_changed=plan_changed)
        else:
            taken = (*position.taken, *position.kept) if everything else position.taken
            half = position.half_done
            inverse = self.plan.inverse(taken, to=to, everything=everything, half_done=half)
            about: dict[str, Any] = {"to": to, "reason": reason, "everything": everything, "cause": cause}
            self.begin(BACK, resumed=False, plan_changed=plan_changed, **about, taken=taken, half_done=half)
            if self._left_to_a_person(position):
                self._take_what_was_typed(inverse)
        # Guards watch the way forward: one that still fails must not stop the way back that it started.
        self.walker.guards = ()
        patience = Deadline.after(self.patience, self.clock)
        complaints: list[str] = []
        try:
            for phase in inverse.phases:
                self.walk_back(inverse, phase, patience, complaints)
        except CutoverError as error:
            with self.telling_what_stands_still():
                self.back_stopped(inverse, error)
        self.end("undone" if to else "rolled-back", cleared=self._names_after(to), complaints=complaints)
        if complaints:
            raise RollbackIncomplete(
                "everything was taken back, but checking the result failed:\n  " + "\n  ".join(complaints)
            )
        if resumed and self._is_further(asked, (to, everything)):
            return self.back(reason=reason, to=asked[0], everything=asked[1])
        return "undone" if to else "rolled-back"

    def _left_to_a_person(self, position: Position) -> bool:
        """Whether the last way back has told which commands remain; reopening the window was part of it."""
        reopened = position.leg is not None and position.leg.cause == REOPENED
        legs = [leg for leg in position.legs if leg.cause != REOPENED]
        return bool(legs) and legs[-1].direction == BACK and (reopened or legs[-1].outcome == "incomplete")

    def _take_what_was_typed(self, inverse: Plan) -> None:
        """After a way back that left its commands to a person: where all resources stand at their ends, they were typed.

        A resource that moves twice on the way would otherwise be found where no single step of it begins.
        """
        last = {step.resource: step for _, step in inverse.steps()}
        try:
            seen = {resource: observed(step) for resource, step in last.items()}
        except CutoverError:
            return
        if all(seen[resource] == step.after for resource, step in last.items()):
            for _, step in inverse.steps():
                self.walker.record("skipped", step=step.name, seen=plain(seen[step.resource]), undoes=list(step.undoes))

    def _is_further(self, asked: tuple[str | None, bool], done: tuple[str | None, bool]) -> bool:
        def kept(to: str | None) -> int:
            return len(self.plan.names_until(to)) if to else 0

        return kept(asked[0]) < kept(done[0]) or asked[1] > done[1]

    def walk_back(self, inverse: Plan, phase: Phase, patience: Deadline, complaints: list[str]) -> None:
        """Walks one phase of the way back; what its checks complain about is added to `complaints`."""
        finished = self.journal.position().leg_done
        todo = [item for item in phase.items if item.name not in finished]
        if not todo:
            return
        interrupted: InterruptRequested | None = None
        with self._patient(), self.entered(phase, holdable=False, fresh_budget=True):
            while todo:
                try:
                    self.do(todo[0])
                except RETRYABLE as error:
                    if patience.expired:
                        raise
                    self.walker.record("retrying", phase=phase.name, item=todo[0].name, error=error.message)
                    # Whatever time a step may take, trying it again ends when a person has to know.
                    self.walker.until = patience
                    Backoff(self.clock, first=0.1).pause(patience)
                    continue
                except GateFailed as error:
                    if not self._is_undo() and self.commit_ahead(inverse):
                        raise
                    # Nothing is gained by leaving the rest undone: what was found is reported at the end.
                    complaints.append(error.message)
                except BudgetOverrun:
                    if self.may_reopen(inverse, phase):
                        raise
                    self.walker.budget = None
                    continue
                except InterruptRequested as error:
                    if phase.overrun is not Policy.UNDO:
                        raise
                    # Stopping here would leave the writes waiting for a person; the stop comes after this phase.
                    self.walker.heed_interrupts = False
                    interrupted = error
                    continue
                self.walker.until = None
                todo.pop(0)
        if interrupted is not None:
            raise interrupted

    @contextmanager
    def _patient(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.walker.until = None

    def back_stopped(self, inverse: Plan, error: CutoverError) -> None:
        """Ends a way back that cannot go on: reopens the window if need be, and says which commands remain."""
        if isinstance(error, InterruptRequested):
            self.end("interrupted")
            raise self.interrupted("interrupted on the way back, at a journal boundary")
        finished, message = self.journal.position().leg_done, f"the way back stopped: {error.message}"
        leg, phase = self.journal.position().leg, next((p for p in inverse.phases if p.name == self.phase_name), None)
        if leg is not None and phase is not None and self.may_reopen(inverse, phase):
            try:
                self.reopen(phase.name, error)
            except RollbackIncomplete as second:
                message = second.message
            # What had been taken back in the window has been taken again: it remains, too.
            finished, inverse = (), self._inverse_of_what_stands(leg)
        self.end("incomplete", error=error.message)
        remaining = [
            f"# {step.name}\n{command.shell()}"
            for _, step in inverse.steps()
            if step.name not in finished
            for command in step.commands(step.after)
        ]
        raise RollbackIncomplete(
            f"{message}\nthese commands remain, in this order:\n" + "\n".join(remaining)
        ) from error

    def _inverse_of_what_stands(self, leg: Leg) -> Plan:
        """What that way back still has to do, as the journal stands now."""
        position = self.journal.position()
        taken = (*position.taken, *position.kept) if leg.everything else position.taken
        return self.plan.inverse(taken, to=leg.to, everything=leg.everything, half_done=position.half_done)

    def _names_after(self, to: str | None) -> list[str]:
        kept = set(self.plan.names_until(to)) if to else set()
        return [item.name for _, item in self.plan.walk() if item.name not in kept]

    def _is_undo(self) -> bool:
        leg = self.journal.position().leg
        return leg is not None and leg.cause == UNDO

    def interrupted(self, message: str) -> Interrupted:
        """The error that ends the program as the operator's signal asks."""
        return Interrupted(message, signal_number=self.interrupt.signal_number or 2)
