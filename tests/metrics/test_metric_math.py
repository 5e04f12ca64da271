"""Conditions as CloudWatch's metric math, and what it has no words for."""

import re
from pathlib import Path

import pytest
from series import condition

from cutover.alarms import alarms_of, all_alarms
from cutover.app import open_environment
from cutover.metrics.action import parse_action
from cutover.metrics.metric_math import MetricMath, Unsayable
from cutover.metrics.rule import Rule

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("error_rate > 5%", "IF((G{error_rate} > 5), 1, 0)"),
        ("p95 > 2s", "IF((G{p95} > 2000), 1, 0)"),
        ("p95 > 1.5 x legacy + 0.1s", "IF((G{p95} > 1.5 * B{p95} + 100) AND (B{p95} > 0), 1, 0)"),
        ("p99 > 2 x baseline", "IF((G{p99} > 2 * 410.5) AND (410.5 > 0), 1, 0)"),
        ("kpi = 3", "IF((G{kpi} == 3), 1, 0)"),
        ("kpi within 5% of baseline", "IF((ABS(G{kpi} - (-2)) > ABS((-2)) * 0.05) AND ((-2) != 0), 1, 0)"),
        ("kpi outside 10% of legacy", "IF((ABS(G{kpi} - B{kpi}) > ABS(B{kpi}) * 0.1) AND (B{kpi} != 0), 1, 0)"),
        ("error_rate > 5% and p95 > 1s", "IF((G{error_rate} > 5) AND (G{p95} > 1000), 1, 0)"),
        (
            "error_rate > 5% for 5m at least 200 requests",
            "IF((G{error_rate} > 5) AND (G{requests} * 60 >= 40), 1, 0)",
        ),
    ],
)
def test_expressions(text: str, expression: str) -> None:
    said = MetricMath(condition(text), {"p99": 410.5, "kpi": -2.0}).expression()
    assert re.sub(r"([a-z0-9_]+)_(green|blue)", lambda one: f"{one[2][0].upper()}{{{one[1]}}}", said) == expression


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("memory grows > 10%/h", "fits no line"),
        ("p99 > 2 x baseline", "no baseline of p99 is recorded yet"),
        ("error_rate > 5% for 2d", "looks back a day"),
    ],
)
def test_what_cannot_be_said(text: str, why: str) -> None:
    with pytest.raises(Unsayable, match=why):
        (math := MetricMath(condition(text), {})).expression(), math.periods


def test_periods_are_whole_minutes() -> None:
    assert [MetricMath(condition(f"error_rate > 5%{more}"), {}).periods for more in ("", " for 30s", " for 5m")] == [
        1,
        1,
        5,
    ]


def test_the_committed_alarms_are_what_the_triggers_say() -> None:
    app = open_environment("prod", read_only=True, directory=ROOT / "environments")
    found = all_alarms(app, {})
    assert (ROOT / "monitoring/prod/cloudwatch-alarms.json").read_text(encoding="utf-8") == found.written()
    assert found.documents.keys() == {"error-rate", "slow", "slower-than-blue", "errors-1", "errors-2"}
    with_baseline = all_alarms(app, {"p99": 300.0, "p95": 200.0}).documents.keys() - found.documents.keys()
    assert with_baseline == {"slowest", "slower-than-before"}
    for alarm in found.documents.values():
        ids = [one["Id"] for one in alarm["Metrics"]]
        assert len(set(ids)) == len(ids) and [one["Id"] for one in alarm["Metrics"] if one["ReturnData"]] == ["wrong"]
        for one in alarm["Metrics"]:
            assert set(re.findall(r"(?<![A-Za-z0-9_])[a-z][a-z0-9_]*", one.get("Expression", ""))) <= set(ids)


def test_an_alarm_that_tells_nobody_says_so() -> None:
    app = open_environment("prod", read_only=True, directory=ROOT / "environments")
    known = all_alarms(app, {}).documents["error-rate"]
    assert known["AlarmActions"] == ["arn:aws:sns:us-east-1:123456789012:shop-cutover"]
    text = condition("error_rate > 5%")
    rule = Rule("one", text, parse_action("rollback"), channels=("pager",))
    made = alarms_of(app.environment, [rule], {}, "us-east-1")
    assert [one.reason for one in made.silent] == ["no channel of kind sns is told of it"]
    assert "AlarmActions" not in made.documents["one"]
    far = alarms_of(app.environment, [Rule("two", text, parse_action("rollback"))], {}, "eu-west-1")
    assert "the topic of topic is in another region" in far.silent[0].reason
