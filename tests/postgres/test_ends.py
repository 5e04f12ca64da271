"""What stands in the way of a switch, and how that ends: told in words that help, within its deadline, and gone on with afterwards."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg
import pytest
from moves import blue_switch, caught_up, forward, kits, planted, publications, take, until
from pairs import Pair
from psycopg import conninfo

from cutover.core.clock import Deadline
from cutover.core.gate import Finding, Verdict
from cutover.postgres.invariants import FitsTheWindow, Follows
from cutover.postgres.session import QueryFailed
from cutover.postgres.sides import SWITCHED, read_sides

PLENTY = 1 << 40


@contextmanager
def meanwhile(dsn: str, statement: str, ended: list[psycopg.Error]) -> Iterator[None]:
    """Somebody else's statement, which is still running when the body begins; what ended it is noted."""

    def work() -> None:
        try:
            with psycopg.connect(dsn, autocommit=True, application_name="stubborn") as connection:
                connection.execute(statement.encode())
        except psycopg.Error as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    running = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'stubborn' AND wait_event IN ('PgSleep', 'relation')"
    )
    with psycopg.connect(dsn, autocommit=True) as look:
        until(lambda: look.execute(running).fetchall(), what="the stubborn statement")
    try:
        yield
    finally:
        thread.join(timeout=20.0)
        assert not thread.is_alive()


def there_and_back(pair: Pair) -> None:
    blue_switch(pair.blue, pair.green)
    assert read_sides(pair.blue, pair.green) == SWITCHED
    blue_switch(pair.green, pair.blue)


# --- sessions -------------------------------------------------------------------------------------------------------


def test_a_long_transaction_keeps_the_window_shut(prepared: Pair) -> None:
    check = FitsTheWindow(prepared.blue, prepared.green, PLENTY, longest_transaction=0.0)
    with psycopg.connect(prepared.dsns["blue"], application_name="report") as long:
        long.execute("UPDATE public.queue SET state = state WHERE id = 1")
        found = check.look()
        assert found.verdict is Verdict.INSUFFICIENT and found.hint == "wait for it, or end it"
        assert f"transaction of pid {long.info.backend_pid} (postgres) open for" in found.seen
        assert (
            FitsTheWindow(prepared.blue, prepared.green, PLENTY, longest_transaction=3600.0).look().seen != found.seen
        )
        long.rollback()
    until(lambda: check.look().verdict is Verdict.PASS, 20.0, "the window, once it has ended")


def test_a_session_that_ignores_being_cancelled_is_ended(prepared: Pair) -> None:
    ignores = """DO $$ BEGIN UPDATE public.queue SET state = state WHERE id = 1;
      LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$"""
    ended: list[psycopg.Error] = []
    with meanwhile(prepared.dsns["blue"], ignores, ended):
        there_and_back(prepared)
    assert [error.sqlstate for error in ended] == ["57P01"]


def test_a_session_that_comes_back_again_and_again_does_not_hold_it_up(prepared: Pair) -> None:
    """Its new lock queues behind the fence's, and afterwards it meets the fence."""
    stop, seen = threading.Event(), set[str | None]()

    def insist() -> None:
        while not stop.is_set():
            with suppress(psycopg.OperationalError), psycopg.connect(prepared.dsns["blue"], connect_timeout=5) as again:
                try:
                    again.execute("SET default_transaction_read_only = off; COMMIT")
                    again.execute("UPDATE public.queue SET state = state")
                    stop.wait(0.2)  # idle in transaction, with its locks
                    again.rollback()
                except psycopg.Error as error:
                    seen.add(error.sqlstate)

    threads = [threading.Thread(target=insist) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: prepared.sql("blue", "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'"))
        blue_switch(prepared.blue, prepared.green)
        until(lambda: "25006" in seen, what="the fence met by who insists")
        assert read_sides(prepared.blue, prepared.green) == SWITCHED
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=10.0)
    blue_switch(prepared.green, prepared.blue)


