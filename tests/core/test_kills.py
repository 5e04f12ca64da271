"""Killed at every boundary of a whole plan, forward and back, and gone on with: the right end, one writable side at most."""

from collections.abc import Callable
from typing import Any

import pytest
from toy_plan import AFTER_UNDO, BACK, END, plan, world
from toy_world import Ask, Script, World, ill, killed_at

from cutover.core import killpoint
from cutover.core.errors import CutoverError, Interrupted, Refused, RolledBack
from cutover.core.gate import Finding, Policy

LONG = 400


def every_kill(begin: Callable[[World], Any], check: Callable[[World, str], None]) -> int:
    """Kills `begin` at its first, second, … kill point, each in a new world, and hands the rest to `check`."""
    for number in range(LONG):
        w = world()
        name = killed_at(number, lambda w=w: begin(w))  # type: ignore[misc]
        if name is None:
            return number
        check(w, name)
    raise AssertionError("the walk does not end")


def forward(w: World) -> str:
    return w.run(plan(w)).run.forward()


def finished(w: World) -> World:
    assert forward(w) == "done"
    return w


def back(w: World) -> str:
    return w.run(plan(w)).run.back(reason="test")


def test_killed_forward_then_resumed_ends_forward() -> None:
    def check(w: World, name: str) -> None:
        w.run(plan(w)).run.resume()
        if name == "before leg-started:forward":
            forward(w)
        assert w.values == END, name
        assert forward(w) == "nothing"

    assert every_kill(forward, check) > 70


def test_killed_forward_then_rolled_back() -> None:
    def check(w: World, name: str) -> None:
        back(w)
        assert {**w.values, "subscription": "present"} == BACK, name
        assert finished(w).values == END  # and a second try works

    every_kill(forward, check)


def test_killed_forward_then_everything_is_taken_back() -> None:
    def check(w: World, name: str) -> None:
        back(w)
        w.run(plan(w)).run.back(reason="all of it", everything=True)
        assert w.values == world().values, name

    every_kill(forward, check)


def killed_back(check: Callable[[World, str], None]) -> int:
    return every_kill(lambda w: _only_the_way_back(w), check)


def _only_the_way_back(w: World) -> None:
    hook = killpoint._hook  # the walk there is not the one under test
    killpoint.install(None)
    finished(w)
    killpoint.install(hook)
    back(w)


def test_killed_on_the_way_back_then_resumed_ends_back() -> None:
    def check(w: World, name: str) -> None:
        started = w.run(plan(w)).run
        started.back(reason="asked again") if name == "before leg-started:back" else started.resume()
        assert w.values == BACK, name
        assert w.run(plan(w)).run.resume() == "nothing" or name.startswith("after leg-ended")

    assert killed_back(check) > 30


def test_killed_on_the_way_back_then_forward_again() -> None:
    def check(w: World, name: str) -> None:
        soaks = w.kinds().count("passed")
        assert forward(w) in ("done", "nothing")
        assert w.values == END, name
        if w.ran.count("share=10") == 2:  # what was shifted again was soaked again
            assert sum(entry.data.get("gate") == "soak-10" for entry in w.store.kept if entry.kind == "passed") == 2
            assert w.kinds().count("passed") > soaks
        assert forward(w) == "nothing"

    killed_back(check)


def test_worker_killed_in_the_window_forward_is_ended_by_the_supervisor() -> None:
    seen = {"finished": 0, "undone": 0, "nothing": 0}

    def check(w: World, name: str) -> None:
        blue = w.values["blue"]
        position = w.run(plan(w)).run.journal.position()
        outcome = w.run(plan(w)).run.recover("window")
        seen[outcome] += 1
        if outcome == "undone":
            assert w.values == AFTER_UNDO and blue == "open", name
        elif outcome == "finished":
            assert (w.values["blue"], w.values["green"], w.values["maintenance"]) == ("fenced", "open", "off"), name
        else:
            assert position.phase != "window", name
        assert w.run(plan(w)).run.recover("window") == "nothing"
        forward(w)
        assert w.values == END, name

    every_kill(forward, check)
    assert min(seen.values()) > 5


