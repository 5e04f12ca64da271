"""Maintenance at the load balancer: write methods are answered 503 by a rule of our own, reads go on."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from cutover.aws.listener import ELB, Missing, find_listener, listener_shell, literal, script
from cutover.aws.session import OBSERVE_SECONDS, Aws, OutcomeUnknown
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.step import Command, Step

WRITES_PASS = "writes pass"
WRITES_503 = "writes answered 503"
WRITE_METHODS = ("POST", "PUT", "PATCH", "DELETE")
METHODS_AT_MOST = 5  # ELB quotas page: condition values per rule
METHOD = re.compile(r"[A-Z_-]{1,40}")  # ELB API, HttpRequestMethodConditionConfig
BODY_AT_MOST = 1024  # ELB API, FixedResponseActionConfig.MessageBody


@dataclass(frozen=True, kw_only=True)
class AlbMaintenance(Step[str]):
    """Answers write methods with 503 at the load balancer while reads go on, so that clients know to try again.

    The rule stands before all others by its priority and is taken away whole; no other rule is touched. The fixed response of
    a load balancer cannot carry Retry-After, so the reason stands in its JSON body.
    """

    aws: Aws
    load_balancer: str
    port: int
    priority: int = 1
    methods: tuple[str, ...] = WRITE_METHODS
    message: str = "A short maintenance is under way. Please try again in a minute."
    before: str = WRITES_PASS
    after: str = WRITES_503

    def __post_init__(self) -> None:
        if not 1 <= len(self.methods) <= METHODS_AT_MOST or not all(map(METHOD.fullmatch, self.methods)):
            raise ValueError(f"{self.methods} are not 1 to {METHODS_AT_MOST} HTTP methods in capitals")
        if len(set(self.methods)) < len(self.methods) or not 1 <= self.priority <= 50_000:
            raise ValueError(f"methods {self.methods} must differ, priority {self.priority} be 1 to 50000")
        if len(self.body()) > BODY_AT_MOST:
            raise ValueError(f"the message is too long: its JSON has more than {BODY_AT_MOST} characters")

    @property
    def resource(self) -> str:
        return f"maintenance:{self.load_balancer}:{self.port}"

    def body(self) -> str:
        """What a refused client reads."""
        return json.dumps({"error": "maintenance", "message": self.message})

    def conditions(self) -> list[dict[str, Any]]:
        return [{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": list(self.methods)}}]

    def actions(self) -> list[dict[str, Any]]:
        response = {"StatusCode": "503", "ContentType": "application/json", "MessageBody": self.body()}
        return [{"Type": "fixed-response", "FixedResponseConfig": response}]

    def observe(self) -> str:
        try:
            return self._state(Deadline.after(OBSERVE_SECONDS))
        except Missing as missing:
            return str(missing)

    def _state(self, deadline: Deadline) -> str:
        rules = self._rules(deadline)
        ours = [rule for rule in rules if self._is_ours(rule)]
        if not ours:
            taken = any(rule["Priority"] == str(self.priority) for rule in rules)
            return f"{WRITES_PASS}, but priority {self.priority} belongs to another rule" if taken else WRITES_PASS
        return WRITES_503 if len(ours) == 1 else f"{len(ours)} maintenance rules"

    def _rules(self, deadline: Deadline) -> list[dict[str, Any]]:
        arn = find_listener(self.aws, self.load_balancer, self.port, deadline).arn
        return list(self.aws.pages(ELB, "DescribeRules", deadline, "Rules", ListenerArn=arn))

    def _is_ours(self, rule: dict[str, Any]) -> bool:
        conditions, actions = rule.get("Conditions", []), rule.get("Actions", [])
        return (
            rule["Priority"] == str(self.priority)
            and [condition["Field"] for condition in conditions] == ["http-request-method"]
            and set(conditions[0]["HttpRequestMethodConfig"]["Values"]) == set(self.methods)
            and len(actions) == 1
            and actions[0].get("FixedResponseConfig") == self.actions()[0]["FixedResponseConfig"]
        )

    def commands(self, target: str) -> Sequence[Command]:
        if target not in (WRITES_PASS, WRITES_503):
            raise ValueError(f"{self.name}: {target!r} is neither {WRITES_PASS!r} nor {WRITES_503!r}")
        return (PutRule(self),) if target == WRITES_503 else (RemoveRule(self),)

    def check_shell(self) -> str:
        return script(
            [
                *listener_shell(self.aws, self.load_balancer, self.port),
                *_found_shell(self),
                f'if [ -n "$ours" ]; then echo {quote(WRITES_503)}; else echo {quote(WRITES_PASS)}; fi',
            ]
        )

    def query(self) -> str:
        """Finds our rule by its priority and response."""
        response = "Actions[0].FixedResponseConfig"
        return (
            f'Rules[?Priority=={literal(str(self.priority))} && {response}.StatusCode==`"503"`'
            f" && {response}.MessageBody=={literal(self.body())}].RuleArn"
        )


@dataclass(frozen=True)
class PutRule(Command):
    """Creates the rule unless it stands."""

    step: AlbMaintenance

    def run(self, deadline: Deadline) -> None:
        step = self.step
        try:
            while step._state(deadline) != WRITES_503:
                arn = find_listener(step.aws, step.load_balancer, step.port, deadline).arn
                try:
                    step.aws.call(
                        ELB,
                        "CreateRule",
                        deadline,
                        ListenerArn=arn,
                        Priority=step.priority,
                        Conditions=step.conditions(),
                        Actions=step.actions(),
                    )
                except OutcomeUnknown:
                    if deadline.expired:
                        raise
        except Missing as missing:
            raise StepFailed(str(missing)) from missing

    def shell(self) -> str:
        step = self.step
        create = (
            f'{step.aws.shell()} elbv2 create-rule --listener-arn "$listener" --priority {step.priority}'
            f" --conditions {quote(json.dumps(step.conditions()))} --actions {quote(json.dumps(step.actions()))}"
        )
        return script(
            [
                *listener_shell(step.aws, step.load_balancer, step.port),
                *_found_shell(step),
                f'[ -n "$ours" ] || {create}',
            ]
        )


@dataclass(frozen=True)
class RemoveRule(Command):
    """Deletes the rule that has exactly our priority, condition and answer."""

    step: AlbMaintenance

    def run(self, deadline: Deadline) -> None:
        step = self.step
        try:
            while ours := [rule["RuleArn"] for rule in step._rules(deadline) if step._is_ours(rule)]:
                try:
                    step.aws.call(ELB, "DeleteRule", deadline, RuleArn=ours[0])
                except OutcomeUnknown:
                    if deadline.expired:
                        raise
        except Missing as missing:
            raise StepFailed(str(missing)) from missing

    def shell(self) -> str:
        step = self.step
        return script(
            [
                *listener_shell(step.aws, step.load_balancer, step.port),
                *_found_shell(step),
                f'for rule in $ours; do {step.aws.shell()} elbv2 delete-rule --rule-arn "$rule"; done',
            ]
        )


def _found_shell(step: AlbMaintenance) -> list[str]:
    return [
        (
            f'ours=$({step.aws.shell()} elbv2 describe-rules --listener-arn "$listener" --query {quote(step.query())}'
            " --output text)"
        )
    ]
