"""The DDL guard on real servers: what it notes and what it leaves alone, who may not have it, and what goes on after a note."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from contract import holds
from moves import PLAIN, blue_switch, forward, kits, publications, reverse, take, until
from pairs import Pair, paste
from psycopg import conninfo

from cutover.core.clock import Deadline
from cutover.core.gate import Verdict
from cutover.plans.checks import AllOf
from cutover.postgres.ddl_guard import TRIGGERS, DdlGuard, notes, settle_shell, unseen_ddl
from cutover.postgres.moving import SwitchRefused
from cutover.postgres.pair import DatabasePair
from cutover.postgres.session import Database
from cutover.postgres.sides import BEFORE, SWITCHED, read_sides
from cutover.postgres.switch import Switch
from cutover.postgres.watching import SchemaHolds


def guard(database: Database) -> DdlGuard:
    return DdlGuard(name="guard", database=database, settle=5.0)


@pytest.fixture
def kitted(tiny: Pair) -> Iterator[Pair]:
    """The small database with the kits and nothing else of ours."""
    for step in kits(tiny.blue, tiny.green):
        take(step)
    yield tiny
    for database in (tiny.blue, tiny.green):
        take(guard(database).inverse())
    for step in kits(tiny.blue, tiny.green):
        take(step.inverse())


@pytest.fixture
def watched(kitted: Pair) -> Pair:
    """The same, watched on both sides."""
    for database in (kitted.blue, kitted.green):
        take(guard(database))
    return kitted


def said(pair: Pair, side: str = "blue") -> list[str]:
    with pair.side(side).open("test") as session:
        return [note.says.split(" by ")[0] for note in notes(session)]


def by_shop(pair: Pair, *statements: str, side: str = "blue") -> None:
    with psycopg.connect(pair.dsns[side], user="shop", autocommit=True, application_name="shop 2") as shop:
        for statement in statements:
            shop.execute(statement.encode())


@pytest.mark.slow
def test_the_step_keeps_the_contract(kitted: Pair, tmp_path: Path) -> None:
    def half() -> None:
        kitted.sql("blue", "CREATE TABLE cutover.ddl (id int)")

    def reset() -> None:
        guard(kitted.blue).commands("absent")[0].run(Deadline.after(5.0))

    holds(lambda: guard(kitted.blue), state_dir=tmp_path, reset=reset, strays=[half])


@pytest.mark.parametrize(
    ("make", "clear", "noted"),
    [
        ("CREATE TABLE late (id int PRIMARY KEY)", "DROP TABLE late", "CREATE TABLE of table public.late, index public.late_pkey"),
        ("ALTER TABLE things ADD COLUMN more int", "ALTER TABLE things DROP more", "ALTER TABLE of table public.things"),
        ("CREATE INDEX CONCURRENTLY things_t ON things (t)", "DROP INDEX CONCURRENTLY things_t",
         "CREATE INDEX of index public.things_t"),
        ('CREATE TABLE parts_2 PARTITION OF "Parts" FOR VALUES IN (2)', "DROP TABLE parts_2",
         "CREATE TABLE of table public.parts_2"),
        ("CREATE TABLE copied AS SELECT 1 AS a", "DROP TABLE copied", "CREATE TABLE AS of table public.copied"),
        ("CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1'", "DROP FUNCTION twice",
         "CREATE FUNCTION of function public.twice(integer)"),
        ("CREATE SEQUENCE numbers", "DROP SEQUENCE numbers", "CREATE SEQUENCE of sequence public.numbers"),
    ],
)  # fmt: skip
def test_what_the_application_does_is_noted(watched: Pair, make: str, clear: str, noted: str) -> None:
    by_shop(watched, make)
    try:
        assert said(watched)[0].startswith(noted) and len(said(watched)) == 1
        with watched.blue.open("test") as session:
            assert " by shop (shop 2) at 20" in notes(session)[0].says
    finally:
        by_shop(watched, clear)
    dropped = said(watched)[1]
    assert dropped.startswith(" ".join(clear.split()[:2])) and len(said(watched)) == 2


def test_a_table_that_is_dropped_and_made_again_is_noted(watched: Pair) -> None:
    """Both sides look the same again, and the rows are not followed any more: only a note can tell."""
    by_shop(watched, "CREATE TABLE late (id int PRIMARY KEY)")
    watched.sql("blue", "DELETE FROM cutover.ddl")
    by_shop(watched, "DROP TABLE late; CREATE TABLE late (id int PRIMARY KEY)", "DROP TABLE late")
    assert [what.split(" of ")[0] for what in said(watched)] == ["DROP TABLE", "CREATE TABLE", "DROP TABLE"]


@pytest.mark.parametrize(
    "statement",
    [
        """CREATE TEMP TABLE scratch (id int PRIMARY KEY, t text); CREATE INDEX ON scratch (t); ALTER TABLE scratch ADD v int;
           CREATE RULE r AS ON DELETE TO scratch DO INSTEAD NOTHING; DROP TABLE scratch""",
        "CREATE TABLE pg_temp.scratch (id serial); DROP TABLE pg_temp.scratch",
        "CREATE TEMP TABLE scratch ON COMMIT DROP AS SELECT 1 AS a",
        "BEGIN; CREATE TABLE late (id int PRIMARY KEY); ALTER TABLE things ADD COLUMN more int; ROLLBACK",
        "COMMENT ON TABLE things IS 'told'; GRANT SELECT ON things TO PUBLIC; REVOKE SELECT ON things FROM PUBLIC",
        "INSERT INTO things (id, t) VALUES (-1, 'x'); UPDATE things SET t = 'y' WHERE id = -1; DELETE FROM things WHERE id = -1",
        "ANALYZE things; REINDEX TABLE things",
    ],
)  # fmt: skip
def test_what_no_row_and_no_query_can_miss_is_not_noted(watched: Pair, statement: str) -> None:
    by_shop(watched, statement)
    assert said(watched) == []


def test_members_of_an_extension_are_noted_as_the_extension(watched: Pair) -> None:
    watched.sql("blue", "CREATE EXTENSION vector")
    watched.sql("blue", "DROP EXTENSION vector")
    assert said(watched) == ["CREATE EXTENSION of extension vector", "DROP EXTENSION of extension vector"]


def test_our_own_steps_are_not_noted_not_even_by_hand(watched: Pair) -> None:
    steps = [*kits(watched.blue, watched.green), *publications(watched.blue, watched.green)]
    for step in steps:
        for command in step.commands(step.after):
            paste(watched, command.shell())
    for step in reversed(steps[2:]):
        paste(watched, step.commands("absent")[0].shell())
    assert said(watched) == said(watched, "green") == []


def test_the_commands_of_the_runbook_do_what_the_step_does(kitted: Pair) -> None:
    step = guard(kitted.blue)
    (make,), (remove,) = step.commands("watched"), step.commands("absent")
    for _ in range(2):
        paste(kitted, make.shell())
        assert step.observe() == paste(kitted, step.check_shell()).strip() == "watched"
    by_shop(kitted, "CREATE TABLE late (id int)", "DROP TABLE late")
    assert len(said(kitted)) == 2
    for _ in range(2):
        paste(kitted, remove.shell())
        assert step.observe() == paste(kitted, step.check_shell()).strip() == "absent"


def test_a_guard_that_cannot_note_breaks_nobodys_ddl(watched: Pair) -> None:
    watched.sql("blue", "ALTER TABLE cutover.ddl RENAME TO elsewhere")
    try:
        by_shop(watched, "CREATE TABLE late (id int)", "DROP TABLE late")
    finally:
        watched.sql("blue", "ALTER TABLE cutover.elsewhere RENAME TO ddl")


def test_the_kit_takes_it_along(watched: Pair) -> None:
    """Dropping the schema must not leave an event trigger whose function is gone: every DDL would fail."""
    take(kits(watched.blue, watched.green)[0].inverse())
    assert not watched.sql("blue", "SELECT evtname FROM pg_event_trigger")
    assert guard(watched.blue).observe() == "absent"


def test_who_may_not_make_event_triggers_polls(kitted: Pair) -> None:
    """As on a managed service that has no superuser for its users."""
    kitted.sql("blue", "GRANT USAGE, CREATE ON SCHEMA cutover TO shop")
    dsn = conninfo.make_conninfo(kitted.dsns["blue"], user="shop")
    weak = replace(kitted.blue, resolve=lambda: dsn)
    try:
        take(guard(weak))
        assert kitted.sql("blue", "SELECT obj_description('cutover.ddl'::regclass)") == [("polling alone",)]
        assert not kitted.sql("blue", "SELECT evtname FROM pg_event_trigger")
        with weak.open("test") as source, kitted.green.open("test") as target:
            assert unseen_ddl(source, target) == []
            by_shop(kitted, "ALTER TABLE things ADD COLUMN more int")
            assert unseen_ddl(source, target) == ["other columns in public.things"]
    finally:
        by_shop(kitted, "ALTER TABLE things DROP COLUMN IF EXISTS more")
        take(guard(weak).inverse())


# --- what goes on after a note --------------------------------------------------------------------------------------


@pytest.fixture
def follows(watched: Pair) -> Iterator[Pair]:
    """Watched, and each side following the other."""
    there = replace(forward(watched.blue, watched.green), empties=True)
    steps = [*publications(watched.blue, watched.green), there, reverse(watched.blue, watched.green)]
    for step in steps:
        take(step)
    yield watched
    for step in (steps[3], there, *steps[:2]):
        take(step.inverse())


def test_a_note_holds_until_it_is_settled(follows: Pair) -> None:
    check = SchemaHolds(follows.blue, follows.green)
    assert check.look().verdict is Verdict.PASS
    add = "ALTER TABLE things ADD COLUMN more int"
    by_shop(follows, add)
    found = check.look()
    assert found.verdict is Verdict.FAIL and "ALTER TABLE of table public.things by shop (shop 2)" in found.seen
    assert "make the same on right" in found.hint and "UPDATE cutover.ddl SET settled" in found.hint
    follows.sql("green", add)
    assert check.look().verdict is Verdict.FAIL, "that it looks the same is not enough"
    assert said(follows, "green") == [], "a fenced side is where it is mended"
    with follows.blue.open("test") as session:
        paste(follows, settle_shell(follows.blue, notes(session)[-1]))
    assert check.look().verdict is Verdict.PASS
    assert follows.sql("blue", "SELECT tag FROM cutover.ddl WHERE settled IS NOT NULL") == [("ALTER TABLE",)]
    for side in ("blue", "green"):
        follows.sql(side, "ALTER TABLE things DROP COLUMN more")


def test_rows_that_are_followed_make_no_note(follows: Pair) -> None:
    follows.sql("blue", "INSERT INTO things (id, t) VALUES (-5, 'new'); TRUNCATE parts_1")
    until(lambda: follows.sql("green", "SELECT t FROM things WHERE id = -5 AND NOT EXISTS (SELECT FROM parts_1)"))
    assert said(follows) == said(follows, "green") == []
    follows.sql(
        "blue",
        """DELETE FROM things WHERE id = -5; INSERT INTO parts_1 SELECT 1, i, 'p' FROM generate_series(1, 50) i""",
    )


def test_after_the_switch_green_is_watched_and_blue_is_not(follows: Pair) -> None:
    """Whoever takes the writes is watched: DDL on green would be missing on blue after a rollback."""
    blue_switch(follows.blue, follows.green)
    try:
        add, drop = "ALTER TABLE things ADD COLUMN more int", "ALTER TABLE things DROP COLUMN more"
        by_shop(follows, add, side="green")
        found = SchemaHolds(follows.blue, follows.green).look()
        assert found.verdict is Verdict.FAIL and "DDL on right since the copy" in found.seen
        assert "make the same on left" in found.hint
        by_shop(follows, drop, side="green")
        follows.sql(
            "blue",
            "SET default_transaction_read_only = off; ALTER TABLE things ADD more int; ALTER TABLE things DROP more",
        )
        assert said(follows) == [] and len(said(follows, "green")) == 2
    finally:
        blue_switch(follows.green, follows.blue)
    follows.sql("green", "UPDATE cutover.ddl SET settled = now()")


def test_an_event_trigger_that_was_switched_off_is_told(follows: Pair) -> None:
    check = SchemaHolds(follows.blue, follows.green)
    follows.sql("blue", "ALTER EVENT TRIGGER cutover_ddl DISABLE")
    found = check.look()
    assert found.verdict is Verdict.FAIL and "switched off the event triggers that note DDL on left" in found.seen
    assert guard(follows.blue).observe() == "partial"
    take(guard(follows.blue))
    assert check.look().verdict is Verdict.PASS


# --- the look inside the fence --------------------------------------------------------------------------------------


def test_a_column_that_came_just_before_the_lock_is_seen_inside_the_fence(watched: Pair) -> None:
    with watched.blue.open("fence") as fence, watched.green.open("look") as target:
        assert unseen_ddl(fence, target) == []
        by_shop(watched, "ALTER TABLE things ADD COLUMN more int")
        fence.run("BEGIN; LOCK TABLE public.things IN SHARE ROW EXCLUSIVE MODE")
        (odd,) = unseen_ddl(fence, target)
        assert odd.startswith("ALTER TABLE of table public.things by shop")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            by_shop(watched, "SET lock_timeout = '100ms'", "ALTER TABLE things ADD COLUMN another int")
        fence.run("ROLLBACK")
    by_shop(watched, "ALTER TABLE things DROP COLUMN more")


def test_who_is_just_making_a_table_is_sent_away(watched: Pair) -> None:
    """Nobody else sees that table yet; after the fence it would be there, with rows that no other side has."""
    with psycopg.connect(watched.dsns["blue"]) as maker, psycopg.connect(watched.dsns["blue"]) as reader:
        maker.execute("CREATE TABLE late (id int); INSERT INTO late VALUES (1)")
        reader.execute("SELECT count(*) FROM things")
        with watched.blue.open("fence") as fence, watched.green.open("look") as target:
            assert unseen_ddl(fence, target) == []
        with pytest.raises(psycopg.OperationalError):
            maker.execute("SELECT 1")
        reader.execute("SELECT 1")
        with suppress(psycopg.Error):
            maker.rollback()
    assert not watched.sql(
        "blue", "SELECT to_regclass('late')::text IS NOT NULL AS there WHERE to_regclass('late') IS NOT NULL"
    )


def test_a_table_that_is_made_in_two_phases_is_told(watched: Pair) -> None:
    with psycopg.connect(watched.dsns["blue"], autocommit=True) as maker:
        maker.execute("BEGIN")
        maker.execute("CREATE TABLE late (id int)")
        maker.execute("PREPARE TRANSACTION 'making'")
        try:
            with watched.blue.open("fence") as fence, watched.green.open("look") as target:
                assert unseen_ddl(fence, target) == ["a prepared transaction makes a table"]
        finally:
            maker.execute("ROLLBACK PREPARED 'making'")


def test_the_switch_looks_once_more_and_the_way_back_does_not(follows: Pair) -> None:
    """An index that somebody made on green must not keep the writes there."""
    pair = DatabasePair(follows.blue, follows.green, PLAIN)
    make, clear = "CREATE INDEX one_more ON things (t)", "DROP INDEX one_more"
    by_shop(follows, make)
    with pytest.raises(SwitchRefused, match="DDL or large objects on left that nobody has settled: CREATE INDEX"):
        Switch((pair.towards_green(),)).run(Deadline.after(20.0))
    assert read_sides(follows.blue, follows.green) == BEFORE
    by_shop(follows, clear)
    follows.sql("blue", "UPDATE cutover.ddl SET settled = now()")
    Switch((pair.towards_green(),)).run(Deadline.after(20.0))
    by_shop(follows, make, side="green")
    Switch((pair.towards_blue(),)).run(Deadline.after(20.0))
    assert read_sides(follows.blue, follows.green) == BEFORE
    follows.sql("green", clear)
    follows.sql("green", "UPDATE cutover.ddl SET settled = now()")


def printed(pair: Pair) -> str:
    """What the printed switch to green says, however it ends."""
    switch = Switch((DatabasePair(pair.blue, pair.green, PLAIN).towards_green(),))
    return paste(pair, f"{{ {switch.shell()}\n}} 2>&1 || true")


@pytest.mark.parametrize("how", ["noted by event triggers", "seen by polling"])
def test_large_objects_are_never_left_behind(follows: Pair, how: str) -> None:
    """No event trigger tells of one, and no publication takes it along; preflight has seen none."""
    if how == "seen by polling":
        for name in TRIGGERS:
            follows.sql("blue", f"ALTER EVENT TRIGGER {name} DISABLE")
    told = "1 large objects, which are never replicated"
    pair, holds = DatabasePair(follows.blue, follows.green, PLAIN), SchemaHolds(follows.blue, follows.green)
    follows.sql("blue", "SELECT lo_create(4711)")
    try:
        with pytest.raises(SwitchRefused, match=told):
            Switch((pair.towards_green(),)).run(Deadline.after(20.0))
        assert f"nothing was switched: {told}" in printed(follows)
        assert read_sides(follows.blue, follows.green) == BEFORE
        if how == "noted by event triggers":
            found = holds.look()
            assert found.verdict is Verdict.FAIL and found.seen == f"left has {told}"
            for check in (holds, AllOf((("schema", holds),))):
                assert "ended 1" in paste(follows, f"set +e\n{check.shell()}\necho ended $?")
    finally:
        follows.sql("blue", "SELECT lo_unlink(4711)")
    Switch((pair.towards_green(),)).run(Deadline.after(20.0))
    follows.sql("green", "SELECT lo_create(4711)")
    try:
        if how == "noted by event triggers":
            assert holds.look().seen == f"right has {told}"
        Switch((pair.towards_blue(),)).run(Deadline.after(20.0))  # the way back is never refused for it
    finally:
        follows.sql("green", "SELECT lo_unlink(4711)")


@pytest.mark.parametrize("how", ["noted by event triggers", "seen by polling"])
def test_the_printed_switch_looks_as_well(follows: Pair, how: str) -> None:
    if how == "seen by polling":
        for name in TRIGGERS:
            follows.sql("blue", f"ALTER EVENT TRIGGER {name} DISABLE")
    by_shop(follows, "ALTER TABLE things ADD COLUMN more int")
    try:
        told = printed(follows)
        assert "DDL or large objects on the writing side that nobody has settled; nothing was switched: " in told
        noted = "ALTER TABLE of table public.things by shop (shop 2)"
        assert (noted in told) if how == "noted by event triggers" else ("> things|" in told.replace("public.", "")), (
            told
        )
        assert read_sides(follows.blue, follows.green) == BEFORE
    finally:
        by_shop(follows, "ALTER TABLE things DROP COLUMN more")
        follows.sql("blue", "UPDATE cutover.ddl SET settled = now()")
    assert "nothing was switched" not in printed(follows)
    assert read_sides(follows.blue, follows.green) == SWITCHED
    Switch((DatabasePair(follows.blue, follows.green, PLAIN).towards_blue(),)).run(Deadline.after(20.0))


def test_the_printed_switch_sends_away_who_is_just_making_a_table(follows: Pair) -> None:
    with psycopg.connect(follows.dsns["blue"]) as maker:
        maker.execute("CREATE TABLE late (id int); INSERT INTO late VALUES (1)")
        assert "left" not in (told := printed(follows)) and "nothing was switched" not in told
        with pytest.raises(psycopg.OperationalError):
            maker.execute("SELECT 1")
        with suppress(psycopg.Error):
            maker.rollback()
    assert read_sides(follows.blue, follows.green) == SWITCHED
    assert follows.sql("blue", "SELECT to_regclass('late')") == [(None,)]
    Switch((DatabasePair(follows.blue, follows.green, PLAIN).towards_blue(),)).run(Deadline.after(20.0))
