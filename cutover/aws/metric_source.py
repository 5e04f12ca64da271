"""Figures from CloudWatch, with metric math."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import ceil, floor
from typing import Any

from cutover.aws.cloudwatch import CLOUDWATCH, MINUTE
from cutover.aws.listener import Missing
from cutover.aws.metric_dimensions import PERMISSIONS as LOOK_UPS
from cutover.aws.metric_dimensions import Dimensions, filled_shell, looked_up_shell, needed
from cutover.aws.metric_query import MetricQuery, Unclear
from cutover.aws.permission import Permission
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.series import Gap, Reading, Sample, Span, judged

LATE = 120.0  # seconds until a minute's figures are whole: what comes before is a part that looks like less
GLOBAL = {"AWS/CloudFront": "us-east-1"}
"""Namespaces that are kept in one region only (CloudFront developer guide, "View CloudFront and edge function metrics")."""
PERMISSIONS = (Permission(CLOUDWATCH, "GetMetricData", "*"), *LOOK_UPS)


@dataclass(frozen=True)
class CloudWatchFigures:
    """GetMetricData over whole periods of at least a minute; a sample's time is the end of its period.

    A load balancer and a target group may be called by their names. A metric that only reports what is not zero has to be
    filled where it is used, FILL(e, 0): a result without values is no data here, never zero.
    """

    aws: Aws
    delay: float = LATE
    _dimensions: list[Dimensions] = field(default_factory=list, init=False, repr=False, compare=False)
    _elsewhere: dict[str, Aws] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._dimensions.append(Dimensions(self.aws))

    def read(self, query: str, span: Span, deadline: Deadline) -> Reading:
        period = max(MINUTE, ceil(span.step / MINUTE) * MINUTE)
        first, last = ceil(span.since / period) * period, floor((span.until - self.delay) / period) * period
        try:
            wanted = MetricQuery.parse(query)
            if last <= first:
                return Reading(gap=Gap.NO_DATA, seen=f"no whole period of {period} s has come in yet")
            asked = wanted.request(period, lambda name, text: self._dimensions[0].value(name, text, deadline))
            found, odd = self._asked(wanted, asked, (first, last), deadline)
        except (Unclear, Missing) as error:
            return Reading.unreachable(f"CloudWatch: {error}")
        except CutoverError as error:
            return Reading.unreachable(error.message)
        samples = [Sample(at + period, value) for at, value in found.items()]
        told = judged(samples, Span(first, max(span.until, last), period), delay=self.delay)
        if odd:
            return Reading(told.samples, Gap.PARTIAL, f"CloudWatch: {odd}")
        return told

    def shell(self, query: str) -> str:
        try:
            wanted = MetricQuery.parse(query)
        except Unclear as error:
            return f"# CloudWatch: {error}"
        queries = wanted.request(MINUTE, lambda name, text: text)
        lines, words = looked_up_shell(self._there(wanted), needed(queries))
        lines.insert(0, "(set -euo pipefail; export AWS_PAGER=")
        since, until = (f'"$(date -u -d "-{minutes} minutes" +%FT%H:%M:00Z)"' for minutes in (15, 2))
        lines.append(
            f"{self._there(wanted).shell()} cloudwatch get-metric-data --metric-data-queries {filled_shell(queries, words)}"
            f" --start-time {since} --end-time {until} --scan-by TimestampDescending )"
        )
        return "\n".join(lines)

    def permissions(self) -> Iterable[Permission]:
        return PERMISSIONS

    def _there(self, query: MetricQuery) -> Aws:
        regions = {GLOBAL[line.namespace] for line in query.lines if line.namespace in GLOBAL}
        if not regions - {self.aws.region}:
            return self.aws
        region = regions.pop()
        return self._elsewhere.setdefault(region, replace(self.aws, region=region))

    def _asked(
        self, query: MetricQuery, queries: list[dict[str, Any]], times: tuple[int, int], deadline: Deadline
    ) -> tuple[dict[float, float], str]:
        """The values by the beginning of their period, and why they are not all of them."""
        start, end = (datetime.fromtimestamp(at, UTC) for at in times)
        asked: dict[str, Any] = {"MetricDataQueries": queries, "StartTime": start, "EndTime": end}
        aws = self._there(query)
        found: dict[float, float] = {}
        labels: set[str] = set()
        state, told = "Complete", ""
        while True:
            page = aws.call(CLOUDWATCH, "GetMetricData", deadline, ScanBy="TimestampAscending", **asked)
            told = told or _message(page.get("Messages"))
            for result in page["MetricDataResults"]:
                if result["Id"] != query.result:
                    continue
                labels.add(result.get("Label", ""))
                state = result.get("StatusCode", "Complete")
                told = told or _message(result.get("Messages"))
                found.update(
                    (at.timestamp(), value) for at, value in zip(result["Timestamps"], result["Values"], strict=True)
                )
            if not page.get("NextToken"):
                break
            asked["NextToken"] = page["NextToken"]
        if len(labels) > 1:
            raise Unclear(f"the expression gives {len(labels)} series: put SUM(…) around it")
        return found, told or ("" if state == "Complete" else f"not all data came: {state}")


def _message(messages: Iterable[dict[str, str]] | None) -> str:
    return "; ".join(f"{one.get('Code', '')}: {one.get('Value', '')}"[:200] for one in messages or ())
