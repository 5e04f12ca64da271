"""CloudFormation stacks in memory, as far as a parameter's change needs them: templates, change sets, events, rollbacks.

A stack's resources are not made: a template says which of them a parameter reaches. What is to happen later is kept as an
order and carried out when somebody looks. Sources: the CloudFormation API reference ("API") and the user guide's pages on
change sets and stack status codes ("Guide").
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cutover.world.template_rules import Given, Refusal, acknowledged, changes, template_of, values_of

ACCOUNT = "123456789012"
STACK = "AWS::CloudFormation::Stack"
NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


@dataclass
class ChangeSet:
    """A proposal; `values` are the parameters that it would give the stack."""

    name: str
    id: str
    values: dict[str, str]
    changes: list[dict[str, Any]]
    capabilities: list[str]
    status: str = "CREATE_IN_PROGRESS"
    execution: str = "UNAVAILABLE"
    reason: str = ""
    token: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Stack:
    """One stack; `events` newest last, `orders` are what happens later."""

    name: str
    id: str
    body: str
    values: dict[str, str]
    capabilities: list[str]
    status: str = "CREATE_COMPLETE"
    reason: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated: datetime | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    orders: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    @property
    def template(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.body)
        return read

    def tell(self, status: str, token: str, logical: str = "", kind: str = STACK, reason: str = "") -> None:
        if kind == STACK:
            self.status, self.reason = status, reason
        told = {
            "StackId": self.id,
            "StackName": self.name,
            "EventId": str(uuid.uuid4()),
            "LogicalResourceId": logical or self.name,
            "PhysicalResourceId": self.id if kind == STACK else f"{self.name}-{logical}",
            "ResourceType": kind,
            "ResourceStatus": status,
            "Timestamp": datetime.now(UTC),
            "ClientRequestToken": token,
        }
        self.events.append({**told, **({"ResourceStatusReason": reason} if reason else {})})

    def free(self) -> None:
        if self.status.endswith("_IN_PROGRESS"):
            raise Refusal(f"Stack:{self.id} is in {self.status} state and can not be updated.")
        if self.status.endswith("_FAILED"):
            raise Refusal(f"Stack:{self.id} is in {self.status} state and can not be updated.")


@dataclass
class Stacks:
    """All stacks; an update takes `seconds`, and `fail` orders how the next one ends: rolled-back or stuck."""

    clock: Callable[[], float] = time.monotonic
    seconds: float = 0.0
    fail: str = ""
    _all: dict[str, Stack] = field(default_factory=dict)

    def create(self, name: str, body: str, given: Given, capabilities: list[str]) -> Stack:
        if name in self._all:
            raise Refusal("AlreadyExistsException", f"Stack [{name}] already exists")
        template = template_of(body)
        acknowledged(template, capabilities)
        arn = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/{name}/{uuid.uuid4()}"
        stack = Stack(name, arn, body, values_of(template, given, {}), capabilities)
        stack.tell("CREATE_COMPLETE", "")
        self._all[name] = stack
        return stack

    def delete(self, name: str) -> None:
        self._all.pop(name, None)

    def find(self, name: str) -> Stack:
        """The stack by name or id, with everything done that is due."""
        for stack in self._all.values():
            if name in (stack.name, stack.id):
                self._catch_up(stack)
                return stack
        raise Refusal(f"Stack with id {name} does not exist")

    def update(self, stack: Stack, given: Given, capabilities: list[str], token: str) -> None:
        """UpdateStack with the previous template."""
        stack.free()
        acknowledged(stack.template, capabilities)
        values = values_of(stack.template, given, stack.values)
        reached = changes(stack.template, stack.values, values)
        if not reached:  # also when a parameter changes that no resource uses (told in public issue threads)
            raise Refusal("No updates are to be performed.")
        self._begin(stack, values, reached, token)

    def propose(self, stack: Stack, name: str, given: Given, capabilities: list[str]) -> ChangeSet:
        """CreateChangeSet with the previous template."""
        stack.free()
        if name in stack.change_sets:
            raise Refusal("AlreadyExistsException", f"ChangeSet {name} already exists for stack {stack.name}")
        if not re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", name):  # API, CreateChangeSet: ChangeSetName
            raise Refusal(
                f"1 validation error detected: Value '{name}' at 'changeSetName' failed to satisfy constraint"
            )
        acknowledged(stack.template, capabilities)
        values = values_of(stack.template, given, stack.values)
        reached = changes(stack.template, stack.values, values)
        arn = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:changeSet/{name}/{uuid.uuid4()}"
        proposed = ChangeSet(name, arn, values, reached, capabilities)

        def ready() -> None:
            proposed.status = "CREATE_COMPLETE" if reached else "FAILED"
            proposed.execution = "AVAILABLE" if reached and proposed.execution == "UNAVAILABLE" else proposed.execution
            proposed.reason = "" if reached else NO_CHANGES

        stack.change_sets[name] = proposed
        self._later(stack, self.seconds / 2, ready)
        self._catch_up(stack)
        return proposed

    def change_set(self, stack: Stack, name: str) -> ChangeSet:
        for one in stack.change_sets.values():
            if name in (one.name, one.id):
                return one
        raise Refusal("ChangeSetNotFoundException", f"ChangeSet [{name}] does not exist")

    def withdraw(self, stack: Stack, name: str) -> None:
        for one in list(stack.change_sets.values()):
            if name in (one.name, one.id):
                if one.execution == "EXECUTE_IN_PROGRESS":  # API, DeleteChangeSet: InvalidChangeSetStatus
                    raise Refusal("InvalidChangeSetStatusException", f"ChangeSet [{one.id}] is being executed")
                del stack.change_sets[one.name]

    def execute(self, stack: Stack, name: str, token: str) -> None:
        """ExecuteChangeSet; the same token for the same change set again is no second execution (API, ClientRequestToken)."""
        if token and token in stack.tokens:
            if name not in stack.tokens[token]:
                raise Refusal("TokenAlreadyExistsException", f"Token [{token}] already exists for stack {stack.name}")
            return
        proposed = self.change_set(stack, name)
        if proposed.status != "CREATE_COMPLETE" or proposed.execution != "AVAILABLE":
            raise Refusal(
                "InvalidChangeSetStatusException",
                f"ChangeSet [{proposed.id}] cannot be executed in its current status of "
                f"[{proposed.status}] and execution status of [{proposed.execution}]",
            )
        stack.free()
        stack.tokens[token or proposed.id] = (proposed.name, proposed.id)
        proposed.execution, proposed.token = "EXECUTE_IN_PROGRESS", token
        stack.capabilities = proposed.capabilities
        self._begin(stack, proposed.values, proposed.changes, token, proposed)

    def roll_back_again(self, stack: Stack, token: str) -> None:
        """ContinueUpdateRollback (API: only from UPDATE_ROLLBACK_FAILED)."""
        if stack.status != "UPDATE_ROLLBACK_FAILED":
            raise Refusal(f"Stack:{stack.id} is in {stack.status} state and can not continue update rollback")
        stack.tell("UPDATE_ROLLBACK_IN_PROGRESS", token)
        self._later(stack, self.seconds, lambda: stack.tell("UPDATE_ROLLBACK_COMPLETE", token))
        self._catch_up(stack)

    def _begin(
        self,
        stack: Stack,
        values: dict[str, str],
        reached: list[dict[str, Any]],
        token: str,
        executed: ChangeSet | None = None,
    ) -> None:
        fail, self.fail = self.fail, ""
        before, stack.values, stack.updated = dict(stack.values), values, datetime.now(UTC)
        # API, ExecuteChangeSet: all other change sets are deleted; one that UpdateStack overtook is OBSOLETE (Guide).
        stack.change_sets = {executed.name: executed} if executed else stack.change_sets
        for other in stack.change_sets.values():
            if other is not executed:
                other.execution = "OBSOLETE"
        stack.tell("UPDATE_IN_PROGRESS", token, reason="User Initiated")
        for one in reached:
            stack.tell("UPDATE_IN_PROGRESS", token, one["LogicalResourceId"], one["ResourceType"])

        def done() -> None:
            for one in reached:
                stack.tell("UPDATE_COMPLETE", token, one["LogicalResourceId"], one["ResourceType"])
            stack.tell("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", token)

        def clean() -> None:
            stack.tell("UPDATE_COMPLETE", token)
            if executed:
                stack.change_sets.pop(executed.name, None)

        def failed() -> None:
            one = reached[0]
            reason = "Resource handler returned message: not today (on demand)"
            stack.tell("UPDATE_FAILED", token, one["LogicalResourceId"], one["ResourceType"], reason)
            for other in reached[1:]:
                stack.tell(
                    "UPDATE_FAILED",
                    token,
                    other["LogicalResourceId"],
                    other["ResourceType"],
                    "Resource update cancelled",
                )
            stack.values = before
            if executed:
                executed.execution = "EXECUTE_FAILED"
            stack.tell(
                "UPDATE_ROLLBACK_IN_PROGRESS", token, reason=f"The following resource(s) failed to update: [{one}]"
            )

        ends = {"rolled-back": "UPDATE_ROLLBACK_COMPLETE", "stuck": "UPDATE_ROLLBACK_FAILED"}
        first, second = (failed, lambda: stack.tell(ends[fail], token)) if fail else (done, clean)
        self._later(stack, self.seconds, first)
        self._later(stack, self.seconds * 1.5, second)
        self._catch_up(stack)

    def _later(self, stack: Stack, seconds: float, act: Callable[[], None]) -> None:
        stack.orders.append((self.clock() + seconds, act))

    def _catch_up(self, stack: Stack) -> None:
        while stack.orders and stack.orders[0][0] <= self.clock():
            stack.orders.pop(0)[1]()
