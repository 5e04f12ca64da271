"""Auto Scaling groups as strict and as slow as AWS, on top of moto: sizes are bounds, and instances take a while.

Sources: the API reference of UpdateAutoScalingGroup and the developer guide's page on the life cycle of instances ("API",
"Guide"). What takes minutes on AWS takes a few looks here, so that no test depends on how fast the machine is.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

from moto.autoscaling import urls
from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

LOOKS = 2  # answers of DescribeAutoScalingGroups that still show instances on their way


def install() -> None:
    """Let moto's Auto Scaling URL answer through StrictAutoScaling."""
    urls.url_paths["{0}/$"] = StrictAutoScaling.dispatch


@dataclass
class _Move:
    leaving: list[Any]
    coming: list[Any]
    looks: int = LOOKS


class StrictAutoScaling(AutoScalingResponse):
    """moto's Auto Scaling responses; a size is judged as AWS would before moto sees it."""

    moves: ClassVar[dict[str, _Move]] = {}

    def update_auto_scaling_group(self) -> ActionResult:
        name = self._get_param("AutoScalingGroupName")
        group = self.autoscaling_backend.autoscaling_groups.get(name)
        if group is None:
            raise AutoscalingClientError("ValidationError", "AutoScalingGroup name not found - null")
        now: dict[str, Any] = {
            "MinSize": group.min_size,
            "MaxSize": group.max_size,
            "DesiredCapacity": group.desired_capacity,
        }
        asked = {word: self._get_param(word) for word in now}
        least, most, desired = (int(old if asked[word] is None else asked[word]) for word, old in now.items())
        if asked["DesiredCapacity"] is not None and not least <= desired <= most:
            # API, DesiredCapacity: at least the minimum size and at most the maximum size of the group
            raise AutoscalingClientError(
                "ValidationError",
                f"Desired capacity:{desired} must be between the specified min size:{least} and max size:{most}",
            )
        before = list(group.instance_states)
        result = super().update_auto_scaling_group()
        after = list(group.instance_states)
        leaving, coming = [one for one in before if one not in after], [one for one in after if one not in before]
        if leaving or coming:
            self.moves[name] = _Move(leaving, coming)
        return result

    def describe_auto_scaling_groups(self) -> ActionResult:
        result: Any = super().describe_auto_scaling_groups()
        result.result["AutoScalingGroups"] = [self._as_seen(group) for group in result.result["AutoScalingGroups"]]
        return ActionResult(result.result)

    def _as_seen(self, group: Any) -> Any:
        move = self.moves.get(group.name)
        if move is None or move.looks == 0:
            return group
        move.looks -= 1
        seen = copy.copy(group)
        states = [_in_state(one, "Pending") if one in move.coming else one for one in group.instance_states]
        # Guide: an instance that leaves is shown as Terminating until it is gone
        seen.instance_states = [*states, *(_in_state(one, "Terminating") for one in move.leaving)]
        return seen


def _in_state(instance: Any, state: str) -> Any:
    shown = copy.copy(instance)
    shown.lifecycle_state = state
    return shown
