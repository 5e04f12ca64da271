"""CloudWatch's figures: what is asked, and what an answer in part is taken for."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from local_aws import Endpoint

from cutover.aws.metric_presets import CLOUDWATCH_PRESETS
from cutover.aws.metric_query import MetricQuery, Unclear
from cutover.aws.metric_source import CloudWatchFigures
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.series import Gap, Reading, Span

START = 1_700_000_040  # a whole minute
PLAIN = "r\nr = Sum AWS/Lambda Invocations FunctionName=shop"
MATH = "100 * FILL(e, 0) / r\ne = Sum AWS/Lambda Errors FunctionName=shop\nr = Sum AWS/Lambda Invocations FunctionName=shop"


class Told(Aws):
    """Answers GetMetricData from a list of pages, and notes what was asked."""

    def __init__(self, *pages: Any) -> None:
        super().__init__("eu-west-1")
        object.__setattr__(self, "pages_left", list(pages))
        object.__setattr__(self, "asked", [])

    def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
        self.__dict__["asked"].append(parameters)
        page = self.__dict__["pages_left"].pop(0)
        if isinstance(page, Exception):
            raise page
        found: dict[str, Any] = page
        return found


def page(*values: float, id: str = "r", state: str = "Complete", first: int = 0, **more: Any) -> dict[str, Any]:
    at = [datetime.fromtimestamp(START + 60 * (first + n), UTC) for n in range(len(values))]
    result = {"Id": id, "Label": id, "Timestamps": at, "Values": list(values), "StatusCode": state}
    return {"MetricDataResults": [result], **more}


def read(aws: Aws, query: str = PLAIN, minutes: float = 7, delay: float = 120.0) -> Reading:
    return CloudWatchFigures(aws, delay).read(query, Span(START, START + 60 * minutes, 15), Deadline.after(10))


def test_whole_minutes_are_asked_for_that_have_come_in() -> None:
    aws = Told(page(1, 2, 3, 4, 5))
    seen = read(aws, minutes=7.5)
    asked = aws.__dict__["asked"][0]
    assert (asked["StartTime"].timestamp(), asked["EndTime"].timestamp()) == (START, START + 300)
    assert asked["MetricDataQueries"][0]["MetricStat"]["Period"] == 60
    assert [(one.at - START, one.value) for one in seen.samples] == [(60, 1), (120, 2), (180, 3), (240, 4), (300, 5)]
    assert (seen.gap, seen.seen) == (None, "5")


def test_math_is_sent_as_it_is_written() -> None:
    aws = Told(page(5, 5, 5, 5, 5, id="result"))
    assert read(aws, MATH).gap is None
    queries = aws.__dict__["asked"][0]["MetricDataQueries"]
    assert [(one["Id"], one["ReturnData"]) for one in queries] == [("e", False), ("r", False), ("result", True)]
    assert queries[2]["Expression"] == "100 * FILL(e, 0) / r"


GAPS: dict[str, tuple[list[Any], Gap | None, str]] = {
    "all well": ([page(1, 2, 3, 4, 5)], None, "5"),
    "nothing": ([page()], Gap.NO_DATA, "no samples"),
    "another id": ([page(1, 2, id="x")], Gap.NO_DATA, "no samples"),
    "stale": ([page(1)], Gap.STALE, "old"),
    "some": ([page(4, first=4)], Gap.PARTIAL, "1 of 5"),
    "in part": ([page(1, 2, 3, 4, 5, state="PartialData")], Gap.PARTIAL, "not all data came: PartialData"),
    "failed inside": ([page(state="InternalError")], Gap.PARTIAL, "InternalError"),
    "forbidden": ([page(state="Forbidden")], Gap.PARTIAL, "Forbidden"),
    "a message": ([page(1, 2, 3, 4, 5, Messages=[{"Code": "MaxMetricsExceeded", "Value": "too many"}])],
                  Gap.PARTIAL, "MaxMetricsExceeded: too many"),
    "two pages": ([page(1, 2, state="PartialData", NextToken="x"), page(3, 4, 5, first=2)], None, "5"),
    "a page is lost": ([page(1, NextToken="x"), AwsError("cloudwatch GetMetricData: Throttling", "Throttling")],
                       Gap.UNREACHABLE, "Throttling"),
    "refused": ([AwsError("cloudwatch GetMetricData: AccessDenied", "AccessDenied")], Gap.UNREACHABLE, "AccessDenied"),
}  # fmt: skip


@pytest.mark.parametrize("name", GAPS)
def test_gaps_are_told_apart(name: str) -> None:
    pages, gap, said = GAPS[name]
    seen = read(Told(*pages))
    assert seen.gap is gap, seen
    assert said in seen.seen


def test_a_search_that_gives_several_series_is_said() -> None:
    two = page(1, 2, id="result")
    two["MetricDataResults"].append({**two["MetricDataResults"][0], "Label": "other"})
    seen = read(Told(two), MATH)
    assert seen.gap is Gap.UNREACHABLE and "2 series" in seen.seen


def test_before_the_first_minute_has_come_in_there_is_no_data() -> None:
    assert read(Told(), minutes=2.5).seen == "no whole period of 60 s has come in yet"


def test_a_real_metric_of_the_local_endpoint(endpoint: Endpoint) -> None:
    balancer = endpoint.elb("DescribeLoadBalancers", Names=["shop"])["LoadBalancers"][0]["LoadBalancerArn"]
    group = endpoint.group("shop-green")
    endpoint.control("POST", "requests", [[START + 9000 + 60 * n, balancer, group, 10 + n] for n in range(5)])
    query = CLOUDWATCH_PRESETS["alb-request-rate"].filled({"load_balancer": "shop", "target_group": "shop-green"})
    source = CloudWatchFigures(endpoint.aws)
    plain = query.replace("r / PERIOD(r)", "r")  # the endpoint does no metric math
    seen = source.read(plain, Span(START + 9000, START + 9420, 60), Deadline.after(20))
    assert [one.value for one in seen.samples] == [10, 11, 12, 13, 14]
    gone = source.read(plain.replace("shop-green", "shop-grey"), Span(START, START + 600, 60), Deadline.after(20))
    assert gone.seen == "CloudWatch: there is no target group shop-grey"


def test_cloudfronts_figures_are_asked_for_where_they_are_kept() -> None:
    query = CLOUDWATCH_PRESETS["cloudfront-error-rate"].filled({"distribution": "E2QWRUHAPOMQZL"})
    assert "aws --region us-east-1 cloudwatch" in CloudWatchFigures(Aws("eu-west-1")).shell(query)


@pytest.mark.parametrize("name", CLOUDWATCH_PRESETS)
def test_every_preset_can_be_read_and_printed(name: str) -> None:
    preset = CLOUDWATCH_PRESETS[name]
    query = preset.filled(dict.fromkeys(preset.about, "x"))
    assert MetricQuery.parse(query).lines
    words = CloudWatchFigures(Aws("eu-west-1")).shell(query)
    assert "get-metric-data" in words


def test_what_is_printed_asks_for_the_same(endpoint: Endpoint, bash: Any) -> None:
    query = CLOUDWATCH_PRESETS["alb-request-rate"].filled({"load_balancer": "shop", "target_group": "shop-green"})
    printed = CloudWatchFigures(endpoint.aws).shell(query.replace("r / PERIOD(r)", "r"))
    assert json.loads(bash(printed))["MetricDataResults"][0]["Id"] == "r"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("r", "wants an expression in the first line"),
        ("r\nr", "line 2: wants `id = STATISTIC"),
        ("r\nr = Sum AWS/Lambda", "line 2: wants"),
        ("r\nr = Sum AWS/Lambda Errors shop", "line 2: wants"),
        ("r\nr = Mean AWS/Lambda Errors", "line 2: there is no statistic Mean"),
        ("r\nr = Sum A B\nr = Sum A C", "an id of its own"),
        ("e / r\nr = Sum A B", "line 1 names e"),
        ("r\nr = Sum A B\ne = Sum A C", "line 1 does not use e"),
    ],
)
def test_a_query_that_cannot_be_read_says_where(text: str, said: str) -> None:
    with pytest.raises(Unclear, match=said.replace("/", "/")):
        MetricQuery.parse(text)
    assert said in read(Told(), text).seen
