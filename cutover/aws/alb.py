"""The share as weights of two target groups behind one load balancer, and the health that must come first."""

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import ClassVar

from cutover.aws.alb_conditions import RuleName
from cutover.aws.alb_forward import change_shell, find_forward, forward_shell, weights_shell, write_actions
from cutover.aws.elb_permission import FINDING, GROUPS, forward_written
from cutover.aws.listener import Listener, Missing, group_shell, script, target_group_arn, target_states
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError
from cutover.aws.weights import ALB_LARGEST, remark, share_of, weights_for
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.gate import Check, Finding
from cutover.core.share import Share
from cutover.core.step import Command, Step

BLUE_ALONE = "blue alone"
ATTACHED = "green attached at 0"


@dataclass(frozen=True, kw_only=True)
class AlbShare(Step[Share | str]):
    """Sends a percentage of the requests to green by the weights of two target groups behind one load balancer.

    New requests follow within seconds; open WebSockets and clients with a stickiness cookie stay where they are.
    A side gets traffic only while it has healthy targets, on the way back too: the load balancer itself would send requests
    to an empty group and answer 503.
    """

    aws: Aws
    load_balancer: str
    port: int
    blue: str
    green: str
    healthy_at_least: int = 1
    rule: RuleName | None = None

    @property
    def resource(self) -> str:
        return f"alb:{_place(self)}"

    @property
    def lane(self) -> str:
        return "traffic"

    def observe(self) -> Share | str:
        try:
            return self._state(_found(self, Deadline.after(OBSERVE_SECONDS)).weights())
        except Missing as missing:
            return str(missing)

    def _state(self, weights: dict[str, int]) -> Share | str:
        others = {name: weight for name, weight in weights.items() if name not in (self.blue, self.green) and weight}
        if self.blue not in weights or self.green not in weights or others:
            return _described(weights)
        pair = weights[self.blue], weights[self.green]
        if pair == (0, 0):
            return f"{_described(weights)}: nobody gets traffic"
        return share_of(pair, (self.after, self.before, *self.between), ALB_LARGEST)

    def commands(self, target: Share | str) -> Sequence[Command]:
        if not isinstance(target, Share):
            raise TypeError(f"{self.name}: {target!r} is not a share")
        origin = self.before if target == self.after else self.after
        gaining = self.green if isinstance(origin, Share) and target > origin else self.blue
        return (SetWeights(self, target, gaining, self.healthy_at_least),)

    def permissions(self) -> Sequence[Permission]:
        return *FINDING, *GROUPS, *forward_written(self.load_balancer, self.port, rule=self.rule is not None)

    def check_shell(self) -> str:
        share = f'all += $2; if ($1 == "{self.green}") green = $2; else if ($1 != "{self.blue}" && $2) odd = 1'
        told = 'odd ? "other target groups get traffic" : all ? 100 * green / all " %" : "nobody gets traffic"'
        return weights_shell(self.aws, self.load_balancer, self.port, self.rule, share, told)


@dataclass(frozen=True)
class SetWeights(Command):
    """Writes both weights at once, after `gaining` has proved at least `healthy` healthy targets."""

    step: AlbShare
    target: Share
    gaining: str
    healthy: int

    def run(self, deadline: Deadline) -> None:
        step = self.step
        try:
            listener = _found(step, deadline)
            known = {step.before, step.after, *step.between}
            seen = step._state(listener.weights())
            if seen not in known:
                raise StepFailed(f"{step.resource} changed under our hands: {seen}; nothing was written")
            arns = {name: target_group_arn(step.aws, name, deadline) for name in (step.blue, step.green)}
            if seen != self.target:
                self._refuse_unhealthy(arns[self.gaining], deadline)
            blue, green = weights_for(self.target, ALB_LARGEST)
            write_actions(
                step.aws, listener, listener.with_weights({arns[step.blue]: blue, arns[step.green]: green}), deadline
            )
        except Missing as missing:
            raise StepFailed(str(missing)) from missing

    def _refuse_unhealthy(self, arn: str, deadline: Deadline) -> None:
        states = target_states(self.step.aws, arn, deadline)
        healthy = sum(one["state"] == "healthy" for one in states)
        if healthy < self.healthy:
            raise StepFailed(
                f"refused: {self.gaining} has {healthy} healthy targets of {len(states)}, {self.healthy} wanted before it "
                f"gets traffic ({_tally(states)}). Nothing was written. Mend its targets, then resume; look at them with: "
                f"{self.step.aws.shell()} elbv2 describe-target-health --target-group-arn {arn}"
            )

    def shell(self) -> str:
        step = self.step
        blue, green = weights_for(self.target, ALB_LARGEST)
        return script(
            [
                *forward_shell(step.aws, step.load_balancer, step.port, step.rule),
                group_shell(step.aws, "blue", step.blue),
                group_shell(step.aws, "green", step.green),
                (
                    f"healthy=$({step.aws.shell()} elbv2 describe-target-health --target-group-arn "
                    f'"${"green" if self.gaining == step.green else "blue"}"'
                    " --query 'length(TargetHealthDescriptions[?TargetHealth.State==`healthy`])' --output text)"
                ),
                (
                    f'[ "$healthy" -ge {self.healthy} ] || '
                    f"{{ echo refused: {quote(self.gaining)} has $healthy healthy targets >&2; exit 1; }}"
                ),
                *change_shell(step.aws, step.rule, f'"$blue={blue}" "$green={green}"'),
            ],
            remark(self.target, ALB_LARGEST),
        )


