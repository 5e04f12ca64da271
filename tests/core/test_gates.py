"""Gates: pass, latch, not yet, blind, holds and soaks over restarts and jumping clocks; guards."""

from typing import Any

import pytest
from toy_world import Ask, Put, Script, Started, World, ill, killed_at, well

from cutover.core.errors import Interrupted, Refused, Waiting
from cutover.core.gate import Check, Finding, Gate, Guard, Policy
from cutover.core.plan import Phase, Plan


def of(w: World, check: Check, guards: tuple[Guard, ...] = (), **gate: Any) -> Plan:
    step = Put(name="turn", key="k", before="a", after="b", settle=5.0, world=w)
    items = (step, Gate(name="look", check=check, **gate))
    return Plan(name="cutover", environment="toy", guards=guards, phases=(Phase(name="only", owner="me", items=items),))


def fresh() -> World:
    return World(values={"k": "a"})


def test_passes_and_records_what_was_seen() -> None:
    w = fresh()
    assert w.run(of(w, Script([Finding.passed("3 rows", rows=3)]))).run.forward() == "done"
    (passed,) = [entry.data for entry in w.store.kept if entry.kind == "passed"]
    assert passed["seen"] == "3 rows" and passed["data"] == {"rows": 3}


def test_a_failure_stops_with_seen_and_hint() -> None:
    w = fresh()
    with pytest.raises(Refused, match=r"look: ill \(mend it\)") as refused:
        w.run(of(w, ill())).run.forward()
    assert refused.value.exit_code == 5


def test_a_failure_latches_for_the_leg_and_a_new_leg_asks_again() -> None:
    w = fresh()
    name = None
    for number in range(40):
        w = fresh()
        name = killed_at(number, lambda w=w: w.run(of(w, ill())).run.forward())  # type: ignore[misc]
        if name == "after failed:look":
            break
    assert name == "after failed:look"
    check = well()
    with pytest.raises(Refused, match="failed before in this pass: ill"):
        w.run(of(w, check)).run.resume()
    assert check.asked == 0
    assert w.run(of(w, check)).run.forward() == "done"
    assert check.asked == 1


@pytest.mark.parametrize("finding", [Finding.not_yet("2 left", "wait"), Finding.blind("no answer", "wait")])
def test_not_yet_and_blind_wait_until_the_deadline(finding: Finding) -> None:
    w = fresh()
    w.run(of(w, Script([finding] * 5 + [Finding.passed("well")]))).run.forward()
    w = fresh()
    began = w.clock.mono
    with pytest.raises(Refused, match=r"look: not satisfied within 5 s: .*\(wait\)"):
        w.run(of(w, Script([finding]), deadline=5.0)).run.forward()
    assert 5.0 <= w.clock.mono - began < 6.1
    assert w.kinds().count("waiting") == 1  # said once, not at every poll
    assert w.run(of(w, well(), deadline=5.0)).run.forward() == "done"  # only a fail latches


def test_a_check_that_raises_is_blind() -> None:
    w = fresh()
    with pytest.raises(Refused, match="blind: KeyError"):
        w.run(of(w, Ask(lambda: dict[str, Finding]()["x"]), deadline=1.0)).run.forward()


def test_a_hold_must_stay_passed_and_is_broken_by_not_yet() -> None:
    w = fresh()
    began = w.clock.mono
    w.run(of(w, well(), hold=10.0)).run.forward()
    assert 10.0 <= w.clock.mono - began < 11.1
    w = fresh()
    started_at = w.clock.mono

    def answer() -> Finding:
        return Finding.not_yet("dip") if 4 < w.clock.mono - started_at < 5.5 else Finding.passed("well")

    w.run(of(w, Ask(answer), hold=10.0)).run.forward()
    assert w.kinds().count("hold-broken") == 1
    assert w.clock.mono - started_at >= 14.0


@pytest.mark.parametrize("odd", [Finding.not_yet("dip", "mend it"), Finding.blind("dip")], ids=["not yet", "blind"])
def test_a_lapse_leaves_a_soak_as_it_was_and_a_longer_one_fails_it(odd: Finding) -> None:
    def run(dip: float, at: float = 4.0) -> tuple[World, float]:
        w = fresh()
        began = w.clock.mono
        check = Ask(lambda: odd if at <= w.clock.mono - began < at + dip else Finding.passed("well"))
        w.run(of(w, check, deadline=60.0, hold=30.0, lapse=5.0)).run.forward()
        return w, w.clock.mono - began

    w, took = run(dip=3.0)
    assert w.kinds().count("hold-broken") == 0 and 30.0 <= took < 31.1
    _, took = run(dip=3.0, at=28.0)  # it has to be well at the end
    assert 31.0 <= took < 32.1
    with pytest.raises(Refused, match="look: not satisfied within 5 s: .*dip"):
        run(dip=7.0)
    with pytest.raises(Refused, match="look: not satisfied within 60 s: .*dip"):
        run(dip=70.0, at=0.0)  # before it was ever well its deadline counts
    assert run(dip=40.0, at=0.0)[1] >= 70.0


