"""Requests by target group: what is missing is a zero only where the load balancer itself has a figure."""

from datetime import UTC, datetime
from typing import Any

import pytest
from local_aws import Endpoint

from cutover.aws.cloudwatch import dimension_value, requests_by_target_group
from cutover.aws.listener import Missing
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline

START = 1_700_000_040  # a whole minute, and none of another test's


def counted(endpoint: Endpoint, *figures: tuple[int, str, int]) -> None:
    """Requests of the shop's load balancer as (seconds after START, target group, how many)."""
    balancer = endpoint.elb("DescribeLoadBalancers", Names=["shop"])["LoadBalancers"][0]["LoadBalancerArn"]
    told = [[START + second, balancer, endpoint.group(name), number] for second, name, number in figures]
    endpoint.control("POST", "requests", told)


def look(endpoint: Endpoint, start: float, end: float, **more: Any) -> Any:
    groups = ("shop-blue", "shop-green")
    return requests_by_target_group(
        endpoint.aws, "shop", groups, START + start, START + end, Deadline.after(10), **more
    )


def test_requests_are_summed_by_group_over_whole_minutes(endpoint: Endpoint) -> None:
    counted(endpoint, (1, "shop-blue", 7), (2, "shop-green", 1), (61, "shop-green", 30), (122, "shop-blue", 99))
    seen = look(endpoint, 0, 120)
    assert dict(seen.by_group) == {"shop-blue": 7, "shop-green": 31}
    assert (seen.in_all, seen.proven, seen.unseen) == (38, True, ())
    assert dict(look(endpoint, 60, 179).by_group) == {"shop-blue": 0, "shop-green": 30}


def test_a_period_without_any_figure_of_the_load_balancer_proves_nothing(endpoint: Endpoint) -> None:
    counted(endpoint, (601, "shop-green", 5), (723, "shop-green", 5))
    seen = look(endpoint, 600, 780)
    assert (seen.by_group["shop-blue"], seen.proven, seen.unseen) == (0, False, (START + 660,))


def test_an_empty_answer_is_not_zero(endpoint: Endpoint) -> None:
    seen = look(endpoint, -6000, -5880)
    assert (seen.in_all, seen.proven, len(seen.unseen)) == (0, False, 2)


def test_a_window_without_a_whole_period_proves_nothing(endpoint: Endpoint) -> None:
    assert not look(endpoint, 10, 59).proven


def test_shorter_periods_where_the_figures_are_finer(endpoint: Endpoint) -> None:
    counted(endpoint, (3000, "shop-blue", 1), (3001, "shop-green", 2), (3002, "shop-green", 3))
    assert dict(look(endpoint, 3001, 3003, period=1).by_group) == {"shop-blue": 0, "shop-green": 5}
    assert look(endpoint, 3001, 3003, period=1).proven
    assert look(endpoint, 3000, 3004, period=1).unseen == (START + 3003,)


def test_a_name_that_is_not_there_is_said(endpoint: Endpoint) -> None:
    with pytest.raises(Missing, match="there is no target group shop-grey"):
        requests_by_target_group(endpoint.aws, "shop", ["shop-grey"], START, START + 60, Deadline.after(10))
    with pytest.raises(Missing, match="there is no load balancer shoe"):
        requests_by_target_group(endpoint.aws, "shoe", [], START, START + 60, Deadline.after(10))


class Told(Aws):
    """Answers GetMetricData from a list of pages."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        super().__init__("us-east-1")
        object.__setattr__(self, "pages_left", list(pages))

    def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
        if operation != "GetMetricData":
            arn = f"arn:aws:elasticloadbalancing:us-east-1:1:{'loadbalancer/app' if 'Bal' in operation else 'targetgroup'}/x/1"
            return {
                "LoadBalancers": [{"LoadBalancerArn": arn}],
                "TargetGroups": [{"TargetGroupArn": arn}],
            }
        page: dict[str, Any] = object.__getattribute__(self, "pages_left").pop(0)
        return page


def page(status: str, token: str = "", **figures: int) -> dict[str, Any]:
    at = [datetime.fromtimestamp(START, UTC)]
    results = [{"Id": i, "Timestamps": at, "Values": [n], "StatusCode": status} for i, n in figures.items()]
    return {"MetricDataResults": results, **({"NextToken": token} if token else {})}


def test_all_pages_are_read_before_anything_is_said() -> None:
    aws = Told(page("PartialData", "more", all=9), page("Complete", all=9, g0=4))
    seen = requests_by_target_group(aws, "x", ["x"], START, START + 60, Deadline.after(5))
    assert (dict(seen.by_group), seen.proven) == ({"x": 4}, True)


@pytest.mark.parametrize("last", [page("Forbidden", all=9, g0=4), page("Complete", all=9)])
def test_data_in_part_is_an_error_and_not_few_requests(last: dict[str, Any]) -> None:
    with pytest.raises(AwsError, match="not all data came"):
        requests_by_target_group(Told(last), "x", ["x"], START, START + 60, Deadline.after(5))


def test_names_as_cloudwatch_writes_them() -> None:
    assert dimension_value("arn:aws:elasticloadbalancing:r:1:loadbalancer/app/shop/50dc") == "app/shop/50dc"
    assert dimension_value("arn:aws:elasticloadbalancing:r:1:targetgroup/blue/73e2") == "targetgroup/blue/73e2"
