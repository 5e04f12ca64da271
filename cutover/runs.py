"""How a run is begun, gone on with, taken back and finished, under the lease."""

import getpass
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from cutover.app import App
from cutover.core.back import REOPENED
from cutover.core.clock import Interrupt, SystemClock
from cutover.core.errors import ApprovalStale, CutoverError, LeaseHeld, PointOfNoReturn, Refused, Unexpected
from cutover.core.journal import Journal
from cutover.core.leg import BACK, Supervisor, silent
from cutover.core.plain import digest, text
from cutover.core.plan import Plan
from cutover.core.run import Run
from cutover.core.walk import Listener
from cutover.run_views import FINISHED, RunView, active, runs_of, zone
from cutover.state.sqlite import SqliteState

SHORTEST_APPROVAL = 12  # characters of the start digest
BLIND = "not observed: "


def who() -> str:
    """The operator, as the journal names them."""
    return os.environ.get("CUTOVER_WHO") or f"{getpass.getuser()}@{socket.gethostname()}"


def observed(plan: Plan) -> dict[str, str]:
    """Each step's state as it is now, `not observed: …` where nothing answers."""
    seen: dict[str, str] = {}
    for _, step in plan.steps():
        try:
            seen[step.name] = text(step.observe())
        except CutoverError as error:
            seen[step.name] = f"{BLIND}{error.message}"
    return seen


def start_digest(plan: Plan, seen: Mapping[str, str] | None = None) -> str | None:
    """The plan and what it starts from: what a reviewed plan is approved by; None when not everything could be observed."""
    seen = observed(plan) if seen is None else seen
    if any(state.startswith(BLIND) for state in seen.values()):
        return None
    return digest({"plan": plan.digest(), "observed": seen})


Supervise = Callable[[App, str, Listener], tuple[Supervisor, Listener]]
"""Makes the supervisor of one run, and the listener that tells it that the worker is alive."""


