"""Requests per load balancer and target group as CloudWatch data of the local world, as AWS itself publishes them.

Real AWS refuses PutMetricData into a namespace that begins with AWS/ (CloudWatch API, PutMetricData), so what the edge
counted comes by a control path and goes straight into moto's store. Like a real load balancer, nothing is reported for
what is zero; unlike it, there is a figure for each second and not for each minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends

from cutover.world.strict_elbv2 import ACCOUNT, REGION

NAMESPACE = "AWS/ApplicationELB"
KEPT = 20_000
"""So many figures are kept, which is more than an hour of them; the oldest go first."""


def publish(counted: Iterable[tuple[int, str, str, int]]) -> None:
    """Store requests as (second since 1970, load balancer ARN, target group ARN, how many)."""
    backend = _backend()
    whole: Counter[tuple[int, str]] = Counter()
    data = []
    for second, balancer, group, count in counted:
        whole[second, balancer] += count
        data.append(_datum([_dimension("LoadBalancer", balancer), _dimension("TargetGroup", group)], count, second))
    data += [_datum([_dimension("LoadBalancer", one)], count, second) for (second, one), count in whole.items()]
    if data:
        backend.put_metric_data(NAMESPACE, data)
    del backend.metric_data[:-KEPT]


def _dimension(name: str, arn: str) -> dict[str, str]:
    return {"Name": name, "Value": arn.rsplit(":", 1)[-1].removeprefix("loadbalancer/")}


def _datum(dimensions: list[dict[str, str]], count: int, second: int) -> dict[str, Any]:
    return {
        "MetricName": "RequestCount",
        "Dimensions": dimensions,
        "Value": count,
        "Timestamp": datetime.fromtimestamp(second, UTC).replace(tzinfo=None),  # as moto compares it
        "Unit": "Count",
    }


def _backend() -> CloudWatchBackend:
    backend: CloudWatchBackend = cloudwatch_backends[ACCOUNT][REGION]
    return backend
