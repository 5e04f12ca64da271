"""Each pitfall of a switch by logical replication, and the test that shows it on real servers; those without another place are here."""

import ast
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from moves import blue_switch, kits, publications, take, until
from pairs import Pair
from psycopg import conninfo

from cutover.core.clock import Deadline
from cutover.postgres.ddl_guard import DdlGuard
from cutover.postgres.marker import await_marker, write_marker
from cutover.postgres.replication import PUBLICATION

HERE = Path(__file__).parent
OWN = "test_pitfalls"

PITFALLS = {
    "figures of lag are 0 before a batch is decoded": ("test_ends::test_a_batch_that_was_committed_just_before_is_there_to_its_last_row",),
    "the confirmed position comes long after the row": (f"{OWN}::test_the_marker_is_seen_before_the_position_says_so",
        "test_crashes::test_the_apply_worker_is_held_up_while_the_writes_wait"),
    "visible is not durable": ("test_crashes::test_what_had_arrived_is_durable_on_green_when_it_crashes_after_the_commit_point",),
    "locking many tables deadlocks with writers": ("test_ends::test_a_writer_that_would_deadlock_is_cancelled_and_the_fence_goes_on",
        "test_switch_fence::test_a_writer_that_is_idle_in_transaction_is_ended", "test_switch_fence::test_a_long_update_is_cancelled"),
    "autovacuum holds up fence and opening": ("test_ends::test_an_autovacuum_is_cancelled_on_both_sides",),
    "a prepared transaction cannot be ended": ("test_switch_fence::test_a_prepared_transaction_refuses_the_switch_at_once",
        "test_preflight_activity::test_prepared_transactions"),
    "a read-only default alone leaks": ("test_fence_proof::test_the_fenced_side_refuses_old_and_fresh_sessions",
        "test_switch_fence::test_a_table_made_after_the_kit_is_named_and_blue_writes_on"),
    "apply workers pass the fence, and ALWAYS triggers fire in them": (
        "test_fence_proof::test_the_fenced_side_refuses_old_and_fresh_sessions", "test_preflight::test_found_and_mended"),
    "publishing a table without identity breaks its UPDATE": (f"{OWN}::test_publishing_a_table_without_identity_breaks_its_updates",
        "test_preflight_sides::test_the_index_that_could_be_the_identity_is_named"),
    "a worker that is started again costs seconds": (f"{OWN}::test_the_reaper_lets_apply_workers_live",
        "test_crashes::test_the_apply_worker_is_killed_while_the_writes_wait"),
    "making a slot waits for every open transaction": (f"{OWN}::test_a_slot_waits_for_a_transaction_in_any_database",
        "test_preflight_activity::test_an_open_transaction_warns_and_refuses_past_the_limit"),
    "both directions without origin filter run in a circle": ("test_replication::test_no_change_runs_in_a_circle",
        "test_fifteen::test_there_and_back_twice_and_no_change_runs_in_a_circle"),
    "the written position trails the inserted one": (f"{OWN}::test_no_position_that_trails_is_asked",),
    "an apply error repeats for ever": ("test_ends::test_a_conflicting_row_is_named_with_what_mends_it",
        "test_ends::test_a_column_that_green_lacks_is_named"),
    "REPLICA IDENTITY FULL applies slowly": ("test_preflight::test_found_and_mended",
        "test_preflight_activity::test_changes_of_a_table_without_equality_refuse"),
    "a sequence that may not be read looks unused": ("test_preflight_activity::test_sequences_and_rows_that_may_not_be_read",),
    "a dump carries the publication without the marker": (f"{OWN}::test_a_dump_of_a_prepared_side_is_not_taken_for_a_prepared_one",
        "test_replication::test_a_publication_that_lacks_something_is_incomplete"),
    "an older PgBouncer forgets prepared statements": ("test_pgbouncer::test_the_preflight_tells_what_would_not_work",
        "test_pgbouncer::test_there_and_back_and_no_statement_fails"),
    "unlogged rows, large objects and materialized views never arrive": ("test_preflight::test_found_and_mended",
        "test_readiness::test_views_are_refreshed_in_the_order_in_which_they_read_each_other"),
    "a table made later is neither published nor fenced": ("test_watching::test_a_new_table_is_named_and_the_hint_mends_it",
        "test_ddl_guard::test_what_the_application_does_is_noted", "test_ddl_guard::test_who_is_just_making_a_table_is_sent_away"),
    "sequences stay behind, and a kit that is dropped opens its side": ("test_switch_fence::test_sequences_go_on_where_they_stood",
        "../whole/test_zz_finish::test_two_databases_there_and_back_and_after_finish_there_is_no_way_back"),
}  # fmt: skip

