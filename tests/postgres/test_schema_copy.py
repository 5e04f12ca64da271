"""Green's schema is made from blue's, completed after the rows, and taken away again; with the programs of the newer side."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract import holds
from every_kind import rich
from moves import kits, take
from pairs import Pair

from cutover.core.clock import Deadline
from cutover.core.gate import Check
from cutover.core.step import Step
from cutover.postgres import programs
from cutover.postgres.made import NOTE
from cutover.postgres.preflight import preflight
from cutover.postgres.programs import ProgramFailed, complained, programs_of
from cutover.postgres.schema_copy import CopyTables, DropSchema, SchemaRefused
from cutover.postgres.schema_steps import SchemaCompleted, SchemaTables
from cutover.postgres.session import Database, QueryFailed


def long() -> Deadline:
    return Deadline.after(600.0)


@pytest.fixture
def both(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """The rich database on blue, an empty one on green, and the programs of the newer side in reach."""
    monkeypatch.setenv("PG_BIN", str(pair.programs))
    with rich(pair, "RICH") as found:
        yield found


def tables(pair: Pair, *, keys: bool = True) -> SchemaTables:
    return SchemaTables(name="schema-tables", source=pair.blue, target=pair.green, keys=keys, settle=60.0)


def completed(pair: Pair) -> SchemaCompleted:
    return SchemaCompleted(name="schema-completed", source=pair.blue, target=pair.green, jobs=2, settle=60.0)


def compared(pair: Pair) -> dict[str, str]:
    """What the preflight says of the two schemas, but for what is the same."""
    names = ("schemas", "tables", "columns", "generated", "defaults", "partitions", "keys", "constraints", "indexes", "types",
             "views", "functions", "sequence-definitions", "trigger-definitions", "policies", "owners", "grants", "extensions")  # fmt: skip
    asked: dict[str, Check] = dict(preflight(pair.blue, pair.green))
    found = {name: asked[name].look() for name in names}
    return {
        name: finding.seen for name, finding in found.items() if not finding.seen.endswith("the same on both sides")
    }


def user_objects(pair: Pair) -> int:
    """Everything on green that its own making has not brought."""
    return int(
        pair.sql(
            "green",
            f"""SELECT (SELECT count(*) FROM pg_class WHERE oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace)
       + (SELECT count(*) FROM pg_proc WHERE oid >= 16384) + (SELECT count(*) FROM pg_type WHERE oid >= 16384)
       + (SELECT count(*) FROM pg_cast WHERE oid >= 16384) + (SELECT count(*) FROM pg_extension WHERE oid >= 16384)
       + (SELECT count(*) FROM pg_namespace WHERE oid >= 16384 AND nspname <> '{NOTE}')""",
        )[0][0]
    )


def test_the_schema_is_the_same_afterwards_object_by_object(both: Pair) -> None:
    for kit in kits(both.blue, both.green)[:1]:
        take(kit)  # blue's fence is no part of what green is given
    step = tables(both)
    assert step.observe() == "absent"
    take(step)
    there = compared(both)
    assert set(there) == {"keys", "constraints", "indexes", "trigger-definitions", "policies"}, there
    keyed = both.sql("green", "SELECT indrelid::regclass::text FROM pg_index WHERE indisprimary OR indisreplident")
    assert {name for (name,) in keyed} >= {
        "parent",
        "child",
        "by_index",
        "tree_1",
        "tree_2a",
        '"Odd schema"."Tab""le; x"',
    }
    take(completed(both))
    assert compared(both) == {}
    assert not both.sql("green", "SELECT 1 FROM pg_namespace WHERE nspname = 'cutover'")
    take(completed(both).inverse())
    assert compared(both) == {}, "nothing is dropped, only to be looked at again"
    take(completed(both))
    take(step.inverse())
    assert user_objects(both) == 0


@pytest.mark.sampled
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("keys", [True, False])
def test_tables_contract(both: Pair, tmp_path: Path, keys: bool) -> None:
    holds(lambda: tables(both, keys=keys), state_dir=tmp_path, kills=8)
    assert user_objects(both) == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_completed_contract(both: Pair, tmp_path: Path) -> None:
    take(tables(both))
    holds(lambda: completed(both), state_dir=tmp_path)


def test_what_a_person_pastes_does_the_same(both: Pair) -> None:
    steps: list[Step[Any]] = [tables(both), completed(both)]
    for step in steps:
        for _ in range(2):
            for command in step.commands(step.after):
                paste(both, command.shell())
        assert step.observe() == step.after
        assert paste(both, step.check_shell()).strip() == step.after
    assert compared(both) == {}
    for step in reversed(steps):
        for command in step.commands(step.before):
            paste(both, command.shell())
            paste(both, command.shell())
        assert step.observe() == step.before
    assert user_objects(both) == 0


def paste(pair: Pair, text: str) -> str:
    environ = {
        "PATH": f"{pair.programs}:{os.environ['PATH']}",
        "RICH_BLUE_DSN": pair.dsns["blue"],
        "RICH_GREEN_DSN": pair.dsns["green"],
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_what_was_there_before_stays(both: Pair) -> None:
    both.sql(
        "green",
        "CREATE EXTENSION vector; CREATE SCHEMA other; CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    )
    before = user_objects(both)
    take(tables(both))
    take(tables(both).inverse())
    assert user_objects(both) == before


def test_a_missing_role_is_named_before_anything_is_made(both: Pair) -> None:
    for statement in ("CREATE ROLE rich_stranger LOGIN", "ALTER TABLE keyless OWNER TO rich_stranger"):
        both.sql("blue", statement)
    try:
        with pytest.raises(SchemaRefused, match="CREATE role rich_stranger LOGIN"):
            CopyTables(both.blue, both.green, keys=True).run(long())
        assert tables(both).observe() == "absent" and user_objects(both) == 0
    finally:
        both.sql("blue", "ALTER TABLE keyless OWNER TO postgres")
        both.sql("blue", "DROP ROLE rich_stranger")


def test_nothing_that_is_not_ours_or_holds_rows_is_dropped(both: Pair) -> None:
    both.sql("green", "CREATE TABLE mine (id int PRIMARY KEY)")
    assert tables(both).observe() == "present"
    with pytest.raises(QueryFailed, match="no copy of ours"):
        DropSchema(both.green).run(long())
    with pytest.raises(QueryFailed, match="tables are there already"):
        CopyTables(both.blue, both.green, keys=True).run(long())
    both.sql("green", "DROP TABLE mine")
    take(tables(both))
    both.sql("green", "INSERT INTO public.by_index VALUES (1, 'here')")
    with pytest.raises(QueryFailed, match=r"tables hold rows: public\.by_index"):
        DropSchema(both.green).run(long())
    assert both.sql("green", "SELECT * FROM by_index") == [(1, "here")]


def test_a_restore_that_a_dead_orchestrator_left_is_ended(both: Pair) -> None:
    with Database("new", "", lambda: both.dsns["green"]).open("schema") as left:
        take(tables(both))
        assert not both.sql("green", f"SELECT 1 FROM pg_stat_activity WHERE pid = {left.pid}")


def test_a_failing_restore_says_why_and_is_begun_anew(both: Pair) -> None:
    both.sql("green", "CREATE TYPE mood AS ENUM ('other')")
    with pytest.raises(ProgramFailed, match='type "mood" already exists'):
        CopyTables(both.blue, both.green, keys=True).run(long())
    assert tables(both).observe() == "begun"
    both.sql("green", "DROP TYPE mood")
    take(tables(both))
    assert both.sql("green", "SELECT unnest(enum_range(NULL::mood))::text") == [("sad",), ("ok",)]


def test_a_program_that_hangs_is_ended_by_its_deadline(both: Pair) -> None:
    with pytest.raises(ProgramFailed, match="did not end in time"):
        programs.run(["bash", "-c", "sleep 600 & wait"], programs.Reached("", os.environ, ""), Deadline.after(0.2))


def test_the_programs_of_the_newer_side_are_wanted(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BIN", str(pair.programs))
    assert programs_of(18) == pair.programs
    with pytest.raises(
        ProgramFailed, match=rf"pg_dump and pg_restore 99 are wanted; found 18 in {pair.programs}"
    ) as refused:
        programs_of(99)
    assert "postgresql-client-99" in refused.value.next_command


def test_no_password_is_seen() -> None:
    dsn = "postgresql://me:s3cret@127.0.0.1:1/db"
    found = programs.reached(Database("new", "X", lambda: dsn), {"lock_timeout": "1s"})
    assert "s3cret" not in found.conninfo and "s3cret" not in str(found.environment)
    assert Path(found.environment["PGPASSFILE"]).read_text() == "*:*:*:*:s3cret\n"
    odd = programs.reached(Database("new", "X", lambda: "host=h user=u password='a:b\\\\c'"), {})
    assert Path(odd.environment["PGPASSFILE"]).read_text() == "*:*:*:*:a\\:b\\\\c\n"
    said = complained(
        "pg_restore: error: s3cret\nCommand was: CREATE USER MAPPING (password 'x');\n more\npg_restore: hint: y\n",
        "s3cret",
    )
    assert said == "pg_restore: error: …; pg_restore: hint: y"
