"""When nothing may be written down about telling."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutover.core.leg import BACK
from cutover.core.plan import Plan


@dataclass
class Quiet:
    """Whether nothing may be written about telling: from the entering of a window until what it has stopped runs again."""

    plan: Plan
    now: bool = False
    _back: bool = False

    def read(self, kind: str, data: Mapping[str, Any]) -> None:
        """Takes up the next entry; a leg that begins inside a window stays inside it."""
        if kind == "leg-started":
            self._back = data.get("direction") == BACK
        elif kind == "phase-entered":
            self.now = self._shut(str(data["phase"])) or self._awaited(str(data["phase"]))
        elif kind == "phase-left":
            name = str(data["phase"])
            self.now = self._awaited(name) if self._back else self._waits(name)

    def _shut(self, name: str) -> bool:
        return any(phase.name == name and phase.supervised for phase in self.plan.phases)

    def _awaited(self, name: str) -> bool:
        return any(phase.name == name for phase in self.plan.phases) and self.plan.is_awaited(name)

    def _waits(self, name: str) -> bool:
        return any(phase.name == name for phase in self.plan.phases) and self.plan.awaited_after(name) is not None
