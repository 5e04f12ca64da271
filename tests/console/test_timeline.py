"""The run beside its plan: what stands there for every end that a walk can have."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "core"))

from toy_plan import plan, world
from toy_world import World, ill, killed_at

from cutover.console.timeline import Row, Timeline, timeline
from cutover.core.errors import CutoverError, Interrupted, Waiting
from cutover.core.gate import Policy
from cutover.core.journal import Position, position_of
from cutover.core.plan import Plan


def seen(w: World, of: Plan) -> Timeline:
    took = {str(e.data["step"]): float(e.data["seconds"]) for e in w.store.kept if e.kind == "converged"}
    return timeline(of, position_of("r1", w.store.kept), w.store.kept, took)


def rows(found: Timeline, *, back: bool = False) -> dict[str, Row]:
    return {row.name: row for stage in (found.back if back else found.stages) for row in stage.rows}


def states(found: Timeline, *, back: bool = False) -> dict[str, str]:
    return {name: row.state for name, row in rows(found, back=back).items()}


def died_at(place: str, prepared: Callable[[], World], walk: Callable[[World], object]) -> World:
    """A world whose walk died at the kill point whose name begins like that."""
    for number in range(200):
        w = prepared()
        if (killed_at(number, partial(walk, w)) or "").startswith(place):
            return w
    raise AssertionError(f"never at {place}")


def switched() -> World:
    w = world()
    w.run(plan(w)).run.forward()
    return w


def test_before_a_run_all_is_ahead() -> None:
    w = world()
    found = timeline(plan(w), Position(""), (), {"ttl-down": 7.5})
    assert set(states(found).values()) == {"ahead"} and found.now is None and found.back == ()
    assert (rows(found)["ttl-down"].takes, rows(found)["ttl-down"].measured) == (7.5, True)
    assert (rows(found)["kit"].takes, rows(found)["kit"].measured) == (1.0, False)
    assert [(stage.name, stage.zone) for stage in found.stages][:3] == [
        ("prepare", "cancel"),
        ("window", "rollback"),
        ("shift-10", "rollback"),
    ]
    assert rows(found)["switchover"].commit and not rows(found)["ttl-down"].commit


def test_where_a_run_is_that_was_killed_in_a_step_and_goes_on() -> None:
    w = died_at("before command share-10:0", world, lambda w: w.run(plan(w)).run.forward())
    of = plan(w)
    found = seen(w, of)
    assert found.under_way and found.now is not None and found.now.name == "share-10"
    assert found.phase is not None and found.phase.name == "shift-10"
    here = rows(found)["share-10"]
    assert here.state == "now" and here.since == next(e.at for e in reversed(w.store.kept) if e.kind == "intent")
    assert [stage.state for stage in found.stages] == ["done", "done", "now", "ahead", "ahead", "ahead"]
    assert w.run(of).run.resume() == "done"
    found = seen(w, of)
    assert set(states(found).values()) == {"done"} and found.now is None and not found.under_way
    assert rows(found)["share-10"].took is not None and rows(found)["share-10"].since is None


def test_what_was_there_already_is_told_apart() -> None:
    w = world()
    w.values["ttl"] = 5
    w.run(plan(w)).run.forward()
    assert states(seen(w, plan(w)))["ttl-down"] == "held already"


def test_a_gate_that_failed_is_where_it_stands() -> None:
    w = world()
    of = plan(w, {"soak-50": ill("7 %")})
    with pytest.raises(CutoverError):
        w.run(of).run.forward()
    found = seen(w, of)
    assert states(found)["soak-50"] == "failed" and rows(found)["soak-50"].seen == "7 %"
    assert states(found)["share-50"] == "done" and states(found)["share-100"] == "ahead"
    assert {stage.name: stage.state for stage in found.stages}["shift-50"] == "failed"


def test_an_interrupted_run_stopped_at_its_item() -> None:
    w = world()
    started = w.run(plan(w))
    w.clock.later(2.0, lambda: started.interrupt.set(15))
    with pytest.raises(Interrupted):
        started.run.forward()
    found = seen(w, plan(w))
    assert found.now is not None and states(found)[found.now.name] == "stopped here" and not found.under_way


def test_the_phase_before_is_done_and_the_one_that_was_left_is_taken_back() -> None:
    w = world()
    of = plan(w, {"soak-50": ill()}, soak_50=Policy.PREVIOUS_PHASE)
    with pytest.raises(Waiting):
        w.run(of).run.forward()
    found = seen(w, of)
    assert (states(found)["share-10"], states(found)["share-50"]) == ("done", "taken back")
    assert states(found, back=True) == {"share-50-undo": "done"} and found.now is None
    assert rows(found, back=True)["share-50-undo"].what == "50 → 10"


def test_on_the_way_back_its_own_steps_are_shown() -> None:
    w = died_at("before command switchover", switched, lambda w: w.run(plan(w)).run.back(reason="r"))
    found = seen(w, plan(w))
    assert found.under_way and found.now is not None
    back = states(found, back=True)
    assert list(back.values()).count("now") == 1 and back[found.now.name] == "now"
    assert "done" in back.values() and "ahead" in back.values()
    assert w.run(plan(w)).run.resume() == "rolled-back"
    found = seen(w, plan(w))
    assert set(states(found, back=True).values()) == {"done"}
    assert states(found)["share-100"] == "taken back" and states(found)["subscribe"] == "done", "standing work is kept"


def test_a_plan_that_does_not_know_what_was_taken_shows_what_it_can() -> None:
    w = world()
    w.run(plan(w)).run.forward()
    w.run(plan(w)).run.back(reason="r")
    other = Plan(name="cutover", environment="toy", phases=plan(w).phases[:1])
    found = seen(w, other)
    assert [stage.name for stage in found.stages] == ["prepare"]