@dataclass(frozen=True, kw_only=True)
class AlbAttach(Step[str]):
    """Puts green's target group behind the load balancer at weight 0, so that its targets are probed before they get traffic.

    A target group that no listener names is never probed: its targets stay `unused` and prove nothing.
    """

    overtaken: ClassVar[bool] = True  # the shares go on from here: afterwards the listener shows another state

    aws: Aws
    load_balancer: str
    port: int
    blue: str
    green: str
    rule: RuleName | None = None
    before: str = BLUE_ALONE
    after: str = ATTACHED

    @property
    def resource(self) -> str:
        return f"alb-attach:{_place(self)}"

    def observe(self) -> str:
        try:
            return self._state(_found(self, Deadline.after(OBSERVE_SECONDS)).weights())
        except Missing as missing:
            return str(missing)

    def _state(self, weights: dict[str, int]) -> str:
        serving = {name for name, weight in weights.items() if weight}
        if serving != {self.blue}:
            return _described(weights)
        return ATTACHED if self.green in weights else BLUE_ALONE

    def commands(self, target: str) -> Sequence[Command]:
        if target not in (BLUE_ALONE, ATTACHED):
            raise ValueError(f"{self.name}: {target!r} is neither {BLUE_ALONE!r} nor {ATTACHED!r}")
        return (Attach(self, target == ATTACHED),)

    def permissions(self) -> Sequence[Permission]:
        return *FINDING, GROUPS[0], *forward_written(self.load_balancer, self.port, rule=self.rule is not None)

    def check_shell(self) -> str:
        rest = f'if ($1 == "{self.green}") there = 1; if (($1 == "{self.blue}") == ($2 == 0)) odd = 1'
        told = f'odd ? "traffic is shared" : there ? "{ATTACHED}" : "{BLUE_ALONE}"'
        return weights_shell(self.aws, self.load_balancer, self.port, self.rule, rest, told)


@dataclass(frozen=True)
class Attach(Command):
    """Adds green at weight 0, or takes it out while its weight is 0."""

    step: AlbAttach
    attached: bool

    def run(self, deadline: Deadline) -> None:
        step = self.step
        try:
            listener = _found(step, deadline)
            seen = step._state(listener.weights())
            if seen not in (BLUE_ALONE, ATTACHED):
                raise StepFailed(f"{step.resource} changed under our hands: {seen}; nothing was written")
            arns = {name: target_group_arn(step.aws, name, deadline) for name in (step.blue, step.green)}
            weights = {arns[step.blue]: 100, arns[step.green]: 0 if self.attached else None}
            write_actions(step.aws, listener, listener.with_weights(weights), deadline)
        except Missing as missing:
            raise StepFailed(str(missing)) from missing

    def shell(self) -> str:
        step = self.step
        return script(
            [
                *forward_shell(step.aws, step.load_balancer, step.port, step.rule),
                group_shell(step.aws, "blue", step.blue),
                group_shell(step.aws, "green", step.green),
                *change_shell(step.aws, step.rule, f'"$blue=100" "$green={0 if self.attached else ""}"'),
            ]
        )


@dataclass(frozen=True, kw_only=True)
class TargetsHealthy(Check):
    """A side without healthy targets answers 503 to everything that reaches it, and the load balancer does not fail over.

    `unused` means that no listener names the target group yet, so nobody has probed it.
    """

    aws: Aws
    group: str
    at_least: int = 1

    def look(self) -> Finding:
        deadline = Deadline.after(OBSERVE_SECONDS)
        try:
            states = target_states(self.aws, target_group_arn(self.aws, self.group, deadline), deadline)
        except Missing as missing:
            return Finding.failed(str(missing), "check the name in the environment file and the region")
        except AwsError as error:
            return Finding.blind(error.message)
        healthy = sum(one["state"] == "healthy" for one in states)
        seen = f"{self.group}: {healthy} of {len(states)} targets healthy, {self.at_least} wanted"
        if healthy >= self.at_least:
            return Finding.passed(seen, targets=states)
        if not states:
            return Finding.not_yet(seen, "no target is registered")
        return Finding.not_yet(f"{seen} ({_tally(states)})", "look at the targets' health checks", targets=states)

    def permissions(self) -> Sequence[Permission]:
        return GROUPS

    def shell(self) -> str:
        group = group_shell(self.aws, "group", self.group)
        return f"{group}\n{targets_shell(self.aws, self.at_least)}"


def targets_shell(aws: Aws, at_least: int) -> str:
    """A line that shows the targets of $group, and fails unless so many of them are healthy."""
    return (
        f'{aws.shell()} elbv2 describe-target-health --target-group-arn "$group"'
        " --query 'TargetHealthDescriptions[].[Target.Id,Target.Port,TargetHealth.State,TargetHealth.Reason]'"
        f" --output text | awk '{{ print; healthy += $3 == \"healthy\" }} END {{ exit healthy < {at_least} }}'"
    )


def _described(weights: dict[str, int]) -> str:
    return ", ".join(f"{name} {weight}" for name, weight in sorted(weights.items())) or "no target group"


def _tally(states: list[dict[str, str]]) -> str:
    return ", ".join(f"{one['target']} {one['state']} {one['reason']}".strip() for one in states) or "no targets"


def _found(step: AlbShare | AlbAttach, deadline: Deadline) -> Listener:
    return find_forward(step.aws, step.load_balancer, step.port, step.rule, deadline)


def _place(step: AlbShare | AlbAttach) -> str:
    return f"{step.load_balancer}:{step.port}" + (f":{step.rule}" if step.rule else "")
