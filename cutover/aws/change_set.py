"""A change of a stack's parameters by a change set: proposed, judged, and executed only when it changes nothing else."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from shlex import quote
from typing import Any

from cutover.aws.session import Aws, AwsError, OutcomeUnknown
from cutover.aws.stack import CLOUDFORMATION, Events, Stack, find_stack, follow
from cutover.core import killpoint
from cutover.core.clock import Backoff, Deadline
from cutover.core.errors import NotConverged, StepFailed
from cutover.core.telling import say

PROPOSED, EXECUTED = "stack change set proposed", "stack change set executed"
EXTENSIONS = "AWS::LanguageExtensions"
STALE = frozenset({"InvalidChangeSetStatus", "InvalidChangeSetStatusException", "ChangeSetNotFound"})
EXISTS = frozenset({"AlreadyExists", "AlreadyExistsException"})
LISTED_SECONDS = 30.0  # DescribeStackEvents promises no time in which it lists what has begun
NOTHING = ("didn't contain changes", "No updates are to be performed")


class NothingToChange(Exception):
    """CloudFormation sees no difference; whether that is well, the parameter's value tells."""


@dataclass(frozen=True)
class Proposal:
    """The change set by which `stack` gets `values`; its name is made of them and of the stack's state.

    So a later try finds its own one while the stack is as it was, and never one that is out of date. The name is the
    ClientRequestToken too.
    """

    aws: Aws
    stack: Stack
    name: str
    values: Mapping[str, str]
    may_touch: tuple[str, ...] = ()

    def carry_out(self, deadline: Deadline) -> None:
        """Proposes, judges, executes, and follows until the values are live.

        Raises NothingToChange, StepFailed when it is refused (nothing is left behind) or taken back, NotConverged.
        """
        self._propose(deadline)
        killpoint.reached(PROPOSED)
        self._wait(deadline)
        objections = [one for change in self._changes(deadline) if (one := self._objection(change))]
        if objections:
            self._refuse("it changes more than the share: " + "; ".join(objections), deadline)
        # CloudFormation has no compare-and-swap: it refuses a change set that another update overtook, and we look before.
        now = find_stack(self.aws, self.stack.name, deadline)
        if (now.mark, now.status, now.parameters) != (self.stack.mark, self.stack.status, self.stack.parameters):
            self._refuse("somebody changed the stack meanwhile", deadline)
        self._execute(deadline)
        killpoint.reached(EXECUTED)
        follow(self.aws, self.stack, self.name, deadline)

    def _propose(self, deadline: Deadline) -> None:
        given = [
            {"ParameterKey": key, "ParameterValue": self.values[key]}
            if key in self.values
            # One that is not named would silently get the template's default; one with NoEcho is never read.
            else {"ParameterKey": key, "UsePreviousValue": True}
            for key in self.stack.parameters
        ]
        while True:
            try:
                self._call(
                    "CreateChangeSet",
                    deadline,
                    UsePreviousTemplate=True,
                    Parameters=given,
                    Capabilities=list(self.stack.capabilities),
                    ChangeSetType="UPDATE",
                    Description="cutover: the share of traffic",
                    ClientToken=self.name,
                )
                return
            except OutcomeUnknown:
                if deadline.expired:
                    raise
            except AwsError as error:
                if error.code in EXISTS:
                    return
                if any(word in error.message for word in NOTHING):
                    raise NothingToChange(error.message) from error
                raise

    def _wait(self, deadline: Deadline) -> None:
        backoff = Backoff(deadline.clock, first=0.05, longest=2.0)
        while True:
            seen = self._call("DescribeChangeSet", deadline)
            status, reason = seen["Status"], seen.get("StatusReason", "")
            if status == "CREATE_COMPLETE" and seen["ExecutionStatus"] == "AVAILABLE":
                return
            if status not in ("CREATE_PENDING", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"):
                if any(word in reason for word in NOTHING):
                    self._delete(deadline)
                    raise NothingToChange(reason)
                self._refuse(f"the change set is {status}: {reason}", deadline)
            if status == "CREATE_COMPLETE" and seen["ExecutionStatus"] != "UNAVAILABLE":
                self._refuse(f"the change set is {seen['ExecutionStatus']}: somebody changed the stack", deadline)
            if deadline.expired:
                raise NotConverged(f"change set {self.name} of stack {self.stack.name} is still {status}")
            say(f"change set {self.name}: {status}")
            backoff.pause(deadline)

    def _changes(self, deadline: Deadline) -> Iterator[dict[str, Any]]:
        more: dict[str, str] = {}
        while True:
            page = self._call("DescribeChangeSet", deadline, **more)
            yield from (one["ResourceChange"] for one in page.get("Changes", []) if "ResourceChange" in one)
            if not page.get("NextToken"):
                return
            more = {"NextToken": page["NextToken"]}

    def _objection(self, change: Mapping[str, Any]) -> str:
        what = f"{change['LogicalResourceId']} ({change['ResourceType']})"
        if change["Action"] != "Modify":
            return f"{what}: {change['Action']}"
        if change.get("Replacement", "False") != "False":
            return f"{what} would be replaced" + (" perhaps" if change["Replacement"] == "Conditional" else "")
        if self.may_touch and change["LogicalResourceId"] not in self.may_touch:
            return f"{what} is not in may_touch"
        return ""

    def _execute(self, deadline: Deadline) -> None:
        doubtful = False
        while True:
            try:
                self._call("ExecuteChangeSet", deadline, ClientRequestToken=self.name)
                return
            except OutcomeUnknown:
                doubtful = True  # the token makes the same request again safe
                if deadline.expired:
                    raise
            except AwsError as error:
                stale = error.code in STALE
                if doubtful and self._begun(deadline.within(LISTED_SECONDS if stale else 0.0)):
                    return
                if doubtful and stale:
                    # A change set that was executed is as little to be executed as one that somebody overtook.
                    raise StepFailed(
                        f"no answer came to the execution of change set {self.name} of stack {self.stack.name}, it cannot be "
                        f"executed again ({error.code}), and no event tells of it yet: it may have been executed. Look with: "
                        f"{self.aws.shell()} cloudformation describe-stack-events --stack-name {quote(self.stack.name)}, "
                        "then resume"
                    ) from error
                if stale:
                    self._refuse(f"somebody changed the stack meanwhile ({error.code})", deadline)
                raise

    def _begun(self, deadline: Deadline) -> bool:
        """Whether an event tells of our execution, by the deadline at the latest."""
        backoff = Backoff(deadline.clock, first=0.05, longest=2.0)
        while not (begun := Events(self.aws, self.stack.id, deadline, self.name).news(deadline)):
            if deadline.expired:
                break
            backoff.pause(deadline)
        return bool(begun)

    def _refuse(self, reason: str, deadline: Deadline) -> None:
        self._delete(deadline)
        raise StepFailed(f"refused for stack {self.stack.name}: {reason}. Nothing was executed")

    def _delete(self, deadline: Deadline) -> None:
        delete_change_set(self.aws, self.stack.name, self.name, deadline)

    def _call(self, operation: str, deadline: Deadline, **more: Any) -> dict[str, Any]:
        names = {"StackName": self.stack.name, "ChangeSetName": self.name}
        return self.aws.call(CLOUDFORMATION, operation, deadline, **names, **more)


def delete_change_set(aws: Aws, stack: str, name: str, deadline: Deadline) -> None:
    """Deletes a change set; that it is gone already is well."""
    while True:
        try:
            aws.call(CLOUDFORMATION, "DeleteChangeSet", deadline, StackName=stack, ChangeSetName=name)
            return
        except OutcomeUnknown:
            if deadline.expired:
                raise
        except AwsError as error:
            if error.code not in STALE:
                raise
            return


def left_behind(aws: Aws, stack: str, prefix: str, deadline: Deadline) -> list[str]:
    """Names of change sets that earlier tries with this prefix left, which nobody has executed."""
    more: dict[str, str] = {}
    found: list[str] = []
    while True:
        page = aws.call(CLOUDFORMATION, "ListChangeSets", deadline, StackName=stack, **more)
        found += [
            one["ChangeSetName"]
            for one in page.get("Summaries", [])
            if one["ChangeSetName"].startswith(prefix) and not one["ExecutionStatus"].startswith("EXECUTE_")
        ]
        if not page.get("NextToken"):
            return found
        more = {"NextToken": page["NextToken"]}


def name_of(aws: Aws, stack: Stack, prefix: str, value: str, deadline: Deadline) -> str:
    """A change set's name: letters, digits and dashes (CloudFormation API, CreateChangeSet); new after each event."""
    newest = Events.newest(aws, stack.id, deadline)
    state = sha256(f"{stack.id} {stack.mark} {newest}".encode()).hexdigest()[:12]
    return re.sub(r"[^a-zA-Z0-9]", "-", f"{prefix}{value}-{state}")


def by_extensions(aws: Aws, stack: str, deadline: Deadline) -> bool:
    """Whether the template uses AWS::LanguageExtensions, with which the previous template must not be used again."""
    summary = aws.call(CLOUDFORMATION, "GetTemplateSummary", deadline, StackName=stack)
    return EXTENSIONS in summary.get("DeclaredTransforms", [])
