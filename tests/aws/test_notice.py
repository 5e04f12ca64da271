"""A topic of SNS at the local endpoint: published, never from a read-only session, and with the permission that it names."""

import pytest
from local_aws import Endpoint

from cutover.aws.notice import Topic
from cutover.aws.permission import Permission
from cutover.aws.session import Aws, AwsError, WriteRefused
from cutover.core.clock import Deadline

AWS = Aws(region="us-east-1")


def topic(aws: Aws, name: str = "cutover") -> str:
    return str(aws.call("sns", "CreateTopic", Deadline.after(10), Name=name)["TopicArn"])


def test_a_message_is_published_and_a_dry_run_publishes_nothing(endpoint: Endpoint) -> None:
    arn = topic(AWS)
    about = {"key": "toy/r1/1", "event": "phase", "run": ""}
    assert Topic(AWS, arn).publish("grün\r\nruft " + "x" * 200, "text\nüber", about, Deadline.after(10))
    with pytest.raises(WriteRefused):
        Topic(Aws(region="us-east-1", read_only=True), arn).publish("s", "t", {}, Deadline.after(10))
    with pytest.raises(AwsError):
        Topic(AWS, arn + "-gone").publish("s", "t", {}, Deadline.after(10))
    assert list(Topic(AWS, arn).permissions()) == [Permission("sns", "Publish", arn)]
