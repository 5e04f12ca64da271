"""Workers that are the instances of an Auto Scaling group."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from cutover.aws.listener import Missing, script
from cutover.aws.permission import Permission
from cutover.aws.workers import STARTING, STOPPED, STOPPING, Workers
from cutover.core.clock import Deadline

AUTOSCALING = "autoscaling"
RIVAL_PROCESSES = ("AlarmNotification", "ScheduledActions")


@dataclass(frozen=True, kw_only=True)
class AutoScalingWorkers(Workers):
    """Background work of an application runs on one side only: two sides would do each job twice.

    The group's desired capacity is set, and with it the smallest size, below which AWS refuses to go. Stopped means that no
    instance is left, not even one that is still terminating.
    """

    group: str
    count: int
    min_size: int = 0

    @property
    def resource(self) -> str:
        return f"autoscaling:{self.group}"

    def state(self, deadline: Deadline) -> str:
        group = self._group(deadline)
        least, desired = int(group["MinSize"]), int(group["DesiredCapacity"])
        alive = [one["LifecycleState"] for one in group["Instances"] if one["LifecycleState"] != "Terminated"]
        serving = sum(state == "InService" for state in alive)
        if (least, desired) == (0, 0):
            return STOPPING if alive else STOPPED
        if (least, desired) == (self.min_size, self.count):
            return self.running if serving == len(alive) == desired else STARTING
        return f"at least {least}, desired {desired}, in service {serving}"

    def _group(self, deadline: Deadline) -> dict[str, Any]:
        asked = {"AutoScalingGroupNames": [self.group]}
        found = self.aws.call(AUTOSCALING, "DescribeAutoScalingGroups", deadline, **asked)["AutoScalingGroups"]
        if not found:
            raise Missing(f"there is no Auto Scaling group {self.group}")
        group: dict[str, Any] = found[0]
        return group

    def _sizes(self, run: bool) -> tuple[int, int]:
        return (self.min_size, self.count) if run else (0, 0)

    def write(self, deadline: Deadline, *, run: bool) -> None:
        least, desired = self._sizes(run)
        asked = {"AutoScalingGroupName": self.group, "MinSize": least, "DesiredCapacity": desired}
        self.aws.call(AUTOSCALING, "UpdateAutoScalingGroup", deadline, **asked)

    def write_shell(self, *, run: bool) -> str:
        least, desired = self._sizes(run)
        return (
            f"{self.aws.shell()} autoscaling update-auto-scaling-group --auto-scaling-group-name {quote(self.group)}"
            f" --min-size {least} --desired-capacity {desired}"
        )

    def rivals(self, deadline: Deadline) -> Sequence[str]:
        group = self._group(deadline)
        found = []
        if int(group["MaxSize"]) < self.count:
            found.append(f"its largest size is {group['MaxSize']}, and AWS refuses {self.count} instances")
        held = {process["ProcessName"] for process in group.get("SuspendedProcesses", ())}
        asked = {"AutoScalingGroupName": self.group}
        for process, operation, result, name in (
            ("AlarmNotification", "DescribePolicies", "ScalingPolicies", "PolicyName"),
            ("ScheduledActions", "DescribeScheduledActions", "ScheduledUpdateGroupActions", "ScheduledActionName"),
        ):
            rivals = [one[name] for one in self.aws.call(AUTOSCALING, operation, deadline, **asked)[result]]
            if rivals and process not in held:
                found.append(f"{', '.join(rivals)} scales it: {self._suspend_shell(process)}")
        return found

    def _suspend_shell(self, process: str) -> str:
        return (
            f"{self.aws.shell()} autoscaling suspend-processes --auto-scaling-group-name {quote(self.group)}"
            f" --scaling-processes {process}"
        )

    def check_shell(self) -> str:
        ask = (
            f"{self.aws.shell()} autoscaling describe-auto-scaling-groups --auto-scaling-group-names {quote(self.group)}"
            " --query 'AutoScalingGroups[0].[MinSize,DesiredCapacity,length(Instances[?LifecycleState==`InService`]),"
            "length(Instances[?LifecycleState!=`Terminated`])]' --output text"
        )
        told = (
            f'case "$least $desired $serving $alive" in "0 0 0 0") echo {STOPPED};;'
            f' "{self.min_size} {self.count} {self.count} {self.count}") echo {quote(self.running)};;'
            ' *) echo "at least $least, desired $desired, in service $serving of $alive";; esac'
        )
        return script([f"sizes=$({ask})", 'read -r least desired serving alive <<< "$sizes"', told])

    def permissions(self) -> Iterator[Permission]:
        for operation in ("DescribeAutoScalingGroups", "DescribePolicies", "DescribeScheduledActions"):
            yield Permission(AUTOSCALING, operation, "*")
        name = f"arn:aws:autoscaling:{{region}}:{{account}}:autoScalingGroup:*:autoScalingGroupName/{self.group}"
        yield Permission(AUTOSCALING, "UpdateAutoScalingGroup", name)
