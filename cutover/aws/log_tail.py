"""The end of a CloudWatch log group."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote
from typing import Any

from cutover.aws.permission import Permission
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline

LOGS = "logs"
MOST = 10_000  # events that are kept


@dataclass(frozen=True, kw_only=True)
class LogTail:
    """The events of the last `seconds` of a log group, of all its streams."""

    aws: Aws
    group: str
    seconds: int = 1800

    def read(self, deadline: Deadline) -> dict[str, Any]:
        """The events, oldest first; or the reason why they could not be read, so that a record says it."""
        kept: dict[str, Any] = {"log_group": self.group, "seconds": self.seconds, "events": [], "left_out": False}
        token: dict[str, str] = {}
        start = int((time.time() - self.seconds) * 1000)
        try:
            while True:
                asked = {"logGroupName": self.group, "startTime": start, **token}
                page = self.aws.call(LOGS, "FilterLogEvents", deadline, **asked)
                kept["events"] += [
                    {"at": event["timestamp"], "stream": event.get("logStreamName", ""), "message": event["message"]}
                    for event in page["events"]
                ]
                if not page.get("nextToken"):
                    return kept
                if len(kept["events"]) >= MOST or deadline.expired:
                    return {**kept, "left_out": True}
                token = {"nextToken": page["nextToken"]}
        except AwsError as error:
            return {**kept, "left_out": True, "reason": error.message}

    def between(self, since: float, until: float, most: int, deadline: Deadline) -> tuple[list[str], str]:
        """The last `most` messages from `since` to `until` (seconds since 1970), oldest first, and why they are not all of them."""
        kept: deque[str] = deque(maxlen=most)
        asked: dict[str, Any] = {"startTime": int(since * 1000), "endTime": int(until * 1000)}
        try:
            while True:
                page = self.aws.call(LOGS, "FilterLogEvents", deadline, logGroupName=self.group, **asked)
                kept.extend(event["message"].rstrip("\n") for event in page["events"])
                if not page.get("nextToken"):
                    return list(kept), ""
                if deadline.expired:
                    return list(kept), "no whole answer before the deadline: the newest are missing"
                asked["nextToken"] = page["nextToken"]
        except AwsError as error:
            return list(kept), error.message

    def shell(self, file: str) -> str:
        """A command line that writes the events into a file; `file` is in shell form."""
        ask = f"{self.aws.shell()} logs filter-log-events --log-group-name {quote(self.group)} --max-items {MOST}"
        return f'{ask} --start-time "$((($(date +%s) - {self.seconds}) * 1000))" --output json > {file}'

    def permissions(self) -> Iterator[Permission]:
        yield from log_permissions(self.group)


def log_permissions(group: str) -> Iterator[Permission]:
    """What reading a log group takes."""
    yield Permission(LOGS, "FilterLogEvents", f"arn:aws:logs:{{region}}:{{account}}:log-group:{group}:*")
