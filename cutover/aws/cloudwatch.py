"""How many requests each target group of a load balancer got, as CloudWatch counted them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor
from typing import Any

from cutover.aws.listener import load_balancer_arn, target_group_arn
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline

CLOUDWATCH = "cloudwatch"
NAMESPACE = "AWS/ApplicationELB"
REQUESTS = "RequestCount"
MINUTE = 60
"""Seconds for which a load balancer counts (ELB user guide, CloudWatch metrics); shorter periods have no data of their own."""


@dataclass(frozen=True)
class Requests:
    """Requests between `start` and `end` (seconds since 1970), in whole periods.

    A load balancer reports only what is not zero (ELB user guide, CloudWatch metrics): a group without a figure got no
    request in a period in which the load balancer itself has one, and in any other period nothing is known. `unseen` are the
    beginnings of those periods; `by_group` is proof of absence only where it is empty.
    """

    start: float
    end: float
    by_group: Mapping[str, int]
    in_all: int
    unseen: tuple[float, ...]

    @property
    def proven(self) -> bool:
        """Whether the load balancer reported in every period, and there was one."""
        return self.end > self.start and not self.unseen


def requests_by_target_group(
    aws: Aws,
    load_balancer: str,
    groups: Iterable[str],
    start: float,
    end: float,
    deadline: Deadline,
    *,
    period: int = MINUTE,
) -> Requests:
    """What each of `groups` (names) behind `load_balancer` got in the whole periods from `start` to `end`.

    Times are seconds since 1970; a minute's figures come some two minutes late, so end before that. Raises Missing for a
    name that is not there, AwsError when CloudWatch cannot be read or gives part of the data only (GetMetricData).
    """
    first, last = ceil(start / period) * period, floor(end / period) * period
    names = tuple(groups)
    if last <= first:
        return Requests(first, first, dict.fromkeys(names, 0), 0, ())
    whole = _dimension("LoadBalancer", load_balancer_arn(aws, load_balancer, deadline))
    queries = {"all": [whole]}
    for number, name in enumerate(names):
        queries[f"g{number}"] = [whole, _dimension("TargetGroup", target_group_arn(aws, name, deadline))]
    found = _sums(aws, queries, first, last, period, deadline)
    seen = found["all"]
    for number in range(len(names)):
        # A group that has a figure proves that the load balancer reported, whatever its own figure's delay.
        seen = {**found[f"g{number}"], **seen}
    return Requests(
        first,
        last,
        {name: sum(found[f"g{number}"].values()) for number, name in enumerate(names)},
        sum(found["all"].values()),
        tuple(float(begin) for begin in range(first, last, period) if begin not in seen),
    )


def dimension_value(arn: str) -> str:
    """What CloudWatch calls a load balancer or target group: app/NAME/ID, targetgroup/NAME/ID (ELB user guide)."""
    return arn.rsplit(":", 1)[-1].removeprefix("loadbalancer/")


def _dimension(name: str, arn: str) -> dict[str, str]:
    return {"Name": name, "Value": dimension_value(arn)}


def _sums(
    aws: Aws, queries: Mapping[str, list[dict[str, str]]], start: int, end: int, period: int, deadline: Deadline
) -> dict[str, dict[int, int]]:
    """The sum of each period that has data, by query and by the period's beginning."""
    asked: dict[str, Any] = {
        "MetricDataQueries": [
            {
                "Id": name,
                "MetricStat": {
                    "Metric": {"Namespace": NAMESPACE, "MetricName": REQUESTS, "Dimensions": dimensions},
                    "Period": period,
                    "Stat": "Sum",
                },
            }
            for name, dimensions in queries.items()
        ],
        "StartTime": datetime.fromtimestamp(start, UTC),
        "EndTime": datetime.fromtimestamp(end, UTC),
        "ScanBy": "TimestampAscending",
    }
    found: dict[str, dict[int, int]] = {name: {} for name in queries}
    state = dict.fromkeys(queries, "no answer")
    while True:
        page = aws.call(CLOUDWATCH, "GetMetricData", deadline, **asked)
        for result in page["MetricDataResults"]:
            state[result["Id"]] = result.get("StatusCode", "Complete")
            for at, value in zip(result["Timestamps"], result["Values"], strict=True):
                found[result["Id"]][int(at.timestamp())] = round(value)
        if not page.get("NextToken"):
            break
        asked["NextToken"] = page["NextToken"]
    odd = {name: code for name, code in state.items() if code != "Complete"}
    if odd:  # an answer in part must not read as few requests
        raise AwsError(f"cloudwatch GetMetricData: not all data came: {odd}", "PartialData")
    return found