def test_a_writer_that_would_deadlock_is_cancelled_and_the_fence_goes_on(prepared: Pair) -> None:
    """It has what the fence waits for, and then asks for what the fence has: the server alone would need a second."""
    deadlock = """DO $$ BEGIN UPDATE public.tricky SET t = t WHERE id = 1;
      LOOP EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE relation = 'public.tricky'::regclass AND NOT granted);
        PERFORM pg_sleep(0.001); END LOOP;
      INSERT INTO public.notes VALUES ('never', 1); END $$"""
    ended: list[psycopg.Error] = []
    with meanwhile(prepared.dsns["blue"], deadlock, ended):
        there_and_back(prepared)
    assert ended and ended[0].sqlstate in ("57014", "57P01"), "not 40P01: nobody waits for deadlock_timeout"
    assert not prepared.sql("green", "SELECT 1 FROM public.notes WHERE body = 'never'")


@pytest.mark.slow
@pytest.mark.parametrize("side", ["blue", "green"])
def test_an_autovacuum_is_cancelled_on_both_sides(prepared: Pair, side: str) -> None:
    """It holds a lock that the fence and its triggers need; the server itself would let us wait for a second."""
    slow = """autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100,
              autovacuum_vacuum_cost_limit = 1"""
    for _ in range(5):
        prepared.sql("blue", "UPDATE public.tricky SET t = repeat('x', 1500)")
    caught_up(prepared.blue, prepared.green)
    for statement in ("ALTER SYSTEM SET autovacuum_naptime = '1s'", "SELECT pg_reload_conf()",
                      f"ALTER TABLE public.tricky SET ({slow})"):  # fmt: skip
        prepared.sql(side, statement)
    vacuum = "SELECT pid FROM pg_stat_progress_vacuum WHERE relid = 'public.tricky'::regclass"
    try:
        until(lambda: prepared.sql(side, vacuum), 30.0, "an autovacuum worker")
        worker = prepared.sql(side, vacuum)[0][0]
        # A table that nobody vacuums any more after this one, so that no other worker comes.
        prepared.sql(side, "ALTER SYSTEM SET autovacuum_naptime = '1h'")
        prepared.sql(side, "SELECT pg_reload_conf()")
        blue_switch(prepared.blue, prepared.green)
        assert (worker,) not in prepared.sql(side, vacuum)
    finally:
        prepared.sql(side, "ALTER SYSTEM RESET autovacuum_naptime")
        prepared.sql(side, "SELECT pg_reload_conf()")
    blue_switch(prepared.green, prepared.blue)
    prepared.sql(side, f"ALTER TABLE public.tricky RESET ({', '.join(p.split('=')[0] for p in slow.split(','))})")
    prepared.sql("blue", "UPDATE public.tricky SET t = 'text ' || id")


# --- rows -----------------------------------------------------------------------------------------------------------


def test_a_batch_that_was_committed_just_before_is_there_to_its_last_row(prepared: Pair) -> None:
    """Figures of lag can be 0 while the sender has not decoded it; only a marker that arrives is behind all of it."""
    batch = "INSERT INTO public.probe (key, writer) SELECT gen_random_uuid(), 'batch' FROM generate_series(1, 40000)"
    count = "SELECT count(*) FROM public.probe WHERE writer = 'batch'"
    prepared.sql("blue", batch)
    blue_switch(prepared.blue, prepared.green, seconds=60.0)
    assert prepared.sql("green", count) == [(40000,)]
    prepared.sql("green", batch)
    blue_switch(prepared.green, prepared.blue, seconds=60.0)
    assert prepared.sql("blue", count) == [(80000,)]
    prepared.sql("blue", "DELETE FROM public.probe WHERE writer = 'batch'")