ENDS = {
    "a long transaction": ("test_ends::test_a_long_transaction_keeps_the_window_shut", "test_switch_fence::test_a_long_update_is_cancelled"),
    "a stubborn session": ("test_ends::test_a_session_that_ignores_being_cancelled_is_ended",
        "test_ends::test_a_session_that_comes_back_again_and_again_does_not_hold_it_up"),
    "a full slot": ("test_ends::test_no_slot_is_left_on_blue", "test_lost_slot::test_a_slot_whose_wal_is_gone",
        "test_watching::test_kept_wal_beyond_the_limit"),
    "a conflicting row": ("test_ends::test_a_conflicting_row_is_named_with_what_mends_it",),
    "DDL in the middle": ("../faults/test_ddl_in_the_middle::test_ddl_in_the_middle_holds_until_it_is_settled",
       "test_ddl_guard::test_a_note_holds_until_it_is_settled",
        "test_ddl_guard::test_a_column_that_came_just_before_the_lock_is_seen_inside_the_fence"),
    "a subscriber that crashes": ("test_crashes::test_green_crashes_before_the_commit_point",
        "test_crashes::test_what_had_arrived_is_durable_on_green_when_it_crashes_after_the_commit_point"),
    "a link that hangs": ("test_crashes::test_a_link_that_hangs_inside_the_fence",
        "test_postgres_session::test_a_link_that_swallows_packets_ends_by_the_deadline"),
}  # fmt: skip


