"""Before each write that is sent, whoever may forbid it is asked; a refusal sends nothing."""

from typing import Any

import pytest
from local_aws import Endpoint

from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.errors import LeaseLost


def test_writes_are_asked_for_when_they_are_signed_and_reads_never(endpoint: Endpoint) -> None:
    asked: list[int] = []
    aws = Aws("us-east-1", may_write=lambda: asked.append(len(endpoint.calls())))
    aws.call("elbv2", "DescribeLoadBalancers", Deadline.after(10))
    aws.call("route53", "ListHostedZones", Deadline.after(10))
    aws.call("secretsmanager", "ListSecrets", Deadline.after(10))
    aws.call("logs", "DescribeLogGroups", Deadline.after(10))
    assert not asked
    tag: dict[str, Any] = {"ResourceArns": [endpoint.group("shop-blue")], "Tags": [{"Key": "k", "Value": "v"}]}
    before = len(endpoint.calls())
    aws.call("elbv2", "AddTags", Deadline.after(10), **tag)
    assert asked == [before]
    endpoint.fault("AddTags", code="Throttling", times=2)
    aws.call("elbv2", "AddTags", Deadline.after(10), **tag)
    assert len(asked) == 4, "each time that it is sent again it is asked again"


def test_a_refused_write_is_not_sent(endpoint: Endpoint) -> None:
    def void() -> None:
        raise LeaseLost("our lease is void")

    aws = Aws("us-east-1", may_write=void)

    def attempt() -> None:
        for service, operation, words in (
            ("elbv2", "DeleteTargetGroup", {"TargetGroupArn": endpoint.group("shop-blue")}),
            ("s3", "CreateBucket", {"Bucket": "not-to-be"}),
        ):
            with pytest.raises(LeaseLost, match="void"):
                aws.call(service, operation, Deadline.after(10), **words)

    assert endpoint.writes_during(attempt) == []
