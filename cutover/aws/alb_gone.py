"""The end of the old side at the load balancers: out of the listener, then its target group and its own balancer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from shlex import quote

from cutover.aws.alb_conditions import RuleName
from cutover.aws.alb_forward import change_shell, find_forward, forward_shell, weights_shell, write_actions
from cutover.aws.elb_permission import ARN, FINDING, GROUPS, forward_written, reads
from cutover.aws.gone import ABSENT, PRESENT, Gone
from cutover.aws.listener import (
    ELB,
    Listener,
    Missing,
    group_name,
    group_shell,
    load_balancer_arn,
    script,
    target_group_arn,
)
from cutover.aws.permission import Permission
from cutover.aws.record_group import RecordName
from cutover.aws.route53_permission import records_read
from cutover.aws.route53_zone import canonical
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.step import Command, Step

LISTED, GREEN_ALONE = "blue at 0", "green alone"


@dataclass(frozen=True, kw_only=True)
class BlueOutOfListener(Step[str]):
    """Takes blue's target group out of the listener, where it stood at weight 0: from here on no weight can lead back to it.

    A target group that a listener names cannot be deleted.
    """

    aws: Aws
    load_balancer: str
    port: int
    blue: str
    green: str
    rule: RuleName | None = None
    before: str = LISTED
    after: str = GREEN_ALONE
    one_way: bool = True

    @property
    def resource(self) -> str:
        return f"alb-blue:{self.load_balancer}:{self.port}{f':{self.rule}' if self.rule else ''}"

    def observe(self) -> str:
        try:
            return self.state(self.found(Deadline.after(OBSERVE_SECONDS)).weights())
        except Missing as missing:
            return str(missing)

    def found(self, deadline: Deadline) -> Listener:
        """Where the share stands."""
        return find_forward(self.aws, self.load_balancer, self.port, self.rule, deadline)

    def state(self, weights: dict[str, int]) -> str:
        """What these weights mean."""
        if {name for name, weight in weights.items() if weight} != {self.green}:
            return ", ".join(f"{name} {weight}" for name, weight in sorted(weights.items()))
        return LISTED if self.blue in weights else GREEN_ALONE

    def commands(self, target: str) -> Sequence[Command]:
        return (TakeOut(self),)

    def check_shell(self) -> str:
        each = f'if ($1 == "{self.blue}") there = 1; if (($1 == "{self.green}") == ($2 == 0)) odd = 1'
        told = f'odd ? "traffic is shared" : there ? "{LISTED}" : "{GREEN_ALONE}"'
        return weights_shell(self.aws, self.load_balancer, self.port, self.rule, each, told)

    def permissions(self) -> Iterable[Permission]:
        return *FINDING, GROUPS[0], *forward_written(self.load_balancer, self.port, rule=self.rule is not None)


@dataclass(frozen=True)
class TakeOut(Command):
    """Removes blue's group while it has no weight."""

    step: BlueOutOfListener

    def run(self, deadline: Deadline) -> None:
        step = self.step
        try:
            listener = step.found(deadline)
            seen = step.state(listener.weights())
            if seen == GREEN_ALONE:
                return
            if seen != LISTED:
                raise StepFailed(f"{step.resource} changed under our hands: {seen}; nothing was written")
            blue = target_group_arn(step.aws, step.blue, deadline)
            write_actions(step.aws, listener, listener.with_weights({blue: None}), deadline)
        except Missing as missing:
            raise StepFailed(str(missing)) from missing

    def shell(self) -> str:
        step = self.step
        place = forward_shell(step.aws, step.load_balancer, step.port, step.rule)
        changed = change_shell(step.aws, step.rule, '"$blue="')
        return script([*place, group_shell(step.aws, "blue", step.blue), *changed])


@dataclass(frozen=True, kw_only=True)
class TargetGroupGone(Gone):
    """Deletes a target group of the old side; AWS refuses while a listener or rule names it, and so do we."""

    @property
    def resource(self) -> str:
        return f"target-group:{self.identifier}"

    def seen(self, deadline: Deadline) -> str:
        try:
            target_group_arn(self.aws, self.identifier, deadline)
        except Missing:
            return ABSENT
        return PRESENT

    def refuse_used(self, deadline: Deadline) -> None:
        found = self.aws.call(ELB, "DescribeTargetGroups", deadline, Names=[self.identifier])["TargetGroups"]
        balancers = [arn.rsplit("/", 2)[-2] for group in found for arn in group.get("LoadBalancerArns", ())]
        if balancers:
            raise StepFailed(
                f"target group {self.identifier} is in use at {', '.join(sorted(balancers))}; nothing was deleted. Take it out "
                "of that load balancer's listeners and rules, then resume"
            )

    def delete(self, deadline: Deadline) -> None:
        arn = target_group_arn(self.aws, self.identifier, deadline)
        self.aws.call(ELB, "DeleteTargetGroup", deadline, TargetGroupArn=arn)

    def delete_shell(self) -> str:
        aws, name = self.aws.shell(), quote(self.identifier)
        return (
            f"group=$({aws} elbv2 describe-target-groups --query"
            f" {quote(f'TargetGroups[?TargetGroupName==`{self.identifier}`].TargetGroupArn')} --output text)\n"
            f'if [ -z "$group" ]; then echo {name} is absent; else\n'
            f'  {aws} elbv2 delete-target-group --target-group-arn "$group"\nfi'
        )

    def check_shell(self) -> str:
        query = quote(f"TargetGroups[?TargetGroupName==`{self.identifier}`] | length(@)")
        asked = f"{self.aws.shell()} elbv2 describe-target-groups --query {query} --output text"
        return f"if [ \"$({asked})\" = 0 ]; then echo '{ABSENT}'; else echo '{PRESENT}'; fi"

    def permissions(self) -> Iterable[Permission]:
        yield from reads("DescribeTargetGroups")
        yield Permission(ELB, "DeleteTargetGroup", f"{ARN}:targetgroup/{self.identifier}/*")


