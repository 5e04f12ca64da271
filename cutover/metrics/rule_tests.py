"""Unit tests of the generated alerts, as `promtool test rules` runs them: each fires when it must, and only then."""

from collections.abc import Iterator
from typing import Any

from cutover.core.gate import Verdict
from cutover.metrics.alert_rules import HEAD, Alerts, Unsaid, alert_name, document
from cutover.metrics.clauses import Growth
from cutover.metrics.examples import AT, Example, at_the_bound, example
from cutover.metrics.promql import BASELINE, FIGURE, duration
from cutover.metrics.rule import Rule

SLACK = 5  # evaluations beyond the time that a condition needs


def untested(alerts: Alerts) -> tuple[Unsaid, ...]:
    """The alerts for which no example was found on one of the two sides; each has to be tested by hand."""
    return tuple(
        Unsaid(rule.name, f"no figures were found for which it is {'wrong' if verdict is Verdict.FAIL else 'well'}")
        for rule in alerts.said()
        for verdict in (Verdict.FAIL, Verdict.PASS)
        if example(rule.condition, verdict) is None
    )


def unit_tests(alerts: Alerts, rule_file: str) -> str:
    """The tests of every alert in `rule_file`, which lies beside them."""
    data = {
        "rule_files": [rule_file],
        "evaluation_interval": "15s",
        "tests": [test for rule in alerts.said() for test in _tests(alerts, rule)],
    }
    return HEAD.format(environment=alerts.environment) + document(data)


def _tests(alerts: Alerts, rule: Rule) -> Iterator[dict[str, Any]]:
    fires, well, edge = (
        example(rule.condition, Verdict.FAIL),
        example(rule.condition, Verdict.PASS),
        at_the_bound(rule.condition),
    )
    if fires:
        yield _test(alerts, rule, fires, "fires", fired=True)
        if rule.condition.lasts:
            yield _test(alerts, rule, fires, "does not fire before its time", fired=False, short=True)
        yield _test(alerts, rule, Example({}, {}), "does not fire without data", fired=False)
    if well:
        yield _test(alerts, rule, well, "does not fire when all is well", fired=False)
    if edge:
        fired = rule.condition.judge(edge, AT).verdict is Verdict.FAIL
        yield _test(alerts, rule, edge, f"{'fires' if fired else 'does not fire'} at the bound itself", fired=fired)


def _test(alerts: Alerts, rule: Rule, made: Example, what: str, *, fired: bool, short: bool = False) -> dict[str, Any]:
    condition = rule.condition
    step = min(figure.known.step for figure in condition.figures)
    counted = (condition.enough.within or condition.lasts) if condition.enough else 0.0
    looked = max((counted, *(one.over for one in condition.clauses if isinstance(one, Growth))))
    needs = int((looked + condition.lasts) / step) + SLACK
    steps = max(1, int(condition.lasts / step) - 1) if short else needs
    expected = []
    if fired:
        shown = alerts.annotations(rule, f"{made.value(condition):.4g}")
        expected = [{"exp_labels": alerts.labels(rule), "exp_annotations": shown}]
    return {
        "name": f"{rule.name} {what}",
        "interval": duration(step),
        "input_series": list(_series(alerts, made, steps, step)),
        "alert_rule_test": [
            {"eval_time": duration(steps * step), "alertname": alert_name(rule.name), "exp_alerts": expected}
        ],
    }


def _series(alerts: Alerts, made: Example, steps: int, step: float) -> Iterator[dict[str, str]]:
    for (name, side), course in made.courses.items():
        labels = f'environment="{alerts.environment}",figure="{name}",side="{side}"'
        start, each = course.before(steps * step), course.slope * step
        values = f"{start!r}x{steps}" if not each else f"{start:.10f}+{each:.10f}x{steps}".replace("+-", "-")
        yield {"series": f"{FIGURE}{{{labels}}}", "values": values}
    for name, value in made.baselines.items():
        labels = f'environment="{alerts.environment}",figure="{name}"'
        yield {"series": f"{BASELINE}{{{labels}}}", "values": f"{value!r}x{steps}"}
