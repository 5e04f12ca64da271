"""What CloudWatch counted for both target groups since the shift: whole minutes, complete by the number of requests alone."""

from datetime import UTC, datetime
from typing import Any

import pytest
from local_aws import Endpoint

from cutover.aws.counted_requests import CountedRequests
from cutover.core.clock import Deadline
from cutover.core.errors import Unreachable
from cutover.core.witness import Tally

ASKED = 1_790_000_010.0  # in the middle of a minute
FIRST = 1_790_000_040


class Clock:
    def __init__(self) -> None:
        self.at = ASKED

    def __call__(self) -> float:
        return self.at


def counted(endpoint: Endpoint, at: int, **requests: int) -> None:
    """Figures of one minute as an ALB sends them: for itself, and for each group that got any."""
    arn = endpoint.elb("DescribeLoadBalancers", Names=["shop"])["LoadBalancers"][0]["LoadBalancerArn"]
    whole = {"Name": "LoadBalancer", "Value": arn.split(":loadbalancer/")[1]}
    figures: list[tuple[list[dict[str, str]], int]] = [([whole], sum(requests.values()))]
    for name, number in requests.items():
        group = {"Name": "TargetGroup", "Value": endpoint.group(name.replace("_", "-")).rsplit(":", 1)[1]}
        figures.append(([whole, group], number))
    data: list[dict[str, Any]] = [
        {
            "MetricName": "RequestCount",
            "Dimensions": where,
            "Timestamp": datetime.fromtimestamp(at, UTC),
            "Value": number,
        }
        for where, number in figures
    ]
    endpoint.aws.call(
        "cloudwatch", "PutMetricData", Deadline.after(10), Namespace="AWS/ApplicationELB", MetricData=data
    )


def witness(endpoint: Endpoint, clock: Clock, **more: Any) -> CountedRequests:
    words: dict[str, Any] = {"load_balancer": "shop", "blue": "shop-blue", "green": "shop-green"}
    return CountedRequests(aws=endpoint.aws, now=clock, **{**words, **more})


def look(asked: CountedRequests) -> Tally:
    return asked.seen(100, Deadline.after(10))


def test_whole_minutes_since_the_shift_are_waited_for(endpoint: Endpoint) -> None:
    clock = Clock()
    asked = witness(endpoint, clock)
    counted(endpoint, FIRST - 60, shop_blue=1000)  # the minute in which the share moved
    assert not look(asked).complete
    counted(endpoint, FIRST, shop_blue=30, shop_green=20)
    clock.at = FIRST + 60 + 120
    early = look(asked)
    assert (early.blue, early.green, early.complete) == (30, 20, False)
    counted(endpoint, FIRST + 60, shop_blue=30, shop_green=25)
    clock.at += 60
    full = look(asked)
    assert (full.blue, full.green, full.complete) == (60, 45, True)
    assert full.remark == "whole minutes from 14:14 UTC to 14:16 UTC"


def test_what_few_visitors_there_are_is_all_after_ten_minutes(endpoint: Endpoint) -> None:
    clock = Clock()
    clock.at += 86_400
    asked = witness(endpoint, clock)
    assert not look(asked).complete
    counted(endpoint, FIRST + 86_400, shop_green=40)
    clock.at += 780
    late = look(asked)
    assert (late.blue, late.green, late.complete) == (0, 40, True)


def test_a_name_that_is_not_there_is_no_witness(endpoint: Endpoint) -> None:
    clock = Clock()
    asked = witness(endpoint, clock, green="nowhere")
    look(asked)
    clock.at += 300
    with pytest.raises(Unreachable, match="nowhere"):
        look(asked)
