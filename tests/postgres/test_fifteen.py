"""PostgreSQL 15 on either side: one direction at a time, turned with the switch; nothing lost, nothing in a circle."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract import EVERY_KILL, SEED
from load import load, writing
from mortal import Dying
from moves import (
    VALIDATING,
    blue_switch,
    caught_up,
    caught_up_both,
    forward,
    kits,
    planted,
    publications,
    reverse,
    take,
    until,
    walk,
    window,
)
from pairs import Pair, paste, serving

from cutover.core.clock import Deadline
from cutover.core.gate import Verdict
from cutover.core.plain import text
from cutover.core.step import Step
from cutover.postgres.baseline import Validated
from cutover.postgres.ddl_guard import DdlGuard, notes
from cutover.postgres.direction import WayBackNotReady, direction
from cutover.postgres.invariants import FitsTheWindow, Follows
from cutover.postgres.pair import DatabasePair
from cutover.postgres.sides import BEFORE, SWITCHED, read_sides
from cutover.postgres.switch import Switch
from cutover.postgres.switchover import Switchover
from cutover.postgres.turning import MakeReady, Turn

VERSIONS = [("15", "16"), ("15", ""), ("15", "15")]
POINTS = (
    *MakeReady.kill_points,
    *Switch.kill_points,
    *Turn.kill_points,
    "unsubscribe: dropped#2",  # once before the switch and once after it
    "turn: enabled#2",
)


def points(test: int) -> tuple[str, ...]:
    """Each point in one of the three tests, which by CUTOVER_SEED; `invoke faults --kills` takes all of them in each."""
    return POINTS if EVERY_KILL == "all" else POINTS[(SEED + test) % 3 :: 3]


def named(versions: tuple[str, str]) -> str:
    return f"{versions[0]}-{versions[1] or '18'}"


on_newer = pytest.mark.parametrize("pair15", VERSIONS[:2], ids=named, indirect=True)
# Every death of the plan's window, under load: on one newer version, on both by `invoke faults --kills`.
killed_on = VERSIONS[: 2 if EVERY_KILL == "all" else 1]
killed = pytest.mark.parametrize("pair15", killed_on, ids=named, indirect=True)


@pytest.fixture(scope="module", params=VERSIONS, ids=named)
def pair15(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A pair with 15 on one side at least, prepared: blue open, green following, the way back ready."""
    blue, green = request.param
    with serving("FIFTEEN", blue, green, count=500) as pair:
        for step in [*kits(pair.blue, pair.green), *publications(pair.blue, pair.green)]:
            take(step)
        take(forward(pair.blue, pair.green))
        take(reverse(pair.blue, pair.green))
        yield pair


@pytest.fixture
def fifteen(pair15: Pair, tmp_path: Path) -> Iterator[Pair]:
    """The prepared pair for one test, which leaves blue open and green following."""
    assert directions(pair15) == ("following", "ready")
    yield pair15
    assert read_sides(pair15.blue, pair15.green) == BEFORE
    assert directions(pair15)[0] == "following"
    take(reverse(pair15.blue, pair15.green))
    caught_up_both(pair15.blue, pair15.green)


@pytest.fixture(scope="module")
def dying15(pair15: Pair) -> Iterator[Dying]:
    found = Dying(pair15)
    yield found
    found.close()


def directions(pair: Pair) -> tuple[str, str]:
    """How green follows blue, and how blue follows green."""
    with pair.blue.open("test") as blue, pair.green.open("test") as green:
        return direction(blue, green), direction(green, blue)


def test_there_and_back_twice_and_no_change_runs_in_a_circle(fifteen: Pair, tmp_path: Path) -> None:
    fifteen.sql("blue", "INSERT INTO public.notes VALUES ('once', 1)")
    with load(fifteen, churn=True) as writers:
        for number in range(2):
            state = tmp_path / f"{number}.sqlite"
            walk(fifteen.blue, fifteen.green, state, "forward")
            assert on_green(fifteen)
            assert Follows(fifteen.green, fifteen.blue).look().verdict is Verdict.PASS
            writing(writers)
            walk(fifteen.blue, fifteen.green, state, "back")
            assert on_blue(fifteen)
            writing(writers)
    for side in ("blue", "green"):
        assert fifteen.sql(side, "SELECT count(*) FROM public.notes WHERE body = 'once'") == [(1,)]
    notes = [fifteen.sql(side, "SELECT count(*) FROM public.notes")[0][0] for side in ("blue", "green")]
    assert notes[0] == notes[1]
    slots = "SELECT slot_name FROM pg_replication_slots"
    assert fifteen.sql("blue", slots) == [("cut_blue_green",)] and not fifteen.sql("green", slots)
    fifteen.sql("blue", "DELETE FROM public.notes WHERE body IN ('once', 'churn')")


