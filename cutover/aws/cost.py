"""What AWS says that was spent, by day: Cost Explorer, a day late."""

import json
import shlex
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil, floor
from typing import Any

from cutover.aws.permission import Permission
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.series import Reading, Sample, Span, judged

CE = "ce"
DAY = 86_400
LATE = float(DAY)
KEPT = (
    3600.0  # seconds for which an answer is kept: each request is charged for, and the data changes three times a day
)
METRIC = "UnblendedCost"
DIMENSIONS = {
    "service": "SERVICE",
    "region": "REGION",
    "account": "LINKED_ACCOUNT",
    "usage_type": "USAGE_TYPE",
    "operation": "OPERATION",
    "instance_type": "INSTANCE_TYPE",
}
WANTS = f"`all`, or conditions such as `service=AmazonCloudWatch tag:side=green`; the words are {', '.join(DIMENSIONS)}, tag:KEY"
PERMISSIONS = (Permission(CE, "GetCostAndUsage", "*"),)


class Unclear(Exception):
    """The text names no costs."""


@dataclass(frozen=True)
class SpentByDay:
    """Unblended cost of whole days (Cost Explorer API, GetCostAndUsage), each at the end of its day in UTC.

    A phase of an hour is not seen in it: what a cutover cost stands here the day after.
    """

    aws: Aws
    delay: float = LATE
    now: Callable[[], float] = field(default=time.time, repr=False, compare=False)
    _known: dict[tuple[str, int, int], tuple[float, list[Sample], str]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def read(self, query: str, span: Span, deadline: Deadline) -> Reading:
        first, last = floor(span.since / DAY) * DAY, floor((span.until - self.delay) / DAY) * DAY
        try:
            wanted = asked_for(query)
            if last <= first:
                return judged([], Span(first, first + DAY, DAY), delay=self.delay)
            samples, said = self._days(query, wanted, first, last, deadline)
        except Unclear as error:
            return Reading.unreachable(f"Cost Explorer: wants {error}")
        except CutoverError as error:
            return Reading.unreachable(error.message)
        except (KeyError, ValueError) as error:
            return Reading.unreachable(f"Cost Explorer: its answer cannot be read ({type(error).__name__})")
        step = max(float(DAY), ceil(span.step / DAY) * DAY)
        found = judged(samples, Span(first, span.until, step), delay=self.delay)
        return Reading(found.samples, found.gap, f"{found.seen} {said}".strip())

    def shell(self, query: str) -> str:
        try:
            wanted = asked_for(query)
        except Unclear as error:
            return f"# wants {error}"
        narrowed = f" --filter {shlex.quote(json.dumps(wanted))}" if wanted else ""
        period = 'Start="$(date -u -d "-8 days" +%F)",End="$(date -u -d "-1 day" +%F)"'
        return f"{self.aws.shell()} ce get-cost-and-usage --granularity DAILY --metrics {METRIC} --time-period {period}{narrowed}"

    def permissions(self) -> Iterable[Permission]:
        return PERMISSIONS

    def _days(
        self, query: str, wanted: dict[str, Any], first: int, last: int, deadline: Deadline
    ) -> tuple[list[Sample], str]:
        key = (query, first, last)
        if key not in self._known or self.now() - self._known[key][0] > KEPT:
            self._known[key] = (self.now(), *self._asked(wanted, first, last, deadline))
        return self._known[key][1], self._known[key][2]

    def _asked(self, wanted: dict[str, Any], first: int, last: int, deadline: Deadline) -> tuple[list[Sample], str]:
        asked: dict[str, Any] = {
            "TimePeriod": {"Start": _date(first), "End": _date(last)},
            "Granularity": "DAILY",
            "Metrics": [METRIC],
            **({"Filter": wanted} if wanted else {}),
        }
        samples: list[Sample] = []
        units: set[str] = set()
        guessed = False
        while True:
            page = self.aws.call(CE, "GetCostAndUsage", deadline, **asked)
            for day in page["ResultsByTime"]:
                told = day["Total"][METRIC]
                end = datetime.fromisoformat(day["TimePeriod"]["End"]).replace(tzinfo=UTC)
                samples.append(Sample(end.timestamp(), float(told["Amount"])))
                units.add(told["Unit"])
                guessed = guessed or bool(day.get("Estimated"))
            if not page.get("NextPageToken"):
                break
            asked["NextPageToken"] = page["NextPageToken"]
        return samples, f"{'/'.join(sorted(units))}{', not yet final' * guessed}"


def asked_for(query: str) -> dict[str, Any]:
    """The API's Filter, empty for everything; raises Unclear."""
    try:
        words = shlex.split(query)
    except ValueError:
        words = []
    if words == ["all"]:
        return {}
    found: list[dict[str, Any]] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not value or not (name in DIMENSIONS or name.startswith("tag:")):
            raise Unclear(WANTS)
        if name in DIMENSIONS:
            found.append({"Dimensions": {"Key": DIMENSIONS[name], "Values": [value]}})
        else:
            found.append({"Tags": {"Key": name.removeprefix("tag:"), "Values": [value]}})
    if not found:
        raise Unclear(WANTS)
    return found[0] if len(found) == 1 else {"And": found}


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
