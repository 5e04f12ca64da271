"""A run: walks a plan forward and back over a journal, from wherever the journal says it stands."""

from dataclasses import dataclass, field

from cutover.core.clock import Backoff, Deadline
from cutover.core.errors import (
    BudgetOverrun,
    CutoverError,
    GateFailed,
    Interrupted,
    NotConverged,
    Refused,
    RollbackIncomplete,
    RolledBack,
    StepFailed,
    Unreachable,
    Waiting,
)
from cutover.core.gate import Gate, Policy
from cutover.core.leg import BACK, FORWARD, Legs
from cutover.core.plan import Item, Phase, Plan
from cutover.core.walk import GuardTripped, InterruptRequested

RETRYABLE = (StepFailed, NotConverged, Unreachable)
UNDO_CAUSES = ("undo", "way back failed")


@dataclass
class Run(Legs):
    """Walks its plan: `forward`, `back`, `resume`, and `recover` for the supervisor."""

    _finish_by: Deadline | None = field(default=None, init=False)
    _stop_after_phase: bool = field(default=False, init=False)

    # --- forward -----------------------------------------------------------------------------------------------

    def forward(self, *, until: str | None = None, cause: str = "") -> str:
        """Walks on to the end of the plan (or of phase `until`); returns `done`, `until` or `nothing`.

        Raises Refused (5) when it stopped or was undone before anything was switched, RolledBack (6), Waiting (8),
        Interrupted, or the error that stopped it.
        """
        position = self.journal.position()
        under_way = position.under_way and position.leg is not None and position.leg.direction == FORWARD
        if not under_way and set(self._names_until(until)) <= set(position.done):
            return "nothing"
        self.begin(FORWARD, resumed=under_way, until=until, cause=cause)
        try:
            for phase in self.plan.phases:
                self._walk_phase(phase)
                if phase.name == until:
                    break
        except CutoverError as error:
            self._forward_stopped(error)
        outcome = "until" if until is not None and until != self.plan.phases[-1].name else "done"
        self.end(outcome)
        return outcome

    def _names_until(self, until: str | None) -> list[str]:
        names: list[str] = []
        for phase in self.plan.phases:
            names += [item.name for item in phase.items]
            if phase.name == until:
                return names
        if until is not None:
            self.plan.phase(until)  # raises, naming the known phases
        return names

    def _walk_phase(self, phase: Phase) -> None:
        done = self.journal.position().done
        todo = [item for item in phase.items if item.name not in done]
        if not todo:
            return
        self._finish_by, self._stop_after_phase = None, False
        with self.entered(phase, holdable=True):
            while todo:
                try:
                    self.do(todo[0])
                    todo.pop(0)
                except CutoverError as error:
                    self._in_phase(phase, todo[0], error)
        if self._stop_after_phase:
            raise InterruptRequested("interrupted")

    def _in_phase(self, phase: Phase, item: Item, error: CutoverError) -> None:
        """Decides about an error inside a phase: returns to try the same item again, raises to leave the phase."""
        if phase.overrun is not Policy.UNDO:
            raise error
        if not self.is_committed(phase):
            self._undo(phase, error)
        # Past the commit point the window is finished forward: undoing it would be a second, longer pause.
        if self._finish_by is None:
            self._finish_by = Deadline.after(self.patience, self.clock)
        if isinstance(error, BudgetOverrun):
            self.walker.budget = None
            self.walker.record("overrun", phase=phase.name, committed=True)
        elif isinstance(error, InterruptRequested):
            self._stop_after_phase = True
            self.walker.heed_interrupts = False
        elif isinstance(error, RETRYABLE) and not self._finish_by.expired:
            self.walker.budget = None
            self.walker.record("retrying", phase=phase.name, item=item.name, error=error.message)
            Backoff(self.clock, first=0.05).pause(self._finish_by)
        else:
            raise error

    def _undo(self, phase: Phase, cause: CutoverError) -> None:
        self.walker.record("overrun", phase=phase.name, committed=False, error=cause.message)
        self.walker.heed_interrupts = False
        self.back(reason=cause.message, cause="undo", to=self.phase_before(phase.name))
        raise _Undone(phase.name, cause)

    def _forward_stopped(self, error: CutoverError) -> None:
        if isinstance(error, _Undone):
            if isinstance(error.cause, InterruptRequested):
                raise self._interrupted(f"interrupted; {error.phase} was taken back and nothing was switched")
            raise Refused(f"{error.phase} was taken back before its commit point; nothing was switched: {error.message}")
        if isinstance(error, InterruptRequested):
            self.end("interrupted")
            raise self._interrupted("interrupted at a journal boundary")
        if isinstance(error, Waiting):
            self.end("waiting", error=error.message)
            raise error
        policy = self._policy(error)
        if policy is Policy.ROLLBACK:
            self.back(reason=error.message, cause="policy")
            raise RolledBack(f"rolled back: {error.message}") from error
        if policy is Policy.PREVIOUS_PHASE and (before := self.phase_before(self.phase_name)):
            self.back(reason=error.message, cause="policy", to=before)
            raise Waiting(f"went back to the end of {before}: {error.message}") from error
        self.end("stopped", error=error.message)
        if policy in (Policy.HOLD, Policy.FREEZE):
            raise Waiting(f"{policy.value}: {error.message}") from error
        if isinstance(error, GateFailed) and not self.switched():
            raise Refused(error.message) from error
        raise error

    def _policy(self, error: CutoverError) -> Policy:
        if isinstance(error, GuardTripped):
            return error.policy
        if isinstance(error, BudgetOverrun):
            return self.plan.phase(self.phase_name).overrun
        if isinstance(error, GateFailed):
            gates = [item for _, item in self.plan.walk() if isinstance(item, Gate)]
            return next((gate.on_fail for gate in gates if error.message.startswith(f"{gate.name}: ")), Policy.STOP)
        return Policy.STOP

    def _interrupted(self, message: str) -> Interrupted:
        return Interrupted(message, signal_number=self.interrupt.signal_number or 2)

    # --- back --------------------------------------------------------------------------------------------------

    def back(self, *, reason: str, to: str | None = None, everything: bool = False, cause: str = "asked") -> str:
        """Takes back what was taken, down to the end of phase `to`; returns `rolled-back` or `undone`.

        A way back that is under way is gone on with. Each step is retried until `patience` has run out; then
        RollbackIncomplete lists the commands that remain.
        """
        position = self.journal.position()
        leg = position.leg
        taken = position.taken
        resumed = leg is not None and position.under_way and leg.direction == BACK
        if resumed and leg is not None:
            taken, to, everything, cause = leg.taken, leg.to, leg.everything, leg.cause
        inverse = self.plan.inverse(taken, to=to, everything=everything)
        self.begin(BACK, resumed=resumed, to=to, reason=reason, everything=everything, cause=cause, taken=taken)
        patience = Deadline.after(self.patience, self.clock)
        complaints: list[str] = []
        try:
            for phase in inverse.phases:
                self._walk_back(inverse, phase, patience, complaints)
        except CutoverError as error:
            self._back_stopped(inverse, error)
        self.end("undone" if to else "rolled-back", cleared=self._names_after(to), complaints=complaints)
        if complaints:
            raise RollbackIncomplete(
                "everything was taken back, but checking the result failed:\n  " + "\n  ".join(complaints)
            )
        return "undone" if to else "rolled-back"

    def _walk_back(self, inverse: Plan, phase: Phase, patience: Deadline, complaints: list[str]) -> None:
        finished = self.journal.position().leg_done
        todo = [item for item in phase.items if item.name not in finished]
        if not todo:
            return
        with self.entered(phase, holdable=False, fresh_budget=True):
            while todo:
                try:
                    self.do(todo[0])
                except RETRYABLE as error:
                    if patience.expired:
                        raise
                    self.walker.record("retrying", phase=phase.name, item=todo[0].name, error=error.message)
                    Backoff(self.clock, first=0.1).pause(patience)
                    continue
                except GateFailed as error:
                    if self._commit_ahead(inverse):
                        raise
                    # Nothing is gained by leaving the rest undone: what was found is reported at the end.
                    complaints.append(error.message)
                except BudgetOverrun:
                    if phase.overrun is Policy.UNDO and self._commit_ahead(inverse) and not self.is_committed(phase):
                        raise
                    self.walker.budget = None
                    continue
                todo.pop(0)

    def _commit_ahead(self, inverse: Plan) -> bool:
        finished = self.journal.position().leg_done
        return any(step.name not in finished for step in inverse.commit_steps())

    def _back_stopped(self, inverse: Plan, error: CutoverError) -> None:
        if isinstance(error, InterruptRequested):
            self.end("interrupted")
            raise self._interrupted("interrupted on the way back, at a journal boundary")
        finished = self.journal.position().leg_done
        remaining = [
            f"# {step.name}\n{command.shell()}"
            for _, step in inverse.steps()
            if step.name not in finished
            for command in step.commands(step.after)
        ]
        phase = next((p for p in inverse.phases if p.name == self.phase_name), None)
        if phase is not None and phase.overrun is Policy.UNDO and not self.is_committed(phase):
            self._reopen(phase.name, error)
        self.end("incomplete", error=error.message)
        raise RollbackIncomplete(
            f"the way back stopped: {error.message}\nthese commands remain, in this order:\n" + "\n".join(remaining)
        ) from error

    def _reopen(self, phase_name: str, error: CutoverError) -> None:
        """Finishes the window forward again, so that the side which still serves accepts writes."""
        try:
            self.begin(FORWARD, resumed=False, until=phase_name, cause="way back failed")
            self._walk_phase(self.plan.phase(phase_name))
            self.end("reopened")
        except CutoverError as second:
            self.end("stopped", error=second.message)
            raise RollbackIncomplete(
                f"the way back stopped ({error.message}), and so did reopening the window ({second.message})"
            ) from second

    def _names_after(self, to: str | None) -> list[str]:
        kept = set(self._names_until(to)) if to else set()
        return [item.name for _, item in self.plan.walk() if item.name not in kept]

    # --- resume and recovery -----------------------------------------------------------------------------------

    def resume(self, *, until: str | None = None) -> str:
        """Goes on with what was under way, in the direction in which it went."""
        leg = self.journal.position().leg
        if leg is not None and leg.direction == BACK and leg.outcome not in ("rolled-back", "undone"):
            return self.back(reason=leg.reason, to=leg.to, everything=leg.everything, cause=leg.cause)
        return self.forward(until=until)

    def recover(self, phase_name: str) -> str:
        """For the supervisor: ends a phase whose worker died; past the commit point forward, before it back.

        Returns `finished`, `undone` or `nothing` (the phase was not under way).
        """
        position = self.journal.position()
        leg = position.leg
        if leg is None or leg.outcome is not None:
            return "nothing"
        if position.phase != phase_name and leg.cause not in UNDO_CAUSES:
            return "nothing"
        self.walker.record("recovering", phase=phase_name, direction=leg.direction)
        phase = self.plan.phase(phase_name)
        if leg.direction == FORWARD and (leg.cause in UNDO_CAUSES or self.is_committed(phase)):
            self.forward(until=phase_name)
            return "finished"
        if leg.direction == FORWARD:
            self.back(reason="the worker died inside the window", cause="undo", to=self.phase_before(phase_name))
            return "undone"
        if leg.to is not None:
            self.back(reason=leg.reason)
            return "undone"
        inverse = self.plan.inverse(leg.taken, everything=leg.everything)
        self._walk_back(inverse, inverse.phase(phase_name), Deadline.after(self.patience, self.clock), [])
        return "finished"


class _Undone(CutoverError):
    """The phase was taken back because of `cause`; the way back itself went well."""

    def __init__(self, phase: str, cause: CutoverError) -> None:
        super().__init__(cause.message)
        self.phase, self.cause = phase, cause
