"""Workers that are invocations of a Lambda function by an event source: a queue or a stream."""

from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote

from cutover.aws.listener import Missing, script
from cutover.aws.permission import Permission
from cutover.aws.session import AwsError
from cutover.aws.workers import ENABLED, STARTING, STOPPED, STOPPING, Workers
from cutover.core.clock import Deadline

LAMBDA = "lambda"
STATES = {
    "Enabled": ENABLED,
    "Disabled": STOPPED,
    "Disabling": STOPPING,
    "Enabling": STARTING,
    "Creating": STARTING,
}


@dataclass(frozen=True, kw_only=True)
class EventSourceWorkers(Workers):
    """Background work of an application runs on one side only: two sides would take turns at one queue.

    The mapping between the queue (or stream) and the function is disabled; what comes meanwhile waits in the queue.
    Invocations that have begun end by themselves, within the function's timeout.
    """

    uuid: str

    @property
    def resource(self) -> str:
        return f"event-source:{self.uuid}"

    def state(self, deadline: Deadline) -> str:
        try:
            shown = self.aws.call(LAMBDA, "GetEventSourceMapping", deadline, UUID=self.uuid)
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                raise Missing(f"there is no event source mapping {self.uuid}") from None
            raise
        state = str(shown["State"])
        return STATES.get(state, f"the mapping is {state}")

    def write(self, deadline: Deadline, *, run: bool) -> None:
        self.aws.call(LAMBDA, "UpdateEventSourceMapping", deadline, UUID=self.uuid, Enabled=run)

    def write_shell(self, *, run: bool) -> str:
        flag = "--enabled" if run else "--no-enabled"
        return (
            f"{self.aws.shell()} lambda update-event-source-mapping --uuid {quote(self.uuid)} {flag}"
            " --query State --output text"
        )

    def check_shell(self) -> str:
        ask = (
            f"{self.aws.shell()} lambda get-event-source-mapping --uuid {quote(self.uuid)} --query State --output text"
        )
        words = " ".join(f"{word}) echo {state};;" for word, state in STATES.items())
        return script([f"state=$({ask})", f'case "$state" in {words} *) echo "$state";; esac'])

    def permissions(self) -> Iterator[Permission]:
        arn = f"arn:aws:lambda:{{region}}:{{account}}:event-source-mapping:{self.uuid}"
        for operation in ("GetEventSourceMapping", "UpdateEventSourceMapping"):
            yield Permission(LAMBDA, operation, arn)
