"""Triggers: a run that stands still under watch, decides by time or by a person, and knows it over restarts."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from toy_plan import BACK, END, plan, world
from toy_world import LEASE, Ask, FakeClock, Started, World, killed_at, well

from cutover.core.errors import Interrupted, RolledBack, Waiting
from cutover.core.gate import Finding, Gate, Guard, Policy
from cutover.core.plan import Plan, PlanError

SHIFTS = ("shift-10", "shift-50", "shift-100", "bake")
MINUTES = 60.0


def trigger(
    ill: Callable[[], object], policy: Policy = Policy.ROLLBACK, name: str = "errors", **words: object
) -> Guard:
    check = Ask(lambda: Finding.failed("7 %") if ill() else Finding.passed("0 %"))
    return Guard(name=name, check=check, policy=policy, **{"during": SHIFTS, **words})  # type: ignore[arg-type]


def at_50(w: World, *, until: float = float("inf")) -> Callable[[], bool]:
    """From the moment at which half of the traffic is green's, for so many seconds."""
    begun: list[float] = []

    def ill() -> bool:
        if w.values["share"] == 50 and not begun:
            begun.append(w.clock.mono)
        return bool(begun) and w.clock.mono < begun[0] + until

    return ill


def says(w: World, kind: str, **word: object) -> None:
    w.store.wish("r1", kind, {"who": "ann", "at": w.clock.now(), **word})


def entries(w: World, kind: str) -> list[dict[str, object]]:
    return [dict(entry.data) for entry in w.store.kept if entry.kind == kind]


def test_what_is_not_well_after_its_investigation_goes_back() -> None:
    w = world()
    guards = (trigger(at_50(w), investigate=15 * MINUTES),)
    began = w.clock.mono
    with pytest.raises(RolledBack, match="guard errors: 7 %"):
        w.run(plan(w, guards=guards)).run.forward()
    assert w.values == BACK
    assert 15 * MINUTES <= w.clock.mono - began < 16 * MINUTES
    assert len(entries(w, "standing")) == 1 and w.ran.count("share=100") == 0
    assert [one["outcome"] for one in entries(w, "standing-ended")] == ["not well"]


def test_what_is_well_at_the_end_goes_on_with_its_soak_begun_anew() -> None:
    w = world()
    began = w.clock.mono
    guards = (trigger(at_50(w, until=5 * MINUTES), investigate=15 * MINUTES),)
    soaks = plan(w, guards=guards)
    assert w.run(soaks).run.forward() == "done"
    assert w.values == END and w.clock.mono - began >= 15 * MINUTES
    assert [one["outcome"] for one in entries(w, "standing-ended")] == ["well"]


def test_a_soak_that_something_stood_in_is_begun_anew() -> None:
    w = world()
    ill = at_50(w, until=60.0)
    guards = (trigger(lambda: w.clock.mono > start[0] + 2 and ill(), investigate=2 * MINUTES),)
    start = [float("inf")]
    whole = plan(w, guards=guards)
    soak = Gate(name="soak-50", check=well(), hold=30.0, deadline=5.0)
    phases = tuple(replace(p, items=(p.items[0], soak)) if p.name == "shift-50" else p for p in whole.phases)
    w.clock.later(0.0, lambda: start.__setitem__(0, w.clock.mono))
    assert w.run(replace(whole, phases=phases)).run.forward() == "done"
    broken = next(entry.at for entry in w.store.kept if entry.kind == "hold-broken" and entry.data["gate"] == "soak-50")
    passed = next(entry.at for entry in w.store.kept if entry.kind == "passed" and entry.data["gate"] == "soak-50")
    assert passed - broken >= 30.0


def test_while_it_stands_still_a_worse_trigger_still_goes_back() -> None:
    w = world()
    ill = at_50(w)
    worse: list[float] = []

    def much_worse() -> bool:
        if ill() and not worse:
            worse.append(w.clock.mono + 3 * MINUTES)
        return bool(worse) and w.clock.mono >= worse[0]

    guards = (
        trigger(ill, Policy.HOLD, stands=True),
        trigger(much_worse, Policy.ROLLBACK, name="many-errors"),
    )
    began = w.clock.mono
    with pytest.raises(RolledBack, match="many-errors"):
        w.run(plan(w, guards=guards)).run.forward()
    assert w.values == BACK and 3 * MINUTES <= w.clock.mono - began < 4 * MINUTES