@pytest.mark.parametrize("subject", [*PITFALLS, *ENDS])
def test_every_pitfall_and_every_end_has_a_test(subject: str) -> None:
    for place in {**PITFALLS, **ENDS}[subject]:
        module, name = place.split("::")
        tree = ast.parse((HERE / f"{module}.py").read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, place
    assert len(PITFALLS) == 21 and len(ENDS) == 7


def test_no_position_that_trails_is_asked() -> None:
    """`pg_current_wal_lsn` is up to a buffer behind what is committed, and what was sent says nothing of what has arrived."""
    package = HERE.parents[1] / "cutover"
    asked = [
        path.name
        for path in package.rglob("*.py")
        if re.search(r"pg_current_wal_lsn\(|sent_lsn|confirmed_flush_lsn|write_lsn", path.read_text(encoding="utf-8"))
    ]
    assert package.is_dir() and asked == []


def test_the_marker_is_seen_before_the_position_says_so(prepared: Pair) -> None:
    """Waiting for the position would cost the pause what it takes green to flush."""
    for statement in ("ALTER SYSTEM SET wal_writer_delay = '10s'", "SELECT pg_reload_conf()"):
        prepared.sql("green", statement)
    trails = "SELECT confirmed_flush_lsn < %s::pg_lsn FROM pg_replication_slots WHERE slot_name = 'cut_blue_green'"
    seen = []
    try:
        with prepared.blue.open("test") as blue, prepared.green.open("test") as green:
            for _ in range(20):
                position = blue.value("SELECT pg_current_wal_insert_lsn()::text")
                await_marker(green, write_marker(blue), Deadline.after(10.0))
                seen.append(blue.value(trails, [position]))
    finally:
        for statement in ("ALTER SYSTEM RESET wal_writer_delay", "SELECT pg_reload_conf()"):
            prepared.sql("green", statement)
    assert any(seen), "the position kept up with the marker in all 20 looks"


def test_publishing_a_table_without_identity_breaks_its_updates(tiny: Pair) -> None:
    with psycopg.connect(tiny.dsns["blue"], autocommit=True) as app:
        app.execute("CREATE TABLE bare (a int); INSERT INTO bare VALUES (1); UPDATE bare SET a = 2")
        app.execute("CREATE PUBLICATION careless FOR TABLE bare")
        try:
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                app.execute("UPDATE bare SET a = 3")
        finally:
            app.execute("DROP PUBLICATION careless; DROP TABLE bare")


@pytest.mark.parametrize("writing", ["blue", "green"])
def test_the_reaper_lets_apply_workers_live(prepared: Pair, writing: str) -> None:
    """It holds a lock that the fence waits for, and goes on when it gets a row; who is ended comes back after 5 s only."""
    other = "green" if writing == "blue" else "blue"
    if writing == "green":
        blue_switch(prepared.blue, prepared.green)
    worker = "SELECT pid FROM pg_stat_subscription WHERE relid IS NULL AND pid IS NOT NULL"
    waits = f"SELECT 1 FROM pg_locks WHERE NOT granted AND pid IN ({worker})"
    looks = "SELECT query_start FROM pg_stat_activity WHERE application_name = 'cutover reap' AND query ~ 'pg_blocking_pids'"
    ((pid,),) = prepared.sql(writing, worker)
    # One of our own sessions, so that the reaper lets it live, too, until it has looked often enough.
    with psycopg.connect(prepared.dsns[writing], application_name="cutover holds a row") as holder:
        holder.execute("UPDATE public.queue SET state = state WHERE id = 1")
        prepared.sql(
            other, "SET session_replication_role = replica; UPDATE public.queue SET state = state WHERE id = 1"
        )
        until(lambda: prepared.sql(writing, waits), what="the worker behind the row")
        switch = threading.Thread(target=blue_switch, args=(prepared.side(writing), prepared.side(other)))
        switch.start()
        seen = set[object]()

        def looked() -> bool:
            seen.update(prepared.sql(writing, looks))
            return len(seen) > 15

        until(looked, what="the reaper's looks")
        holder.rollback()
        switch.join(timeout=30.0)
    assert prepared.sql(writing, worker) == [(pid,)]
    if other == "green":
        blue_switch(prepared.green, prepared.blue)


def test_a_slot_waits_for_a_transaction_in_any_database(pair: Pair, tiny: Pair) -> None:
    make = "SELECT pg_create_logical_replication_slot('waits', 'pgoutput')"
    with psycopg.connect(tiny.dsns["blue"]) as elsewhere:
        elsewhere.execute("INSERT INTO things (t) VALUES ('open')")
        with psycopg.connect(pair.dsns["blue"], autocommit=True, options="-c statement_timeout=300ms") as maker:
            with pytest.raises(psycopg.errors.QueryCanceled):
                maker.execute(make.encode())
            elsewhere.rollback()
            maker.execute("SET statement_timeout = '20s'")
            maker.execute(make.encode())
            maker.execute("SELECT pg_drop_replication_slot('waits')")


@pytest.fixture
def dumped(tiny: Pair) -> Iterator[Pair]:
    """The small database, prepared and watched on blue; and on green an empty database beside it."""
    steps = [
        *kits(tiny.blue, tiny.green),
        publications(tiny.blue, tiny.green)[0],
        DdlGuard(name="g", database=tiny.blue),
    ]
    for step in steps:
        take(step)
    tiny.sql("green", "CREATE DATABASE dumped")
    yield tiny
    tiny.sql("green", "DROP DATABASE dumped WITH (FORCE)")
    for step in reversed(steps):
        take(step.inverse())


def test_a_dump_of_a_prepared_side_is_not_taken_for_a_prepared_one(dumped: Pair) -> None:
    """It carries fence triggers, publication and event triggers; what stands for them in our schema does not come along."""
    restored = conninfo.make_conninfo(dumped.dsns["green"], dbname="dumped")
    green = type(dumped.green)("right", "DUMPED_DSN", lambda: restored)
    dump = subprocess.run(
        [dumped.programs / "pg_dump", "--schema-only", "--exclude-schema=cutover", dumped.dsns["blue"]],
        check=True, timeout=60, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "CREATE EVENT TRIGGER cutover_ddl" in dump and f"CREATE PUBLICATION {PUBLICATION}" in dump
    subprocess.run(
        [dumped.programs / "psql", restored, "-X", "-q"], input=dump, check=True, timeout=60, capture_output=True, text=True,
        env={"PGOPTIONS": "-c default_transaction_read_only=off"},
    )  # fmt: skip
    assert kits(dumped.blue, green)[1].observe() == "absent"
    assert publications(dumped.blue, green)[1].observe() == "incomplete"
    assert DdlGuard(name="guard", database=green).observe() == "absent"
    with psycopg.connect(restored, autocommit=True, options="-c default_transaction_read_only=off") as session:
        session.execute("CREATE TABLE goes_on (a int)")
