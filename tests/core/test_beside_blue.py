"""Green beside blue over the whole model of a cutover, with requests that are counted by simulated sides."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from toy_plan import BACK, END, plan, world
from toy_world import Started, World

from cutover.core.errors import Interrupted, RolledBack, Waiting
from cutover.core.gate import Finding, Gate, Guard, Policy, Verdict
from cutover.core.journal import Journal
from cutover.core.plan import Plan
from cutover.core.series import Gap
from cutover.metrics.compared import Counted
from cutover.metrics.green_no_worse import GreenNoWorse
from cutover.metrics.tally import Tally
from cutover.plans.compared import BesideBlue, ShareCompared

SOAK = 1800.0
Rate = Callable[[float], float]


class Sides:
    """Requests of both sides at 20 a second, blue failing 1 % of them; `green` is green's rate so long after the shift."""

    def __init__(self, w: World, green: Rate, per_second: float = 20.0) -> None:
        self.w, self.green_rate, self.per_second = w, green, per_second
        self.started: Started | None = None
        self.dead = False

    def since(self) -> float | None:
        assert self.started is not None
        position = self.started.run.journal.position()
        return position.converged_at["share-50"] if "share-50" in position.done else None

    def of(self, side: str) -> Counted:
        def counted(since: float, until: float) -> Tally | Gap:
            if self.dead:
                return Gap.UNREACHABLE
            began = self.since() or since
            seconds = range(int(until - since))
            rate = self.green_rate if side == "green" else lambda _: 0.01
            errors = sum(self.per_second * rate(since + one - began) for one in seconds)
            return Tally(round(self.per_second * len(seconds)), round(errors))

        return counted

    def plan(self) -> Plan:
        w = self.w
        compared = GreenNoWorse(
            blue=self.of("blue"), green=self.of("green"), since=self.since, alpha=0.005, now=w.clock.now
        )
        beside = BesideBlue(
            compared=compared, environment="toy", counters=(("blue", "requests", 'shop_requests_total{side="blue"}'),)
        )
        guard = Guard(
            name="green-no-worse-50", check=beside, policy=Policy.ROLLBACK, every=15.0, during=("shift-50",), stands=True,
            patience=60.0, on_blind=Policy.HOLD,
        )  # fmt: skip
        whole = plan(w, guards=(guard,))
        (old,) = [item for _, item in whole.walk() if item.name == "soak-50"]
        assert isinstance(old, Gate)
        check = ShareCompared(
            beside=beside,
            guard=guard.name,
            gate="compared-50",
            journal=self.journal,
        )
        gate = Gate(name="compared-50", check=check, deadline=900.0, on_fail=Policy.HOLD)
        items = (replace(old, hold=SOAK, since=None), gate)
        phases = tuple(replace(p, items=(p.items[0], *items)) if p.name == "shift-50" else p for p in whole.phases)
        return replace(whole, phases=phases)

    def journal(self) -> Journal | None:
        return None if self.started is None else self.started.run.journal

    def run(self) -> Started:
        self.started = self.w.run(self.plan())
        return self.started


def sides(green: Rate, per_second: float = 20.0) -> tuple[World, Sides]:
    w = world()
    return w, Sides(w, green, per_second)


def test_green_that_fails_as_often_as_blue_goes_to_its_end() -> None:
    w, both = sides(lambda _: 0.01)
    assert both.run().run.forward() == "done"
    assert w.values == END
    (passed,) = [e.data for e in w.store.kept if e.kind == "passed" and e.data["gate"] == "compared-50"]
    assert passed["data"]["green"][0] >= 20 * SOAK


def test_green_that_fails_more_often_is_taken_back_by_the_guard() -> None:
    w, both = sides(lambda t: 0.01 if t < 600 else 0.07)
    with pytest.raises(RolledBack, match="green-no-worse-50"):
        both.run().run.forward()
    assert w.values == BACK
    failed = next(e for e in w.store.kept if e.kind == "guard-failed")
    begun = next(e for e in w.store.kept if e.kind == "converged" and e.data["step"] == "share-50")
    assert 600 < failed.at - begun.at < 900


def test_too_few_requests_pass_no_share_on_and_say_how_many_more_are_needed() -> None:
    w, both = sides(lambda _: 0.01, per_second=0.05)
    with pytest.raises(Waiting, match=r"[\d,]+ more requests on green needed \(as they come now, [\d,]+ min\)"):
        both.run().run.forward()
    assert w.values["share"] == 50 and w.values["green"] == "open"


def test_a_person_goes_on_without_a_verdict_and_that_is_recorded() -> None:
    w, both = sides(lambda _: 0.01, per_second=0.05)
    started = both.run()

    def say() -> None:
        word = {"who": "ada", "reason": "night, nobody buys", "at": w.clock.now()}
        w.store.wish("r1", "resume", word)

    w.clock.later(SOAK + 300.0, say)
    assert started.run.forward() == "done"
    (passed,) = [e.data for e in w.store.kept if e.kind == "passed" and e.data["gate"] == "compared-50"]
    assert passed["seen"] == "no verdict; ada says to go on: night, nobody buys"


def test_a_word_of_before_the_question_opens_nothing() -> None:
    w, both = sides(lambda _: 0.01, per_second=0.05)
    w.store.wish("r1", "resume", {"who": "ada", "reason": "another thing", "at": w.clock.now()})
    with pytest.raises(Waiting):
        both.run().run.forward()


def test_counts_that_are_not_there_hold_and_take_nothing_back() -> None:
    w, both = sides(lambda _: 0.01)
    both.dead = True
    started = both.run()
    w.clock.later(2 * SOAK, lambda: started.interrupt.set(2))
    with pytest.raises(Interrupted):
        started.run.forward()
    (standing,) = [e.data for e in w.store.kept if e.kind == "standing"]
    assert standing["then"] == "hold" and "unreachable" in standing["seen"]
    assert w.values["share"] == 50


def test_a_restart_counts_from_the_same_moment_and_says_the_same() -> None:
    w, both = sides(lambda _: 0.01)
    first = both.run()
    w.clock.later(SOAK / 2, lambda: first.interrupt.set(15))
    with pytest.raises(Interrupted):
        first.run.forward()

    def look() -> Finding:
        (guard,) = both.plan().guards
        return guard.check.look()

    before, since = look(), both.since()
    both.run()  # another process, which has read nothing yet
    assert both.since() == since and look() == before
    assert before.verdict is Verdict.PASS and before.data["since"] == since
