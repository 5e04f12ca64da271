"""What another terminal asks of a run: to hold, to go on, to go back, yes and no; none of it needs the lease."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cutover.app import App
from cutover.core.errors import Refused
from cutover.core.gate import Gate
from cutover.core.journal import State
from cutover.core.lease import Lease
from cutover.core.moment import knew
from cutover.core.plan import Plan
from cutover.core.who import who
from cutover.plans.approval import Approved
from cutover.run_views import RunView, active
from cutover.state.holding import may_be_alive

WALKS = ("cutover", "resume", "watch")  # operations that heed such a word at their next boundary


@dataclass(frozen=True)
class Asks:
    """Leaves words for whoever walks the run, on this machine or another; `by` is who says them."""

    app: App
    by: str = field(default_factory=who)

    def hold(self, reason: str) -> str:
        """Asks the run to stop at its next boundary; returns the run's id."""
        with self._run("hold") as (state, view):
            self._leave(state, view, "hold", reason=reason)
            return view.run

    def go_on(self, reason: str) -> Lease | None:
        """Says that a run goes on with what it stands still for; returns who walks it, None when nobody does."""
        with self._run("go on with") as (state, view):
            self._leave(state, view, "resume", reason=reason)
            return _walker(state)

    def stands_for(self) -> tuple[Lease, str] | None:
        """Who walks the run while it stands still, and for what; None when nobody does, or nothing has to be said."""
        state = self.app.state()
        try:
            view, holder = active(state), _walker(state)
            standing = view.position.standing if view is not None else {}
            return (holder, ", ".join(standing)) if holder is not None and standing else None
        finally:
            state.close()

    def go_back(self, reason: str, *, previous_phase: bool = False) -> Lease | None:
        """Asks whoever walks the run to go back, all the way or to the end of the phase before the present one.

        Returns who that is, and leaves no word when it is nobody.
        """
        with self._run("go back with") as (state, view):
            holder = _walker(state)
            if holder is not None and holder.operation not in WALKS:
                raise Refused(
                    f"{holder.who} on {holder.host} is at it for {holder.operation}, which goes back for nobody"
                )
            if holder is not None and previous_phase:
                to, leg = phase_before(self.app.plan, view), view.position.leg
                self._leave(state, view, "previous-phase", reason=reason, to=to, leg=leg.seq if leg is not None else 0)
            elif holder is not None:
                self._leave(state, view, "rollback", reason=reason)
            return holder

    def decide(self, kind: str, *, role: str, gate: str = "", comment: str = "") -> tuple[str, str]:
        """Says yes (`approve`) or no (`reject`) for a role; returns the run's id and the gate's name."""
        with self._run(kind) as (state, view):
            found = self._asked(view, gate)
            check = found.check
            assert isinstance(check, Approved)
            roles = [name for name, _ in check.roles]
            if role not in roles:
                raise Refused(f"{found.name} asks {', '.join(roles)}, not {role or 'nobody'}: give --role")
            if kind == "reject" and not comment.strip():
                env = self.app.environment.name
                again = f"invoke reject --env {env} --gate {found.name} --role {role} --comment 'why'"
                raise Refused("a no wants its reason for the record", next_command=again)
            self._may_sign(state, view, check, role)
            self._leave(state, view, kind, gate=found.name, role=role, comment=comment)
            return view.run, found.name

    def _asked(self, view: RunView, name: str) -> Gate:
        """The gate that waits for people; where several do, or none, that is said."""
        gates = [
            item for _, item in self.app.plan.walk() if isinstance(item, Gate) and isinstance(item.check, Approved)
        ]
        waiting = [gate for gate in gates if gate.name in view.position.asked]
        chosen = [gate for gate in waiting if name in ("", gate.name)]
        if len(chosen) == 1:
            return chosen[0]
        status = f"invoke status --env {self.app.environment.name}"
        if not waiting:
            raise Refused(f"run {view.run} waits for nobody's word", next_command=status)
        names = ", ".join(gate.name for gate in waiting)
        raise Refused(f"what waits for a word is {names}: give --gate", next_command=status)

    def _may_sign(self, state: State, view: RunView, check: Approved, role: str) -> None:
        if not check.different_people:
            return
        asked = view.position.asked[check.gate]
        for kind, word in state.wishes(view.run):
            mine = kind == "approve" and word.get("gate") == check.gate and knew(word, asked)
            if mine and word["who"] == self.by and word["role"] != role:
                raise Refused(f"{self.by} has signed for {word['role']} already; {role} is to be another person")

    @contextmanager
    def _run(self, doing: str) -> Iterator[tuple[State, RunView]]:
        state = self.app.state()
        try:
            view = active(state)
            if view is None:
                raise Refused(f"there is no run to {doing}")
            yield state, view
        finally:
            state.close()

    def _leave(self, state: State, view: RunView, kind: str, **word: Any) -> None:
        state.wish(view.run, kind, {"who": self.by, "at": time.time(), "after": view.entries[-1].seq, **word})


def phase_before(plan: Plan, view: RunView) -> str:
    """The phase to whose end a run would go back that leaves the present one; raises Refused where there is none."""
    present = plan.present(view.position)
    if present is not None and present.supervised and view.position.phase == present.name:
        raise Refused(f"run {view.run} is in {present.name}, which ends by itself in a moment: ask then")
    before = plan.back_from(present.name) if present is not None else None
    if before is None:
        where = f"is in {present.name}, its first phase" if present is not None else "has done nothing yet"
        raise Refused(f"run {view.run} {where}: there is none to go back to")
    return before.name


def _walker(state: State) -> Lease | None:
    holder = state.holder()
    return holder if holder is not None and may_be_alive(holder) else None
