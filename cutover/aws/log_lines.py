"""Lines of access logs: which side answered, and when the request came.

ALB: Elastic Load Balancing user guide, "Access log entries" (the 17th field is the target group's ARN, the 22nd the time at
which the request came). CloudFront: developer guide, "Standard logging reference" (tab-separated below a #Fields line, or
JSON by the line).
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[^ ]+')
ANSWERED, GROUP, CAME = 1, 16, 21  # places of an ALB's fields, counted from 0


class Malformed(ValueError):
    """The line is none of this log's."""


@dataclass(frozen=True)
class Line:
    """One request: when it came (seconds since 1970), and what answered it by the log's own word."""

    at: float
    by: str


class Lines(ABC):
    """Reads the lines of one file from its first to its last."""

    @abstractmethod
    def read(self, line: str) -> Line | None:
        """None for a line that tells of no request; raises Malformed."""


class AlbLines(Lines):
    """`by` is the name of the target group, `-` for what the load balancer answered itself."""

    def read(self, line: str) -> Line | None:
        words = WORD.findall(line)
        if len(words) <= GROUP:
            raise Malformed("too few fields")
        arn = words[GROUP].strip('"')
        if arn != "-" and ":targetgroup/" not in arn:
            raise Malformed("no target group where it has to be")
        came = words[CAME] if len(words) > CAME else words[ANSWERED]
        return Line(_moment(came), arn.split(":targetgroup/", 1)[-1].split("/", 1)[0])


@dataclass
class CloudFrontLines(Lines):
    """`by` is the value of one column, by default the routing target of a continuous deployment or of our own function."""

    column: str
    _fields: list[str] = field(default_factory=list)

    def read(self, line: str) -> Line | None:
        if line.startswith("{"):
            return self._line(_object(line))
        if line.startswith("#"):
            if line.startswith("#Fields:"):
                self._fields = line.removeprefix("#Fields:").split()
            return None
        values = line.split("\t")
        if not self._fields or len(values) != len(self._fields):
            raise Malformed("not as many values as #Fields names")
        return self._line(dict(zip(self._fields, values, strict=True)))

    def _line(self, values: Mapping[str, Any]) -> Line:
        if self.column not in values:
            raise Malformed(f"no column {self.column}")
        if "timestamp" in values:
            at = _number(values["timestamp"])
        elif "timestamp(ms)" in values:
            at = _number(values["timestamp(ms)"]) / 1000
        else:
            at = _moment(f"{values.get('date')}T{values.get('time')}Z")
        return Line(at, str(values[self.column]))


def _object(line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Malformed("no JSON") from error
    if not isinstance(found, dict):
        raise Malformed("no JSON object")
    return found


def _moment(written: str) -> float:
    try:
        found = datetime.fromisoformat(written)
    except ValueError as error:
        raise Malformed("no time where it has to be") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _number(written: object) -> float:
    try:
        return float(str(written))
    except ValueError as error:
        raise Malformed("no time where it has to be") from error
