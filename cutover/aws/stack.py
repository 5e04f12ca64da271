"""A CloudFormation stack as it is now, and the events of what is done to it, told as they come."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from shlex import quote
from typing import Any

from cutover.aws.listener import Missing
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Backoff, Deadline
from cutover.core.errors import NotConverged, StepFailed
from cutover.core.telling import say

CLOUDFORMATION = "cloudformation"
SETTLED = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",  # live already, and locked until the old resources are gone
        "UPDATE_ROLLBACK_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    }
)
LIVE = ("UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
TAKEN_BACK = ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
STUCK = ("UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED")


@dataclass(frozen=True)
class Stack:
    """A stack as described; `mark` is another one after everything that is done to the stack."""

    name: str
    id: str
    status: str
    parameters: Mapping[str, str]
    capabilities: tuple[str, ...]
    mark: str

    @property
    def busy(self) -> bool:
        return self.status.endswith("_IN_PROGRESS")


def find_stack(aws: Aws, name: str, deadline: Deadline) -> Stack:
    """Raises Missing when there is no stack of that name, AwsError when it cannot be read."""
    try:
        found = aws.call(CLOUDFORMATION, "DescribeStacks", deadline, StackName=name)["Stacks"][0]
    except AwsError as error:
        if "does not exist" in error.message:
            raise Missing(f"there is no stack {name}") from None
        raise
    touched = found.get("LastUpdatedTime") or found["CreationTime"]
    return Stack(
        name,
        str(found["StackId"]),
        str(found["StackStatus"]),
        {one["ParameterKey"]: one.get("ParameterValue", "") for one in found.get("Parameters", [])},
        tuple(found.get("Capabilities", [])),
        sha256(f"{found['StackId']} {touched.isoformat()}".encode()).hexdigest()[:12],
    )


class Events:
    """What happens to one stack: with `token` the events of one operation, without it whatever comes from now on."""

    def __init__(self, aws: Aws, stack: str, deadline: Deadline, token: str = "") -> None:
        self._aws, self._stack, self._token = aws, stack, token
        self._last = "" if token else Events.newest(aws, stack, deadline)

    @classmethod
    def newest(cls, aws: Aws, stack: str, deadline: Deadline) -> str:
        """The id of the last thing that happened to a stack; empty when that is too long ago to be kept."""
        return next((str(event["EventId"]) for event in cls(aws, stack, deadline, "any")._newest_first(deadline)), "")

    def news(self, deadline: Deadline) -> list[dict[str, Any]]:
        """Events that were not given before, oldest first."""
        fresh: list[dict[str, Any]] = []
        for event in self._newest_first(deadline):
            # One operation at a time holds a stack, so the events of ours stand together, the newest at the top.
            if event["EventId"] == self._last or (self._token and event.get("ClientRequestToken") != self._token):
                break
            fresh.append(event)
        if fresh:
            self._last = fresh[0]["EventId"]
        return fresh[::-1]

    def _newest_first(self, deadline: Deadline) -> Iterator[dict[str, Any]]:
        more: dict[str, str] = {}
        while True:
            page = self._aws.call(CLOUDFORMATION, "DescribeStackEvents", deadline, StackName=self._stack, **more)
            yield from page["StackEvents"]
            if not page.get("NextToken"):
                return
            more = {"NextToken": page["NextToken"]}


def at_rest(aws: Aws, name: str, deadline: Deadline) -> Stack:
    """The stack when nothing is done to it any more; tells what is, and raises NotConverged at the deadline."""
    stack = find_stack(aws, name, deadline)
    events = Events(aws, name, deadline) if stack.busy else None
    backoff = Backoff(deadline.clock, first=0.05, longest=2.0)
    while events is not None and stack.busy:
        for event in events.news(deadline):
            say(line(event))
        say(f"{name}: {stack.status}")
        if deadline.expired:
            raise NotConverged(f"stack {name} is still {stack.status}; it is left to go on, and nothing was written")
        backoff.pause(deadline)
        stack = find_stack(aws, name, deadline)
    return stack


def follow(aws: Aws, stack: Stack, token: str, deadline: Deadline) -> None:
    """Tells each event of our update until its values are live.

    Raises StepFailed when CloudFormation took it back, with the first failure's reason, and NotConverged at the deadline.
    """
    events = Events(aws, stack.id, deadline, token)
    backoff = Backoff(deadline.clock, first=0.05, longest=2.0)
    cause, status = "", ""
    while status not in LIVE:
        for event in events.news(deadline):
            say(line(event))
            if event["ResourceStatus"].endswith("_FAILED") and not cause:
                cause = line(event)
            if event.get("PhysicalResourceId") == stack.id:
                status = event["ResourceStatus"]
        if status in TAKEN_BACK:
            raise StepFailed(f"CloudFormation took the update of {stack.name} back: {cause}")
        if status in STUCK:
            raise StepFailed(f"{stuck(aws, stack.name, status)}. It began with: {cause}")
        if deadline.expired and status not in LIVE:
            raise NotConverged(f"stack {stack.name} is {status or stack.status}: the update goes on without us")
        if status not in LIVE:
            say(f"{stack.name}: {status or 'the update is accepted'}")
            backoff.pause(deadline)


def stuck(aws: Aws, name: str, status: str = "UPDATE_ROLLBACK_FAILED") -> str:
    """What is the matter, and the command with which a person ends it."""
    return (
        f"stack {name} is {status}: neither the update nor its way back could be done. Mend what failed, then: "
        f"{aws.shell()} cloudformation continue-update-rollback --stack-name {quote(name)}"
    )


def line(event: Mapping[str, Any]) -> str:
    """An event for a person."""
    reason = f": {event['ResourceStatusReason']}" if event.get("ResourceStatusReason") else ""
    return f"{event['LogicalResourceId']} {event['ResourceStatus']}{reason}"