@pytest.mark.sampled
@killed
def test_killed_everywhere_and_gone_on_with(fifteen: Pair, dying15: Dying, tmp_path: Path) -> None:
    drop_way_back(fifteen)  # so that the walk makes it
    with load(fifteen) as writers:
        for number, point in enumerate(points(0)):
            state = tmp_path / f"{number}.sqlite"
            assert dying15.walk("forward", state, point) == "killed", point
            walk(fifteen.blue, fifteen.green, state, "forward")
            assert on_green(fifteen), point
            writing(writers)
            assert dying15.walk("back", state, point) == "killed", point
            walk(fifteen.blue, fifteen.green, state, "back")
            assert on_blue(fifteen), point
            writing(writers)


@pytest.mark.sampled
@killed
def test_killed_everywhere_on_the_way_there_and_taken_back(fifteen: Pair, dying15: Dying, tmp_path: Path) -> None:
    drop_way_back(fifteen)
    with load(fifteen) as writers:
        for point in points(1):
            state = tmp_path / "state.sqlite"
            assert dying15.walk("forward", state, point) == "killed", point
            walk(fifteen.blue, fifteen.green, state, "back")
            assert on_blue(fifteen), point
            writing(writers)


@pytest.mark.sampled
@killed
def test_killed_everywhere_on_the_way_back_and_gone_forward_again(
    fifteen: Pair, dying15: Dying, tmp_path: Path
) -> None:
    state = tmp_path / "state.sqlite"
    with load(fifteen) as writers:
        walk(fifteen.blue, fifteen.green, state, "forward")
        for point in points(2):
            assert dying15.walk("back", state, point) == "killed", point
            walk(fifteen.blue, fifteen.green, state, "forward")
            assert on_green(fifteen), point
            writing(writers)
        walk(fifteen.blue, fifteen.green, state, "back")


def on_green(pair: Pair) -> bool:
    return read_sides(pair.blue, pair.green) == SWITCHED and directions(pair) == ("absent", "following")


def on_blue(pair: Pair) -> bool:
    return read_sides(pair.blue, pair.green) == BEFORE and directions(pair) == ("following", "absent")


def drop_way_back(pair: Pair) -> None:
    take(reverse(pair.blue, pair.green).inverse())


def test_a_crash_of_green_before_blue_follows_sends_nothing_back(fifteen: Pair, tmp_path: Path) -> None:
    """The slot falls back to the position of its last checkpoint; blue must not be sent what it wrote itself."""
    fifteen.sql("green", "CHECKPOINT")
    with load(fifteen, writers=1, crashes=True) as writers:
        prepared, switchover, turned = window(fifteen.blue, fifteen.green)
        take(prepared)
        take(switchover)
        writing(writers)
        fifteen.crash("green")
        take(turned)
        writing(writers)
        caught_up(fifteen.green, fifteen.blue)
        for step in (turned, switchover, prepared):
            take(step.inverse())


def test_what_changed_since_the_validation_is_compared_inside(fifteen: Pair) -> None:
    validated = Validated(
        name="validated",
        source=fifteen.blue,
        target=fifteen.green,
        before="not validated",
        after="validated",
        settle=20,
    )
    with load(fifteen, churn=True) as writers:
        take(validated)
        writing(writers)
        check = FitsTheWindow(fifteen.blue, fifteen.green, 10_000_000)
        until(lambda: check.look().verdict is Verdict.PASS, 20.0, "a quiet moment")
        prepared, _, turned = window(fifteen.blue, fifteen.green)
        pair = DatabasePair(fifteen.blue, fifteen.green, VALIDATING)
        validating = Switchover.of(pair, name="switchover", settle=20)
        there: list[Step[Any]] = [prepared, validating, turned]
        for step in there:
            take(step)
        assert "validate" in validating.evidence()["milliseconds"]
        writing(writers)
        for step in reversed(there):
            take(step.inverse())
    fifteen.sql("blue", "DELETE FROM public.notes WHERE body = 'churn'")


def test_the_window_stays_shut_when_the_way_back_is_not_ready(fifteen: Pair) -> None:
    drop_way_back(fifteen)
    seen = FitsTheWindow(fifteen.blue, fifteen.green, 10_000_000).look()
    assert seen.verdict is Verdict.INSUFFICIENT and "cut_green_blue is absent" in seen.seen


