"""Any schedule of deaths, faults and operators: writes come back by themselves, one writable side at most, the right end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_plan import BACK, END, plan, world
from toy_world import World, killed_at

from cutover.core.errors import CutoverError

pytestmark = pytest.mark.slow  # long hunts; `invoke test --quick` leaves them out

LABELS = [
    "maintenance=on",
    "maintenance=off",
    "blue=fenced",
    "green=open",
    "green=fenced",
    "blue=open",
    "share=10",
    "share=0",
]
FAULTS = st.lists(st.sampled_from(["", "before", "after", "nothing"]), min_size=1, max_size=2)
ACTIONS = st.tuples(
    st.sampled_from(["forward", "back", "resume", "back to window"]), st.integers(0, 150), st.integers(0, 60)
)


def act(w: World, what: str) -> None:
    run = w.run(plan(w), patience=60.0).run
    try:
        if what == "forward":
            run.forward()
        elif what == "resume":
            run.resume()
        elif run.journal.position().leg is not None:
            run.back(reason="r", to="window" if what == "back to window" else None)
    except CutoverError as error:
        assert error.exit_code != 7, error


def the_supervisor_ends_the_window(w: World, dies_at: int) -> None:
    killed_at(dies_at, lambda: w.run(plan(w), patience=60.0).run.recover("window"))
    w.run(plan(w), patience=60.0).run.recover("window")
    if w.run(plan(w)).run.journal.position().phase != "window":
        assert w.values["maintenance"] == "off" and "open" in (w.values["blue"], w.values["green"])


@settings(max_examples=60, deadline=None)
@given(
    faults=st.dictionaries(st.sampled_from(LABELS), FAULTS, max_size=3),
    unreachable=st.dictionaries(st.sampled_from(["blue", "maintenance", "share"]), st.integers(1, 15), max_size=2),
    actions=st.lists(ACTIONS, max_size=4),
    last=st.sampled_from(["forward", "back"]),
)
def test_any_schedule_ends_well(
    faults: dict[str, list[str]], unreachable: dict[str, int], actions: list[tuple[str, int, int]], last: str
) -> None:
    w = world()
    w.faults = {label: list(script) for label, script in faults.items()}
    w.unreachable = dict(unreachable)
    for what, dies_at, supervisor_dies_at in actions:
        killed_at(dies_at, lambda what=what: act(w, what))  # type: ignore[misc]
        the_supervisor_ends_the_window(w, supervisor_dies_at)
    w.faults.clear()
    w.unreachable.clear()
    if last == "back" and w.store.kept:
        w.run(plan(w)).run.back(reason="r")
        assert {**w.values, "subscription": "present"} == BACK
    w.run(plan(w)).run.forward()
    assert w.values == END
