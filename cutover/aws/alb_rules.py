"""Maintenance at the load balancer: write methods are answered 503 by rules of our own, reads go on."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from cutover.aws.alb_conditions import values_of
from cutover.aws.alb_standing import WRITES_503, WRITES_PASS, Conditions, Standing, some_of
from cutover.aws.elb_permission import FINDING, listener_written, reads, rule_written
from cutover.aws.listener import ELB, Missing, find_listener, listener_shell, literal, script
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError, OutcomeUnknown
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.step import Command, Step

WRITE_METHODS = ("POST", "PUT", "PATCH", "DELETE")
VALUES_AT_MOST = 5  # ELB quotas page: condition values per rule
METHOD = re.compile(r"[A-Z_-]{1,40}")  # ELB API, HttpRequestMethodConditionConfig
BODY_AT_MOST = 1024  # ELB API, FixedResponseActionConfig.MessageBody
TAG = {"Key": "cutover", "Value": "maintenance"}
TAGS_AT_ONCE = 20  # ELB API, DescribeTags
PAUSE = 0.2  # seconds until what stands there is looked at again after an answer was lost


@dataclass(frozen=True, kw_only=True)
class AlbMaintenance(Step[str]):
    """Answers write methods with 503 at the load balancer while reads go on, so that clients know to try again.

    The rules stand before all others by their priority, carry the tag cutover=maintenance and are taken away whole, wherever
    somebody moved them to; no other rule is touched. With hosts they apply to those only; a rule holds five values, so several
    hosts take several rules. The fixed response of a load balancer cannot carry Retry-After, so the reason stands in its JSON body.
    """

    aws: Aws
    load_balancer: str
    port: int
    priority: int = 1
    methods: tuple[str, ...] = WRITE_METHODS
    message: str = "A short maintenance is under way. Please try again in a minute."
    hosts: tuple[str, ...] = ()
    before: str = WRITES_PASS
    after: str = WRITES_503

    def __post_init__(self) -> None:
        most = VALUES_AT_MOST - bool(self.hosts)
        if not 1 <= len(self.methods) <= most or not all(map(METHOD.fullmatch, self.methods)):
            raise ValueError(f"{self.methods} are not 1 to {most} HTTP methods in capitals")
        if len(set(self.methods)) < len(self.methods) or not 1 <= self.priority <= self.priorities()[-1] <= 50_000:
            raise ValueError(f"methods {self.methods} must differ, priorities {self.priorities()} be 1 to 50000")
        if len(self.body()) > BODY_AT_MOST:
            raise ValueError(f"the message is too long: its JSON has more than {BODY_AT_MOST} characters")
        rules = len(self.wanted())
        object.__setattr__(self, "between", frozenset(some_of(number, rules) for number in range(1, rules)))

    @property
    def resource(self) -> str:
        return f"maintenance:{self.load_balancer}:{self.port}"

    def body(self) -> str:
        """What a refused client reads."""
        return json.dumps({"error": "maintenance", "message": self.message})

    def wanted(self) -> list[Conditions]:
        """The conditions of each rule, as few rules as the limit of values allows."""
        methods = {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": list(self.methods)}}
        room = VALUES_AT_MOST - len(self.methods)
        hosts = [list(self.hosts[first : first + room]) for first in range(0, len(self.hosts), room or 1)]
        return [[methods, {"Field": "host-header", "HostHeaderConfig": {"Values": some}}] for some in hosts] or [
            [methods]
        ]

    def priorities(self) -> range:
        """One priority for each rule, one after the other."""
        return range(self.priority, self.priority + len(self.wanted()))

    def actions(self) -> list[dict[str, Any]]:
        response = {"StatusCode": "503", "ContentType": "application/json", "MessageBody": self.body()}
        return [{"Type": "fixed-response", "FixedResponseConfig": response}]

    def observe(self) -> str:
        try:
            return self.look(Deadline.after(OBSERVE_SECONDS)).state
        except Missing as missing:
            return str(missing)

    def look(self, deadline: Deadline) -> Standing:
        """What stands on the listener now; raises Missing."""
        listener = find_listener(self.aws, self.load_balancer, self.port, deadline).arn
        rules = self.aws.pages(ELB, "DescribeRules", deadline, "Rules", ListenerArn=listener)
        others = [rule for rule in rules if not rule.get("IsDefault")]
        answering = [rule["RuleArn"] for rule in others if "FixedResponseConfig" in rule["Actions"][-1]]
        tagged: set[str] = set()
        for first in range(0, len(answering), TAGS_AT_ONCE):
            some = answering[first : first + TAGS_AT_ONCE]
            told = self.aws.call(ELB, "DescribeTags", deadline, ResourceArns=some)["TagDescriptions"]
            tagged |= {one["ResourceArn"] for one in told if TAG in one["Tags"]}
        # Whose the priority is matters only to a rule that is still to be made.
        priorities = self.priorities() if self.after == WRITES_503 else range(0)
        return Standing(listener, others, tagged, self.wanted(), self.actions(), priorities, self.hosts)

    def commands(self, target: str) -> Sequence[Command]:
        if target not in (WRITES_PASS, WRITES_503):
            raise ValueError(f"{self.name}: {target!r} is neither {WRITES_PASS!r} nor {WRITES_503!r}")
        return (PutRule(self),) if target == WRITES_503 else (RemoveRule(self),)

    def permissions(self) -> Sequence[Permission]:
        return (
            *FINDING,
            *reads("DescribeRules", "DescribeTags"),
            listener_written(self.load_balancer, self.port, "CreateRule"),
            rule_written(self.load_balancer, self.port, "CreateRule"),
            rule_written(self.load_balancer, self.port, "DeleteRule"),
        )

    def check_shell(self) -> str:
        wanted = self.wanted()
        told = [
            f"{len(wanted)}) echo {quote(WRITES_503)};;",
            f"0) echo {quote(WRITES_PASS)};;",
            f"*) echo $count of {len(wanted)} maintenance rules stand;;",
        ]
        return script(
            [
                *listener_shell(self.aws, self.load_balancer, self.port),
                "count=0",
                *(
                    line
                    for one in wanted
                    for line in (*_found_shell(self, one), "for rule in $ours; do count=$((count + 1)); done")
                ),
                f"case $count in {' '.join(told)} esac",
            ]
        )

    def query(self, conditions: Conditions) -> str:
        """Finds rules by what they ask for and answer, wherever they stand."""
        response = "Actions[0].FixedResponseConfig"
        asked = {one["Field"]: sorted(values_of(one)) for one in conditions}
        same = [
            f"sort(Conditions[?Field==`{field}`].{config}.Values[])=={literal(asked.get(field, []))}"
            for field, config in (
                ("http-request-method", "HttpRequestMethodConfig"),
                ("host-header", "HostHeaderConfig"),
            )
        ]
        return (
            f"Rules[?length(Conditions)=={literal(len(conditions))} && {' && '.join(same)}"
            f' && {response}.StatusCode==`"503"` && {response}.MessageBody=={literal(self.body())}].RuleArn'
        )


@dataclass(frozen=True)
class PutRule(Command):
    """Creates each rule that does not stand."""

    step: AlbMaintenance

    def run(self, deadline: Deadline) -> None:
        step = self.step
        try:
            while (standing := step.look(deadline)).state != WRITES_503:
                _refuse_strange(step, standing.state)
                missing = [number for number, some in enumerate(standing.ours()) if not some]
                try:
                    step.aws.call(
                        ELB,
                        "CreateRule",
                        deadline,
                        ListenerArn=standing.listener,
                        Priority=step.priority + missing[0],
                        Conditions=step.wanted()[missing[0]],
                        Actions=step.actions(),
                        Tags=[TAG],
                    )
                except OutcomeUnknown:
                    if deadline.expired:
                        raise
                    deadline.clock.sleep(PAUSE)
        except Missing as missing_listener:
            raise StepFailed(str(missing_listener)) from missing_listener

    def shell(self) -> str:
        step = self.step
        lines = []
        for priority, conditions in zip(step.priorities(), step.wanted(), strict=True):
            create = (
                f'{step.aws.shell()} elbv2 create-rule --listener-arn "$listener" --priority {priority}'
                f" --conditions {quote(json.dumps(conditions))} --actions {quote(json.dumps(step.actions()))}"
                f" --tags Key={TAG['Key']},Value={TAG['Value']}"
            )
            lines += [*_found_shell(step, conditions), f'[ -n "$ours" ] || {create}']
        return script([*listener_shell(step.aws, step.load_balancer, step.port), *lines])


@dataclass(frozen=True)
class RemoveRule(Command):
    """Deletes the rules that carry our tag and have exactly our conditions and answer."""

    step: AlbMaintenance

    def run(self, deadline: Deadline) -> None:
        step = self.step
        try:
            while (standing := step.look(deadline)).state in (WRITES_503, *step.between):
                ours = [rule["RuleArn"] for some in standing.ours() for rule in some]
                try:
                    step.aws.call(ELB, "DeleteRule", deadline, RuleArn=ours[0])
                except OutcomeUnknown:
                    if deadline.expired:
                        raise
                    deadline.clock.sleep(PAUSE)
                except AwsError as error:
                    if error.code != "RuleNotFound":  # somebody else has just deleted it
                        raise
            _refuse_strange(step, standing.state)
        except Missing as missing:
            raise StepFailed(str(missing)) from missing

    def shell(self) -> str:
        step = self.step
        remove = f'for rule in $ours; do {step.aws.shell()} elbv2 delete-rule --rule-arn "$rule"; done'
        lines = [line for one in step.wanted() for line in (*_found_shell(step, one), remove)]
        return script([*listener_shell(step.aws, step.load_balancer, step.port), *lines])


def _refuse_strange(step: AlbMaintenance, state: str) -> None:
    if state not in (step.before, step.after, *step.between):
        raise StepFailed(f"{step.resource} changed under our hands: {state}; nothing was written")


def _found_shell(step: AlbMaintenance, conditions: Conditions) -> list[str]:
    """Lines that set $ours to the rules that are as we make them and carry our tag."""
    tagged = f"TagDescriptions[?Tags[?Key==`{TAG['Key']}` && Value==`{TAG['Value']}`]].ResourceArn"
    return [
        (
            f'found=$({step.aws.shell()} elbv2 describe-rules --listener-arn "$listener" --query {quote(step.query(conditions))}'
            " --output text)"
        ),
        (
            f'ours=""; for rule in $found; do ours+=" $({step.aws.shell()} elbv2 describe-tags --resource-arns "$rule"'
            f" --query '{tagged}' --output text)\"; done; ours=$(echo $ours)"
        ),
    ]
