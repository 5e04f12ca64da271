"""The steps that turn the direction keep the contract of steps on PostgreSQL 15, where they have something to do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract import holds
from moves import PLAIN, caught_up, forward, kits, publications, reverse, take, window
from pairs import Pair, serving, tiny_on

from cutover.postgres.pair import DatabasePair
from cutover.postgres.sides import BEFORE, read_sides
from cutover.postgres.switchover import Switchover
from cutover.postgres.way_back import Directions, WayBack


@pytest.fixture(scope="module")
def prepared15() -> Iterator[Pair]:
    """The small database on 15 and 18: blue open, green following, nothing of the way back."""
    with serving("CONTRACT", "15", "", count=10) as pair:
        tiny = tiny_on(pair, "TINY15")
        for step in [*kits(tiny.blue, tiny.green), *publications(tiny.blue, tiny.green)]:
            take(step)
        take(forward(tiny.blue, tiny.green))
        yield tiny


@pytest.fixture
def small15(prepared15: Pair) -> Iterator[Pair]:
    """The same for one test, which leaves it so, but for a way back that is ready."""
    yield prepared15
    assert read_sides(prepared15.blue, prepared15.green) == BEFORE
    take(reverse(prepared15.blue, prepared15.green).inverse())
    caught_up(prepared15.blue, prepared15.green)


@pytest.mark.sampled
def test_way_back(small15: Pair, tmp_path: Path) -> None:
    def make() -> WayBack:
        return WayBack(name="way-back", source=small15.green, target=small15.blue, settle=10.0)

    holds(make, state_dir=tmp_path, kills=8)
    assert not small15.sql("green", "SELECT slot_name FROM pg_replication_slots")


@pytest.mark.sampled
def test_prepared(small15: Pair, tmp_path: Path) -> None:
    def make() -> Directions:
        return steps(small15)[0]

    def disabled() -> None:
        small15.sql("green", "ALTER SUBSCRIPTION cut_left_right DISABLE")

    def reset() -> None:
        small15.sql("green", "ALTER SUBSCRIPTION cut_left_right ENABLE")
        take(reverse(small15.blue, small15.green).inverse())

    holds(make, state_dir=tmp_path, kills=8, reset=reset, strays=[disabled])


@pytest.mark.sampled
def test_turned(small15: Pair, tmp_path: Path) -> None:
    prepared, switchover, _ = window(small15.blue, small15.green)
    take(prepared)
    take(switchover)

    def make() -> Directions:
        return steps(small15)[1]

    holds(make, state_dir=tmp_path, kills=8)
    take(switchover.inverse())
    take(prepared.inverse())


@pytest.mark.sampled
def test_switchover(small15: Pair, tmp_path: Path) -> None:
    """Alone it stands on what the last switch left: the commands before it put the directions right."""
    prepared = steps(small15)[0]
    take(prepared)

    def make() -> Switchover:
        return Switchover.of(DatabasePair(small15.blue, small15.green, PLAIN), name="switchover", settle=10.0)

    holds(make, state_dir=tmp_path, kills=8)
    take(prepared.inverse())


def test_with_16_on_both_sides_there_is_nothing_to_turn(prepared: Pair) -> None:
    asked = "SELECT oid, subenabled FROM pg_subscription ORDER BY oid"
    before = [prepared.sql(side, asked) for side in ("blue", "green")]
    turns = steps(prepared)
    for step in [*turns, *(turn.inverse() for turn in turns)]:
        assert step.observe() == step.after
        take(step)
    assert [prepared.sql(side, asked) for side in ("blue", "green")] == before


def steps(pair: Pair) -> list[Directions]:
    return [step for step in window(pair.blue, pair.green) if isinstance(step, Directions)]
