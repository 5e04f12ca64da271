"""One CloudWatch alarm: there as the triggers say, or not there."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any, ClassVar

from cutover.aws.cloudwatch import CLOUDWATCH
from cutover.aws.kept_document import KeptDocument
from cutover.aws.session import Aws
from cutover.core.clock import Deadline

KNOWN = (
    "ActionsEnabled",
    "AlarmActions",
    "AlarmDescription",
    "AlarmName",
    "ComparisonOperator",
    "DatapointsToAlarm",
    "EvaluationPeriods",
    "Metrics",
    "OKActions",
    "Threshold",
    "TreatMissingData",
)
"""What an alarm of ours says (CloudWatch API, PutMetricAlarm); PutMetricAlarm replaces all of it at once."""
QUERY = ("Expression", "Id", "MetricStat", "ReturnData")


@dataclass(frozen=True, kw_only=True)
class AlarmKept(KeptDocument):
    """AWS itself watches what a trigger says, and tells people also when this program runs nowhere.

    An alarm tells; it takes nothing back. One of the same name that somebody has changed meanwhile is left alone.
    """

    kind: ClassVar[str] = "alarm"
    operations: ClassVar[tuple[str, str, str]] = ("DescribeAlarms", "PutMetricAlarm", "DeleteAlarms")
    resource_arn: ClassVar[str] = "arn:aws:cloudwatch:{region}:{account}:alarm:"

    @property
    def called(self) -> str:
        return str(json.loads(self.document)["AlarmName"])

    def look_arn(self) -> str:
        return "*"

    def found(self, deadline: Deadline) -> dict[str, Any] | None:
        return alarm_found(self.aws, self.called, deadline)

    def put(self, document: Any, deadline: Deadline) -> None:
        self.aws.call(CLOUDWATCH, "PutMetricAlarm", deadline, **document)

    def delete(self, deadline: Deadline) -> None:
        self.aws.call(CLOUDWATCH, "DeleteAlarms", deadline, AlarmNames=[self.called])

    def put_shell(self, written: str) -> str:
        return f"{self.cli('put-metric-alarm')} --cli-input-json {written}"

    def delete_shell(self) -> str:
        return f"{self.cli('delete-alarms')} --alarm-names {quote(self.called)}"

    def check_shell(self) -> str:
        query = self.shown("MetricAlarms[].[AlarmName, StateValue, AlarmDescription]")
        return f"{self.cli('describe-alarms')} --alarm-names {quote(self.called)} --query {query} --output text"


def alarm_found(aws: Aws, name: str, deadline: Deadline) -> dict[str, Any] | None:
    """The alarm as we write one, and nothing that AWS adds by itself; None where there is none."""
    answer = aws.call(CLOUDWATCH, "DescribeAlarms", deadline, AlarmNames=[name])
    for alarm in answer.get("MetricAlarms", ()):
        if alarm["AlarmName"] == name:
            return ordered(alarm)
    return None


def alarms_found(aws: Aws, prefix: str, deadline: Deadline) -> Iterator[dict[str, Any]]:
    """Every alarm whose name begins so, as we write one."""
    more: dict[str, Any] = {}
    while True:
        page = aws.call(CLOUDWATCH, "DescribeAlarms", deadline, AlarmNamePrefix=prefix, **more)
        yield from map(ordered, page.get("MetricAlarms", ()))
        if not page.get("NextToken"):
            return
        more = {"NextToken": page["NextToken"]}


def ordered(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """An alarm in the one form in which two that say the same are equal."""
    kept = {key: alarm[key] for key in KNOWN if alarm.get(key) not in (None, [])}
    kept["Metrics"] = sorted((_query(one) for one in alarm.get("Metrics", ())), key=lambda one: str(one["Id"]))
    for key in ("AlarmActions", "OKActions"):
        if key in kept:
            kept[key] = sorted(kept[key])
    return kept


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: query[key] for key in QUERY if query.get(key) is not None}
    if "MetricStat" in kept:
        stat = kept["MetricStat"]
        metric = stat["Metric"]
        dimensions = sorted(({**one} for one in metric.get("Dimensions", ())), key=lambda one: str(one["Name"]))
        names = {"Namespace": metric["Namespace"], "MetricName": metric["MetricName"], "Dimensions": dimensions}
        kept["MetricStat"] = {"Metric": names, "Period": stat["Period"], "Stat": stat["Stat"]}
    return kept
