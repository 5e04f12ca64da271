"""A trigger as everybody uses it: the engine that asks it, the runbook that prints it, the alert that is made of it."""

from dataclasses import dataclass

from cutover.metrics.action import Action
from cutover.metrics.conditions import Condition

FROM_FIRST_SHARE = ("shift", "bake")


@dataclass(frozen=True)
class Rule:
    """A condition with what it starts, when it is asked, and who hears of it.

    `during` names phases; `shift` is every share. `insufficient` and `blind` are what is done while there is no verdict: a
    policy's word, or `wait`.
    """

    name: str
    condition: Condition
    action: Action
    during: tuple[str, ...] = FROM_FIRST_SHARE
    insufficient: str = "wait"
    blind: str = "hold"
    severity: str = "critical"
    channels: tuple[str, ...] = ()

    def watches(self, phase: str) -> bool:
        """Whether the rule is asked in the phase of that name: `shift-25`, `bake`."""
        return any(phase == one or (one == "shift" and phase.startswith("shift-")) for one in self.during)

    def words(self) -> str:
        """The rule in one sentence."""
        return f"When {self.condition.words()}: {self.action.words()}."
