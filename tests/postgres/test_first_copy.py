"""The plan's own items for `database.schema: copied`: walked forward under load and guards, and back to an empty green."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from contract import holds
from every_kind import Writing, equal, rich
from moves import caught_up, kits, publications, take, until
from pairs import Pair

from cutover.core.clock import Deadline
from cutover.core.gate import Guard, Policy, Verdict
from cutover.core.journal import Journal
from cutover.core.plan import Phase, Plan
from cutover.core.run import Run
from cutover.environment import Database
from cutover.plans.copying import database_checks, rows_copied, schema_kept, tables_made
from cutover.plans.databases import replicated
from cutover.postgres.invariants import OneWriter
from cutover.postgres.made import NOTE
from cutover.postgres.pair import DatabasePair
from cutover.postgres.preflight import look_together
from cutover.postgres.replication import Subscription
from cutover.postgres.schema_copy import DropSchema
from cutover.postgres.schema_note import SchemaKept
from cutover.postgres.session import QueryFailed
from cutover.postgres.watching import SchemaHolds
from cutover.state.sqlite import SqliteState


@pytest.fixture
def both(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """The rich database on blue, an empty one on green, and the programs of the newer side in reach."""
    monkeypatch.setenv("PG_BIN", str(pair.programs))
    with rich(pair, "RICH") as found:
        yield found


def words(method: str) -> Database:
    """What the environment says."""
    copy = {"method": method, "jobs": 2, "parallel_above": "1MB"}
    about = {"name": "rich", "blue": "env:RICH_BLUE_DSN", "green": "env:RICH_GREEN_DSN"}
    return Database.model_validate({**about, "schema": "copied", "copy": copy, "copy_timeout": 120.0})


def plan(pair: Pair, method: str) -> Plan:
    database = DatabasePair(pair.blue, pair.green)
    guards = (
        Guard(name="one-writer", check=OneWriter((database,)), policy=Policy.FREEZE),
        Guard(name="schema-holds", check=SchemaHolds(pair.blue, pair.green), policy=Policy.HOLD, every=0.1),
    )
    phase = Phase(name="prepare", owner="database", items=tuple(replicated(words(method), database)))
    return Plan(name="cutover", environment="test", phases=(phase,), guards=guards)


def walked(pair: Pair, method: str, state: Path, way: str) -> None:
    store = SqliteState(state)
    try:
        lease = store.acquire(who="test", operation=way, take_over=None)
        run = Run(plan(pair, method), Journal(store, lease, "copy"), patience=20.0)
        run.forward() if way == "forward" else run.back(reason="test", everything=True)
        store.release(lease)
    finally:
        store.close()


def refused(pair: Pair) -> dict[str, str]:
    """What the preflight refuses, but for what stands in the way of tests that share their servers."""
    found = look_together(database_checks(words("parallel"), DatabasePair(pair.blue, pair.green)))
    return {name: finding.seen for name, finding in found if finding.verdict is not Verdict.PASS}


@pytest.mark.parametrize("method", ["table-sync", "parallel"])
def test_forward_under_load_and_back_to_an_empty_green(both: Pair, tmp_path: Path, method: str) -> None:
    assert refused(both) == {}
    with Writing(both.dsns["blue"]):
        walked(both, method, tmp_path / "state.sqlite", "forward")
    caught_up(both.blue, both.green)
    equal(both)
    assert refused(both) == {}, "everything has come"
    walked(both, method, tmp_path / "state.sqlite", "back")
    assert both.sql("green", "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [(0,)]
    for side in ("blue", "green"):
        assert not both.sql(side, "SELECT slot_name FROM pg_replication_slots WHERE slot_name ~ '^cut_(old|new)'")
    assert refused(both) == {}


def test_who_waits_for_table_sync_sees_how_far_it_is(both: Pair) -> None:
    asked, database = words("table-sync"), DatabasePair(both.blue, both.green)
    for step in (*tables_made(asked, database), *kits(both.blue, both.green), *publications(both.blue, both.green)):
        take(cast(Any, step))
    (following, _) = rows_copied(asked, database)
    assert isinstance(following, Subscription)
    # A table that somebody holds is not copied yet, and its neighbours are.
    with psycopg.connect(both.dsns["green"]) as holder:
        holder.execute("LOCK TABLE child IN SHARE MODE")
        for command in following.commands("following"):
            command.run(Deadline.after(30.0))
        told = until(
            lambda: re.fullmatch(
                r"(\d+) of (\d+) tables, \d+ of about \d+ MB, about \d+ s left.*", following.progress()
            )
        )
        assert told is not None
        assert int(told[1]) < int(told[2])
        holder.rollback()
    until(lambda: following.observe() == "following", 30.0)
    assert following.progress() == ""
    take(following.inverse())
    for undo in reversed(
        (*tables_made(asked, database), *kits(both.blue, both.green), *publications(both.blue, both.green))
    ):
        take(cast(Any, undo).inverse())


def test_what_the_copy_needs_is_asked_before(both: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for statement in ("CREATE ROLE rich_stranger", "ALTER TABLE keyless OWNER TO rich_stranger"):
        both.sql("blue", statement)
    both.sql("blue", "UPDATE pg_extension SET extname = 'nowhere' WHERE extname = 'vector'")
    try:
        seen = refused(both)
    finally:
        both.sql("blue", "UPDATE pg_extension SET extname = 'vector' WHERE extname = 'nowhere'")
        both.sql("blue", "ALTER TABLE keyless OWNER TO postgres")
        both.sql("blue", "DROP ROLE rich_stranger")
    assert set(seen) == {"roles", "extensions-available"}, seen
    assert "rich_stranger" in seen["roles"] and "extension nowhere is missing" in seen["extensions-available"]


def test_a_schema_that_was_made_by_hand_is_compared(both: Pair) -> None:
    both.sql("green", "CREATE TABLE parent (id int PRIMARY KEY)")
    assert "public.child is missing on green" in refused(both)["tables"]


def test_the_checks_are_asked_by_hand(both: Pair) -> None:
    environ = {"PATH": f"{both.programs}:{os.environ['PATH']}", "RICH_BLUE_DSN": both.dsns["blue"], "RICH_GREEN_DSN": both.dsns["green"]}  # fmt: skip
    asked: dict[str, Any] = dict(database_checks(words("parallel"), DatabasePair(both.blue, both.green)))
    for name in ("tables", "keys", "programs", "extensions-available", "grants"):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", asked[name].shell()], env=environ, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{name}: {done.stdout}\n{done.stderr}"
    assert asked["keys"].look().seen == "keys and unique indexes: come with the schema, which the plan copies from blue"


def test_a_schema_that_serves_for_good_is_no_copy_any_more(both: Pair, tmp_path: Path) -> None:
    def make() -> SchemaKept:
        (kept,) = schema_kept(words("parallel"), DatabasePair(both.blue, both.green))
        assert isinstance(kept, SchemaKept)
        return kept

    def reset() -> None:
        both.sql("green", f"CREATE SCHEMA IF NOT EXISTS {NOTE}")

    holds(make, state_dir=tmp_path, reset=reset)
    both.sql("green", f"DROP SCHEMA IF EXISTS {NOTE}; CREATE TABLE mine (id int PRIMARY KEY)")
    with pytest.raises(QueryFailed, match="no copy of ours"):
        DropSchema(both.green).run(Deadline.after(10.0))