@dataclass
class Conductor:
    """Carries out what an operator asks for, under the lease; the face decides what is shown and in which words."""

    app: App
    listen: Listener = silent
    supervise: Supervise | None = None
    interrupt: Interrupt = field(default_factory=Interrupt)
    run_name: str = ""

    def cutover(self, *, until: str | None = None, approve: str | None = None) -> tuple[str, str]:
        """Begins a run, or goes on with the open one; returns the run's id and what `Run.forward` says."""
        with self.leased("cutover") as state:
            view = active(state)
            if view is None:
                self._may_begin(state)
            elif _going_back(view):
                raise Refused(
                    f"run {view.run} is on its way back",
                    next_command=f"invoke resume --env {self.app.environment.name}",
                )
            if approve is not None and (view is None or not view.position.done):
                self._is_approved(approve)
            name = view.run if view is not None else _new_name()
            run = self._run(state, name, self.app.plan)
            if view is not None:
                self._unhold(state, view)
            outcome = run.forward(until=until)
            if outcome == "nothing" and until is None:
                self._still_holds()
            return name, outcome

    def _is_approved(self, approve: str) -> None:
        now = start_digest(self.app.plan)
        again = f"invoke plan --env {self.app.environment.name}"
        if now is None:
            raise ApprovalStale(
                "not everything of the plan can be observed now, so nothing can be compared", next_command=again
            )
        if len(approve) < SHORTEST_APPROVAL or not now.startswith(approve):
            raise ApprovalStale(
                f"approved was {approve[:12]}, but plan and observed states now give {now[:12]}; review again",
                next_command=again,
            )

    def _still_holds(self) -> None:
        """The journal says that all is done; this looks whether the writing side and the traffic are still there."""
        last = {step.resource: step for _, step in self.app.plan.steps() if step.commit_point or step.lane == "traffic"}
        for step in last.values():
            seen = step.observe()
            if seen != step.after:
                raise Unexpected(
                    f"the cutover was done, but {step.resource} is now {text(seen)}, wanted {text(step.after)}; "
                    f"somebody changed it since. Nothing was touched. Look: {step.check_shell()}"
                )

    def rollback(
        self, *, reason: str, to: str | None = None, everything: bool = False, plan_changed: bool = False
    ) -> tuple[str, str]:
        """Takes the active run back; returns its id and what `Run.back` says, `nothing` when there is no run."""
        with self.leased("rollback") as state:
            view = active(state)
            if view is None:
                last = runs_of(state)
                if last and last[-1].state == "finished":
                    raise PointOfNoReturn("the way back was removed by `finish`; blue can no longer take over")
                return (last[-1].run if last else "", "nothing")
            if zone(self.app.plan, view.position) == FINISHED:
                raise PointOfNoReturn("`finish` has begun to remove the way back; go on with it: invoke finish")
            self._unhold(state, view)
            run = self._run(state, view.run, self.app.plan)
            return view.run, run.back(reason=reason, to=to, everything=everything, plan_changed=plan_changed)

    def resume(self) -> tuple[str, str]:
        """Goes on with whatever was under way."""
        with self.leased("resume") as state:
            view = active(state)
            if view is None:
                return "", "nothing"
            self._unhold(state, view)
            leg = view.position.leg
            plan = self.app.plan_named(leg.plan if leg is not None else "cutover")
            return view.run, self._run(state, view.run, plan).resume()

    def finish(self) -> tuple[str, str]:
        """Removes the way back of a cutover that is done."""
        with self.leased("finish") as state:
            view = active(state)
            if view is None:
                last = runs_of(state)
                if last and last[-1].state == "finished":
                    return last[-1].run, "nothing"
                raise Refused("there is no cutover to finish")
            if view.state != "green" and zone(self.app.plan, view.position) != FINISHED:
                raise Refused(
                    f"run {view.run} is not at its end; only a cutover that is done can be finished",
                    next_command=f"invoke status --env {self.app.environment.name}",
                )
            return view.run, self._run(state, view.run, self.app.finish).forward()

    def recover(self, run_name: str, phase: str, lease_id: str) -> str:
        """For the supervisor: takes the lease over and ends the phase."""
        with self.leased(f"supervisor of {phase}", take_over=lease_id) as state:
            return self._run(state, run_name, self.app.plan).recover(phase)

    def hold(self, reason: str) -> str:
        """Asks the run to stop at its next boundary; needs no lease. Returns the run's id."""
        state = self.app.state()
        try:
            view = active(state)
            if view is None:
                raise Refused("there is no run to hold")
            state.wish(view.run, "hold", {"who": who(), "reason": reason, "at": time.time()})
            return view.run
        finally:
            state.close()

    @contextmanager
    def leased(self, operation: str, *, take_over: str | None = None) -> Iterator[SqliteState]:
        """The state under our lease."""
        state = self.app.state()
        try:
            try:
                lease = state.acquire(who=who(), operation=operation, take_over=take_over)
            except LeaseHeld as error:  # the store does not know whose it is; the command must be one to paste
                env = f"invoke unlock --env {self.app.environment.name}"
                error.next_command = error.next_command.replace("invoke unlock", env, 1)
                raise
            self.app.lease.append(lease)
            try:
                yield state
            finally:
                state.release(lease)
        finally:
            state.close()

    def _run(self, state: SqliteState, name: str, plan: Plan) -> Run:
        self.run_name = name
        listen, supervisor = self.listen, None
        if self.supervise is not None:
            supervisor, listen = self.supervise(self.app, name, listen)
        return Run(
            plan=plan,
            journal=Journal(state, self.app.lease[-1], name),
            clock=SystemClock(),
            interrupt=self.interrupt,
            listen=listen,
            supervisor=supervisor,
            who=who(),
            patience=self.app.environment.rollback.deadline,
        )

    def _may_begin(self, state: SqliteState) -> None:
        views = runs_of(state)
        if views and views[-1].state == "finished" and views[-1].position.legs[0].digest == self.app.plan.digest():
            raise Refused(
                "this very plan was cut over and finished; name the next blue and green in the environment file"
            )
        if not views or views[-1].state != "rolled-back":
            return
        left = views[-1].ended + self.app.environment.rollback.waiting_period - time.time()
        if left > 0:
            raise Refused(
                f"run {views[-1].run} was rolled back; the waiting period goes on for {left / 3600:.1f} h "
                "(rollback.waiting_period in the environment file)"
            )

    def _unhold(self, state: SqliteState, view: RunView) -> None:
        wishes = state.wishes(view.run)
        if wishes and wishes[-1][0] == "hold":
            state.wish(view.run, "resume", {"who": who(), "at": time.time()})


def _going_back(view: RunView) -> bool:
    # A window that was reopened because the way back failed is part of that way back.
    legs = [leg for leg in view.position.legs if leg.cause != REOPENED]
    return bool(legs) and legs[-1].direction == BACK and legs[-1].outcome not in ("undone", "rolled-back")


def _new_name() -> str:
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + f"-{os.urandom(2).hex()}"
