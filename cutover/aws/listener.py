"""A load balancer's listener by name and port: its default action read, changed without losing anything, and written back."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutover.aws.session import Aws, AwsError, OutcomeUnknown
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed

ELB = "elbv2"


class Missing(Exception):
    """Something that a name stands for is not there; the text is the state to report."""


@dataclass(frozen=True)
class Listener:
    """A listener as AWS shows it; `actions` are the default actions as read."""

    arn: str
    actions: tuple[dict[str, Any], ...]

    def forward(self) -> dict[str, Any]:
        """The forward action; raises Missing when the listener does something else by default."""
        for action in self.actions:
            if action["Type"] == "forward":
                return action
        raise Missing("the listener does not forward by default: " + ", ".join(a["Type"] for a in self.actions))

    def weights(self) -> dict[str, int]:
        """Weight by target group name, in one shape for both forms in which AWS shows a single group."""
        return {group_name(group["TargetGroupArn"]): int(group.get("Weight", 1)) for group in self._groups()}

    def with_weights(self, weights: Mapping[str, int | None]) -> list[dict[str, Any]]:
        """The actions with these weights by target group ARN (None takes a group out); everything else as it was."""
        groups = {group["TargetGroupArn"]: group for group in self._groups()}
        for arn, weight in weights.items():
            if weight is None:
                groups.pop(arn, None)
            else:
                groups[arn] = {**groups.get(arn, {"TargetGroupArn": arn}), "Weight": weight}
        forward = self.forward()
        config = {**forward.get("ForwardConfig", {}), "TargetGroups": list(groups.values())}
        # The short form TargetGroupArn names one group only; beside a ForwardConfig of two it is refused.
        changed = {**{k: v for k, v in forward.items() if k != "TargetGroupArn"}, "ForwardConfig": config}
        return [changed if action is forward else action for action in self.actions]

    def _groups(self) -> list[dict[str, Any]]:
        forward = self.forward()
        groups: list[dict[str, Any]] = forward.get("ForwardConfig", {}).get("TargetGroups", [])
        return groups or [{"TargetGroupArn": forward["TargetGroupArn"], "Weight": 1}]


def comparable(actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Actions in a form that is equal when they do the same: order of groups and short forms do not matter."""
    found = []
    for action in actions:
        config = action.get("ForwardConfig", {})
        groups = config.get("TargetGroups") or (
            [{"TargetGroupArn": action["TargetGroupArn"]}] if "TargetGroupArn" in action else []
        )
        sticky = config.get("TargetGroupStickinessConfig", {})
        rest = {k: v for k, v in action.items() if k not in ("TargetGroupArn", "ForwardConfig", "Order")}
        found.append(
            {
                **rest,
                "groups": sorted((g["TargetGroupArn"], g.get("Weight", 1) if len(groups) > 1 else 1) for g in groups),
                "sticky": sticky.get("DurationSeconds", True) if sticky.get("Enabled") else False,
            }
        )
    return found


def group_name(arn: str) -> str:
    """The name in a target group's ARN (…:targetgroup/NAME/ID, ELB user guide)."""
    return arn.split(":targetgroup/", 1)[-1].split("/", 1)[0]


def find_listener(aws: Aws, load_balancer: str, port: int, deadline: Deadline) -> Listener:
    """The listener as it is now; raises Missing with the state to report, AwsError when it cannot be read."""
    arn = load_balancer_arn(aws, load_balancer, deadline)
    for listener in aws.pages(ELB, "DescribeListeners", deadline, "Listeners", LoadBalancerArn=arn):
        if listener.get("Port") == port:
            return Listener(listener["ListenerArn"], tuple(listener.get("DefaultActions", ())))
    raise Missing(f"load balancer {load_balancer} has no listener on port {port}")


def load_balancer_arn(aws: Aws, name: str, deadline: Deadline) -> str:
    """Raises Missing when there is no load balancer of that name."""
    try:
        arn: str = aws.call(ELB, "DescribeLoadBalancers", deadline, Names=[name])["LoadBalancers"][0]["LoadBalancerArn"]
    except AwsError as error:
        if error.code == "LoadBalancerNotFound":
            raise Missing(f"there is no load balancer {name}") from None
        raise
    return arn


def target_group_arn(aws: Aws, name: str, deadline: Deadline) -> str:
    """Raises Missing when there is no target group of that name."""
    try:
        arn: str = aws.call(ELB, "DescribeTargetGroups", deadline, Names=[name])["TargetGroups"][0]["TargetGroupArn"]
    except AwsError as error:
        if error.code == "TargetGroupNotFound":
            raise Missing(f"there is no target group {name}") from None
        raise
    return arn


