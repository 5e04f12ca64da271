"""The end of a log group before a moment: the last lines of a span, oldest first, or why there are none."""

import time

from local_aws import Endpoint

from cutover.aws.log_tail import LogTail, log_permissions
from cutover.aws.session import Aws
from cutover.core.clock import Deadline

AWS = Aws(region="us-east-1")
GROUP = "/ecs/shop-green"


def test_the_last_messages_of_a_span(endpoint: Endpoint) -> None:
    now = float(int(time.time()))
    tail = LogTail(aws=Aws(region="us-east-1", read_only=True), group=GROUP)
    lines, why = tail.between(now - 60, now, 5, Deadline.after(10))
    assert lines == [] and "ResourceNotFoundException" in why
    names = {"logGroupName": GROUP, "logStreamName": "one"}
    AWS.call("logs", "CreateLogGroup", Deadline.after(10), logGroupName=GROUP)
    AWS.call("logs", "CreateLogStream", Deadline.after(10), **names)
    events = [{"timestamp": int((now - 100 + n) * 1000), "message": f"line {n}\n"} for n in range(100)]
    AWS.call("logs", "PutLogEvents", Deadline.after(10), logEvents=events, **names)
    assert tail.between(now - 100, now - 50, 3, Deadline.after(10)) == (["line 48", "line 49", "line 50"], "")
    assert tail.between(now - 500, now - 400, 3, Deadline.after(10)) == ([], "")
    assert list(tail.permissions()) == list(log_permissions(GROUP))
