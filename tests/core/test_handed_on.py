"""What the window stops and only the phase after it starts again: no run ends between the two of its own accord."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from toy_plan import plan, world
from toy_world import Ask, Put, World, ill, killed_at

from cutover.core.errors import CutoverError, Interrupted, Refused, RollbackIncomplete, RolledBack, Waiting
from cutover.core.gate import Check, Finding, Guard, Policy
from cutover.core.plan import Plan

GREEN_WORKS, BLUE_WORKS, NOBODY_WORKS = ("off", "on"), ("on", "off"), ("off", "off")


def working(
    w: World, checks: dict[str, Check] | None = None, guards: tuple[Guard, ...] = (), **policies: Policy
) -> Plan:
    """The toy plan with workers on both sides."""
    w.values.setdefault("blue-works", "on")
    w.values.setdefault("green-works", "off")
    whole = plan(w, checks, guards, **policies)
    stop = Put(name="blue-stopped", key="blue-works", before="on", after="off", world=w, settle=5.0)
    start = Put(name="green-started", key="green-works", before="off", after="on", world=w, settle=5.0)
    window = whole.phase("window")
    window = replace(window, items=(stop, *window.items), handed_on=("blue-stopped",))
    work = replace(
        window, name="work", items=(start,), budget=None, overrun=Policy.STOP, supervised=False, handed_on=()
    )
    work = replace(work, taken_on=("green-started",))
    return replace(whole, phases=(whole.phases[0], window, work, *whole.phases[2:]))


def works(w: World) -> tuple[Any, Any]:
    return w.values["blue-works"], w.values["green-works"]


@pytest.mark.parametrize("where", ["probe", "maintenance", "work"])
def test_an_interrupt_past_the_commit_point_comes_when_somebody_works_again(where: str) -> None:
    w = world()
    started = w.run(working(w, {"probe": Ask(lambda: interrupted() if where == "probe" else Finding.passed("well"))}))

    def interrupted() -> Finding:
        started.interrupt.set(2)
        return Finding.passed("well")

    if where != "probe":  # the command that takes long is the one in which the signal comes
        w.faults["maintenance=off" if where == "maintenance" else "green-works=on"] = ["late"]
        w.clock.later(0.0, lambda: _when(w, where, started.interrupt.set))
    with pytest.raises(Interrupted) as stop:
        started.run.forward()
    assert works(w) == GREEN_WORKS and "share=10" not in w.ran and "NEITHER" not in stop.value.message
    assert w.run(working(w)).run.resume() == "done"


def _when(w: World, where: str, interrupt: Callable[[int], None]) -> None:
    if ("maintenance=off" if where == "maintenance" else "green-works=on") in w.ran:
        interrupt(2)
    else:
        w.clock.later(0.1, lambda: _when(w, where, interrupt))


@pytest.mark.parametrize(
    ("policy", "error", "end"),
    [
        (Policy.HOLD, Waiting, GREEN_WORKS),
        (Policy.STOP, CutoverError, GREEN_WORKS),
        (Policy.ROLLBACK, RolledBack, BLUE_WORKS),
        (Policy.FREEZE, Waiting, NOBODY_WORKS),
    ],
)
@pytest.mark.parametrize("begin", ["gate", "guard"])
def test_what_holds_in_the_window_holds_behind_the_work_and_what_freezes_says_who_does_not_work(
    begin: str, policy: Policy, error: type[CutoverError], end: tuple[str, str]
) -> None:
    w = world()
    check = Ask(lambda: Finding.failed("bad") if w.values["blue"] == "fenced" else Finding.passed("well"))
    guards = (Guard(name="g", check=check, policy=policy, every=0.0),) if begin == "guard" else ()
    checks: dict[str, Check] = {"probe": ill()} if begin == "gate" else {}
    with pytest.raises(error) as stop:
        w.run(working(w, checks, guards, probe=policy)).run.forward()
    assert works(w) == end
    neither = "RUNS ON NEITHER SIDE: blue-stopped took place and was not taken back, and of work there is not done: green-started"
    assert (neither in stop.value.message) is (end == NOBODY_WORKS)
    assert ("green-works=on" in w.ran) is (end == GREEN_WORKS)


def test_a_guard_that_freezes_is_watched_while_the_work_begins() -> None:
    w = world()
    check = Ask(
        lambda: (
            Finding.failed("two")
            if w.values["maintenance"] == "off" and w.values["green"] == "open"
            else Finding.passed("one")
        )
    )
    guard = Guard(name="g", check=check, policy=Policy.FREEZE, every=0.0)
    with pytest.raises(Waiting, match="(?s)freeze: .*NEITHER SIDE.*invoke resume --env toy"):
        w.run(working(w, {"probe": ill()}, (guard,), probe=Policy.HOLD)).run.forward()
    assert works(w) == NOBODY_WORKS


def test_a_hold_wish_in_the_window_is_heeded_behind_the_work() -> None:
    w = world()
    ask = Ask(lambda: w.store.wish("r1", "hold", {"who": "ann"}) or Finding.passed("well"))  # type: ignore[func-returns-value]
    with pytest.raises(Waiting, match="held by ann"):
        w.run(working(w, {"lag": ask})).run.forward()
    assert works(w) == GREEN_WORKS and w.values["share"] == 0


def test_work_that_does_not_begin_is_said() -> None:
    w = world()
    w.faults["green-works=on"] = ["before"]
    with pytest.raises(CutoverError, match="RUNS ON NEITHER SIDE"):
        w.run(working(w)).run.forward()
    assert w.run(working(w)).run.resume() == "done"


def test_stopping_between_the_two_is_refused() -> None:
    w = world()
    with pytest.raises(Refused, match="window stops what only work starts again") as stop:
        w.run(working(w)).run.forward(until="window")
    assert (stop.value.exit_code, stop.value.next_command) == (5, "invoke cutover --env toy --until work")
    assert w.ran == [] and w.store.kept == []
    assert w.run(working(w)).run.forward(until="work") == "until"
    assert w.run(working(w)).run.forward() == "done"
    kept = len(w.store.kept)
    with pytest.raises(Refused) as stop:
        w.run(working(w)).run.back(reason="r", to="window")
    assert stop.value.next_command == "invoke rollback --env toy --to work --reason '…'"
    assert len(w.store.kept) == kept
    assert w.run(working(w)).run.back(reason="r", to="work") == "undone" and works(w) == GREEN_WORKS
    assert w.run(working(w)).run.back(reason="r", to="prepare") == "undone" and works(w) == BLUE_WORKS


def test_an_interrupt_on_the_way_back_says_who_does_not_work() -> None:
    w = world()
    w.run(working(w)).run.forward()
    w.faults["green-works=off"] = ["late"]
    started = w.run(working(w))
    w.clock.later(0.0, lambda: _after(w, "green-works=off", lambda: started.interrupt.set(2)))
    with pytest.raises(Interrupted) as stop:
        started.run.back(reason="r")
    assert "RUNS ON NEITHER SIDE: blue-stopped" in stop.value.message
    assert w.run(working(w)).run.resume() == "rolled-back" and works(w) == BLUE_WORKS


def _after(w: World, label: str, do: Callable[[], None]) -> None:
    if label in w.ran:
        do()
    else:
        w.clock.later(0.1, lambda: _after(w, label, do))


@pytest.mark.parametrize("begins", [True, False])
def test_a_window_that_is_reopened_has_its_work_again(begins: bool) -> None:
    w = world()
    w.run(working(w)).run.forward()
    w.faults["maintenance=on"] = ["before"] * 1000
    w.faults["green-works=on"] = [] if begins else ["before"] * 1000
    with pytest.raises(RollbackIncomplete, match="these commands remain") as stuck:
        w.run(working(w)).run.back(reason="r")
    assert works(w) == (GREEN_WORKS if begins else NOBODY_WORKS)
    assert ("RUNS ON NEITHER SIDE" in stuck.value.message) is not begins
    w.faults.clear()
    assert w.run(working(w)).run.resume() == "rolled-back" and works(w) == BLUE_WORKS


def test_the_supervisor_lets_no_window_end_without_its_work() -> None:
    seen = {"finished": 0, "undone": 0, "nothing": 0}
    for number in range(400):
        w = world()
        name = killed_at(number, lambda w=w: w.run(working(w)).run.forward())  # type: ignore[misc]
        if name is None:
            break
        outcome = w.run(working(w)).run.recover("window")
        seen[outcome] += 1
        if outcome != "nothing":
            assert works(w) == (GREEN_WORKS if outcome == "finished" else BLUE_WORKS), name
        w.run(working(w)).run.forward()
        assert works(w) == GREEN_WORKS, name
    assert min(seen.values()) > 5
