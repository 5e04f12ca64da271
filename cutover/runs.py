"""How a run is begun, gone on with, taken back and finished, under the lease."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from cutover.app import App
from cutover.aws.session import OBSERVE_SECONDS, AwsError
from cutover.channels import desk_of
from cutover.core.back import REOPENED
from cutover.core.clock import Deadline, Interrupt, SystemClock
from cutover.core.errors import CutoverError, LeaseHeld, PointOfNoReturn, Refused, Waiting
from cutover.core.gate import Verdict
from cutover.core.guarding import last_asked
from cutover.core.holding import still_holds
from cutover.core.journal import Journal, State
from cutover.core.lease import Lease
from cutover.core.leg import BACK, Supervisor, silent
from cutover.core.plan import Plan
from cutover.core.run import Run
from cutover.core.walk import Event, Listener
from cutover.core.who import who
from cutover.notices import Notices, told_late
from cutover.plans.claimed import claim_names
from cutover.plans.decommission import retention_over
from cutover.promises import may_begin, may_finish
from cutover.rehearsal_wanted import may_begin as may_begin_unrehearsed
from cutover.reviewed import is_approved
from cutover.run_views import FINISHED, RunView, active, runs_of, zone

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
    detached: bool = False
    """Where only time or a person is waited for, the run ends and is gone on with later."""
    _telling: list[Notices] = field(default_factory=list, init=False, repr=False)

    def cutover(
        self,
        *,
        until: str | None = None,
        approve: str | None = None,
        again: str = "",
        reason: str = "",
        without_rehearsal: str = "",
    ) -> tuple[str, str]:
        """Begins a run, or goes on with the open one; returns the run's id and what `Run.forward` says.

        `again` is why a new one is begun in the waiting period after a rollback, `without_rehearsal` why without the rehearsal
        that is wanted, `reason` why it is begun at all.
        """
        with self.leased("cutover") as state:
            view = active(state)
            overridden = unrehearsed = ""
            if view is None:
                unrehearsed = may_begin_unrehearsed(self.app, without=without_rehearsal)
                overridden = may_begin(self.app, state, again=again)
            elif _going_back(view):
                raise Refused(
                    f"run {view.run} is on its way back",
                    next_command=f"invoke resume --env {self.app.environment.name}",
                )
            elif last_asked(state.wishes(view.run))[0] == "rollback":
                raise Refused("somebody asked to go back, and nobody did", next_command=self._either())
            if approve is not None and (view is None or not view.position.done):
                is_approved(self.app.plan, approve)
            name = view.run if view is not None else _new_name()
            run = self._run(state, name, self.app.plan)
            if view is not None:
                self._unhold(state, view)
            self._overridden(run, overridden, again)
            self._overridden(run, unrehearsed, without_rehearsal)
            outcome = run.forward(until=until, reason=reason)
            if outcome == "nothing" and until is None:
                still_holds(self.app.plan, f'invoke rollback --env {self.app.environment.name} --reason "…"')
            return name, outcome

    def rollback(
        self, *, reason: str, to: str | None = None, everything: bool = False, plan_changed: bool = False
    ) -> tuple[str, str]:
        """Takes the active run back; returns its id and what `Run.back` says, `nothing` when there is no run."""
        with self.leased("rollback") as state:
            view = active(state)
            if view is None:
                last = runs_of(state)
                if last and last[-1].is_final:
                    raise PointOfNoReturn("the way back was removed by `finish`; blue can no longer take over")
                return (last[-1].run if last else "", "nothing")
            if zone(self.app.plan, view.position) == FINISHED:
                raise PointOfNoReturn("`finish` has begun to remove the way back; go on with it: invoke finish")
            self._unhold(state, view)
            run = self._run(state, view.run, self.app.plan)
            return view.run, run.back(reason=reason, to=to, everything=everything, plan_changed=plan_changed)

    def resume(self, reason: str = "") -> tuple[str, str]:
        """Goes on with whatever was under way, and says why where there is a reason."""
        with self.leased("resume") as state:
            view = active(state)
            if view is None:
                last = runs_of(state)
                if last and last[-1].goes_on:
                    return last[-1].run, self._run(state, last[-1].run, self.app.decommission).forward()
                return "", "nothing"
            self._unhold(state, view)
            leg = view.position.leg
            plan = self.app.plan_named(leg.plan if leg is not None else "cutover")
            return view.run, self._run(state, view.run, plan).resume(reason=reason)

    def watch(self) -> tuple[str, str]:
        """Goes on with a run and stays: what holds it, it stands by for; returns as `resume` does."""
        with self.leased("watch") as state:
            view = active(state)
            if view is None or view.state == "green" or _going_back(view):
                return (view.run if view is not None else "", "nothing")
            run = self._run(state, view.run, self.app.plan)
            run.walker.stays = True
            while True:
                leg = run.journal.position().leg
                try:
                    # What ended because something failed is not tried again without a person.
                    if leg is not None and leg.outcome not in (None, "interrupted", "waiting"):
                        run.stand_by()
                    return view.run, run.resume()
                except Waiting as waiting:
                    self.listen(Event("standing-by", {"why": waiting.message}))

    def finish(self, *, early: str = "") -> tuple[str, str]:
        """Removes the way back of a cutover that is done; `early` is why before the time for which it was promised."""
        with self.leased("finish") as state:
            view = active(state)
            if view is None:
                last = runs_of(state)
                if last and last[-1].is_final:
                    return last[-1].run, "nothing"
                raise Refused("there is no cutover to finish")
            if view.state != "green" and zone(self.app.plan, view.position) != FINISHED:
                raise Refused(
                    f"run {view.run} is not at its end; only a cutover that is done can be finished",
                    next_command=f"invoke status --env {self.app.environment.name}",
                )
            if last_asked(state.wishes(view.run))[0] == "rollback":
                # It came too late for whoever walked the run, and is not to be forgotten by removing the way back.
                raise Refused("somebody asked to go back, and nobody did", next_command=self._either())
            overridden = may_finish(self.app, view, early=early)
            run = self._run(state, view.run, self.app.finish)
            self._overridden(run, overridden, early)
            return view.run, run.forward()

    def decommission(self) -> tuple[str, str]:
        """Ends blue, long after `finish`: what was not confirmed by name is waited for."""
        with self.leased("decommission") as state:
            views = runs_of(state)
            name = self.app.environment.name
            if not views or not views[-1].is_final:
                raise Refused(
                    "only what was finished can be decommissioned", next_command=f"invoke finish --env {name}"
                )
            last = views[-1]
            if last.state == "decommissioned":
                return last.run, "nothing"
            finding = retention_over(self.app.means).look()
            if finding.verdict is not Verdict.PASS:
                raise Refused(finding.seen)
            return last.run, self._run(state, last.run, self.app.decommission).forward()

    def recover(self, run_name: str, phase: str, lease_id: str) -> str:
        """For the supervisor: takes the lease over and ends the phase."""
        with self.leased(f"supervisor of {phase}", take_over=lease_id) as state:
            return self._run(state, run_name, self.app.plan).recover(phase)

    @contextmanager
    def leased(self, operation: str, *, take_over: str | None = None) -> Iterator[State]:
        """The state under our lease."""
        if take_over is None:
            self._account_is_ours()
        state = self.app.state()
        try:
            try:
                lease = state.acquire(who=who(), operation=operation, take_over=take_over)
            except LeaseHeld as error:  # the store does not know whose it is; the command must be one to paste
                env = f"invoke unlock --env {self.app.environment.name}"
                error.next_command = error.next_command.replace("invoke unlock", env, 1)
                raise
            self.app.lease.append(lease)
            self.app.held.append(state)
            try:
                yield state
            finally:
                self._tell_the_last()
                self.app.held.pop()
                self._give_back(state, lease)
        finally:
            state.close()

    def _give_back(self, state: State, lease: Lease) -> None:
        """Releases the lease; when the store does not answer that is told, and what the run came to stays as it is."""
        try:
            state.release(lease)
        except CutoverError as error:
            unlock = f"invoke unlock --env {self.app.environment.name} --lease {lease.id}"
            self.listen(Event("lease-kept", {"lease": lease.id, "error": error.message, "next": unlock}))

    def tell(self) -> dict[str, Any]:
        """Tells people of the last run what they were not told yet; returns what is still due then."""
        with self.leased("telling") as state:
            views = runs_of(state)
            if not views:
                raise Refused("there is no run to tell of")
            last = views[-1].run
            return told_late(desk_of(self.app), Journal(state, self.app.lease[-1], last), self.app.plan)

    def _tell_the_last(self) -> None:
        """What is still to be told goes out now, or when somebody goes on with the run."""
        while self._telling:
            self._telling.pop().close()

    def _account_is_ours(self) -> None:
        # Where AWS does not say, the preflight waits for it, and nothing is written to AWS before it has said.
        with suppress(AwsError):
            self.app.means.aws.prove_account(Deadline.after(OBSERVE_SECONDS))

    def _run(self, state: State, name: str, plan: Plan) -> Run:
        self.run_name = name
        listen, supervisor = self.listen, None
        journal = Journal(state, self.app.lease[-1], name)
        if self.app.environment.notify.channels:
            notices = Notices(desk_of(self.app), journal, plan)
            self._telling.append(notices)
            listen = notices.listening(listen)
        if self.supervise is not None:
            supervisor, listen = self.supervise(self.app, name, listen)
        self.app.journals.append(journal)
        return Run(
            plan=plan,
            journal=journal,
            clock=SystemClock(),
            interrupt=self.interrupt,
            listen=listen,
            supervisor=supervisor,
            who=who(),
            patience=self.app.environment.rollback.deadline,
            detached=self.detached,
            claim=claim_names,
        )

    def _overridden(self, run: Run, what: str, reason: str) -> None:
        if what:
            run.walker.record("override", what=what, reason=reason, who=who())

    def _either(self) -> str:
        name = self.app.environment.name
        return f"invoke rollback --env {name} --reason '…'   or   invoke resume --env {name} --reason '…'"

    def _unhold(self, state: State, view: RunView) -> None:
        if last_asked(state.wishes(view.run))[0] == "hold":
            state.wish(view.run, "resume", {"who": who(), "at": time.time(), "after": view.entries[-1].seq})


def _going_back(view: RunView) -> bool:
    # A window that was reopened because the way back failed is part of that way back.
    legs = [leg for leg in view.position.legs if leg.cause != REOPENED]
    return bool(legs) and legs[-1].direction == BACK and legs[-1].outcome not in ("undone", "rolled-back")


def _new_name() -> str:
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + f"-{os.urandom(2).hex()}"
