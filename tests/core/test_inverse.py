"""`Plan.inverse`: matching steps, merged lanes, standing and one-way work; and properties of whole walks."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_plan import plan, world
from toy_world import Ask, Put, World, ill, killed_at, well

from cutover.core.errors import Interrupted, PointOfNoReturn
from cutover.core.gate import Finding, Gate, Policy
from cutover.core.journal import position_of
from cutover.core.plan import Phase, Plan, PlanError
from cutover.core.share import Share
from cutover.core.step import Step


def names(p: Plan) -> list[str]:
    return [item.name for _, item in p.walk()]


def everything(p: Plan) -> list[str]:
    return names(p)


def step(p: Plan, name: str) -> Step[Any]:
    return next(step for _, step in p.steps() if step.name == name)


def test_the_whole_way_back_of_the_model() -> None:
    p = plan(world())
    inverse = p.inverse(everything(p))
    assert names(inverse) == [
        "alarm-new-undo",
        "share-10-undo",  # 100 → 0 in one move
        "maintenance-off-undo",  # not merged with the next one: the switchover lies between
        "probe-undo",
        "switchover-undo",
        "lag-undo",
        "maintenance-on-undo",
        "kit-undo",
        "ttl-down-undo",  # and `subscribe` stays
    ]
    share = step(inverse, "share-10-undo")
    assert (share.before, share.after, share.between) == (100, 0, frozenset({50, 10}))
    assert share.undoes == ("share-100", "share-50", "share-10")
    assert [phase.name for phase in inverse.phases] == ["bake", "shift-100", "window", "prepare"]
    window = inverse.phase("window")
    assert (window.supervised, window.overrun, window.budget) == (True, Policy.UNDO, 60.0)


def test_only_what_was_taken_goes_back_and_only_down_to_the_phase() -> None:
    p = plan(world())
    taken = everything(p)[: everything(p).index("share-50")]
    assert names(p.inverse(taken))[0] == "share-10-undo"
    assert step(p.inverse(taken), "share-10-undo").before == 10
    assert names(p.inverse(everything(p), to="shift-10")) == ["alarm-new-undo", "share-50-undo"]
    assert names(p.inverse([])) == []
    with pytest.raises(PlanError, match="no phase 'shift'; the phases are prepare, window"):
        p.inverse([], to="shift")


def test_standing_work_stays_unless_everything_goes_or_it_is_half_done() -> None:
    p = plan(world())
    assert "subscribe-undo" not in names(p.inverse(everything(p)))
    assert "subscribe-undo" in names(p.inverse(everything(p), everything=True))
    assert "subscribe-undo" in names(p.inverse(everything(p), half_done=["subscribe"]))


def test_a_gate_with_a_face_keeps_moves_apart() -> None:
    w = world()
    p = plan(w)
    face = Gate(name="look", check=well(), on_rollback=well())
    apart = replace(
        p, phases=tuple(replace(x, items=(*x.items, face)) if x.name == "shift-50" else x for x in p.phases)
    )
    assert names(apart.inverse(everything(apart), to="window")) == [
        "alarm-new-undo",
        "share-100-undo",
        "look-undo",
        "share-10-undo",
    ]


def test_resources_of_one_lane_interleave_and_still_merge_each_on_its_own() -> None:
    class Lane(Put):
        """Moves a value in the lane of all traffic."""

        @property
        def lane(self) -> str:
            return "traffic"

    w = World(values={"a": 0, "b": 0})
    steps = [
        Lane(name=f"{key}-{to}", key=key, before=start, after=to, world=w)
        for start, to in ((0, 10), (10, 50), (50, 100))
        for key in "ab"
    ]
    p = Plan(name="cutover", environment="toy", phases=(Phase(name="shift", owner="me", items=tuple(steps)),))
    assert [(s.resource, s.before, s.after) for _, s in p.inverse(everything(p)).steps()] == [
        ("b", 100, 0),
        ("a", 100, 0),
    ]


def test_a_one_way_step_is_a_point_of_no_return() -> None:
    w = World(values={"k": "a", "l": "a"})
    drop = Put(name="drop", key="k", before="a", after="b", world=w, one_way=True)
    later = Gate(name="look", check=ill(), on_fail=Policy.ROLLBACK)
    p = Plan(name="finish", environment="toy", phases=(Phase(name="end", owner="me", items=(drop, later)),))
    assert p.inverse(["look"]).phases == ()
    with pytest.raises(PointOfNoReturn, match="drop was taken on purpose and has no way back: Moves one value"):
        p.inverse(["drop"])
    with pytest.raises(PointOfNoReturn) as wall:
        w.run(p).run.forward()
    assert wall.value.exit_code == 5 and "ill" in str(wall.value.__cause__)
    assert w.kinds()[-1] == "leg-ended"
    with pytest.raises(PointOfNoReturn):
        w.run(p).run.back(reason="r")


def test_a_step_s_inverse_is_its_own_inverse() -> None:
    for _, s in plan(world()).steps():
        assert s.inverse().inverse() == s
        assert s.inverse().undoes == (s.name,) and (s.inverse().before, s.inverse().after) == (s.after, s.before)


def test_states_must_chain_and_names_be_unique() -> None:
    w = World()
    first = Put(name="a", key="k", before=0, after=10, world=w)
    with pytest.raises(PlanError, match="b starts at 20, but a leaves k at 10"):
        Plan(
            name="p",
            environment="e",
            phases=(Phase(name="x", owner="me", items=(first, replace(first, name="b", before=20))),),
        )
    with pytest.raises(PlanError, match="two items are called 'a'"):
        Plan(name="p", environment="e", phases=(Phase(name="x", owner="me", items=(first, first)),))


def test_the_digest_covers_the_steps_and_not_what_is_observed() -> None:
    one, other = world(), world()
    other.values["share"] = 50
    assert plan(one).digest() == plan(other).digest()
    changed = plan(one)
    for p in (
        replace(changed, configuration={"a": 1}),
        replace(changed, phases=changed.phases[:-1]),
        replace(changed, phases=tuple(replace(x, budget=1.0) for x in changed.phases)),
    ):
        assert p.digest() != changed.digest()


LAST = 150


@settings(max_examples=40, deadline=None)
@given(stop=st.integers(0, LAST), again=st.integers(0, 60), back=st.integers(0, 60), whole=st.booleans())
def test_any_prefix_taken_back_leads_to_the_start(stop: int, again: int, back: int, whole: bool) -> None:
    """Killed, resumed, killed, taken back, killed, taken back: the model world is where it began."""
    w = world()
    killed_at(stop, lambda: w.run(plan(w)).run.forward())
    killed_at(again, lambda: w.run(plan(w)).run.resume())
    killed_at(back, lambda: w.run(plan(w)).run.back(reason="r", everything=whole))
    w.run(plan(w)).run.back(reason="r", everything=whole)
    if not whole:
        assert {**w.values, "subscription": "absent"} == world().values
        w.run(plan(w)).run.back(reason="r", everything=True)
    assert w.values == world().values


@settings(max_examples=40, deadline=None)
@given(
    kills=st.lists(
        st.tuples(st.sampled_from(["forward", "back", "resume", "recover"]), st.integers(0, 120)), max_size=5
    )
)
def test_the_position_agrees_with_the_world_after_any_history(kills: list[tuple[str, int]]) -> None:
    w = world()
    for what, number in kills:
        run = w.run(plan(w)).run
        walks = {
            "forward": run.forward,
            "back": lambda run=run: run.back(reason="r"),
            "resume": run.resume,
            "recover": lambda run=run: run.recover("window"),
        }
        killed_at(number, walks[what])  # type: ignore[arg-type]
        journal = w.run(plan(w)).run.journal
        position = journal.position()
        assert position == position_of("r1", w.store.kept) == run.journal.position()
        assert len(set(position.done)) == len(position.done) and not any(n.endswith("-undo") for n in position.done)
        if position.intent is None:
            _agrees(w, position.done)
    assert w.run(plan(w)).run.forward() in ("done", "nothing")
    assert w.values["share"] == 100


def _agrees(w: World, done: tuple[str, ...]) -> None:
    """The last step done on each resource says what the world shows."""
    shown: dict[str, tuple[Step[Any], Any]] = {}
    for _, s in plan(w).steps():
        if s.name in done or s.resource not in shown:
            shown[s.resource] = (s, s.after if s.name in done else s.before)
    for s, expected in shown.values():
        if not s.standing:
            assert s.observe() == expected, s.name


def test_an_interrupted_merged_move_is_ended_before_the_plan_goes_forward_again() -> None:
    w = world()
    assert w.run(plan(w)).run.forward() == "done"
    w.faults["share=0"] = ["nothing"]
    started = w.run(plan(w))
    w.clock.later(1.0, lambda: started.interrupt.set(2))
    with pytest.raises(Interrupted):
        started.run.back(reason="r", to="window")
    assert w.values["share"] == 100 and started.run.journal.position().intent == "share-10-undo"
    looks: list[str] = []
    soak = Ask(lambda: looks.append("soak") or Finding.passed("well"))  # type: ignore[func-returns-value]
    assert w.run(plan(w, {"soak-10": soak})).run.forward() == "done"
    assert w.ran[-5:-1] == ["share=0", "share=10", "share=50", "share=100"] and looks


def test_a_move_back_that_stopped_half_way_can_be_taken_further_back() -> None:
    """The half-done move 100 → 10 and the wanted one 100 → 0 are different steps on the same way."""
    w = world()
    w.run(plan(w)).run.forward()
    for number in range(40):
        name = killed_at(number, lambda: w.run(plan(w)).run.back(reason="r", to="shift-10"))
        if name == "after command share-50-undo:0":
            break
    w.run(plan(w)).run.journal.append("leg-ended", outcome="incomplete")
    assert w.run(plan(w)).run.back(reason="r") == "rolled-back"
    assert w.values["share"] == 0 and w.values["blue"] == "open"


@given(blue=st.integers(0, 10_000), green=st.integers(0, 10_000), total=st.integers(2, 1000))
def test_shares_and_weights(blue: int, green: int, total: int) -> None:
    if blue + green == 0:
        with pytest.raises(ValueError, match="carry no share"):
            Share.of_weights(blue, green)
        return
    share = Share.of_weights(blue, green)
    assert (share.percent == 0) is (green == 0) and (share.percent == 100) is (blue == 0)
    weights = share.weights(total)
    assert sum(weights) == total and (weights[0] == 0) is (blue == 0) and (weights[1] == 0) is (green == 0)
