"""Triggers of an environment over the whole model of a cutover: each thing that goes wrong leads to what was written."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from toy_plan import BACK, END, plan, world
from toy_world import Started, World
from usual_figures import USUAL

from cutover.core.errors import Interrupted, RolledBack, Waiting
from cutover.core.gate import Gate, Guard, Policy, Verdict
from cutover.core.plan import Plan
from cutover.core.series import Gap, Reading, Sample, Span, judged
from cutover.metrics.action import parse_action
from cutover.metrics.parsing import parse
from cutover.metrics.rule import Rule
from cutover.plans.triggered import Triggered, TriggersWell

MINUTES = 60.0
GOOD = {"error_rate": 0.2, "p95": 180.0, "memory": 400.0, "payment_errors": 0.0, "requests": 40.0}
NOWHERE = Reading.unreachable("no answer")


class Measured:
    """What is measured in the toy world: good on both sides, but for what a test makes of one figure of green."""

    def __init__(self, w: World, odd: str = "", value: Callable[[float], float | None] | None = None) -> None:
        self._w, self._odd, self._value = w, odd, value
        self.dead = False
        self.since: float | None = None

    def read(self, name: str, side: str, span: Span) -> Reading:
        if self.dead and self._begun():
            return NOWHERE
        times = [span.since + n * span.step for n in range(int((span.until - span.since) / span.step) + 1)]
        values = [(at, self._at(name, side, at)) for at in times]
        return judged([Sample(at, value) for at, value in values if value is not None], span, delay=0.0)

    def _begun(self) -> bool:
        if self._w.values["share"] >= 50 and self.since is None:
            self.since = self._w.clock.now()
        return self.since is not None

    def _at(self, name: str, side: str, at: float) -> float | None:
        odd = side == "green" and name == self._odd and self._value is not None and self._begun()
        if odd and self.since is not None and at >= self.since and self._value is not None:
            return self._value(at - self.since)
        return GOOD[name]

    def baseline(self, name: str) -> float | None:
        return GOOD[name]


def guard(w: World, figures: Measured, when: str, then: str) -> Guard:
    action = parse_action(then)
    rule = Rule(when.partition(" ")[0], parse(when, USUAL), action)
    return Guard(
        name=f"trigger-{rule.name}-{action}",
        check=Triggered(rule=rule, environment="toy", figures=lambda: figures, now=w.clock.now),
        policy=action.then or action.first,
        investigate=action.after or 0.0,
        every=5.0,
        during=("shift-10", "shift-50", "shift-100", "bake"),
        stands=True,
        patience=60.0,
        on_blind=Policy.HOLD,
    )


def soaked(w: World, guards: tuple[Guard, ...], seconds: float = 40 * MINUTES) -> Plan:
    """The toy plan whose second share soaks for long, and goes on only when every trigger is well."""
    checks = tuple(one.check for one in guards if isinstance(one.check, Triggered))
    whole = plan(w, guards=guards)
    (old,) = [item for _, item in whole.walk() if item.name == "soak-50"]
    assert isinstance(old, Gate)
    soak = replace(old, hold=seconds, since=None)
    well = Gate(name="triggers-50", check=TriggersWell(checks=checks), deadline=900.0, on_fail=Policy.HOLD)
    phases = tuple(replace(p, items=(p.items[0], soak, well)) if p.name == "shift-50" else p for p in whole.phases)
    return replace(whole, phases=phases)


ZONES = (("error_rate > 5% for 1m", "investigate for 15m then rollback"), ("error_rate > 10%", "rollback"))


def run(w: World, figures: Measured, *rules: tuple[str, str]) -> Started:
    return w.run(soaked(w, tuple(guard(w, figures, when, then) for when, then in rules)))


@pytest.mark.parametrize(
    ("figure", "value", "rules", "error", "least", "most"),
    [
        ("error_rate", lambda _: 7.0, ZONES, RolledBack, 16 * MINUTES, 17 * MINUTES),
        ("error_rate", lambda _: 12.0, ZONES, RolledBack, 0.0, MINUTES),
        ("error_rate", lambda t: 7.0 if t < 240 else 12.0, ZONES, RolledBack, 240.0, 300.0),
        ("p95", lambda _: 330.0, (("p95 > legacy + 100ms for 5m", "previous-phase"),), Waiting, 300.0, 330.0),
        ("memory", lambda t: 400.0 * (1 + 0.3 * t / 3600), (("memory grows > 20%/h over 20m", "rollback"),), RolledBack, 600.0, 1500.0),
        ("payment_errors", lambda t: 1.0 if t > 100 else 0.0, (("payment_errors > 0", "freeze"),), Waiting, 100.0, 130.0),
    ],
    ids=["7 %", "12 %", "7 then 12 %", "p95 +150 ms", "leak", "payments"],
)  # fmt: skip
def test_what_goes_wrong_leads_to_what_was_written(
    figure: str,
    value: Callable[[float], float],
    rules: tuple[tuple[str, str], ...],
    error: type[Exception],
    least: float,
    most: float,
) -> None:
    w = world()
    figures = Measured(w, figure, value)
    with pytest.raises(error):
        run(w, figures, *rules).run.forward()
    assert figures.since is not None and least <= w.clock.now() - figures.since < most
    if error is RolledBack:
        assert w.values == BACK
    elif "freeze" in rules[0][1]:
        assert w.values["share"] == 50
    else:
        assert w.values["share"] == 10


def test_what_is_healthy_goes_to_its_end() -> None:
    w = world()
    assert run(w, Measured(w), *ZONES, ("p95 > legacy + 100ms for 5m", "rollback")).run.forward() == "done"
    assert w.values == END and "standing" not in w.kinds()


def test_what_is_mended_in_time_goes_on() -> None:
    w = world()
    figures = Measured(w, "error_rate", lambda t: 7.0 if t < 10 * MINUTES else 0.2)
    assert run(w, figures, *ZONES).run.forward() == "done"
    assert [e.data["outcome"] for e in w.store.kept if e.kind == "standing-ended"] == ["well"]


def test_no_traffic_at_all_is_never_well_and_takes_nothing_back() -> None:
    w = world()
    figures = Measured(w, "error_rate", lambda _: None)
    figures.since = 0.0  # green has never had a figure
    with pytest.raises(Waiting, match="triggers-50: not satisfied within 900 s: insufficient"):
        run(w, figures, *ZONES).run.forward()
    assert w.values["share"] == 50 and w.values["green"] == "open"


def test_traffic_that_ends_holds_and_takes_nothing_back() -> None:
    w = world()
    started = run(w, Measured(w, "error_rate", lambda t: 0.2 if t < 300 else None), *ZONES)
    w.clock.later(30 * MINUTES, lambda: started.interrupt.set(2))
    with pytest.raises(Interrupted):
        started.run.forward()
    assert "stale" in next(e.data["seen"] for e in w.store.kept if e.kind == "standing")
    assert w.values["share"] == 50 and w.values["green"] == "open"


def test_a_dead_source_holds_and_pages_and_takes_nothing_back() -> None:
    w = world()
    figures = Measured(w)
    figures.dead = True
    started = run(w, figures, *ZONES)
    w.clock.later(30 * MINUTES, lambda: started.interrupt.set(2))
    with pytest.raises(Interrupted):
        started.run.forward()
    standing = [e.data for e in w.store.kept if e.kind == "standing"]
    assert {one["then"] for one in standing} == {"hold"} and "no answer" in standing[0]["seen"]
    assert w.values["share"] == 50


def test_a_figure_that_was_never_there_holds_and_pages_and_takes_nothing_back() -> None:
    w = world()

    class NeverThere(Measured):
        def read(self, name: str, side: str, span: Span) -> Reading:
            if name == "error_rate" and self._begun():
                return Reading(gap=Gap.NEVER_THERE, seen="nothing since 10:00:00 UTC")
            return super().read(name, side, span)

    started = run(w, NeverThere(w), *ZONES)
    w.clock.later(10 * MINUTES, lambda: started.interrupt.set(2))
    with pytest.raises(Interrupted):
        started.run.forward()
    standing = [e.data for e in w.store.kept if e.kind == "standing"]
    assert {one["then"] for one in standing} == {"hold"} and "never there" in standing[0]["seen"]
    assert w.values["share"] == 50 and w.values["green"] == "open"


def test_the_check_says_what_it_saw_and_the_rule_that_it_broke() -> None:
    w = world()
    w.values["share"] = 50
    found = guard(w, Measured(w, "error_rate", lambda _: 12.0), *ZONES[1]).check
    w.clock.sleep(30.0)
    found.look()
    w.clock.sleep(30.0)
    finding = found.look()
    assert finding.verdict is Verdict.FAIL and "error_rate > 10%" in finding.seen and "12" in finding.seen
