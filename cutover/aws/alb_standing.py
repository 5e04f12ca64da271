"""What stands on a listener beside its default rule, and how much of it is the maintenance that we make."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutover.aws.alb_conditions import reaches, values_of

WRITES_PASS = "writes pass"
WRITES_503 = "writes answered 503"

Conditions = list[dict[str, Any]]


@dataclass(frozen=True)
class Standing:
    """The rules of a listener beside its default one, and which of them carry our tag."""

    listener: str
    rules: list[dict[str, Any]]
    tagged: set[str]
    wanted: list[Conditions]
    actions: list[dict[str, Any]]
    priorities: range
    hosts: tuple[str, ...]

    @property
    def state(self) -> str:
        wanted = len(self.wanted)
        ours = self.ours()
        found = [rule for some in ours for rule in some]
        for rule in self.rules:
            name = f"priority {rule['Priority']}, {rule['RuleArn']}"
            if rule["RuleArn"] in self.tagged and rule not in found and self._concerns(rule):
                return f"a maintenance rule that is not as we make it ({name})"
            if rule["RuleArn"] not in self.tagged and any(self._is_like(rule, one) for one in self.wanted):
                return f"a rule like ours without our tag ({name})"
        standing = sum(bool(some) for some in ours)
        if len(found) > standing:
            return f"{len(found)} maintenance rules where {wanted} are wanted"
        if standing:
            return WRITES_503 if standing == wanted else some_of(standing, wanted)
        taken = self.taken()
        return f"{WRITES_PASS}, but priority {taken[0]} belongs to another rule" if taken else WRITES_PASS

    def ours(self) -> list[list[dict[str, Any]]]:
        """For each wanted rule those that stand for it: tagged, and exactly as we make them; the priority may be another."""
        tagged = [rule for rule in self.rules if rule["RuleArn"] in self.tagged]
        return [[rule for rule in tagged if self._is_like(rule, one)] for one in self.wanted]

    def taken(self) -> list[int]:
        """The priorities that we want and somebody else's rule has."""
        ours = [rule for some in self.ours() for rule in some]
        held = {int(rule["Priority"]) for rule in self.rules if rule not in ours}
        return [priority for priority in self.priorities if priority in held]

    def _is_like(self, rule: Mapping[str, Any], wanted: Conditions) -> bool:
        actions = rule.get("Actions", [])
        return (
            _asked(rule.get("Conditions", [])) == _asked(wanted)
            and len(actions) == 1
            and actions[0].get("FixedResponseConfig") == self.actions[0]["FixedResponseConfig"]
        )

    def _concerns(self, rule: Mapping[str, Any]) -> bool:
        return not self.hosts or any(reaches(rule["Conditions"], host) for host in self.hosts)


def _asked(conditions: Conditions) -> dict[str, list[str]]:
    return {one["Field"]: sorted(map(str, values_of(one))) for one in conditions}


def some_of(number: int, wanted: int) -> str:
    return f"{number} of {wanted} maintenance rules stand"
