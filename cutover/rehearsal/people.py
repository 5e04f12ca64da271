"""The people of a rehearsal: a script says yes to every gate that waits for one, for each role as another person."""

from dataclasses import dataclass, field

from cutover.app import App
from cutover.asks import Asks
from cutover.core.errors import CutoverError
from cutover.core.gate import Gate
from cutover.plans.approval import Approved
from cutover.run_views import active

COMMENT = "rehearsal: answered by a script"


@dataclass
class People:
    """Answers what the run of `app` waits for; `answered` counts by gate."""

    app: App
    answered: dict[str, int] = field(default_factory=dict)

    def answer(self) -> None:
        """Says yes once for each role that is still to; what cannot be read now is asked again at the next look."""
        try:
            for gate, role in self._missing():
                Asks(self.app, by=f"rehearsal-{role}").decide("approve", role=role, gate=gate, comment=COMMENT)
                self.answered[gate] = self.answered.get(gate, 0) + 1
        except CutoverError:
            return

    def _missing(self) -> list[tuple[str, str]]:
        state = self.app.recorded()
        if state is None:
            return []
        try:
            view = active(state)
            if view is None or not view.position.asked:
                return []
            wishes = tuple(state.wishes(view.run))
            gates = [item for _, item in self.app.plan.walk() if isinstance(item, Gate)]
            return [
                (gate.name, role)
                for gate in gates
                if isinstance(gate.check, Approved) and gate.name in view.position.asked
                for role in gate.check.answers(view.position.asked[gate.name], wishes).missing
            ]
        finally:
            state.close()
