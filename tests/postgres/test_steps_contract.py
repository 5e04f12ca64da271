"""Every step of the database part keeps the contract of steps, on real servers, killed at every point."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from contract import holds
from moves import PLAIN, forward, kits, prepare, publications, reverse, take
from pairs import Pair

from cutover.core.clock import Deadline
from cutover.core.step import Step
from cutover.postgres.baseline import Validated
from cutover.postgres.emptying import EmptyAgain
from cutover.postgres.kit import FenceKit
from cutover.postgres.pair import DatabasePair
from cutover.postgres.replication import Publication
from cutover.postgres.session import QueryFailed
from cutover.postgres.sides import FENCE
from cutover.postgres.switchover import Switchover

EMPTY = 'SET session_replication_role = replica; TRUNCATE things, "Parts"'


@pytest.fixture
def bare(tiny: Pair) -> Iterator[Pair]:
    """The small database without anything of ours, before and after."""
    yield tiny
    for step in (forward(tiny.blue, tiny.green), reverse(tiny.blue, tiny.green)):
        take(step.inverse())
    for side in ("blue", "green"):
        take(publications(tiny.blue, tiny.green)[side == "green"].inverse())
        take(kits(tiny.blue, tiny.green)[side == "green"].inverse())
    tiny.sql("green", EMPTY)


@pytest.fixture
def small(bare: Pair) -> Pair:
    """The small database, prepared."""
    prepare(bare.blue, bare.green)
    return bare


@pytest.mark.slow
@pytest.mark.parametrize("side", ["blue", "green"])
def test_fence_kit(bare: Pair, tmp_path: Path, side: str) -> None:
    def make() -> FenceKit:
        after = "open" if side == "blue" else "fenced"
        return FenceKit(name="kit", database=bare.side(side), before="absent", after=after, settle=5.0)

    holds(make, state_dir=tmp_path)


def test_a_kit_that_somebody_left_half_is_left_alone(bare: Pair, tmp_path: Path) -> None:
    step = FenceKit(name="kit", database=bare.blue, before="absent", after="open")
    bare.sql("blue", "CREATE SCHEMA cutover; CREATE TABLE cutover.marker (token uuid)")
    assert step.observe() == "partial"
    bare.sql("blue", "DROP SCHEMA cutover CASCADE")
    take(step)
    bare.sql("blue", f"ALTER TABLE things ENABLE TRIGGER {FENCE}")
    assert step.observe() == "partial"
    bare.sql(
        "blue",
        f'ALTER TABLE things DISABLE TRIGGER {FENCE}; ALTER DATABASE "tiny" SET default_transaction_read_only = on',
    )
    assert step.observe() == "partial"
    bare.sql("blue", 'ALTER DATABASE "tiny" RESET default_transaction_read_only')


@pytest.mark.slow
def test_publication(bare: Pair, tmp_path: Path) -> None:
    take(kits(bare.blue, bare.green)[0])

    def make() -> Publication:
        return Publication(name="publication", database=bare.blue, before="absent", after="present", settle=5.0)

    def without_the_marker() -> None:
        bare.sql("blue", "CREATE PUBLICATION cut_pub FOR TABLE things")

    def reset() -> None:
        bare.sql("blue", "DROP PUBLICATION IF EXISTS cut_pub")

    holds(make, state_dir=tmp_path, reset=reset, strays=[without_the_marker])


@pytest.mark.sampled
@pytest.mark.slow
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_subscription(bare: Pair, tmp_path: Path, direction: str) -> None:
    for step in [*kits(bare.blue, bare.green), *publications(bare.blue, bare.green)]:
        take(step)

    def make() -> Step[Any]:
        if direction == "reverse":
            return reverse(bare.blue, bare.green)
        return replace(forward(bare.blue, bare.green), empties=True)

    holds(make, state_dir=tmp_path, kills=12)
    assert not slots(bare)


def test_a_side_with_rows_is_not_filled(bare: Pair) -> None:
    """Left by an earlier try, or by addresses that were exchanged: nothing is deleted, nothing begins."""
    for step in [*kits(bare.blue, bare.green), *publications(bare.blue, bare.green)]:
        take(step)
    bare.sql("green", "SET session_replication_role = replica; INSERT INTO things VALUES (1, 'here')")
    step = forward(bare.blue, bare.green)
    with pytest.raises(QueryFailed, match=r"rows already that no copy of ours has brought: public\.things"):
        step.commands(step.after)[0].run(Deadline.after(10.0))
    assert step.observe() == "absent" and not slots(bare)
    assert bare.sql("green", "SELECT * FROM things") == [(1, "here")]


def test_only_a_fenced_side_that_nobody_reads_is_emptied(bare: Pair) -> None:
    """What is deleted must be a copy, and the deletion must not travel: back to blue it would be the end of everything."""
    empty = EmptyAgain(bare.green)
    row = [(1, "here")]
    bare.sql("green", "INSERT INTO things VALUES (1, 'here')")
    for kit in kits(bare.blue, bare.green):
        take(kit)
    empty.run(Deadline.after(10.0))
    assert bare.sql("green", "SELECT * FROM things") == row, "no copy of ours brought it"
    bare.sql("green", f"INSERT INTO cutover.copied DEFAULT VALUES; ALTER TABLE things DISABLE TRIGGER {FENCE}")
    with pytest.raises(QueryFailed, match="the fence of tiny is partial"):
        empty.run(Deadline.after(10.0))
    bare.sql("green", f"ALTER TABLE things ENABLE TRIGGER {FENCE}")
    bare.sql("green", "SELECT pg_create_logical_replication_slot('reader', 'pgoutput')")
    with pytest.raises(QueryFailed, match="would carry the deletion to others: reader"):
        empty.run(Deadline.after(10.0))
    assert bare.sql("green", "SELECT * FROM things") == row
    bare.sql("green", "SELECT pg_drop_replication_slot('reader')")
    empty.run(Deadline.after(10.0))
    assert not bare.sql("green", "SELECT * FROM things") and not bare.sql("green", "SELECT * FROM cutover.copied")


def test_a_partitioned_table_that_refers_to_another_is_emptied_with_it(bare: Pair) -> None:
    """It has no rows of its own, and its foreign key would forbid to empty what it refers to."""
    bare.sql("green", "CREATE TABLE owner (id int PRIMARY KEY); INSERT INTO owner VALUES (1)")
    bare.sql("green", "CREATE TABLE piece (id int, owner int REFERENCES owner) PARTITION BY LIST (id)")
    bare.sql("green", "CREATE TABLE piece_1 PARTITION OF piece FOR VALUES IN (1); INSERT INTO piece VALUES (1, 1)")
    try:
        take(kits(bare.blue, bare.green)[1])
        bare.sql("green", "INSERT INTO cutover.copied DEFAULT VALUES")
        EmptyAgain(bare.green).run(Deadline.after(10.0))
        assert not bare.sql("green", "SELECT FROM owner") and not bare.sql("green", "SELECT FROM piece")
    finally:
        bare.sql("green", "DROP TABLE piece, owner")


@pytest.mark.slow
def test_validated(small: Pair, tmp_path: Path) -> None:
    def make() -> Validated:
        return Validated(
            name="validated",
            source=small.blue,
            target=small.green,
            before="not validated",
            after="validated",
            settle=10.0,
        )

    holds(make, state_dir=tmp_path)


@pytest.mark.sampled
@pytest.mark.slow
def test_switchover(small: Pair, tmp_path: Path) -> None:
    def make() -> Switchover:
        return Switchover.of(DatabasePair(small.blue, small.green, PLAIN), name="switchover", settle=10.0)

    holds(make, state_dir=tmp_path, kills=24)


def slots(pair: Pair) -> list[str]:
    """Our slots that nobody uses any more, once they have had time to go."""
    found: list[str] = []
    for side in ("blue", "green"):
        sql = "SELECT slot_name FROM pg_replication_slots WHERE slot_name ~ '^cut_(left|right)'"
        found += [name for (name,) in pair.sql(side, sql)]
    return found
