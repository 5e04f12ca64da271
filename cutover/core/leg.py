"""What forward and back share: legs are begun and ended, phases entered under budget and supervision."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from cutover.core.clock import Backoff, Clock, Deadline, Interrupt, SystemClock
from cutover.core.errors import CutoverError, LeaseLost, PlanChanged, Refused, StepFailed, Unreachable
from cutover.core.gate import Gate, Policy
from cutover.core.journal import Journal, Leg, Position
from cutover.core.plan import Item, Phase, Plan
from cutover.core.step import Step
from cutover.core.walk import Event, Listener, Walker, is_open, past_commit
from cutover.core.watch import reason

FORWARD, BACK = "forward", "back"


class Supervisor(Protocol):
    """A second process that ends a supervised phase by its budget when the first one dies."""

    def watch(self, phase: str, budget: float, *, ready_first: bool) -> AbstractContextManager[None]:
        """Stands by while the body runs; with `ready_first` the body begins only when it is ready, or not at all."""


def silent(_: Event) -> None:
    """The listener that shows nothing."""


def nobody(_: Sequence[Step[Any]]) -> None:
    """The claim of who works alone."""


@dataclass
class Legs:
    """One run's plan, journal and walker; `patience` is how many seconds a failing way back or a committed window is retried.

    `detached`: where only time or a person is waited for, the run ends and is gone on with later.
    """

    plan: Plan
    journal: Journal
    clock: Clock = field(default_factory=SystemClock)
    interrupt: Interrupt = field(default_factory=Interrupt)
    listen: Listener = silent
    supervisor: Supervisor | None = None
    who: str = ""
    patience: float = 120.0
    detached: bool = False
    claim: Callable[[Sequence[Step[Any]]], None] = nobody
    """Shows our token at what these steps change, where nothing does that in the change itself."""
    walker: Walker = field(init=False)
    phase_name: str = field(default="", init=False)
    _watched: str | None = field(default=None, init=False)
    _unclaimed: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        self.walker = Walker(self.journal, self.clock, self.interrupt, self.listen, guards=self.plan.guards)
        self.walker.detached = self.detached

    def begin(
        self, direction: str, *, resumed: bool, plan_changed: bool = False, reason: str = "", **data: Any
    ) -> None:
        """Starts a leg, or goes on with the one under way; raises PlanChanged when the run belongs to another plan.

        With `plan_changed` a person has said that the plan of now shall be used; from then on the run belongs to it.
        """
        position = self.journal.position()
        digest = self.plan.digest()
        last = next((leg for leg in reversed(position.legs) if leg.plan == self.plan.name), None)
        if last is not None and last.digest != digest:
            if not plan_changed and not self.plan.rebinds:
                raise PlanChanged(
                    f"this run was started with plan {last.digest[:12]}, but the environment now gives {digest[:12]}; "
                    "put the environment file back as it was (or install the version of cutover that began the run). "
                    "Where that cannot be done, `invoke rollback --plan-changed --reason …` goes back by the plan of now"
                )
            if not self.plan.rebinds:
                self._knows_what_was_taken(position)
            self.walker.record("plan-changed", was=last.digest, now=digest, who=self.who)
        said = {"reason": reason} if reason or direction == BACK else {}
        if resumed and position.under_way:
            self.walker.record("leg-resumed", who=self.who, **said)
            return
        data |= said
        data = {key: list(value) if isinstance(value, tuple) else value for key, value in data.items()}
        self.walker.record("leg-started", direction=direction, plan=self.plan.name, digest=digest, who=self.who, **data)

    def _knows_what_was_taken(self, position: Position) -> None:
        known = {item.name for _, item in self.plan.walk()}
        unknown = [name for name in (*position.taken, *position.kept) if name not in known]
        if unknown:
            raise PlanChanged(
                f"the plan of now does not know what was taken: {', '.join(unknown)}; it could not be taken back. "
                "Put the environment file back as it was, or follow the rollback runbook of the plan that was begun"
            )

    def end(self, outcome: str, **data: Any) -> None:
        """Ends the leg under way, if there is one."""
        if self.journal.position().under_way:
            self.walker.record("leg-ended", outcome=outcome, **data)

    def may_end_after(self, phase_name: str | None, command: str) -> None:
        """Raises Refused where what phase `phase_name` has stopped would run on neither side."""
        following = self.plan.awaited_after(phase_name) if phase_name else None
        if following is not None:
            stopped = ", ".join(self.plan.phase(phase_name or "").handed_on)
            raise Refused(
                f"{phase_name} stops what only {following.name} starts again on the other side ({stopped}): to end between "
                "the two leaves it running on neither",
                next_command=command.format(env=self.plan.environment, phase=following.name),
            )

    @contextmanager
    def telling_what_stands_still(self) -> Iterator[None]:
        """Adds to an error what the run leaves stopped on both sides."""
        try:
            yield
        except CutoverError as error:
            if (still := self._stands_still()) and still not in error.message:
                error.message += still
                error.args = (error.message,)
            raise

    def _stands_still(self) -> str:
        position = self.journal.position()
        for phase in self.plan.phases:
            following = self.plan.awaited_after(phase.name)
            stopped = [name for name in phase.handed_on if name in position.taken]
            if following is None or not stopped:
                continue
            missing = [name for name in following.taken_on if name not in position.done]
            if missing:
                return (
                    f"\nRUNS ON NEITHER SIDE: {', '.join(stopped)} took place and was not taken back, and of {following.name} "
                    f"there is not done: {', '.join(missing)}. Go on: invoke resume --env {self.plan.environment}"
                )
        return ""

    def do(self, item: Item) -> None:
        """Takes a step or asks a gate; a defect's exception becomes StepFailed, so that an open window is still ended."""
        try:
            if isinstance(item, Gate):
                self.walker.ask(item)
            else:
                self._claim_once()
                self.walker.take(item)
        except CutoverError:
            raise
        except Exception as error:
            raise StepFailed(f"{item.name}: {reason(error)}") from error

    def _claim_once(self) -> None:
        """Before the first step of a phase; where it cannot be done that is told, and each change still asks for itself."""
        if not self._unclaimed:
            return
        self._unclaimed = False
        position = self.journal.position()
        forward = position.leg is not None and position.leg.direction == FORWARD
        pending = self.plan.pending(position.done if forward else ())
        try:
            self.claim([step for _, step in self.plan.steps() if step.name in pending])
        except LeaseLost:
            raise
        except CutoverError as error:
            self.walker.record("unclaimed", error=error.message)

    @contextmanager
    def entered(self, phase: Phase, *, holdable: bool, fresh_budget: bool = False) -> Iterator[None]:
        """Records the phase's begin and end, and sets its budget; the budget of a forward phase counts from its first begin."""
        with self._watch(phase):
            self.phase_name = phase.name
            # Where writes wait nothing is added: what changes records there shows the token in the change itself.
            self._unclaimed = not phase.supervised
            position = self.journal.position()
            if position.phase != phase.name or phase.name not in position.phase_entered:
                self.walker.record("phase-entered", phase=phase.name, budget=phase.budget)
                position = self.journal.position()
            entered = position.phase_entered[phase.name]
            spent = 0.0 if fresh_budget else max(0.0, self.clock.now() - entered)
            self.walker.budget = None if phase.budget is None else Deadline.after(phase.budget - spent, self.clock)
            self.walker.holdable = holdable and not phase.supervised
            try:
                yield
            finally:
                self.walker.budget, self.walker.holdable = None, holdable
            self.walker.record("phase-left", phase=phase.name, seconds=round(self.clock.now() - entered, 3))

    @contextmanager
    def _watch(self, phase: Phase) -> Iterator[None]:
        watch: AbstractContextManager[None] = nullcontext()
        # Undoing a window happens inside it: the supervisor that stands by already goes on standing by.
        if phase.supervised and phase.budget and self.supervisor and self._watched != phase.name:
            position = self.journal.position()
            forward = position.leg is not None and position.leg.direction == FORWARD
            # Inside a window that is open already, and on the way back, waiting for a supervisor would only lengthen the pause.
            ready_first = forward and phase.name not in position.phase_entered
            watch = self.supervisor.watch(phase.name, phase.budget, ready_first=ready_first)
        before = self._watched
        with watch:
            self._watched = phase.name if phase.supervised else before
            try:
                yield
            finally:
                self._watched = before

    def is_committed(self, phase: Phase) -> bool:
        """Whether the phase is past its commit point, by journal and observation; Unreachable is retried for `patience`."""
        patience, backoff = Deadline.after(self.patience, self.clock), Backoff(self.clock)
        while True:
            try:
                return self._is_committed(phase)
            except Unreachable:
                if patience.expired:
                    raise
                backoff.pause(patience)

    def _is_committed(self, phase: Phase) -> bool:
        position = self.journal.position()
        finished = set(position.done) | set(position.leg_done)
        return any(
            step.name in finished or (is_open(position, step) and past_commit(step))
            for step in phase.items
            if isinstance(step, Step) and step.commit_point
        )

    def switched(self) -> bool:
        """Whether a step that gives green what was blue's has been taken in this run."""
        taken = self.journal.position().taken
        return any(step.name in taken for step in self.plan.switching_steps())

    def inverse_of(self, leg: Leg) -> Plan:
        """The plan that a way back walks, the same at every resume."""
        return self.plan.inverse(leg.taken, to=leg.to, everything=leg.everything, half_done=leg.half_done)

    def may_reopen(self, inverse: Plan, phase: Phase) -> bool:
        """Whether a way back that stops inside `phase` of `inverse` leaves a side that had writes before, and has to have them again."""
        if phase.overrun is not Policy.UNDO:
            return False
        return self.is_committed(self.plan.phase(phase.name)) and not self.is_committed(inverse.phase(phase.name))

    def commit_ahead(self, inverse: Plan) -> bool:
        """Whether the way back still has to change the writing side."""
        finished = self.journal.position().leg_done
        return any(step.name not in finished for step in inverse.commit_steps())

    def phase_before(self, name: str) -> str | None:
        """The name of the phase before `name`, None for the first."""
        before = self.plan.before(name)
        return before.name if before is not None else None
