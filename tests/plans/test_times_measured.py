"""Which recorded times count as a measure: those of a step or a phase that was walked whole."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "core"))

from contextlib import suppress

from toy_plan import plan, world
from toy_world import World, killed_at

from cutover.core.errors import CutoverError
from cutover.plans.took import whole


def measured(w: World) -> list[str]:
    return [str(entry.data.get("step") or entry.data["phase"]) for entry, back in whole(w.store.kept) if not back]


def killed(at: str) -> World:
    """A world whose run died at that place, and was gone on with an hour later."""
    for place in range(100):
        w = world()
        if killed_at(place, lambda w=w: w.run(plan(w)).run.forward()) == at:  # type: ignore[misc]
            w.clock.sleep(3600)
            w.run(plan(w)).run.forward()
            return w
    raise AssertionError(f"{at} was not reached")


def test_a_run_without_a_break_measures_all_of_it() -> None:
    w = world()
    w.run(plan(w)).run.forward()
    steps = [step.name for _, step in plan(w).steps()]
    assert set(measured(w)) == {*steps, *(phase.name for phase in plan(w).phases)}


def test_what_went_on_after_its_process_had_died_is_no_measure() -> None:
    w = killed("after intent:subscribe")
    assert {"subscribe", "prepare"}.isdisjoint(measured(w))
    assert {"ttl-down", "kit", "window", "bake"} <= set(measured(w))


def test_a_phase_of_two_legs_is_no_measure_and_neither_is_a_window_that_was_reopened() -> None:
    w = world()
    w.faults["subscription=present"] = ["before"] * 1000
    with suppress(CutoverError):
        w.run(plan(w)).run.forward()
    w.faults.clear()
    w.run(plan(w)).run.forward()
    assert {"subscribe", "prepare"}.isdisjoint(measured(w)) and "window" in measured(w)
    before = measured(w)
    w.faults["maintenance=on"] = ["before"] * 1000
    with suppress(CutoverError):
        w.run(plan(w)).run.back(reason="slow")
    assert w.kinds()[-1] == "leg-ended" and measured(w) == before