@dataclass(frozen=True, kw_only=True)
class BalancerGone(Gone):
    """Deletes a load balancer of the old side, after a look that no record of ours leads visitors to it any more."""

    names: tuple[RecordName, ...] = ()
    """Records that must not lead to it."""
    kept: tuple[str, ...] = ()
    """Target groups that serve: a load balancer that forwards to one of them is not the old side's."""

    @property
    def resource(self) -> str:
        return f"load-balancer:{self.identifier}"

    def seen(self, deadline: Deadline) -> str:
        try:
            load_balancer_arn(self.aws, self.identifier, deadline)
        except Missing:
            return ABSENT
        return PRESENT

    def refuse_used(self, deadline: Deadline) -> None:
        found = self.aws.call(ELB, "DescribeLoadBalancers", deadline, Names=[self.identifier])["LoadBalancers"][0]
        arn, address = found["LoadBalancerArn"], canonical(found["DNSName"])
        attributes = self.aws.call(ELB, "DescribeLoadBalancerAttributes", deadline, LoadBalancerArn=arn)["Attributes"]
        if any(one["Key"] == "deletion_protection.enabled" and one["Value"] == "true" for one in attributes):
            raise StepFailed(
                f"load balancer {self.identifier} is protected against deletion; nothing was deleted. When it may go: "
                f"{self.aws.shell()} elbv2 modify-load-balancer-attributes --load-balancer-arn {arn} "
                "--attributes Key=deletion_protection.enabled,Value=false"
            )
        if serving := sorted(self._groups(arn, deadline) & set(self.kept)):
            raise StepFailed(
                f"load balancer {self.identifier} forwards to {', '.join(serving)}, which serves; nothing was deleted"
            )
        for where in self.names:
            try:
                records = where.records(deadline)
            except Missing:  # a name that is gone leads nowhere
                continue
            for record in records:
                values = [value["Value"] for value in record.get("ResourceRecords", ())]
                alias = record.get("AliasTarget", {}).get("DNSName", "")
                if address in {canonical(one).removeprefix("dualstack.") for one in (*values, alias)}:
                    raise StepFailed(
                        f"{where.name} still leads to load balancer {self.identifier}; nothing was deleted"
                    )

    def _groups(self, arn: str, deadline: Deadline) -> set[str]:
        try:
            found = self.aws.call(ELB, "DescribeTargetGroups", deadline, LoadBalancerArn=arn)["TargetGroups"]
        except AwsError as error:
            if error.code == "TargetGroupNotFound":  # it forwards to none
                return set()
            raise
        return {group_name(group["TargetGroupArn"]) for group in found}

    def delete(self, deadline: Deadline) -> None:
        arn = load_balancer_arn(self.aws, self.identifier, deadline)
        self.aws.call(ELB, "DeleteLoadBalancer", deadline, LoadBalancerArn=arn)

    def delete_shell(self) -> str:
        aws, name = self.aws.shell(), quote(self.identifier)
        return (
            f"balancer=$({aws} elbv2 describe-load-balancers --query"
            f" {quote(f'LoadBalancers[?LoadBalancerName==`{self.identifier}`].LoadBalancerArn')} --output text)\n"
            f'if [ -z "$balancer" ]; then echo {name} is absent; else\n'
            f'  {aws} elbv2 delete-load-balancer --load-balancer-arn "$balancer"\nfi'
        )

    def check_shell(self) -> str:
        query = quote(f"LoadBalancers[?LoadBalancerName==`{self.identifier}`] | length(@)")
        asked = f"{self.aws.shell()} elbv2 describe-load-balancers --query {query} --output text"
        return f"if [ \"$({asked})\" = 0 ]; then echo '{ABSENT}'; else echo '{PRESENT}'; fi"

    def permissions(self) -> Iterable[Permission]:
        yield from reads("DescribeLoadBalancers", "DescribeLoadBalancerAttributes", "DescribeTargetGroups")
        for where in self.names:
            yield from records_read(where)
        yield Permission(ELB, "DeleteLoadBalancer", f"{ARN}:loadbalancer/app/{self.identifier}/*")