def target_states(aws: Aws, group_arn: str, deadline: Deadline) -> list[dict[str, Any]]:
    """Every target of a group: address, state and AWS's reason."""
    described = aws.call(ELB, "DescribeTargetHealth", deadline, TargetGroupArn=group_arn)["TargetHealthDescriptions"]
    return [
        {
            "target": f"{one['Target']['Id']}:{one['Target'].get('Port', '')}",
            "state": one["TargetHealth"]["State"],
            "reason": one["TargetHealth"].get("Reason", ""),
        }
        for one in described
    ]


def write_actions(aws: Aws, listener: Listener, actions: list[dict[str, Any]], deadline: Deadline) -> None:
    """Replaces the default actions and reads them back; raises StepFailed when something else is there afterwards."""
    before, wanted = comparable(list(listener.actions)), comparable(actions)
    if before == wanted:
        return
    while True:
        lost: OutcomeUnknown | None = None
        try:
            aws.call(ELB, "ModifyListener", deadline, ListenerArn=listener.arn, DefaultActions=actions)
        except OutcomeUnknown as error:
            lost = error
        # ELB has no compare-and-swap: only reading back shows that nobody wrote between our read and our write.
        shown = aws.call(ELB, "DescribeListeners", deadline, ListenerArns=[listener.arn])["Listeners"][0]
        seen = comparable(shown["DefaultActions"])
        if seen == wanted:
            return
        if seen != before or lost is None:
            raise StepFailed("the listener shows other actions than those just written: somebody else writes to it too")
        if deadline.expired:
            raise lost


def balancer_shell(aws: Aws, load_balancer: str) -> str:
    """A line that sets $balancer."""
    return (
        f"balancer=$({aws.shell()} elbv2 describe-load-balancers --names {shlex.quote(load_balancer)}"
        " --query 'LoadBalancers[0].LoadBalancerArn' --output text)"
    )


def listener_shell(aws: Aws, load_balancer: str, port: int) -> list[str]:
    """Lines that set $listener."""
    return [
        balancer_shell(aws, load_balancer),
        (
            f'listener=$({aws.shell()} elbv2 describe-listeners --load-balancer-arn "$balancer"'
            f" --query 'Listeners[?Port==`{port}`].ListenerArn | [0]' --output text)"
        ),
    ]


def group_shell(aws: Aws, variable: str, name: str) -> str:
    """A line that sets a variable to a target group's ARN."""
    return (
        f"{variable}=$({aws.shell()} elbv2 describe-target-groups --names {shlex.quote(name)}"
        " --query 'TargetGroups[0].TargetGroupArn' --output text)"
    )


# Changes the weights given as ARN=WEIGHT (ARN= takes the group out) and keeps everything else of the actions read from stdin.
REWEIGH = """\
import json, sys
actions = json.load(sys.stdin)
forward = next(a for a in actions if a["Type"] == "forward")
config = forward.setdefault("ForwardConfig", {})
alone = forward.pop("TargetGroupArn", None)
groups = {g["TargetGroupArn"]: g for g in config.get("TargetGroups") or [{"TargetGroupArn": alone}]}
for arn, weight in (word.rsplit("=", 1) for word in sys.argv[1:]):
    if weight:
        groups.setdefault(arn, {"TargetGroupArn": arn})["Weight"] = int(weight)
    else:
        groups.pop(arn, None)
config["TargetGroups"] = list(groups.values())
print(json.dumps(actions))"""


def reweigh_shell(aws: Aws, words: str) -> list[str]:
    """Lines that write the default actions of $listener with other weights; `words` are ARN=WEIGHT in shell form."""
    return [
        (
            f'actions=$({aws.shell()} elbv2 describe-listeners --listener-arns "$listener"'
            f" --query 'Listeners[0].DefaultActions' --output json | python3 -c '{REWEIGH}' {words})"
        ),
        (
            f'{aws.shell()} elbv2 modify-listener --listener-arn "$listener" --default-actions "$actions"'
            " --query 'Listeners[0].DefaultActions'"
        ),
    ]


def script(lines: list[str], *remarks: str) -> str:
    """A pasteable block: it stops at the first error without ending the shell that it is pasted into."""
    return "\n".join(
        [*(f"# {remark}" for remark in remarks if remark), "(set -euo pipefail; export AWS_PAGER=", *lines, ")"]
    )


def literal(value: object) -> str:
    """A value inside a JMESPath query."""
    return "`" + json.dumps(value).replace("`", "\\u0060") + "`"
