"""Texts that people write: an environment, the words of triggers, questions to logs, small sums."""

from pathlib import Path
from typing import Any

import yaml

from cutover.aws.metric_query import MetricQuery
from cutover.aws.metric_query import Unclear as NoMetric
from cutover.core.errors import ConfigurationRefused
from cutover.environment import parse, template
from cutover.metrics.action import parse_action
from cutover.metrics.arithmetic import NotReadable, calculated
from cutover.metrics.counted_lines import LineWords
from cutover.metrics.figures import Known
from cutover.metrics.log_query import LogQuery, Unclear
from cutover.metrics.parsing import parse as parse_condition
from cutover.metrics.tokens import ConditionError

KNOWN = {
    "error-rate": Known("%", "both"),
    "p95": Known("ms", "both"),
    "memory": Known("bytes"),
    "orders": Known("count"),
    "rate": Known("/s"),
}
LINE: dict[str, Any] = {"status": 502, "route": {"name": "/pay"}, "duration_ms": "12.5", "ok": None, "a.b": True}
NUMBERS = {"used": 1e308, "limit": 0.0, "hits": 3.0, "nan": float("nan")}
NAME = "fuzz"
TEMPLATE = template(NAME)
LINES = [n for n, line in enumerate(TEMPLATE.splitlines()) if ": " in line and not line.lstrip().startswith("#")]


def environment(data: bytes) -> None:
    """The whole file as it is."""
    _loaded(data.decode("utf-8", "surrogatepass" if data[:1] == b"\xed" else "replace"))


def environment_value(data: bytes) -> None:
    """One value of a good file is something else: its place is the first byte, quoted or not the second."""
    lines = TEMPLATE.splitlines()
    at = LINES[(data[0] if data else 0) % len(LINES)]
    value = data[2:].decode("utf-8", "replace")
    written = yaml.dump(value) if data[1:2] and data[1] % 2 else value
    lines[at] = lines[at].split(": ")[0] + ": " + written
    _loaded("\n".join(lines))


def _loaded(text: str) -> None:
    try:
        parse(text, name=NAME, file="fuzz.yaml")
    except ConfigurationRefused as error:
        assert error.problems
        for problem in error.problems:
            assert problem.startswith("fuzz.yaml:") and problem.isprintable(), problem


def condition(data: bytes) -> None:
    """What reads as a condition reads the same when it is written out; its errors point into the text."""
    text = data.decode("utf-8", "replace")
    try:
        found = parse_condition(text, KNOWN)
    except ConditionError as error:
        assert 1 <= error.column <= 501 and "\n" not in error.reason
    else:
        assert parse_condition(str(found), KNOWN) == found
    try:
        action = parse_action(text)
    except ConditionError:
        return
    assert parse_action(str(action)) == action


def log_query(data: bytes) -> None:
    """A question to a log, asked of one line."""
    text = data.decode("utf-8", "replace")
    try:
        for one in (*(found := LogQuery.parse(text)).where, *found.of):
            one.holds(LINE)
    except Unclear:
        pass
    try:
        LineWords.parse(text, text, text)
    except Unclear:
        pass
    try:
        MetricQuery.parse(text).request(60, lambda name, value: value)
    except NoMetric:
        pass


def sum_of_fields(data: bytes) -> None:
    """A small sum, as figures of Redis are written."""
    try:
        assert isinstance(calculated(data.decode("utf-8", "replace"), NUMBERS), float)
    except NotReadable:
        pass


def environments() -> list[bytes]:
    """Good files to begin from."""
    folder = Path(__file__).parents[2] / "environments"
    return [TEMPLATE.encode(), *(path.read_bytes() for path in sorted(folder.glob("*.yaml")))]