def test_a_hold_waits_for_a_person_with_a_reason() -> None:
    w = world()
    guards = (trigger(at_50(w, until=20 * MINUTES), Policy.HOLD, stands=True),)
    began = w.clock.mono
    w.clock.later(5 * MINUTES, lambda: says(w, "resume"))
    w.clock.later(10 * MINUTES, lambda: says(w, "resume", reason="a known fault of the probe"))
    assert w.run(plan(w, guards=guards)).run.forward() == "done"
    assert 10 * MINUTES <= w.clock.mono - began < 11 * MINUTES
    (ended,) = entries(w, "standing-ended")
    assert ended["outcome"] == "borne" and ended["who"] == "ann" and "probe" in str(ended["reason"])


def test_what_was_borne_counts_again_once_it_was_well() -> None:
    w = world()
    began: list[float] = []

    def ill() -> bool:
        if w.values["share"] != 50:
            return False
        began[:] = began or [w.clock.mono]
        since = w.clock.mono - began[0]
        return since < 100 or since > 110

    guards = (trigger(ill, Policy.HOLD, stands=True),)
    w.clock.later(60.0, lambda: says(w, "resume", reason="known"))
    whole = plan(w, guards=guards)
    soak = Gate(name="soak-50", check=well(), hold=300.0, deadline=5.0)
    phases = tuple(replace(p, items=(p.items[0], soak)) if p.name == "shift-50" else p for p in whole.phases)
    started = w.run(replace(whole, phases=phases))
    w.clock.later(500.0, lambda: started.interrupt.set(2))
    with pytest.raises(Interrupted):
        started.run.forward()
    assert len(entries(w, "standing")) == 2 and len(entries(w, "guard-cleared")) == 1


@pytest.mark.parametrize("away", [0.0, 3 * MINUTES, 60 * MINUTES])
def test_an_investigation_goes_on_by_the_clock_over_a_restart(away: float) -> None:
    w = world()
    began = w.clock.mono
    the_plan = plan(w, guards=(trigger(at_50(w), investigate=15 * MINUTES),))
    started = w.run(the_plan)
    w.clock.later(5 * MINUTES, lambda: started.interrupt.set(2))
    with pytest.raises(Interrupted):
        started.run.forward()
    w.clock.sleep(away)
    with pytest.raises(RolledBack):
        w.run(the_plan).run.resume()
    assert w.values == BACK
    assert abs(w.clock.mono - began - max(15 * MINUTES, 5 * MINUTES + away)) < 60


def test_killed_anywhere_while_it_stands_still_it_goes_back_all_the_same() -> None:
    reached = set()
    for number in range(400):
        w = world()
        the_plan = plan(w, guards=(trigger(at_50(w), investigate=10.0),))

        def run(w: World = w, the_plan: Plan = the_plan) -> None:
            try:
                w.run(the_plan).run.resume() if w.store.kept else w.run(the_plan).run.forward()
            except RolledBack:
                pass

        name = killed_at(number, run)
        if name is None:
            break
        reached.add(name)
        run()
        assert w.values == BACK, name
    assert {"after standing:", "after standing-ended:"} <= {name.partition("errors")[0] for name in reached}


def test_too_little_to_judge_waits_and_is_never_well() -> None:
    w = world()
    check = Ask(lambda: Finding.not_yet("3 of 200 requests"))
    waits = Guard(name="errors", check=check, policy=Policy.ROLLBACK, during=SHIFTS)
    assert w.run(plan(w, guards=(waits,))).run.forward() == "done"
    w = world()
    holds = replace(waits, on_insufficient=Policy.HOLD, patience=3.0)
    with pytest.raises(Waiting, match="guard errors: 3 of 200 requests"):
        w.run(plan(w, guards=(holds,))).run.forward()
    assert w.values["share"] == 10


def test_blind_holds_while_a_failure_goes_back() -> None:
    w = world()
    ill = at_50(w)
    check = Ask(lambda: Finding.blind("no answer") if ill() else Finding.passed("0 %"))
    guard = Guard(
        name="errors",
        check=check,
        policy=Policy.ROLLBACK,
        during=SHIFTS,
        patience=1.0,
        on_blind=Policy.HOLD,
        stands=True,
    )
    started = w.run(plan(w, guards=(guard,)))
    w.clock.later(10 * MINUTES, lambda: started.interrupt.set(2))
    with pytest.raises(Interrupted):
        started.run.forward()
    assert w.values["share"] == 50 and [one["then"] for one in entries(w, "standing")] == ["hold"]


