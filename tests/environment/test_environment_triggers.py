"""Triggers: what may be written, what is refused with its column, and that production's own fire when they should."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from usual_figures import USUAL, written

from cutover.core.gate import Policy, Verdict
from cutover.core.series import Reading, Sample, Span, judged
from cutover.environment import Environment, load, rules
from cutover.environment.figures import known_figures
from cutover.environment.triggered_wrongly import triggers
from cutover.metrics.action import Action, parse_action
from cutover.metrics.figures import Known
from cutover.metrics.rule import Rule
from cutover.metrics.tokens import ConditionError

Told = Callable[..., list[str]]
Loaded = Callable[..., Environment]

RATE = "triggers:\n  rate:\n    when: error_rate > 5% for 5m\n    then: rollback\n"
ZONES = """\
triggers:
  errors:
    figure: error_rate
    zones:
      - {above: 5%, for: 1m, then: hold}
      - {above: 10%, then: rollback}
    at_least: 100 requests
"""


def test_what_they_become(loaded: Loaded) -> None:
    environment = loaded(RATE + ZONES.removeprefix("triggers:\n") + written())
    rate, first, second = rules(environment.triggers, USUAL)
    assert (rate.name, str(rate.condition), rate.action) == ("rate", "error_rate > 5% for 5m", Action(Policy.ROLLBACK))
    assert (rate.during, rate.insufficient, rate.blind, rate.severity) == (
        ("shift", "bake"),
        "wait",
        "hold",
        "critical",
    )
    assert [rate.watches(phase) for phase in ("prepare", "window", "work", "shift-10", "bake")] == [False] * 3 + [
        True
    ] * 2
    assert (first.name, str(first.condition)) == ("errors-1", "error_rate > 5% for 1m at least 100 requests")
    assert (second.name, str(second.condition)) == ("errors-2", "error_rate > 10% at least 100 requests in 5m")
    assert (first.action.first, second.action.first) == (Policy.HOLD, Policy.ROLLBACK)
    assert Environment.model_validate(environment.model_dump(mode="json")) == environment
    assert rate.words() == "When error_rate on green is above 5%, for 5m: go back to blue."


@pytest.mark.parametrize(
    ("text", "change", "problem"),
    [
        (RATE, ("error_rate", "eror_rate"), "triggers.rate.when: column 1: no figure is called eror_rate (did you mean error_rate?)"),
        (RATE, ("5%", "5ms"), "triggers.rate.when: column 14: error_rate is in %"),
        (RATE, ("for 5m", "fro 5m"), "triggers.rate.when: column 17: fro does not belong here; `and`, `for`, `at least` or the end may follow (did you mean for?)"),
        (RATE, ("error_rate > 5%", "payment_errors > legacy"), "triggers.rate.when: column 18: payment_errors is measured on green alone: a comparison needs `side: both`"),
        (RATE, ("then: rollback", "then: rolback"), "triggers.rate.then: column 1: one of notify, hold, previous-phase, rollback, freeze, investigate is wanted here (did you mean rollback?)"),
        (RATE, ("then: rollback", "then: investigate for 15m"), "triggers.rate.then: column 20: `then` is wanted here, not nothing more"),
        (RATE, ("    then: rollback\n", ""), "triggers.rate: needs `then`: what is started"),
        (RATE, ("when: error_rate > 5% for 5m\n", "severity: warning\n"), "triggers.rate: needs either `when`, `wanted` or `zones`, and one of them only"),
        (RATE, ("when:", "wanted:"), "triggers.rate.wanted: says what is wrong: write it under `when`"),
        (RATE, ("error_rate > 5%", "error_rate within 5% of legacy"), "triggers.rate.when: says what is wanted: write it under `wanted`"),
        (RATE, ("then: rollback", "then: hold\n    during: [shift-30]"), "triggers.rate.during[0]: there is no such share; the phases are shift-10, shift-50, shift-100, bake (shift.shares, line"),
        (RATE, ("then: rollback", "then: hold\n    during: [canary]"), "triggers.rate.during[0]: wants a phase: prepare, window, work, shift, shift-25, bake"),
        (RATE, ("then: rollback", "then: hold\n    channels: [pager]"), "triggers.rate.channels[0]: no channel under notify.channels has this name"),
        (RATE, ("then: rollback", "then: hold\n    at_least: 5 requests"), "triggers.rate.at_least: belongs to zones; a condition says it itself, under `when`"),
        (RATE, ("then: rollback", "then: hold\n    insufficient: rolback"), "triggers.rate.insufficient: must be one of wait, notify, hold, previous-phase, rollback, freeze (did you mean rollback?)"),
        (RATE, ("for 5m", "for 3d"), "triggers.rate.when: can never be judged: it needs 259200 s, and the phases in which it is asked last 88200 s (shift.soak, line"),
        (RATE, ("for 5m\n", "for 11m\n    during: [shift-10]\n"), "triggers.rate.when: can never be judged: it needs 660 s, and the phases in which it is asked last 600 s (shift.soak, line"),
        (RATE, ("error_rate > 5% for 5m", "p95 > legacy\n    during: [shift-100, bake]"), "triggers.rate.when: can never be judged: blue has no traffic in these phases, so compare with baseline (triggers.rate.during, line"),
        (RATE, ("5%", "5% and error_rate < 3%"), "triggers.rate.when: can never be so: its parts exclude each other"),
        (RATE, ("then: rollback\n", "then: rollback\n  same:\n    when: error_rate>5 % for 300s\n    then: hold\n    during: [shift-50]\n"), "triggers.same.when: is the same condition in the same phase (triggers.rate.when, line"),
        (RATE, ("then: rollback\n", "then: previous-phase\nshift: {strategy: immediate}\n"), "triggers.rate.then: all traffic moves at once, so there is no share before: write rollback (shift.strategy, line"),
        (ZONES, ("above: 10%", "above: 5%"), "triggers.errors.zones[1]: must lie above the zone before it (triggers.errors.zones[0], line"),
        (ZONES, ("above: 10%", "above: 10ms"), "triggers.errors.zones[1]: error_rate is in %"),
        (ZONES, ("figure: error_rate", "figure: errorrate"), "triggers.errors.zones[0]: no figure is called errorrate (did you mean error_rate?)"),
        (ZONES, ("    figure: error_rate\n", ""), "triggers.errors.zones: needs `figure`, the one that they are of"),
        (ZONES, ("at_least", "then: hold\n    at_least"), "triggers.errors.then: each zone has its own `then` (triggers.errors.zones, line"),
        (ZONES, ("at_least", "when: p95 > 1s\n    at_least"), "triggers.errors: needs either `when`, `wanted` or `zones`, and one of them only"),
        (ZONES, ("{above: 10%, then: rollback}", "{above: 10%, than: rollback, then: hold}"), "triggers.errors.zones[1].than: unknown key (did you mean then?)"),
    ],
)  # fmt: skip
def test_what_is_refused(told: Told, text: str, change: tuple[str, str], problem: str) -> None:
    assert text.count(change[0]) == 1
    found = told(text.replace(*change) + written())
    assert any(problem in line for line in found), found


def test_a_channel_has_to_be_one_of_those_that_are_there() -> None:
    data: dict[str, Any] = {
        "metrics": yaml.safe_load(written())["metrics"],
        "notify": {"channels": {"pager": {}}},
        "triggers": {"rate": {"when": "p95 > 1s", "then": "hold", "channels": ["pager"]}},
    }
    assert list(triggers(data)) == []
    data["triggers"]["rate"]["channels"] = ["pagr"]
    (found,) = triggers(data)
    assert found.reason.endswith("(did you mean pager?)")


def test_figures_are_those_of_the_environment() -> None:
    metrics = {
        "error-rate": {"unit": "%", "side": "both", "step": "30s"},
        "lag": {"unit": "s", "side": "green"},
        "odd": 7,
        "wrong": {"side": "red"},
    }
    known = known_figures({"metrics": {"figures": metrics}})
    assert known["error-rate"] == Known("%", "both", 30.0) and known["lag"] == Known("s", "green")
    assert "wrong" not in known and "p95" not in known
    data = {
        "metrics": {"figures": metrics},
        "triggers": {"lag": {"when": "lag > 5s", "then": "hold"}, "p": {"when": "p95 > 1s"}},
    }
    assert [one.reason for one in triggers(data)] == [
        "needs `then`: what is started",
        "column 1: no figure is called p95",
    ]


@pytest.mark.parametrize("wrong", [7, None, [], "x", {"a": 7}, {"a": {"when": 7, "zones": "x", "during": 3, "channels": 1}}, {"a": {"zones": [7, {"above": {}}], "figure": "p95"}}])  # fmt: skip
def test_values_of_the_wrong_kind_are_left_to_the_models(wrong: object) -> None:
    list(triggers({"triggers": wrong, "shift": {"soak": [[]], "shares": ["x"]}, "metrics": None}))


@pytest.mark.parametrize(
    ("text", "column"),
    [("", 1), ("stop", 1), ("rollback now", 10), ("investigate", 12), ("investigate for 15", 17), ("investigate for 15m then", 25), ("investigate for 0m then hold", 17), ("investigate for 15m then hold now", 31)],
)  # fmt: skip
def test_an_action_points_at_what_is_wrong(text: str, column: int) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_action(text)
    assert caught.value.column == column, caught.value


@pytest.mark.parametrize(
    "text", ["notify", "hold", "previous-phase", "rollback", "freeze", "investigate for 15m then rollback"]
)
def test_actions(text: str) -> None:
    action = parse_action(text)
    assert str(action) == text and parse_action(str(action)) == action
    assert (action.first, action.after, action.then) == (
        (Policy.HOLD, 900.0, Policy.ROLLBACK) if "investigate" in text else (Policy(text), None, None)
    )


# Production's own triggers: by which figures each is broken. Everything else stays as it is on a good day.
NOW = 2_000_000.0
GOOD: Mapping[str, float] = {
    "error_rate": 0.5,
    "p95": 250.0,
    "p99": 600.0,
    "requests": 40.0,
    "checkouts": 1.0,
    "checkout_failures": 0.2,
    "payment_errors": 0.0,
    "integrity_failures": 0.0,
    "memory": 900.0,
    "orders_per_minute": 60.0,
}
BROKEN: Mapping[str, tuple[str, Callable[[float], float], Action]] = {
    "error-rate": ("error_rate", lambda _: 5.1, Action(Policy.ROLLBACK)),
    "slow": ("p95", lambda _: 2001.0, Action(Policy.ROLLBACK)),
    "checkout": ("checkout_failures", lambda _: 1.1, Action(Policy.ROLLBACK)),
    "payments": ("payment_errors", lambda _: 1.0, Action(Policy.ROLLBACK)),
    "integrity": ("integrity_failures", lambda _: 1.0, Action(Policy.FREEZE)),
    "slower-than-blue": ("p95", lambda _: 351.0, Action(Policy.PREVIOUS_PHASE)),
    "slowest": ("p99", lambda _: 1201.0, Action(Policy.HOLD, 900.0, Policy.ROLLBACK)),
    "slower-than-before": ("p95", lambda _: 376.0, Action(Policy.HOLD)),
    "memory": ("memory", lambda _: 1801.0, Action(Policy.ROLLBACK)),
    "leak": ("memory", lambda ago: 900 * (1.11 - 0.11 * ago / 3600), Action(Policy.HOLD, 900.0, Policy.PREVIOUS_PHASE)),
    "fast-leak": ("memory", lambda ago: 900 * (1.11 - 0.22 * ago / 3600), Action(Policy.ROLLBACK)),
    "orders": ("orders_per_minute", lambda _: 56.0, Action(Policy.NOTIFY)),
    "errors-1": ("error_rate", lambda _: 6.0, Action(Policy.HOLD, 900.0, Policy.ROLLBACK)),
    "errors-2": ("error_rate", lambda _: 11.0, Action(Policy.ROLLBACK)),
}
PROD = load("prod", Path("environments"))
PRODUCTION = {rule.name: rule for rule in rules(PROD.triggers, known_figures(PROD.model_dump()))}


class Day:
    """All figures of a day: good ones on both sides, but for one figure of green."""

    def __init__(self, name: str = "", value: Callable[[float], float] | None = None, *, silent: bool = False) -> None:
        self._name, self._value, self._silent = name, value, silent

    def read(self, name: str, side: str, span: Span) -> Reading:
        if self._silent:
            return judged((), span, delay=0.0)
        value = self._value if (name, side) == (self._name, "green") and self._value else lambda _: GOOD[name]
        count = int((span.until - span.since) / span.step)
        times = (NOW - n * span.step for n in range(count + 1))
        return judged([Sample(at, value(NOW - at)) for at in times], span, delay=0.0)

    def baseline(self, name: str) -> float | None:
        return None if self._silent else GOOD[name]


def test_every_trigger_of_production_has_a_series_that_breaks_it() -> None:
    assert PRODUCTION.keys() == BROKEN.keys()


@pytest.mark.parametrize("rule", PRODUCTION.values(), ids=PRODUCTION)
def test_productions_triggers(rule: Rule) -> None:
    figure, value, action = BROKEN[rule.name]
    fired = rule.condition.judge(Day(figure, value), NOW)
    assert fired.verdict is Verdict.FAIL and rule.action == action, fired
    assert rule.condition.judge(Day(), NOW).verdict is Verdict.PASS
    assert rule.condition.judge(Day(silent=True), NOW).verdict is Verdict.INSUFFICIENT


def test_zones_leave_the_lower_ones_to_themselves() -> None:
    day = Day("error_rate", lambda _: 7.0)
    found = {name: PRODUCTION[name].condition.judge(day, NOW).verdict for name in ("errors-1", "errors-2")}
    assert found == {"errors-1": Verdict.FAIL, "errors-2": Verdict.PASS}
