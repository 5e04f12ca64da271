"""Guards on real servers: DDL after the preparation is named and can be mended, and kept WAL stops the plan in time."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from moves import forward, kits, planted, publications, reverse, take, until
from pairs import Pair, paste

from cutover.core.clock import Deadline
from cutover.core.gate import Verdict
from cutover.plans.checks import together
from cutover.postgres.invariants import WayBackWarm
from cutover.postgres.session import Database
from cutover.postgres.watching import SchemaHolds, WalKept

PLENTY = 1 << 40


@pytest.fixture
def follows(tiny: Pair) -> Iterator[Pair]:
    """The small database, green following blue and blue green; everything of ours is taken away afterwards."""
    steps = [*kits(tiny.blue, tiny.green), *publications(tiny.blue, tiny.green), reverse(tiny.blue, tiny.green)]
    there = replace(forward(tiny.blue, tiny.green), empties=True)
    for step in (*steps[:4], there, steps[4]):
        take(step)
    yield tiny
    tiny.sql("blue", "DROP TABLE IF EXISTS late")
    tiny.sql("green", "DROP TABLE IF EXISTS late")
    for step in (steps[4], there, *reversed(steps[:4])):
        take(step.inverse())


def test_columns_that_differ_are_named_until_green_has_them_too(follows: Pair) -> None:
    guard = SchemaHolds(follows.blue, follows.green)
    assert guard.look().verdict is Verdict.PASS
    follows.sql("blue", "ALTER TABLE things ADD note text")
    try:
        found = guard.look()
        assert found.verdict is Verdict.FAIL and found.hint
        assert "DDL since the copy" in found.seen and "things" in found.seen
    finally:
        follows.sql("green", "ALTER TABLE things ADD note text")
    assert guard.look().verdict is Verdict.PASS
    for side in ("blue", "green"):
        follows.sql(side, "ALTER TABLE things DROP note")


def test_a_new_table_is_named_and_the_hint_mends_it(follows: Pair) -> None:
    guard = SchemaHolds(follows.blue, follows.green)
    follows.sql("blue", "CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (1)")
    found = guard.look()
    assert found.verdict is Verdict.FAIL and "public.late" in found.seen
    assert "fence-kit-*" in found.hint and "REFRESH PUBLICATION" in found.hint

    follows.sql("green", "CREATE TABLE late (id int PRIMARY KEY)")
    steps = [*kits(follows.blue, follows.green), *publications(follows.blue, follows.green)]
    for step in steps:
        for command in step.commands(step.after):
            command.run(Deadline.after(10.0))
    assert [step.observe() for step in steps] == ["open", "fenced", "present", "present"]
    follows.sql("green", "ALTER SUBSCRIPTION cut_left_right REFRESH PUBLICATION")
    follows.sql("blue", "ALTER SUBSCRIPTION cut_right_left REFRESH PUBLICATION WITH (copy_data = false)")
    until(lambda: follows.sql("green", "SELECT * FROM late") == [(1,)], what="the new table's row on green")
    assert guard.look().verdict is Verdict.PASS


def test_before_the_preparation_there_is_nothing_to_watch(tiny: Pair) -> None:
    assert SchemaHolds(tiny.blue, tiny.green).look().seen == "nothing of ours is on blue yet"


def test_kept_wal_beyond_the_limit(follows: Pair) -> None:
    assert WalKept(follows.blue, PLENTY).look().verdict is Verdict.PASS
    follows.sql("blue", "SELECT pg_create_logical_replication_slot('cut_forgotten', 'pgoutput')")
    try:
        follows.sql("blue", "INSERT INTO things (t) SELECT repeat('x', 500) FROM generate_series(1, 2000)")
        found = WalKept(follows.blue, 100_000).look()
        assert found.verdict is Verdict.FAIL
        assert "keeps" in found.seen and "of WAL on left" in found.seen and "wal_limit_bytes" in found.hint
        assert WalKept(follows.blue, PLENTY).look().verdict is Verdict.PASS
    finally:
        follows.sql("blue", "SELECT pg_drop_replication_slot('cut_forgotten')")
        follows.sql("blue", "DELETE FROM things WHERE id > 50")


@pytest.fixture
def warm(follows: Pair) -> WayBackWarm:
    """As after the switch, with the sides' names exchanged: right follows left, which serves."""
    return WayBackWarm(follows.green, follows.blue, 1_000_000)


