"""The engine rule for one step: skip, converge, Unexpected, and what is made of every kind of failure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from toy_world import Both, Put, SetValue, World, killed_at

from cutover.core.errors import LeaseLost, NotConverged, PlanChanged, StepFailed, Unexpected, Unreachable
from cutover.core.plan import Phase, Plan
from cutover.core.step import Command, Step


def of(*steps: Step[Any], **more: Any) -> Plan:
    return Plan(name="cutover", environment="toy", phases=(Phase(name="only", owner="me", items=steps),), **more)


def one(w: World, **more: Any) -> Plan:
    return of(Put(name="turn", key="k", before="a", after="b", settle=5.0, world=w, **more))


def two(w: World) -> Plan:
    between = frozenset({("b", "a")})
    return of(
        Both(name="pair", keys=("k", "l"), before=("a", "a"), after=("b", "b"), between=between, world=w, settle=5.0)
    )


def test_converges_with_the_intent_before_the_effect() -> None:
    w = World(values={"k": "a"})
    assert w.run(one(w)).run.forward() == "done"
    assert (w.values["k"], w.ran) == ("b", ["k=b"])
    assert w.kinds() == ["leg-started", "phase-entered", "intent", "converged", "phase-left", "leg-ended"]
    intent = w.store.kept[2].data
    assert intent["commands"] == ["put k b"] and (intent["before"], intent["after"], intent["seen"]) == ("a", "b", "a")
    assert w.store.kept[3].data["seen"] == "b"


def test_skips_what_is_done_and_says_what_it_saw() -> None:
    w = World(values={"k": "b"})
    w.run(one(w)).run.forward()
    assert w.ran == []
    assert [e.data["seen"] for e in w.store.kept if e.kind == "skipped"] == ["b"]


def test_a_stranger_s_state_is_unexpected_and_nothing_is_touched() -> None:
    w = World(values={"k": "z"})
    with pytest.raises(Unexpected, match=r"turn: seen z, wanted a \(to go to b\).*nothing was touched.*see k"):
        w.run(one(w)).run.forward()
    assert w.ran == [] and "intent" not in w.kinds()
    assert w.kinds()[-2:] == ["unexpected", "leg-ended"]


def test_a_stranger_s_state_with_our_intent_open_is_unexpected_too() -> None:
    w = World(values={"k": "a"})
    assert killed_at(7, lambda: w.run(one(w)).run.forward()) == "after command turn:0"
    w.values["k"] = "z"
    with pytest.raises(Unexpected, match="seen z, wanted a or b"):
        w.run(one(w)).run.resume()
    assert w.ran == ["k=b"]


def test_a_state_between_counts_as_ours_only_with_an_open_intent() -> None:
    w = World(values={"k": "b", "l": "a"})
    with pytest.raises(Unexpected):
        w.run(two(w)).run.forward()
    assert w.ran == []


def test_an_open_intent_repeats_all_commands_even_where_it_looks_done() -> None:
    w = World(values={"k": "a", "l": "a"})
    assert killed_at(9, lambda: w.run(two(w)).run.forward()) == "after command pair:1"
    assert w.values == {"k": "b", "l": "b"} and w.ran == ["k=b", "l=b"]
    assert w.run(two(w)).run.resume() == "done"
    assert w.ran == ["k=b", "l=b"] * 2


def test_an_exception_after_the_effect_converges() -> None:
    w = World(values={"k": "a"}, faults={"k=b": ["after"]})
    assert w.run(one(w)).run.forward() == "done"
    assert "command-failed" in w.kinds() and "converged" in w.kinds()


def test_an_exception_before_the_effect_fails_the_step_and_can_be_resumed() -> None:
    w = World(values={"k": "a"}, faults={"k=b": ["before"]})
    with pytest.raises(StepFailed, match="turn: ConnectionError: lost before the effect; seen a, wanted b"):
        w.run(one(w)).run.forward()
    assert w.run(one(w)).run.resume() == "done"
    assert w.values["k"] == "b"


def test_after_a_lost_answer_it_is_read_back_for_as_long_as_reads_may_be_late() -> None:
    w = World(values={"k": "a"}, faults={"k=b": ["lost"]})
    assert w.run(one(w)).run.forward() == "done"
    assert "command-failed" in w.kinds() and w.ran == ["k=b"], "it was not sent again, and nothing was taken back"


def test_where_writes_may_wait_the_look_after_a_lost_answer_is_short() -> None:
    w = World(values={"k": "a"}, faults={"k=b": ["lost"]})
    (phase,) = one(w).phases
    began = w.clock.mono
    with pytest.raises(StepFailed, match="the answer was lost"):
        w.run(replace(one(w), phases=(replace(phase, budget=60.0),))).run.forward()
    assert w.clock.mono - began < 2.0


def test_a_command_that_leaves_something_strange_is_unexpected() -> None:
    w = World(values={"k": "a"}, faults={"k=b": ["stray"]})
    with pytest.raises(Unexpected, match="seen stray, wanted a or b"):
        w.run(one(w)).run.forward()


def test_waits_for_a_late_effect_but_no_longer_than_settle() -> None:
    w = World(values={"k": "a"}, faults={"k=b": ["late"]})
    started = w.run(one(w))
    assert started.run.forward() == "done"
    assert any(event.kind == "looking" and event.data["seen"] == "a" for event in started.events)
    w = World(values={"k": "a"}, faults={"k=b": ["nothing"]})
    began = w.clock.mono
    with pytest.raises(NotConverged, match="turn: seen a, wanted b within 5 s"):
        w.run(one(w)).run.forward()
    assert 5.0 <= w.clock.mono - began < 5.5


def test_unreachable_is_asked_again_until_settle_has_run_out() -> None:
    w = World(values={"k": "a"}, unreachable={"k": 4})
    assert w.run(one(w)).run.forward() == "done"
    w = World(values={"k": "a"}, unreachable={"k": 10_000})
    began = w.clock.mono
    with pytest.raises(Unreachable, match="k does not answer"):
        w.run(one(w)).run.forward()
    assert 5.0 <= w.clock.mono - began < 6.5 and w.ran == []


def test_an_adapter_s_leaked_exception_counts_as_unreachable() -> None:
    w = World()  # no value: observe raises KeyError
    with pytest.raises(Unreachable, match="turn: KeyError"):
        w.run(one(w)).run.forward()


def test_a_void_lease_stops_before_the_effect() -> None:
    w = World(values={"k": "a"})
    started = w.run(one(w))
    w.store.token = 2
    with pytest.raises(LeaseLost):
        started.run.forward()
    assert w.ran == [] and w.store.kept == []


def test_a_listener_that_fails_does_not_stop_the_walk() -> None:
    w = World(values={"k": "a"})
    started = w.run(one(w))
    told = 0

    def broken(_: object) -> None:
        nonlocal told
        told += 1
        raise BrokenPipeError

    started.run.walker.listen = broken
    assert started.run.forward() == "done"
    assert told == len(w.store.kept)  # and it is told the rest: it may be a sign of life to somebody else


def test_evidence_is_kept_and_a_missing_one_does_no_harm() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Proven(Put):
        """Tells how it went."""

        def evidence(self) -> Mapping[str, Any]:
            return {"rows": {"a": 3}[self.before]}

    w = World(values={"k": "a"})
    plan = of(Proven(name="turn", key="k", before="a", after="b", world=w))
    w.run(plan).run.forward()
    w.run(plan).run.back(reason="r")
    assert [e.data["evidence"] for e in w.store.kept if e.kind == "converged"] == [
        {"rows": 3},
        {"missing": "KeyError: 'b'"},
    ]


def test_a_defect_in_a_step_ends_as_a_foreseeable_error() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Defective(Put):
        """Cannot say its commands once it runs."""

        def commands(self, target: Any) -> Sequence[Command]:
            return super().commands(target) if not self.world.store.kept else (SetValue(self.world, "k", int("x")),)

    w = World(values={"k": "a"})
    with pytest.raises(StepFailed, match="turn: ValueError"):
        w.run(of(Defective(name="turn", key="k", before="a", after="b", world=w))).run.forward()
    assert w.ran == []


def test_a_changed_plan_is_refused_on_resume_and_on_the_way_back() -> None:
    w = World(values={"k": "a"})
    killed_at(7, lambda: w.run(one(w)).run.forward())
    changed = one(w, between=frozenset({"c"}))
    walks: tuple[Callable[[], str], ...] = (w.run(changed).run.resume, lambda: w.run(changed).run.back(reason="r"))
    for walk in walks:
        with pytest.raises(PlanChanged) as refused:
            walk()
        assert refused.value.exit_code == 5
    assert w.run(one(w)).run.resume() == "done"


def test_going_back_by_a_changed_plan_has_to_be_asked_for_and_is_recorded() -> None:
    """At two in the morning somebody has edited the file: the way back must not depend on who finds the old one."""
    w = World(values={"k": "a"})
    w.run(one(w)).run.forward()
    changed = one(w, between=frozenset({"c"}))
    with pytest.raises(PlanChanged, match="--plan-changed"):
        w.run(changed).run.back(reason="r")
    assert w.values["k"] == "b"
    assert w.run(changed).run.back(reason="r", plan_changed=True) == "rolled-back"
    assert w.values["k"] == "a"
    (noted,) = [entry for entry in w.store.kept if entry.kind == "plan-changed"]
    assert (noted.data["was"], noted.data["now"]) == (w.run(one(w)).run.plan.digest(), changed.digest())


def test_a_changed_plan_that_lacks_what_was_taken_cannot_take_it_back() -> None:
    w = World(values={"k": "a"})
    w.run(one(w)).run.forward()
    with pytest.raises(PlanChanged, match="does not know what was taken: "):
        w.run(of(Put(name="another", key="k", before="a", after="b", world=w))).run.back(reason="r", plan_changed=True)
    assert w.values["k"] == "b"


def test_a_second_forward_does_nothing_and_writes_nothing() -> None:
    w = World(values={"k": "a"})
    w.run(one(w)).run.forward()
    entries = len(w.store.kept)
    assert w.run(one(w)).run.forward() == "nothing"
    assert len(w.store.kept) == entries and w.ran == ["k=b"]


def test_resume_stops_where_the_first_walk_was_told_to() -> None:
    w = World(values={"k": "a", "l": "a"})
    first = Phase(name="one", owner="me", items=(Put(name="k", key="k", before="a", after="b", world=w),))
    second = Phase(name="two", owner="me", items=(Put(name="l", key="l", before="a", after="b", world=w),))
    plan = Plan(name="cutover", environment="toy", phases=(first, second))
    killed_at(5, lambda: w.run(plan).run.forward(until="one"))
    assert w.run(plan).run.resume() == "until"
    assert w.values == {"k": "b", "l": "a"}
    assert w.run(plan).run.resume() == "done"


def test_nothing_is_resumed_where_nothing_began_or_all_is_rolled_back() -> None:
    w = World(values={"k": "a"})
    assert w.run(one(w)).run.resume() == "nothing"
    w.run(one(w)).run.forward()
    assert w.run(one(w)).run.back(reason="r") == "rolled-back"
    assert w.run(one(w)).run.resume() == "nothing"
    assert w.ran == ["k=b", "k=a"]