def test_the_switch_is_refused_when_the_way_back_is_not_ready(fifteen: Pair) -> None:
    drop_way_back(fifteen)
    with load(fifteen, writers=1), pytest.raises(WayBackNotReady, match="cut_green_blue is absent, wanted ready"):
        blue_switch(fifteen.blue, fifteen.green)
    take(reverse(fifteen.blue, fifteen.green))
    fifteen.sql("green", "SELECT pg_drop_replication_slot('cut_green_blue')")
    with load(fifteen, writers=1), pytest.raises(WayBackNotReady, match="broken"):
        blue_switch(fifteen.blue, fifteen.green)


def test_a_slot_is_not_moved_over_what_the_serving_side_wrote(fifteen: Pair) -> None:
    ready = MakeReady(fifteen.blue, fifteen.green, fifteen.blue)
    turn = Turn(fifteen.green, fifteen.blue)
    ready.run(Deadline.after(5.0))  # green follows blue already: nothing to make ready
    assert directions(fifteen) == ("following", "ready")
    with pytest.raises(WayBackNotReady, match="green is fenced and blue open"):
        turn.run(Deadline.after(5.0))
    fifteen.sql("green", "ALTER SUBSCRIPTION cut_blue_green DISABLE")
    try:
        with pytest.raises(WayBackNotReady, match="while blue is fenced, and it is open"):
            ready.run(Deadline.after(5.0))
    finally:
        fifteen.sql("green", "ALTER SUBSCRIPTION cut_blue_green ENABLE")


def test_the_commands_of_the_runbook_do_the_same(fifteen: Pair) -> None:
    steps: list[Step[Any]] = list(window(fifteen.blue, fifteen.green))
    drop_way_back(fifteen)
    with load(fifteen) as writers:
        for step in [*steps, *(step.inverse() for step in reversed(steps))]:
            for _ in range(2):  # a person may paste it twice
                for command in step.commands(step.after):
                    paste(fifteen, command.shell())
            assert paste(fifteen, step.check_shell()).splitlines()[-1] == text(step.observe())
            assert step.observe() == step.after, step.name
            writing(writers)
    assert directions(fifteen) == ("following", "absent")
    way_back = reverse(fifteen.blue, fifteen.green)
    for step in (way_back, way_back.inverse()):
        for _ in range(2):
            for command in step.commands(step.after):
                paste(fifteen, command.shell())
        assert paste(fifteen, step.check_shell()).strip() == step.observe() == step.after


def test_the_copy_of_the_runbook_leaves_out_what_15_does_not_know(fifteen: Pair) -> None:
    """Made, dropped and made again by the printed commands: `origin` is an error on 15, and a loop against it."""
    step = forward(fifteen.blue, fifteen.green)
    drop_way_back(fifteen)
    for _ in range(2):
        for command in step.commands("absent"):
            paste(fifteen, command.shell())
    assert step.observe() == "absent"
    fifteen.sql("green", "TRUNCATE cutover.marker")  # it would be copied over what is there
    for command in step.commands("following"):
        paste(fifteen, command.shell())
    until(lambda: step.observe() == "following", 20.0, "the copy")
    caught_up(fifteen.blue, fifteen.green)


def test_ddl_on_15_is_noted(fifteen: Pair) -> None:
    step = DdlGuard(name="guard", database=fifteen.blue)
    take(step)
    try:
        fifteen.sql("blue", "CREATE TABLE public.late (id serial PRIMARY KEY)")
        fifteen.sql("blue", "CREATE INDEX CONCURRENTLY late_id ON public.late (id)")
        fifteen.sql("blue", "DROP TABLE public.late")
        with fifteen.blue.open("test") as blue:
            assert [note.says.split(" of ")[0] for note in notes(blue)] == [
                "CREATE TABLE",
                "CREATE INDEX",
                "DROP TABLE",
            ]
    finally:
        take(step.inverse())


def test_a_conflicting_row_on_15_is_named(fifteen: Pair) -> None:
    with planted(
        fifteen.green, "INSERT INTO public.queue VALUES (-7, 'here')", "DELETE FROM public.queue WHERE id = -7"
    ):
        fifteen.sql("blue", "INSERT INTO public.queue VALUES (-7, 'there')")
        check = Follows(fifteen.blue, fifteen.green)
        until(lambda: "public.queue of the other side brings: id = '-7'" in check.look().seen, 30.0, "the conflict")
    caught_up(fifteen.blue, fifteen.green)
    fifteen.sql("blue", "DELETE FROM public.queue WHERE id = -7")
    caught_up(fifteen.blue, fifteen.green)
