"""A run: walks a plan forward and back over a journal, from wherever the journal says it stands."""

from contextlib import suppress
from dataclasses import dataclass, field, replace

from cutover.core.back import POLICY, REOPENED, RETRYABLE, UNDO, UNDO_CAUSES, WORD, Back
from cutover.core.clock import Backoff, Deadline
from cutover.core.errors import (
    BudgetOverrun,
    CutoverError,
    GateFailed,
    PointOfNoReturn,
    Refused,
    RollbackIncomplete,
    RolledBack,
    Waiting,
)
from cutover.core.gate import Gate, Guard, Policy, Verdict
from cutover.core.journal import Position
from cutover.core.leg import BACK, FORWARD
from cutover.core.moment import Moment, knew
from cutover.core.plan import Item, Phase
from cutover.core.policy import policy_of, started_by
from cutover.core.step import Step
from cutover.core.walk import GuardTripped, InterruptRequested, found

GOES_ON = (Policy.STOP, Policy.HOLD)  # what these stop can wait for the phase that starts again what was stopped


@dataclass
class Run(Back):
    """Walks its plan: `forward`, `back`, `resume`, and `recover` for the supervisor."""

    _finish_by: Deadline | None = field(default=None, init=False)
    _raise_after_phase: CutoverError | None = field(default=None, init=False)

    # --- forward -----------------------------------------------------------------------------------------------

    def forward(self, *, until: str | None = None, cause: str = "", reason: str = "") -> str:
        """Walks on to the end of the plan (or of phase `until`); returns `done`, `until` or `nothing`.

        Raises Refused (5) when it stopped or was undone before anything was switched, RolledBack (6), Waiting (8),
        Interrupted, or the error that stopped it.
        """
        position = self.journal.position()
        under_way = position.under_way and position.leg is not None and position.leg.direction == FORWARD
        wanted = self.plan.names_until(until)
        self.may_end_after(until, "invoke cutover --env {env} --until {phase}")
        if not position.under_way and self.plan.pending(position.done).isdisjoint(wanted):
            return "nothing"
        self._answer_merged_undo(position)
        self.begin(FORWARD, resumed=under_way, until=until, cause=cause, reason=reason)
        try:
            for phase in self.plan.phases:
                self._walk_phase(phase)
                if phase.name == until:
                    break
        except CutoverError as error:
            with self.telling_what_stands_still():
                self._forward_stopped(error)
        outcome = "until" if until is not None and until != self.plan.phases[-1].name else "done"
        self.end(outcome)
        return outcome

    def _answer_merged_undo(self, position: Position) -> None:
        """Ends a half-done move back over several steps, whose states no single step forward would know."""
        leg = position.leg
        if leg is None or leg.plan != self.plan.name or len(position.intent_undoes) < 2:
            return
        inverse = self.inverse_of(leg)
        for _, step in inverse.steps():
            if step.name == position.intent:
                self.walker.take(step)

    def _walk_phase(self, phase: Phase) -> None:
        awaited = self.plan.is_awaited(phase.name)
        if not awaited:
            self._raise_after_phase = None
        pending = self.plan.pending(self.journal.position().done)
        todo = [item for item in phase.items if item.name in pending]
        if todo:
            self._finish_by = None
            tripped = isinstance(self._raise_after_phase, GuardTripped)
            self.walker.guards = self._guards_that_stop() if tripped else self.plan.guards
            with self.entered(phase, holdable=not awaited):
                while todo:
                    try:
                        self.do(todo[0])
                        todo.pop(0)
                    except CutoverError as error:
                        if self._in_phase(phase, todo[0], error):
                            todo.pop(0)
        postponed = self._raise_after_phase
        if postponed is not None and not (self.plan.awaited_after(phase.name) and self._policy(postponed) in GOES_ON):
            raise postponed

    def _guards_that_stop(self) -> tuple[Guard, ...]:
        return tuple(guard for guard in self.plan.guards if guard.policy not in GOES_ON)

    def _in_phase(self, phase: Phase, item: Item, error: CutoverError) -> bool:
        """Decides about an error inside a phase: True goes on with the next item, False tries the same again, or raises."""
        if isinstance(item, Gate) and isinstance(error, GateFailed) and started_by(item, error) is Policy.NOTIFY:
            self.walker.record("noted", gate=item.name, seen=error.message)
            return True
        if isinstance(error, BudgetOverrun) and phase.overrun is Policy.NOTIFY:
            self.walker.budget = None
            self.walker.record("overrun", phase=phase.name, error=error.message)
            return False
        if self.plan.is_awaited(phase.name) and self._can_wait(error):
            self._postpone(error)
            self.walker.guards = self._guards_that_stop() if isinstance(error, GuardTripped) else self.walker.guards
            return False
        if phase.overrun is not Policy.UNDO:
            raise error
        if not self.is_committed(phase):
            self._undo(phase, error)
        # Past the commit point the window is finished forward: undoing it would be a second, longer pause.
        if self._finish_by is None:
            self._finish_by = Deadline.after(self.patience, self.clock)
        spent = self.walker.budget is not None and self.walker.budget.expired
        if isinstance(error, BudgetOverrun) or spent:  # a failed try that took all of it is one, too
            self.walker.budget = None
            self.walker.record("overrun", phase=phase.name, committed=True)
        if isinstance(error, BudgetOverrun):
            return False
        if isinstance(error, InterruptRequested):
            self._postpone(error)
        elif isinstance(error, GateFailed | GuardTripped):
            # What it starts waits for the end of the window, or the writes would wait for a person.
            self._postpone(error)
            self.walker.guards = ()
            return isinstance(error, GateFailed)
        elif isinstance(error, RETRYABLE) and not self._finish_by.expired:
            self.walker.budget = None
            self.walker.record("retrying", phase=phase.name, item=item.name, error=error.message)
            Backoff(self.clock, first=0.05).pause(self._finish_by)
        else:
            raise error
        return False

    def _can_wait(self, error: CutoverError) -> bool:
        return isinstance(error, InterruptRequested | GuardTripped) and self._policy(error) in GOES_ON

    def _postpone(self, error: CutoverError) -> None:
        if isinstance(error, InterruptRequested):
            self._raise_after_phase = self._raise_after_phase or error
            self.walker.heed_interrupts = False
        elif not isinstance(self._raise_after_phase, GateFailed | GuardTripped):
            self._raise_after_phase = error

    def _undo(self, phase: Phase, cause: CutoverError) -> None:
        self.walker.record("overrun", phase=phase.name, committed=False, error=cause.message)
        self.walker.heed_interrupts = False
        self.back(reason=cause.message, cause=UNDO, to=self.phase_before(phase.name))
        raise _Undone(phase.name, cause)

    def _forward_stopped(self, error: CutoverError) -> None:
        if isinstance(error, _Undone):
            if isinstance(error.cause, InterruptRequested):
                raise self.interrupted(f"interrupted; {error.phase} was taken back and nothing was switched")
            raise Refused(
                f"{error.phase} was taken back before its commit point; nothing was switched: {error.message}"
            )
        if isinstance(error, InterruptRequested):
            self.end("interrupted")
            raise self.interrupted("interrupted at a journal boundary")
        if isinstance(error, Waiting):
            self.end("waiting", error=error.message)
            raise error
        policy = self._affordable(self._policy(error), error)
        if policy is Policy.ROLLBACK:
            self._turn_back(error, to=None)
            raise RolledBack(error.message) from error
        if policy is Policy.PREVIOUS_PHASE and (before := getattr(error, "to", "") or self._previous()):
            self._turn_back(error, to=before)
            raise Waiting(f"went back to the end of {before}: {error.message}") from error
        self.end("stopped", error=error.message)
        position = self.journal.position()
        if isinstance(error, GuardTripped) and not position.taken and position.intent is None:
            raise Refused(f"nothing was begun: {error.message}") from error
        if policy in (Policy.HOLD, Policy.FREEZE):
            raise Waiting(f"{policy.value}: {error.message}") from error
        if isinstance(error, GateFailed) and not self.switched():
            raise Refused(error.message) from error
        raise error

    def _previous(self) -> str | None:
        """The phase to whose end the run goes back, by the journal: who only watches has entered none in this process."""
        present = self.plan.present(self.journal.position())
        before = self.plan.back_from(present.name) if present is not None else None
        return before.name if before is not None else None

    def _turn_back(self, error: CutoverError, *, to: str | None) -> None:
        try:
            self.back(reason=error.message, cause=WORD if getattr(error, "asked", False) else POLICY, to=to)
        except PointOfNoReturn as wall:
            self.end("stopped", error=error.message)
            raise wall from error

    def _affordable(self, policy: Policy, error: CutoverError) -> Policy:
        """The policy; freeze where going back would be too dear, and nobody has asked for it."""
        if policy is not Policy.ROLLBACK or self.plan.affordable is None or getattr(error, "asked", False):
            return policy
        finding = found(self.plan.affordable)
        if finding.verdict is not Verdict.FAIL:
            return policy
        self.walker.record("rollback-too-dear", seen=finding.seen, error=error.message)
        error.message += f"; going back would cost too much: {finding.seen}"
        return Policy.FREEZE

    def _policy(self, error: CutoverError) -> Policy:
        return policy_of(self.plan, self.phase_name, error)

    # --- resume and recovery -----------------------------------------------------------------------------------

    def resume(self, *, until: str | None = None, reason: str = "") -> str:
        """Goes on with what was under way, in the direction in which it went."""
        legs = [leg for leg in self.journal.position().legs if leg.cause != REOPENED]
        leg = legs[-1] if legs else None
        if leg is None or leg.outcome == "rolled-back":
            return "nothing"
        if leg.direction == BACK and leg.outcome != "undone":
            return self.back(reason=leg.reason, to=leg.to, everything=leg.everything, cause=leg.cause)
        return self.forward(until=until or (None if leg.outcome == "until" else leg.until), reason=reason)

    def stand_by(self) -> None:
        """Watches a run that goes on for nobody, and does what its guards start, until a person says to go on."""
        since = Moment(self.journal.position().at, self.journal.entries()[-1].seq)
        backoff = Backoff(self.clock, first=0.05)
        self.walker.holdable = self.walker.stands_by = True
        try:
            while not any(k == "resume" and knew(w, since) for k, w in self.journal.wishes()):
                self.walker.looking("watch", "stands by until a person says to go on", Deadline.after(0, self.clock))
                self.walker.breathe()
                self.walker.stand_still()
                backoff.pause()
        except CutoverError as error:
            with self.telling_what_stands_still():
                self._forward_stopped(error)
        finally:
            self.walker.stands_by = False

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
            following = self.plan.awaited_after(phase_name)
            self.forward(until=following.name if following else phase_name)
            return "finished"
        if leg.direction == FORWARD:
            self.back(reason="the worker died inside the window", cause=UNDO, to=self.phase_before(phase_name))
            return "undone"
        if leg.cause == UNDO:
            self.back(reason=leg.reason, to=leg.to, cause=UNDO)
            return "undone"
        inverse = self.inverse_of(leg)
        self.phase_name, self.walker.guards = phase_name, ()
        try:
            self.walk_back(inverse, inverse.phase(phase_name), Deadline.after(self.patience, self.clock), [])
        except CutoverError as error:
            self.back_stopped(inverse, error)
        return "finished"

    def reopen(self, phase_name: str, error: CutoverError) -> None:
        """Finishes the window forward again, so that the side which still serves accepts writes."""
        try:
            self.begin(FORWARD, resumed=False, until=phase_name, cause=REOPENED)
            phase = self.plan.phase(phase_name)
            self._walk_phase(replace(phase, items=tuple(item for item in phase.items if isinstance(item, Step))))
        except CutoverError as second:
            self.end("stopped", error=second.message)
            raise RollbackIncomplete(
                f"the way back stopped ({error.message}), and so did reopening the window ({second.message})"
            ) from second
        # The side that serves needs again what its way back had stopped already; where that fails, the error says so.
        following = self.plan.awaited_after(phase_name)
        with suppress(CutoverError):
            if following is not None:
                self._walk_phase(replace(following, items=tuple(i for i in following.items if isinstance(i, Step))))
        self.end("reopened")


class _Undone(CutoverError):
    """The phase was taken back because of `cause`; the way back itself went well."""

    def __init__(self, phase: str, cause: CutoverError) -> None:
        super().__init__(cause.message)
        self.phase, self.cause = phase, cause