def test_worker_killed_in_the_window_on_the_way_back_is_ended_by_the_supervisor() -> None:
    seen = {"finished": 0, "nothing": 0}

    def check(w: World, name: str) -> None:
        outcome = w.run(plan(w)).run.recover("window")
        seen[outcome] += 1
        assert "open" in (w.values["blue"], w.values["green"]), name
        assert w.values["maintenance"] == "off", name
        back(w)
        assert w.values == BACK, name

    killed_back(check)
    assert min(seen.values()) > 5


def undone(w: World) -> None:
    """A window whose lag gate fails is taken back."""
    with pytest.raises(Refused):
        w.run(plan(w, {"lag": ill()})).run.forward()


def test_worker_killed_in_the_undo_is_ended_by_the_supervisor() -> None:
    undos = 0

    def check(w: World, name: str) -> None:
        nonlocal undos
        leg = w.run(plan(w)).run.journal.position().leg
        outcome = w.run(plan(w)).run.recover("window")
        assert outcome in ("undone", "nothing")
        assert (w.values["blue"], w.values["maintenance"]) == ("open", "off"), name
        if leg is not None and leg.direction == "back" and leg.outcome is None:
            undos += 1
            assert outcome == "undone" and w.values == AFTER_UNDO, name
        assert finished(w).values == END

    every_kill(undone, check)
    assert undos > 8


def test_worker_killed_in_the_undo_and_a_person_rolls_back() -> None:
    def check(w: World, name: str) -> None:
        back(w)
        assert {**w.values, "subscription": "present"} == BACK, name

    every_kill(undone, check)


def test_supervisor_killed_as_well_and_called_again() -> None:
    """Every death of the worker in the window, and after it every death of the supervisor that ends the window."""
    for number in range(LONG):
        second = 0
        while True:
            w = world()
            name = killed_at(number, lambda w=w: forward(w))  # type: ignore[misc]
            if name is None:
                return
            if w.run(plan(w)).run.journal.position().phase != "window":
                break
            again = killed_at(second, lambda w=w: w.run(plan(w)).run.recover("window"))  # type: ignore[misc]
            if again is None:
                break
            w.run(plan(w)).run.recover("window")
            assert w.values["maintenance"] == "off" and "open" in (w.values["blue"], w.values["green"]), (name, again)
            second += 5
    raise AssertionError("the walk does not end")


def test_rollback_by_policy_killed_everywhere() -> None:
    def begin(w: World) -> None:
        with pytest.raises(RolledBack):
            w.run(plan(w, {"soak-50": ill()}, soak_50=Policy.ROLLBACK)).run.forward()

    def check(w: World, name: str) -> None:
        if not w.kinds():
            return
        turned = any(entry.data.get("direction") == "back" for entry in w.store.kept)
        started = w.run(plan(w, {"soak-50": ill()}, soak_50=Policy.ROLLBACK)).run
        try:
            assert started.resume() in ("rolled-back", "nothing") and turned, name
        except CutoverError as error:
            assert isinstance(error, RolledBack) and not turned, (name, error)
        assert w.values == BACK, name

    every_kill(begin, check)


@pytest.mark.parametrize("gate", ["preflight", "caught-up", "lag", "probe", "soak-10", "soak-100", "checklist"])
def test_interrupted_everywhere_goes_on_later(gate: str) -> None:
    """An interrupt at a gate that waits stops at a boundary, and resume ends well."""
    w = world()
    looks = Script([Finding.not_yet("slow")] * 3 + [Finding.passed("well")])
    started = w.run(plan(w, {gate: Ask(lambda: started.interrupt.set(15) or looks.look())}))  # type: ignore[func-returns-value]
    with pytest.raises(Interrupted) as stop:
        started.run.forward()
    assert stop.value.exit_code == 143
    assert w.values["maintenance"] == "off" and "open" in (w.values["blue"], w.values["green"])
    assert w.run(plan(w)).run.resume() == "done"
    assert w.values == END