def test_a_word_is_said_once_until_it_is_well_again() -> None:
    w = world()
    guards = (trigger(at_50(w, until=2.0), Policy.NOTIFY, every=0.0),)
    assert w.run(plan(w, guards=guards)).run.forward() == "done"
    assert len(entries(w, "guard-failed")) == 1 and len(entries(w, "guard-cleared")) == 1


def test_a_rollback_that_another_terminal_asks_for_is_heeded_but_never_inside_the_window() -> None:
    w = world()
    slow = Ask(lambda: says(w, "rollback", reason="enough") or Finding.passed("x"))  # type: ignore[func-returns-value]
    with pytest.raises(RolledBack, match="asked for by ann: enough"):
        w.run(plan(w, {"probe": slow})).run.forward()
    assert w.values == BACK
    assert "maintenance=off" in w.ran, "the window was finished first"


def test_a_detached_run_ends_where_it_only_waits_and_goes_on_later() -> None:
    w = world()
    whole = plan(w)
    soak = Gate(name="soak-50", check=well(), hold=1000.0, deadline=5.0, detaches=True)
    phases = tuple(replace(p, items=(p.items[0], soak)) if p.name == "shift-50" else p for p in whole.phases)
    whole = replace(whole, phases=phases)

    def detached() -> Started:
        started = w.run(whole)
        started.run.walker.detached = True
        return started

    with pytest.raises(Waiting, match="soak-50: .* more"):
        detached().run.forward()
    with pytest.raises(Waiting):
        detached().run.resume()
    assert w.run(whole).run.resume() == "done"
    assert w.values == END


def test_nothing_stands_still_where_writes_wait() -> None:
    w = world()
    with pytest.raises(PlanError, match="where writes wait"):
        plan(w, guards=(trigger(lambda: False, investigate=60.0, during=()),))
    with pytest.raises(PlanError, match="window"):
        plan(w, guards=(trigger(lambda: False, Policy.HOLD, stands=True, during=("window",)),))


class SlowClock(FakeClock):
    """Every wait takes a minute at least, so that a week is ten thousand looks."""

    def sleep(self, seconds: float) -> None:
        super().sleep(max(seconds, 60.0))


def test_seven_days_of_soak_over_twenty_restarts_and_two_machines() -> None:
    day = 86_400.0
    w = World(clock=SlowClock(), values=dict(world().values))
    w.command_seconds = 0.0
    whole = plan(w, guards=(trigger(lambda: False, investigate=15 * MINUTES),))
    soak = Gate(name="soak-50", check=well(), hold=7 * day, deadline=600.0)
    phases = tuple(replace(p, items=(p.items[0], soak)) if p.name == "shift-50" else p for p in whole.phases)
    phases = tuple(replace(p, budget=None, supervised=False) for p in phases)
    whole = replace(whole, phases=phases)
    w.run(whole).run.forward(until="shift-10")
    began, unwatched = w.clock.wall, 0.0
    for number in range(20):
        started = w.run(whole)
        started.run.journal.lease = replace(LEASE, host=("one", "other")[number % 2])
        stops = started.interrupt
        w.clock.later(0.3 * day, lambda stops=stops: stops.set(15))  # type: ignore[misc]
        with pytest.raises(Interrupted):
            started.run.forward()
        w.clock.sleep(3600.0)
        unwatched += 3600.0
        w.clock.mono = 100.0 + number  # another machine's clock begins anew
    assert w.run(whole).run.forward() == "done"
    passed = next(entry.at for entry in w.store.kept if entry.kind == "passed" and entry.data["gate"] == "soak-50")
    assert 7 * day + unwatched <= passed - began <= 7 * day + unwatched + 21 * 180.0
    assert entries(w, "hold-broken") == []


