"""How a figure of CloudWatch is written: an expression, and below it the metrics that it is made of."""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

RESULT = "result"
ID = r"[a-z][A-Za-z0-9_]*"
IN_EXPRESSION = rf"(?<![A-Za-z0-9_\"']){ID}(?![A-Za-z0-9_(\"'])"
STATISTICS = re.compile(
    r"Sum|Average|Minimum|Maximum|SampleCount|(p|tm|tc|ts|wm)[0-9]{1,2}(\.[0-9]+)?|p100|IQM|(PR|TC|TM|TS|WM)\(.*\)"
)
WANTS = "an expression in the first line, and below it lines such as `e = Sum AWS/Lambda Errors FunctionName=shop`"


class Unclear(Exception):
    """The text is not such a figure; the message says which line, and why."""


@dataclass(frozen=True)
class MetricLine:
    """One metric: its id in the expression, statistic, namespace, name, and dimensions in order."""

    id: str
    statistic: str
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class MetricQuery:
    """`expression` is metric math over the ids of `lines`, or one of the ids."""

    expression: str
    lines: tuple[MetricLine, ...]

    @classmethod
    def parse(cls, text: str) -> "MetricQuery":
        """Raises Unclear."""
        written = [line.strip() for line in text.splitlines() if line.strip()]
        if len(written) < 2:
            raise Unclear(f"wants {WANTS}")
        lines = tuple(_line(number, line) for number, line in enumerate(written[1:], 2))
        ids = [line.id for line in lines]
        if len(set(ids)) < len(ids) or RESULT in ids:
            raise Unclear(f"each metric needs an id of its own, and none may be called {RESULT}")
        used = set(re.findall(IN_EXPRESSION, written[0]))
        if unknown := sorted(used - set(ids)):
            raise Unclear(f"line 1 names {', '.join(unknown)}, which no line below it explains")
        if unused := sorted(set(ids) - used):
            raise Unclear(f"line 1 does not use {', '.join(unused)}")
        return cls(written[0], lines)

    def request(self, period: int, value_of: Callable[[str, str], str]) -> list[dict[str, Any]]:
        """MetricDataQueries (CloudWatch API, GetMetricData); `value_of` makes a dimension's value of its name and text."""
        alone = self.expression in {line.id for line in self.lines}
        queries: list[dict[str, Any]] = [
            {
                "Id": line.id,
                "MetricStat": {
                    "Metric": {
                        "Namespace": line.namespace,
                        "MetricName": line.name,
                        "Dimensions": [{"Name": name, "Value": value_of(name, text)} for name, text in line.dimensions],
                    },
                    "Period": period,
                    "Stat": line.statistic,
                },
                "ReturnData": alone,
            }
            for line in self.lines
        ]
        if not alone:
            queries.append({"Id": RESULT, "Expression": self.expression, "Period": period, "ReturnData": True})
        return queries

    def renamed(self, name_of: Callable[[str], str]) -> str:
        """The expression with other ids."""
        return re.sub(IN_EXPRESSION, lambda found: name_of(found[0]), self.expression)

    @property
    def result(self) -> str:
        """The id of the series that answers."""
        return self.expression if self.expression in {line.id for line in self.lines} else RESULT

    def dimensions(self) -> Mapping[str, set[str]]:
        """The values of each dimension's name."""
        found: dict[str, set[str]] = {}
        for line in self.lines:
            for name, value in line.dimensions:
                found.setdefault(name, set()).add(value)
        return found


def _line(number: int, line: str) -> MetricLine:
    match = re.fullmatch(rf"({ID})\s*=\s*(.+)", line)
    try:
        words = shlex.split(match[2]) if match else []
    except ValueError:
        words = []
    if match is None or len(words) < 3 or not all("=" in word for word in words[3:]):
        raise Unclear(f"line {number}: wants `id = STATISTIC NAMESPACE METRIC DIMENSION=VALUE …`")
    if not STATISTICS.fullmatch(words[0]):
        raise Unclear(f"line {number}: there is no statistic {words[0][:20]}: Sum, Average, Minimum, Maximum, p95 …")
    dimensions = tuple((word.split("=", 1)[0], word.split("=", 1)[1]) for word in words[3:])
    return MetricLine(match[1], words[0], words[1], words[2], dimensions)