def test_a_fail_in_the_last_second_of_a_soak_fails_it() -> None:
    w = fresh()
    began = w.clock.mono
    check = Ask(lambda: Finding.failed("5xx") if w.clock.mono - began > 9 else Finding.passed("well"))
    with pytest.raises(Refused, match="5xx"):
        w.run(of(w, check, hold=10.0)).run.forward()


def wait_from(w: World, plan: Plan, *, stop_after: float) -> Started:
    started = w.run(plan)
    w.clock.later(stop_after, lambda: started.interrupt.set(2))
    with pytest.raises(Interrupted):
        started.run.forward()
    return started


@pytest.mark.parametrize(("away", "least", "most"), [(3.0, 2.0, 4.1), (100.0, 0.0, 1.1)])
def test_a_soak_since_a_step_goes_on_over_a_restart(away: float, least: float, most: float) -> None:
    w = fresh()
    plan = of(w, well(), hold=10.0, since="turn")
    wait_from(w, plan, stop_after=5.0)
    w.clock.sleep(away)
    began = w.clock.mono
    w.run(plan).run.forward()
    assert least - 1.1 <= w.clock.mono - began <= most


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
@pytest.mark.parametrize("since", ["turn", None])
def test_a_jumping_wall_clock_neither_shortens_nor_stretches_a_hold(jump: float, since: str | None) -> None:
    w = fresh()
    began = w.clock.mono

    def leap() -> None:
        w.clock.wall += jump

    w.clock.later(3.0, leap)
    w.run(of(w, well(), hold=10.0, since=since)).run.forward()
    assert 10.0 <= w.clock.mono - began < 11.1


def test_a_wall_clock_that_went_back_over_a_restart_costs_at_most_the_hold_again() -> None:
    w = fresh()
    plan = of(w, well(), hold=10.0, since="turn")
    wait_from(w, plan, stop_after=5.0)
    w.clock.wall -= 3600
    began = w.clock.mono
    w.run(plan).run.forward()
    assert w.clock.mono - began < 11.1


def test_a_soak_since_a_step_that_never_converged_counts_from_now() -> None:
    w = fresh()
    began = w.clock.mono
    w.run(of(w, well(), hold=10.0, since="no such step")).run.forward()
    assert w.clock.mono - began >= 10.0


def test_guards_are_asked_before_every_step_and_during_every_wait() -> None:
    w = fresh()
    guard = well()
    w.run(of(w, well(), (Guard(name="g", check=guard, policy=Policy.HOLD, every=1.0),), hold=10.0)).run.forward()
    assert 9 <= guard.asked <= 12
    w = fresh()
    with pytest.raises(Refused, match="nothing was begun: guard g: ill"):
        w.run(of(w, well(), (Guard(name="g", check=ill(), policy=Policy.HOLD),))).run.forward()
    assert w.ran == []


def test_a_guard_is_asked_while_a_step_settles() -> None:
    w = World(values={"k": "a"}, faults={"k=b": ["nothing"]})
    began = w.clock.mono
    guard = Guard(
        name="g",
        policy=Policy.FREEZE,
        check=Ask(lambda: Finding.failed("bad") if w.clock.mono > began + 2 else Finding.passed("well")),
    )
    with pytest.raises(Waiting, match="freeze: guard g: bad"):
        w.run(of(w, well(), (guard,))).run.forward()
    assert w.clock.mono - began < 4.5


def test_a_guard_may_be_blind_for_a_while_but_not_for_long() -> None:
    def plan(w: World, seconds: float) -> Plan:
        began = w.clock.mono
        check = Ask(lambda: Finding.blind("dark") if w.clock.mono < began + seconds else Finding.passed("well"))
        return of(w, well(), (Guard(name="g", check=check, policy=Policy.HOLD),), hold=30.0)

    w = fresh()
    assert w.run(plan(w, 8.0)).run.forward() == "done"
    w = fresh()
    with pytest.raises(Waiting, match="guard g: dark"):
        w.run(plan(w, 20.0)).run.forward()


def test_a_guard_that_only_notifies_is_recorded_and_the_walk_goes_on() -> None:
    w = fresh()
    w.run(of(w, well(), (Guard(name="g", check=ill(), policy=Policy.NOTIFY),))).run.forward()
    assert "guard-failed" in w.kinds() and w.values["k"] == "b"
