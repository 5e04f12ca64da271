"""What people have signed of the last run, and what is still to be signed, for the tables of the checklists."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.app import App
from cutover.core.gate import Gate
from cutover.core.journal import Entry
from cutover.plans.approval import Approved, Wish
from cutover.run_views import RunView, runs_of

SIGNED, REFUSED, TO_SIGN = "signed", "said no", "to sign"


@dataclass(frozen=True)
class Signatures:
    """The words of people in the environment's last run, unless that was taken back; without one nobody has said anything."""

    app: App
    view: RunView | None = None
    wishes: Sequence[Wish] = ()
    _gates: dict[str, Approved] = field(default_factory=dict)

    def __post_init__(self) -> None:
        gates = [item for _, item in self.app.plan.walk() if isinstance(item, Gate)]
        self._gates.update({gate.name: gate.check for gate in gates if isinstance(gate.check, Approved)})

    def row(self, gate: str) -> dict[str, Any]:
        """How one gate that people open stands: `verdict`, what was `seen`, and who has `signed` with when and comment."""
        check = self._gates[gate]
        position = self.view.position if self.view is not None else None
        if position is not None and gate in position.done:
            signed = _passed(gate, self.view.entries if self.view is not None else ())
            return _row(SIGNED, _all(signed), signed, ())
        asked = position.asked.get(gate) if position is not None else None
        if asked is None:
            titles = check.titles([role for role, _ in check.roles])
            return _row(TO_SIGN, f"by {titles}, when a run asks for it", [], [role for role, _ in check.roles])
        said = check.answers(asked, self.wishes)
        signed = [dict(word) for word in said.signed]
        if said.refused:
            return _row(REFUSED, "; ".join(said.refused.values()), signed, said.missing)
        if not said.missing:
            return _row(SIGNED, _all(signed), signed, ())
        seen = f"waits for {check.titles(said.missing)}: {check.command()}"
        return _row(TO_SIGN, seen + (f"; signed: {_all(signed)}" if signed else ""), signed, said.missing)

    def approvals(self, *before: str) -> list[str]:
        """The gates that wait before these phases, in the order of the environment file."""
        return [name for name, words in self.app.environment.approvals.items() if words.before in before]


def signatures(app: App) -> Signatures:
    """What is recorded; nothing is made where nothing is."""
    state = app.recorded()
    if state is None:
        return Signatures(app)
    try:
        views = runs_of(state)
        last = views[-1] if views and views[-1].state != "rolled-back" else None
        return Signatures(app, last, tuple(state.wishes(last.run)) if last is not None else ())
    finally:
        state.close()


def _passed(gate: str, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """What was said when the gate was passed last."""
    found = next((e for e in reversed(entries) if e.kind == "passed" and e.data.get("gate") == gate), None)
    return [dict(word) for word in found.data["data"].get("signed", ())] if found is not None else []


def _row(verdict: str, seen: str, signed: Sequence[Any], missing: Sequence[str]) -> dict[str, Any]:
    said = [{key: word.get(key, "") for key in ("who", "role", "at", "comment")} for word in signed]
    return {"verdict": verdict, "seen": seen, "signed": said, "missing": list(missing)}


def _all(signed: Sequence[Any]) -> str:
    return "; ".join(
        f"{word['who']} for {word['role']} on {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(float(word['at'])))}: "
        f"{word.get('comment') or 'yes'}"
        for word in signed
    )
