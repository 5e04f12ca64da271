"""The window: its budget before and after the commit point, interrupts, failures, and a way back that fails inside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from toy_plan import AFTER_UNDO, BACK, END, plan, world
from toy_world import Ask, World, ill, well

from cutover.core.errors import GateFailed, Interrupted, Refused, RollbackIncomplete, RolledBack, StepFailed, Waiting
from cutover.core.gate import Finding, Guard, Policy

SWITCHED = {"blue": "fenced", "green": "open", "maintenance": "off"}


def window(w: World) -> dict[str, Any]:
    return {key: w.values[key] for key in SWITCHED}


def finished() -> World:
    w = world()
    assert w.run(plan(w)).run.forward() == "done"
    return w


class Recorder:
    """A supervisor that notes when it stands by."""

    def __init__(self, w: World) -> None:
        self.notes: list[str] = []
        self._world = w

    @contextmanager
    def watch(self, phase: str, budget: float, *, ready_first: bool) -> Iterator[None]:
        self.notes.append(f"begin {phase} {budget:g} {self._world.values['maintenance']}")
        yield
        self.notes.append(f"end {self._world.values['maintenance']}")


def test_the_supervisor_stands_by_around_the_window_only_and_once() -> None:
    w = world()
    supervisor = Recorder(w)
    w.run(plan(w), supervisor=supervisor).run.forward()
    assert supervisor.notes == ["begin window 60 off", "end off"]
    w.run(plan(w), supervisor=supervisor).run.back(reason="r")
    assert supervisor.notes == ["begin window 60 off", "end off"] * 2


def test_one_supervisor_covers_the_undo_too() -> None:
    w = world()
    supervisor = Recorder(w)
    with pytest.raises(Refused):
        w.run(plan(w, {"lag": ill()}), supervisor=supervisor).run.forward()
    assert supervisor.notes == ["begin window 60 off"] and w.values["maintenance"] == "off"


@pytest.mark.parametrize("why", ["slow command", "slow gate", "failing command", "stray", "failing gate", "guard"])
def test_what_goes_wrong_before_the_commit_point_undoes_the_window(why: str) -> None:
    w = world()
    checks: dict[str, Any] = {}
    guards: tuple[Guard, ...] = ()
    if why == "slow command":
        began = w.clock.mono
        checks["lag"] = Ask(lambda: w.clock.sleep(61) or Finding.passed(f"since {began}"))  # type: ignore[func-returns-value]
    elif why == "slow gate":
        checks["lag"] = Ask(lambda: w.clock.sleep(59) or Finding.not_yet("behind"))  # type: ignore[func-returns-value]
    elif why == "failing command":
        w.faults["blue=fenced"] = ["before"]
    elif why == "stray":
        w.faults["maintenance=on"] = ["nothing"]
    elif why == "failing gate":
        checks["lag"] = ill()
    else:
        check = Ask(lambda: Finding.failed("bad") if w.values["maintenance"] == "on" else Finding.passed("well"))
        guards = (Guard(name="g", check=check, policy=Policy.ROLLBACK, every=0.0),)
    with pytest.raises(Refused, match="window was taken back before its commit point; nothing was switched") as refused:
        w.run(plan(w, checks, guards)).run.forward()
    assert refused.value.exit_code == 5
    assert w.values == AFTER_UNDO
    leg = w.run(plan(w, checks, guards)).run.journal.position().leg
    assert leg is not None and (leg.outcome, leg.cause, leg.to) == ("undone", "undo", "prepare")


@pytest.mark.parametrize("after_undo", ["resume", "forward"])
def test_a_second_try_after_an_undo_asks_the_gates_of_the_window_again(after_undo: str) -> None:
    w = world()
    with pytest.raises(Refused):
        w.run(plan(w, {"lag": ill()})).run.forward()
    lag, caught_up = well(), well()
    started = w.run(plan(w, {"lag": lag, "caught-up": caught_up})).run
    assert (started.resume() if after_undo == "resume" else started.forward()) == "done"
    assert w.values == END and (lag.asked, caught_up.asked) == (1, 0)


def test_a_budget_overrun_after_the_commit_point_is_finished_forward() -> None:
    w = world()
    slow = Ask(lambda: w.clock.sleep(61) or Finding.passed("well"))  # type: ignore[func-returns-value]
    assert w.run(plan(w, {"probe": slow})).run.forward() == "done"
    assert w.values == END
    assert [e.data["committed"] for e in w.store.kept if e.kind == "overrun"] == [True]


def test_a_failing_command_past_the_commit_point_is_retried() -> None:
    w = world()
    w.faults["green=open"] = ["before"] * 3
    assert w.run(plan(w)).run.forward() == "done"
    assert w.values == END and w.kinds().count("retrying") >= 1


def test_patience_past_the_commit_point_ends() -> None:
    w = world()
    w.faults["green=open"] = ["before"] * 1000
    began = w.clock.mono
    with pytest.raises(StepFailed):
        w.run(plan(w), patience=30.0).run.forward()
    assert 30 < w.clock.mono - began < 45


@pytest.mark.parametrize(
    ("policy", "expected", "error"),
    [
        (Policy.STOP, SWITCHED, GateFailed),
        (Policy.HOLD, SWITCHED, Waiting),
        (Policy.ROLLBACK, {"blue": "open", "green": "fenced", "maintenance": "off"}, RolledBack),
    ],
)
def test_a_gate_that_fails_past_the_commit_point_waits_for_the_end_of_the_window(
    policy: Policy, expected: dict[str, str], error: type[Exception]
) -> None:
    w = world()
    with pytest.raises(error, match="ill"):
        w.run(plan(w, {"probe": ill()}, probe=policy)).run.forward()
    assert window(w) == expected
    if expected == SWITCHED:
        assert "share=10" not in w.ran
        assert w.run(plan(w, probe=policy)).run.resume() == "done"  # asks the probe again first
        assert w.values == END


@pytest.mark.parametrize("policy", [Policy.HOLD, Policy.FREEZE, Policy.ROLLBACK])
def test_a_guard_that_trips_past_the_commit_point_waits_for_the_end_of_the_window(policy: Policy) -> None:
    w = world()
    check = Ask(lambda: Finding.failed("bad") if w.values["blue"] == "fenced" else Finding.passed("well"))
    w.faults["green=open"] = ["late"]  # trips while both sides are fenced
    with pytest.raises(RolledBack if policy is Policy.ROLLBACK else Waiting):
        w.run(plan(w, guards=(Guard(name="g", check=check, policy=policy, every=0.0),))).run.forward()
    assert w.values["maintenance"] == "off" and "open" in (w.values["blue"], w.values["green"])
    assert (w.values == BACK) is (policy is Policy.ROLLBACK)


@pytest.mark.parametrize("signal", [2, 15])
def test_an_interrupt_in_the_window_before_the_commit_point_takes_it_back(signal: int) -> None:
    w = world()
    started = w.run(plan(w, {"lag": Ask(lambda: started.interrupt.set(signal) or Finding.not_yet("slow"))}))  # type: ignore
    with pytest.raises(Interrupted, match="window was taken back and nothing was switched") as stop:
        started.run.forward()
    assert stop.value.exit_code == 128 + signal and w.values == AFTER_UNDO


def test_an_interrupt_in_the_window_past_the_commit_point_comes_after_it() -> None:
    w = world()
    started = w.run(plan(w, {"probe": Ask(lambda: started.interrupt.set(2) or Finding.passed("well"))}))  # type: ignore
    with pytest.raises(Interrupted, match="at a journal boundary"):
        started.run.forward()
    assert window(w) == SWITCHED and "share=10" not in w.ran
    assert w.run(plan(w)).run.resume() == "done"


def test_an_interrupt_in_the_window_on_the_way_back_comes_after_it() -> None:
    w = finished()
    started = w.run(plan(w, {"lag-undo": Ask(lambda: started.interrupt.set(2) or Finding.passed("well"))}))  # type: ignore
    with pytest.raises(Interrupted, match="on the way back"):
        started.run.back(reason="r")
    assert window(w) == {"blue": "open", "green": "fenced", "maintenance": "off"} and w.values["ttl"] == 5
    assert w.run(plan(w)).run.resume() == "rolled-back"
    assert w.values == BACK


def test_an_undo_that_cannot_be_done_says_what_remains_and_never_switches() -> None:
    w = world()
    w.faults["maintenance=off"] = ["before"] * 1000
    with pytest.raises(RollbackIncomplete, match="(?s)maintenance-on-undo.*put maintenance off") as stuck:
        w.run(plan(w, {"lag": ill()})).run.forward()
    assert stuck.value.exit_code == 7
    assert "blue=fenced" not in w.ran
    w.faults.clear()
    assert w.run(plan(w)).run.resume() == "undone"
    assert w.values == AFTER_UNDO


@pytest.mark.parametrize("label", ["maintenance=on", "green=fenced"])
def test_a_way_back_that_fails_before_its_commit_point_reopens_the_window(label: str) -> None:
    w = finished()
    w.faults[label] = ["before"] * 1000
    with pytest.raises(RollbackIncomplete, match="(?s)these commands remain.*switch to open/fenced"):
        w.run(plan(w)).run.back(reason="r")
    assert window(w) == SWITCHED and w.values["share"] == 0
    w.faults.clear()
    assert w.run(plan(w)).run.resume() == "rolled-back"  # what was asked for goes on, not the reopening
    assert w.values == BACK


def test_what_the_reopened_window_took_again_remains_to_be_taken_back_and_may_be_typed() -> None:
    w = finished()
    w.faults["green=fenced"] = ["before"] * 1000
    with pytest.raises(RollbackIncomplete) as stuck:
        w.run(plan(w)).run.back(reason="r")
    remaining = list(dict.fromkeys(line for line in stuck.value.message.splitlines() if line.startswith("# ")))
    # Without the first of these the writes would be moved while the maintenance page is off.
    assert remaining == [
        "# maintenance-off-undo", "# switchover-undo", "# maintenance-on-undo", "# kit-undo", "# ttl-down-undo"
    ]  # fmt: skip
    w.values.update(BACK)  # typed by hand
    assert w.run(plan(w)).run.resume() == "rolled-back" and w.values == BACK


def test_a_way_back_whose_budget_runs_out_before_its_commit_point_reopens_the_window() -> None:
    w = finished()
    slow = Ask(lambda: w.clock.sleep(70) or Finding.passed("well"))  # type: ignore[func-returns-value]
    with pytest.raises(RollbackIncomplete, match="budget has run out"):
        w.run(plan(w, {"probe-undo": slow})).run.back(reason="r")
    assert window(w) == SWITCHED


def test_a_way_back_past_its_commit_point_is_retried_and_then_lists_what_remains() -> None:
    w = finished()
    w.faults["blue=open"] = ["before"] * 4
    assert w.run(plan(w)).run.back(reason="r") == "rolled-back"
    w = finished()
    w.faults["blue=open"] = ["before"] * 1000
    began = w.clock.mono
    with pytest.raises(RollbackIncomplete) as stuck:
        w.run(plan(w)).run.back(reason="r")
    assert w.clock.mono - began == pytest.approx(20, abs=1)
    remaining = list(dict.fromkeys(line for line in stuck.value.message.splitlines() if line.startswith("# ")))
    assert remaining == ["# switchover-undo", "# maintenance-on-undo", "# kit-undo", "# ttl-down-undo"]
    assert (w.values["blue"], w.values["green"]) == ("fenced", "fenced")
    w.faults.clear()
    assert w.run(plan(w)).run.recover("window") == "nothing"
    assert w.run(plan(w)).run.resume() == "rolled-back"
    assert w.values == BACK


def test_a_face_of_a_gate_before_the_switch_back_stops_it_and_one_after_it_is_reported() -> None:
    w = finished()
    with pytest.raises(RollbackIncomplete, match="ill"):
        w.run(plan(w, {"probe-undo": ill()})).run.back(reason="r")
    assert window(w) == SWITCHED
    w = finished()
    with pytest.raises(RollbackIncomplete, match="everything was taken back, but checking the result failed"):
        w.run(plan(w, {"lag-undo": ill()})).run.back(reason="r")
    assert w.values == BACK


def test_a_gate_s_face_never_keeps_an_undo_from_giving_the_writes_back() -> None:
    w = world()
    w.faults["blue=fenced"] = ["before"]
    with pytest.raises(RollbackIncomplete, match="checking the result failed"):
        w.run(plan(w, {"lag-undo": ill()})).run.forward()
    assert w.values == AFTER_UNDO
