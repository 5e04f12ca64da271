"""When a run claims what its steps change: before the first step of a phase, and not where writes wait."""

from collections.abc import Sequence
from typing import Any

import pytest
from toy_plan import plan, world
from toy_world import World

from cutover.core.errors import LeaseLost, StepFailed
from cutover.core.step import Step


class Claims:
    """Keeps what was claimed, with how many commands had run by then; raises what it is told to."""

    def __init__(self, w: World, error: Exception | None = None) -> None:
        self.world, self.error = w, error
        self.made: list[tuple[int, list[str]]] = []

    def __call__(self, steps: Sequence[Step[Any]]) -> None:
        self.made.append((len(self.world.ran), [step.name for step in steps]))
        if self.error is not None:
            raise self.error


def test_a_leg_claims_before_its_first_step_and_never_inside_the_window() -> None:
    w = world()
    started, claims = w.run(plan(w)), Claims(w)
    started.run.claim = claims
    assert started.run.forward() == "done"
    before, names = claims.made[0]
    assert before == 0 and names == [step.name for _, step in plan(w).steps()]
    window = range(w.ran.index("maintenance=on"), w.ran.index("maintenance=off"))
    assert [ran for ran, _ in claims.made if ran in window] == []
    assert len(claims.made) == 5, "prepare, three shifts, bake"
    assert claims.made[1][1][0] == "share-10", "what is done needs no claim on the way forward"
    assert w.run(plan(w)).run.forward() == "nothing" and len(claims.made) == 5


def test_a_way_back_that_finds_everything_as_it_was_claims_all_the_same() -> None:
    w = world()
    w.run(plan(w)).run.forward(until="prepare")
    ran = len(w.ran)
    w.values |= {"ttl": 300, "left": "off", "right": "off"}
    started, claims = w.run(plan(w)), Claims(w)
    started.run.claim = claims
    assert started.run.back(reason="test") == "rolled-back"
    assert len(w.ran) == ran and w.kinds()[-5:].count("skipped") >= 2
    assert claims.made == [(ran, [step.name for _, step in plan(w).steps()])]


def test_somebody_elses_newer_token_ends_the_run_before_anything_is_touched() -> None:
    w = world()
    started = w.run(plan(w))
    started.run.claim = Claims(w, LeaseLost("newer"))
    with pytest.raises(LeaseLost):
        started.run.forward()
    assert w.ran == [] and "intent" not in w.kinds()


def test_a_claim_that_cannot_be_made_is_on_record_and_nothing_waits_for_it() -> None:
    w = world()
    started, claims = w.run(plan(w)), Claims(w, StepFailed("no answer"))
    started.run.claim = claims
    assert started.run.forward() == "done"
    assert w.kinds().count("unclaimed") == len(claims.made) == 5, "asked for again in each phase"