def test_a_warm_way_back_tells_how_far_it_is_behind(follows: Pair, warm: WayBackWarm) -> None:
    until(lambda: warm.look().verdict is Verdict.PASS, 20.0, "the way back")
    assert "right follows left, 0.0 MB behind; the way back is warm" in warm.look().seen
    assert warm.look().data["warning"] is False and warm.look().data["failed_tries"] == 0
    said = paste(follows, warm.shell())
    assert "following" in said and "bytes behind" in said
    with psycopg.connect(follows.dsns["green"]) as holder:
        holder.execute("LOCK TABLE things IN EXCLUSIVE MODE")  # nothing is applied any more
        follows.sql("blue", "INSERT INTO things (t) SELECT repeat('x', 500) FROM generate_series(1, 4000)")
        until(lambda: warm.look().data.get("warning") is True, 20.0, "a lag that is told")
        found = warm.look()
        assert found.verdict is Verdict.PASS and found.data["lag_bytes"] > 1_000_000
        assert "1 checks passed; way back: right follows left, " in together([("way back", found)]).seen
        holder.rollback()
    follows.sql("blue", "DELETE FROM things WHERE id > 50")
    until(lambda: warm.look().data.get("warning") is False, 20.0, "the lag's end")


def test_what_stops_the_way_back_is_named_and_mended(follows: Pair, warm: WayBackWarm) -> None:
    with planted(
        follows.green, "INSERT INTO public.things VALUES (-7, 'in the way')", "DELETE FROM public.things WHERE id = -7"
    ):
        follows.sql("blue", "INSERT INTO things VALUES (-7, 'of the other side')")
        until(lambda: "id = '-7'" in warm.look().seen, 30.0, "the conflict")
        found = warm.look()
        assert found.verdict is Verdict.INSUFFICIENT
        until(lambda: "failed tries so far" in warm.look().seen, 30.0, "a count of its tries")
        assert paste(follows, f"set +e\n{warm.shell()}\necho ended $?").endswith("ended 1\n")
    until(lambda: warm.look().verdict is Verdict.PASS, 30.0, "the way back")
    assert warm.look().data["failed_tries"] > 0 and "failed tries so far; the way back is warm" in warm.look().seen
    follows.sql("blue", "DELETE FROM things WHERE id = -7")


def test_a_way_back_that_nobody_reads_is_not_warm(follows: Pair, warm: WayBackWarm) -> None:
    name = "cut_left_right"
    follows.sql("green", f"ALTER SUBSCRIPTION {name} DISABLE")
    assert warm.look().verdict is Verdict.INSUFFICIENT and f"{name} on right: disabled" in warm.look().seen
    follows.sql("green", f"ALTER SUBSCRIPTION {name} ENABLE")
    until(lambda: warm.look().verdict is Verdict.PASS, 20.0, "the way back")
    missing = WayBackWarm(replace(warm.blue, side="nobody"), warm.green, 0).look()
    assert missing.verdict is Verdict.INSUFFICIENT and "does not exist" in missing.seen


def test_a_server_that_does_not_answer_is_blind() -> None:
    nowhere = Database("blue", "X", lambda: "host=127.0.0.1 port=1 connect_timeout=2")
    assert WalKept(nowhere, PLENTY).look().verdict is Verdict.BLIND
    assert SchemaHolds(nowhere, nowhere).look().verdict is Verdict.BLIND
    assert WayBackWarm(nowhere, nowhere, 0).look().verdict is Verdict.BLIND
