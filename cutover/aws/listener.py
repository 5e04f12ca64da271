"""A load balancer's listener by name and port: its actions read, and changed without losing anything."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline

ELB = "elbv2"
SECRET_WORDS = ("ClientSecret", "UseExistingClientSecret")


class Missing(Exception):
    """Something that a name stands for is not there; the text is the state to report."""


@dataclass(frozen=True)
class Listener:
    """A listener as AWS shows it; `actions` are its default actions as read, or those of its rule with the ARN `rule`."""

    arn: str
    actions: tuple[dict[str, Any], ...]
    rule: str = ""
    conditions: tuple[dict[str, Any], ...] = ()

    def forward(self) -> dict[str, Any]:
        """The forward action; raises Missing when the listener does something else."""
        for action in self.actions:
            if action["Type"] == "forward":
                return action
        what = "the rule does not forward" if self.rule else "the listener does not forward by default"
        raise Missing(f"{what}: " + ", ".join(a["Type"] for a in self.actions))

    def sticky_seconds(self) -> int:
        """How long a client is kept to the target group that it got; 0 when it is not."""
        config = self.forward().get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {})
        return int(config["DurationSeconds"]) if config.get("Enabled") else 0

    def with_stickiness(self, seconds: int) -> list[dict[str, Any]]:
        """The actions with this group stickiness (0 switches it off); everything else as it was."""
        forward = self.forward()
        sticky = {"Enabled": True, "DurationSeconds": seconds} if seconds else {"Enabled": False}
        config = {**forward.get("ForwardConfig", {}), "TargetGroups": self._groups()}
        config["TargetGroupStickinessConfig"] = sticky
        return [{**forward, "ForwardConfig": config} if action is forward else action for action in self.actions]

    def weights(self) -> dict[str, int]:
        """Weight by target group name, in one shape for both forms in which AWS shows a single group."""
        return {group_name(group["TargetGroupArn"]): int(group.get("Weight", 1)) for group in self._groups()}

    def serving(self) -> list[str]:
        """ARNs of the target groups that get requests; raises Missing as `forward` does."""
        return [str(group["TargetGroupArn"]) for group in self._groups() if int(group.get("Weight", 1))]

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
    """Actions in a form that is equal when they do the same: order of groups and short forms do not matter.

    They are in the order in which the load balancer takes them; what only a writer says of a client secret is left out.
    """
    found = []
    for action in sorted(actions, key=lambda one: int(one.get("Order", 0))):
        config = action.get("ForwardConfig", {})
        groups = config.get("TargetGroups") or (
            [{"TargetGroupArn": action["TargetGroupArn"]}] if "TargetGroupArn" in action else []
        )
        sticky = config.get("TargetGroupStickinessConfig", {})
        rest = {k: v for k, v in action.items() if k not in ("TargetGroupArn", "ForwardConfig", "Order")}
        if oidc := rest.get("AuthenticateOidcConfig"):
            rest["AuthenticateOidcConfig"] = {k: v for k, v in oidc.items() if k not in SECRET_WORDS}
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


def script(lines: list[str], *remarks: str) -> str:
    """A pasteable block: it stops at the first error without ending the shell that it is pasted into."""
    return "\n".join(
        [*(f"# {remark}" for remark in remarks if remark), "(set -euo pipefail; export AWS_PAGER=", *lines, ")"]
    )


def literal(value: object) -> str:
    """A value inside a JMESPath query."""
    return "`" + json.dumps(value).replace("`", "\\u0060") + "`"
