"""Whether two target groups can share the traffic of one forward action; AWS would say so only when the weights are written."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cutover.aws.alb_conditions import RuleName
from cutover.aws.alb_forward import GROUPS_AT_MOST, find_forward
from cutover.aws.listener import ELB, Listener, Missing, group_shell, script
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.gate import Check, Finding

Group = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class GroupsFit(Check):
    """What AWS would refuse in the middle is found before: a green group in use elsewhere, target stickiness, too many groups.

    Stickiness of the groups is compared with what the environment file says of it (`sticky` seconds, 0 for none), because
    clients with a cookie keep their side whatever the weights say; the deregistration delay is told, because targets that are
    taken out later go on serving for so long.
    """

    aws: Aws
    load_balancer: str
    port: int
    blue: str
    green: str
    sticky: int = 0
    rule: RuleName | None = None

    def look(self) -> Finding:
        deadline = Deadline.after(OBSERVE_SECONDS)
        try:
            place = find_forward(self.aws, self.load_balancer, self.port, self.rule, deadline)
            balancer = self._one("LoadBalancers", self.load_balancer, deadline)
            groups = {name: self._one("TargetGroups", name, deadline) for name in (self.blue, self.green)}
            attributes = {name: self._attributes(group, deadline) for name, group in groups.items()}
            weights = place.weights()
        except Missing as missing:
            return Finding.failed(str(missing), "check the carrier's words in the environment file, and the region")
        except AwsError as error:
            return Finding.blind(error.message)
        wrong = [*self._unfit(balancer, groups), *self._sticks(place, groups, attributes), *self._full(weights)]
        if wrong:
            return Finding.failed("; ".join(seen for seen, _ in wrong), "; ".join(hint for _, hint in wrong))
        shown = ", ".join(f"{name} {weight}" for name, weight in weights.items())
        delays = ", ".join(f"{name} {given.get(DELAY, '300')} s" for name, given in attributes.items())
        cookie = f"; clients are sticky for {self.sticky} s, and are not during the cutover" if self.sticky else ""
        return Finding.passed(f"weights {shown}; deregistration delay {delays}{cookie}", weights=weights)

    def _unfit(self, balancer: Group, groups: Mapping[str, Group]) -> Iterator[tuple[str, str]]:
        blue, green = groups[self.blue], groups[self.green]
        elsewhere = [arn for arn in green["LoadBalancerArns"] if arn != balancer["LoadBalancerArn"]]
        if elsewhere:
            yield (
                f"{self.green} is used by another load balancer, and a target group belongs to one: {', '.join(elsewhere)}",
                "make a target group of its own for this cutover, or take it out of the other one's listeners",
            )
        for what in ("VpcId", "Protocol", "ProtocolVersion"):
            if blue.get(what) != green.get(what):
                yield (
                    f"{self.blue} has {what} {blue.get(what)}, {self.green} has {green.get(what)}",
                    "one forward action takes groups of one VPC and one protocol: make green's like blue's",
                )

    def _sticks(
        self, place: Listener, groups: Mapping[str, Group], attributes: Mapping[str, Mapping[str, str]]
    ) -> Iterator[tuple[str, str]]:
        for name, given in attributes.items():
            if given.get("stickiness.enabled") == "true":
                yield (
                    (
                        f"the targets of {name} are sticky ({given.get('stickiness.type', '')}), and AWS refuses weights then"
                        " unless the groups are sticky, too"
                    ),
                    (
                        f"{self.aws.shell()} elbv2 modify-target-group-attributes --target-group-arn {groups[name]['TargetGroupArn']}"
                        " --attributes Key=stickiness.enabled,Value=false"
                    ),
                )
        seconds = place.sticky_seconds()
        if seconds != self.sticky:
            yield (
                f"the groups are sticky for {seconds} s: clients with a cookie keep their side whatever the weights say"
                if seconds
                else f"the groups are not sticky, and the environment file says {self.sticky} s",
                f"write `sticky: {seconds}` for this carrier: it is then switched off for the time of the cutover, and restored"
                if seconds
                else "take `sticky` out of the environment file",
            )

    def _full(self, weights: Mapping[str, int]) -> Iterator[tuple[str, str]]:
        if len({*weights, self.green}) > GROUPS_AT_MOST:
            yield (
                f"{len(weights)} target groups stand in the action, {self.green} would be one more than {GROUPS_AT_MOST}",
                "take out a group whose weight is 0",
            )

    def _one(self, what: str, name: str, deadline: Deadline) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self.aws.call(ELB, f"Describe{what}", deadline, Names=[name])[what][0]
        except AwsError as error:
            if error.code in ("LoadBalancerNotFound", "TargetGroupNotFound"):
                raise Missing(
                    f"there is no {'load balancer' if what == 'LoadBalancers' else 'target group'} {name}"
                ) from None
            raise
        return found

    def _attributes(self, group: Group, deadline: Deadline) -> dict[str, str]:
        arn = group["TargetGroupArn"]
        shown = self.aws.call(ELB, "DescribeTargetGroupAttributes", deadline, TargetGroupArn=arn)["Attributes"]
        return {one["Key"]: one["Value"] for one in shown}

    def permissions(self) -> Iterable[Permission]:
        wanted = ("LoadBalancers", "Listeners", "Rules", "TargetGroups", "TargetGroupAttributes")
        return tuple(Permission(ELB, f"Describe{what}", "*") for what in wanted)

    def shell(self) -> str:
        """Shows VPC, protocol, load balancers and stickiness of both groups; a person compares."""
        lines = []
        for variable, name in (("blue", self.blue), ("green", self.green)):
            lines += [
                group_shell(self.aws, variable, name),
                (
                    f'{self.aws.shell()} elbv2 describe-target-groups --target-group-arns "${variable}" --output text'
                    " --query 'TargetGroups[].[TargetGroupName,VpcId,Protocol,ProtocolVersion,LoadBalancerArns[0]]'"
                ),
                (
                    f'{self.aws.shell()} elbv2 describe-target-group-attributes --target-group-arn "${variable}" --output text'
                    f" --query 'Attributes[?starts_with(Key,`stickiness`) || Key==`{DELAY}`].[Key,Value]'"
                ),
            ]
        return script(lines)


DELAY = "deregistration_delay.timeout_seconds"