def test_a_conflicting_row_is_named_with_what_mends_it(prepared: Pair) -> None:
    with planted(prepared.green, "INSERT INTO public.queue VALUES (-7, 'here')", "SELECT 1"):
        prepared.sql("blue", "INSERT INTO public.queue VALUES (-7, 'there')")
        fits = FitsTheWindow(prepared.blue, prepared.green, PLENTY)
        for check in (Follows(prepared.blue, prepared.green), fits):
            found = stumbled(check.look)
            assert found.verdict is Verdict.INSUFFICIENT
            assert "green has a row already that public.queue of the other side brings: id = '-7'" in found.seen
    mend = found.hint.split("on green: ")[1].split(" it goes on")[0]
    subprocess.run(
        [prepared.programs / "psql", prepared.dsns["green"], "-X", "-q", "-v", "ON_ERROR_STOP=1"],
        input=mend, text=True, check=True, timeout=30, capture_output=True,
    )  # fmt: skip
    caught_up(prepared.blue, prepared.green)
    caught_up(prepared.green, prepared.blue)
    for side in ("blue", "green"):
        assert prepared.sql(side, "SELECT state FROM public.queue WHERE id = -7") == [("there",)]
    prepared.sql("blue", "DELETE FROM public.queue WHERE id = -7")


def test_a_column_that_green_lacks_is_named(prepared: Pair) -> None:
    prepared.sql("blue", "ALTER TABLE public.queue ADD COLUMN later int")
    try:
        prepared.sql("blue", "INSERT INTO public.queue VALUES (-8, 'wider', 1)")
        found = stumbled(Follows(prepared.blue, prepared.green).look)
        assert (
            "public.queue.later is missing on green" in found.seen and "add public.queue.later on green" in found.hint
        )
    finally:
        prepared.sql("green", "ALTER TABLE public.queue ADD COLUMN later int")
    caught_up(prepared.blue, prepared.green)
    assert prepared.sql("green", "SELECT later FROM public.queue WHERE id = -8") == [(1,)]
    prepared.sql("blue", "DELETE FROM public.queue WHERE id = -8")
    caught_up(prepared.blue, prepared.green)
    for side in ("blue", "green"):
        prepared.sql(side, "ALTER TABLE public.queue DROP COLUMN later")


def stumbled(look: Callable[[], Finding]) -> Finding:
    """What the check says once the worker has stumbled; a worker that is just trying again runs for a moment."""
    return told(look, lambda found: found.hint.endswith("by itself within 5 s"), "what the worker stumbles over")


def told(look: Callable[[], Finding], wanted: Callable[[Finding], bool], what: str) -> Finding:
    seen: list[Finding] = []

    def asked() -> bool:
        seen.append(look())
        return wanted(seen[-1])

    until(asked, 60.0, what)
    return seen[-1]


# --- slots ----------------------------------------------------------------------------------------------------------


def test_no_slot_is_left_on_blue(tiny: Pair) -> None:
    """The copy does not begin, nothing of it is left, and the same command works once there is room."""
    steps = [*kits(tiny.blue, tiny.green), *publications(tiny.blue, tiny.green)]
    for step in steps:
        take(step)
    there = replace(forward(tiny.blue, tiny.green), empties=True)
    taken: list[str] = []
    try:
        with suppress(psycopg.errors.ConfigurationLimitExceeded):
            while True:
                taken.append(f"taken_{len(taken)}")
                tiny.sql("blue", f"SELECT pg_create_physical_replication_slot('{taken[-1]}')")
        deadline = Deadline.after(30.0)
        with pytest.raises(QueryFailed, match="all replication slots are in use"):
            there.commands(there.after)[0].run(deadline)
        assert deadline.remaining() > 15.0 and there.observe() == "absent"
    finally:
        for name in taken[:-1]:
            tiny.sql("blue", f"SELECT pg_drop_replication_slot('{name}')")
    take(there)
    for step in (there, *reversed(steps)):
        take(step.inverse())


# --- what cannot be asked -------------------------------------------------------------------------------------------


def test_a_refused_question_is_blind(prepared: Pair) -> None:
    dsn = conninfo.make_conninfo(prepared.dsns["blue"], user="shop")
    weak = replace(prepared.blue, resolve=lambda: dsn)
    prepared.sql("blue", "GRANT pg_monitor TO shop")  # it sees how far green is, and may not write a marker
    try:
        check = FitsTheWindow(weak, prepared.green, PLENTY)
        found = told(check.look, lambda found: found.verdict is not Verdict.INSUFFICIENT, "a quiet moment")
    finally:
        prepared.sql("blue", "REVOKE pg_monitor FROM shop")
    assert found.verdict is Verdict.BLIND and "permission denied" in found.seen