def test_after_a_crash_the_time_counts_up_to_the_last_entry() -> None:
    w = world()
    whole = plan(w)
    soak = Gate(name="soak-50", check=well(), hold=1000.0, deadline=5.0)
    phases = tuple(replace(p, items=(p.items[0], soak)) if p.name == "shift-50" else p for p in whole.phases)
    whole = replace(whole, phases=phases)
    name = next(
        number
        for number in range(400)
        if (killed_at(number, lambda: (w.__init__(values=dict(world().values)), w.run(whole).run.forward())))  # type: ignore[misc]
        == "after watched:soak-50"
    )
    assert name
    watched = w.clock.now() - next(e.at for e in w.store.kept if e.kind == "hold-begun" and e.data["gate"] == "soak-50")
    w.clock.sleep(5000.0)
    began = w.clock.mono
    assert w.run(whole).run.resume() == "done"
    assert w.clock.mono - began >= 1000.0 - watched - 1.0


@pytest.mark.parametrize("asked", [False, True])
def test_what_would_cost_too_much_freezes_unless_a_person_asks_for_it(asked: bool) -> None:
    w = world()
    ill = at_50(w)
    dear = Ask(lambda: Finding.failed("900 MB behind"))
    guards = () if asked else (trigger(ill),)
    whole = replace(plan(w, guards=guards), affordable=dear)
    if asked:
        w.clock.later(0.0, lambda: says(w, "rollback", reason="now"))
        with pytest.raises(RolledBack):
            w.run(whole).run.forward()
        assert "rollback-too-dear" not in w.kinds()
        return
    with pytest.raises(Waiting, match="freeze: guard errors: 7 %; going back would cost too much: 900 MB behind"):
        w.run(whole).run.forward()
    assert w.values["share"] == 50 and "rollback-too-dear" in w.kinds()


def test_what_cannot_be_seen_keeps_nobody_from_going_back() -> None:
    w = world()
    whole = replace(plan(w, guards=(trigger(at_50(w)),)), affordable=Ask(lambda: Finding.blind("no answer")))
    with pytest.raises(RolledBack):
        w.run(whole).run.forward()
    assert w.values == BACK


def test_what_others_write_down_meanwhile_does_not_mean_that_somebody_watched() -> None:
    w = world()
    whole = plan(w)
    soak = Gate(name="soak-50", check=well(), hold=1000.0, deadline=5.0)
    phases = tuple(replace(p, items=(p.items[0], soak)) if p.name == "shift-50" else p for p in whole.phases)
    whole = replace(whole, phases=phases)
    started = w.run(whole)
    w.clock.later(100.0, lambda: started.interrupt.set(2))
    with pytest.raises(Interrupted):
        started.run.forward()
    w.clock.sleep(5000.0)
    other = replace(LEASE, token=2)
    w.store.token = 2
    w.store.append("r1", "notified", {"delivered": []}, other)
    w.store.token = 1
    began = w.clock.mono
    assert w.run(whole).run.forward() == "done"
    assert w.clock.mono - began >= 850.0


def test_what_nobody_asks_any_more_is_not_called_well() -> None:
    w = world()
    started = w.run(plan(w, guards=(trigger(at_50(w), investigate=60.0),)))
    w.clock.later(30.0, lambda: setattr(started.run.walker, "guards", ()))
    with pytest.raises(RolledBack, match="it is not asked here any more"):
        started.run.forward()
    assert [one["outcome"] for one in entries(w, "standing-ended")] == ["not well"] and w.values == BACK


def test_what_freezes_a_run_is_told_once_while_it_is_only_watched_and_again_after_it_was_well() -> None:
    w = world()
    ill = at_50(w, until=float("inf"))
    mended: list[float] = []
    started = w.run(plan(w, guards=(trigger(lambda: ill() and not mended, Policy.FREEZE, during=()),)))
    with pytest.raises(Waiting, match="guard errors: 7 %"):
        started.run.forward()
    assert len(entries(w, "guard-failed")) == 1
    w.clock.later(10 * MINUTES, lambda: started.interrupt.set(15))
    with pytest.raises(Interrupted):
        started.run.stand_by()
    assert len(entries(w, "guard-failed")) == 1, "not one at every look"
    assert w.values["share"] == 50

    started.interrupt.signal_number = None
    w.clock.later(MINUTES, lambda: mended.append(1))
    w.clock.later(2 * MINUTES, mended.clear)
    with pytest.raises(Waiting, match="guard errors: 7 %"):
        started.run.stand_by()
    assert len(entries(w, "guard-failed")) == 2, "what goes wrong again is told again"
    with pytest.raises(Waiting):
        started.run.forward()
    assert len(entries(w, "guard-failed")) == 3, "whoever goes on is stopped by it as ever"
