"""What the fence stops and what passes it, who stands in its way, and what the switch refuses."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
import pytest
from load import load, writing
from moves import PLAIN, blue_switch, caught_up, until
from pairs import Pair
from psycopg import conninfo

from cutover.core import killpoint
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError, LeaseLost, Unreachable
from cutover.postgres.marker import NotCaughtUp
from cutover.postgres.moving import Fence, SwitchRefused
from cutover.postgres.reaper import PreparedTransaction
from cutover.postgres.session import QueryFailed
from cutover.postgres.sides import BEFORE, COMMITTED, SWITCHED, read_sides
from cutover.postgres.switch import Switch

INSERT = "INSERT INTO public.queue VALUES (-1, 'never')"


class Died(BaseException):
    """As by SIGKILL: nothing of ours cleans up behind it."""


@contextmanager
def at(point: str, then: Callable[[], object]) -> Iterator[None]:
    """Does something at one point of the switch."""

    def hook(name: str) -> None:
        if name == point:
            then()

    killpoint.install(hook)
    try:
        yield
    finally:
        killpoint.install(None)


def test_sends_old_sessions_away_and_clients_find_the_other_side(prepared: Pair) -> None:
    with psycopg.connect(prepared.dsns["blue"], autocommit=True) as old:
        blue_switch(prepared.blue, prepared.green)
        with pytest.raises(psycopg.OperationalError):
            old.execute("SELECT 1")
    with psycopg.connect(prepared.app_dsn, autocommit=True) as client:
        assert str(client.info.port) == conninfo.conninfo_to_dict(prepared.dsns["green"])["port"]
        client.execute("UPDATE public.queue SET state = state WHERE id = 1")
    blue_switch(prepared.green, prepared.blue)


def test_old_sessions_go_even_when_the_first_try_died_before_sending_them_away(prepared: Pair) -> None:
    class Died(BaseException):
        pass

    def die() -> None:
        raise Died

    with psycopg.connect(prepared.dsns["blue"], autocommit=True) as old:
        with at("switch: opened", die), pytest.raises(Died):
            blue_switch(prepared.blue, prepared.green)
        assert read_sides(prepared.blue, prepared.green) == SWITCHED
        assert old.execute("SELECT 1").fetchall() == [(1,)]
        blue_switch(prepared.blue, prepared.green)
        with pytest.raises(psycopg.OperationalError):
            old.execute("SELECT 1")
    blue_switch(prepared.green, prepared.blue)


def test_a_session_that_was_just_starting_goes_with_the_second_look(prepared: Pair) -> None:
    """It is not in the first list; who came after that list has seen the fence, and stays."""
    with (
        psycopg.connect(prepared.dsns["blue"], autocommit=True, application_name="cutover hides") as starting,
        ExitStack() as stack,
    ):
        later: list[psycopg.Connection[tuple[Any, ...]]] = []

        def show_itself() -> None:
            starting.execute("SET application_name = 'application'")
            later.append(stack.enter_context(psycopg.connect(prepared.dsns["blue"], autocommit=True)))

        with at("switch: old sessions sent away", show_itself):
            blue_switch(prepared.blue, prepared.green)
        with pytest.raises(psycopg.OperationalError):
            starting.execute("SELECT 1")
        assert later[0].execute("SHOW default_transaction_read_only").fetchall() == [("on",)]
    blue_switch(prepared.green, prepared.blue)


# --- the dead-man and the deadline ----------------------------------------------------------------------------------


def test_a_fence_that_the_server_ended_cannot_commit(prepared: Pair) -> None:
    def wait() -> None:
        sql = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'cutover fence'"
        until(lambda: not prepared.sql("blue", sql), 5.0, "the dead-man")

    with at("switch: fenced, not committed", wait), pytest.raises(Unreachable):
        blue_switch(prepared.blue, prepared.green, Fence(dead_man=0.3, validate_changed=False))
    assert read_sides(prepared.blue, prepared.green) == BEFORE
    prepared.sql("blue", "UPDATE public.queue SET state = state")


def test_a_budget_that_has_run_out_leaves_everything_as_it_was(prepared: Pair) -> None:
    with load(prepared, writers=1), pytest.raises(CutoverError):
        Switch.one(prepared.blue, prepared.green, PLAIN).run(Deadline.after(0.0))
    assert read_sides(prepared.blue, prepared.green) == BEFORE


def test_a_budget_that_runs_out_just_before_the_commit_point(prepared: Pair) -> None:
    deadline = Deadline.after(2.0)
    with (
        at("switch: sequences set", lambda: until(lambda: deadline.expired)),
        pytest.raises(SwitchRefused, match="budget"),
    ):
        Switch.one(prepared.blue, prepared.green, PLAIN).run(deadline)
    assert read_sides(prepared.blue, prepared.green) == BEFORE


def test_a_side_that_is_far_behind_is_waited_for_before_anybody_else_waits(prepared: Pair) -> None:
    """Inside the fence all of it would be waited for with writes stopped, and given up after `catch_up`."""
    places: list[str] = []
    with psycopg.connect(prepared.dsns["green"]) as holder, load(prepared, writers=1) as writers:
        holder.execute("LOCK TABLE public.probe IN EXCLUSIVE MODE")  # nothing is applied any more
        killpoint.install(places.append)
        try:
            with pytest.raises(NotCaughtUp, match="did not arrive on green"):
                Switch.one(prepared.blue, prepared.green, PLAIN).run(Deadline.after(1.0))
        finally:
            killpoint.install(None)
        assert "switch: clients paused" not in places
        writing(writers)
        holder.rollback()
        caught_up(prepared.blue, prepared.green)
    assert read_sides(prepared.blue, prepared.green) == BEFORE


# --- who stands in the way ------------------------------------------------------------------------------------------


def test_a_writer_that_is_idle_in_transaction_is_ended(prepared: Pair) -> None:
    with psycopg.connect(prepared.dsns["blue"]) as idle:
        idle.execute(INSERT)
        blue_switch(prepared.blue, prepared.green)
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")
    assert not prepared.sql("green", "SELECT 1 FROM public.queue WHERE id = -1")
    assert paused(prepared) < 2000
    blue_switch(prepared.green, prepared.blue)


def test_a_long_update_is_cancelled(prepared: Pair) -> None:
    ended: list[psycopg.Error] = []

    def long() -> None:
        try:
            with psycopg.connect(prepared.dsns["blue"], autocommit=True) as connection:
                connection.execute("UPDATE public.queue SET state = state WHERE id = 1 AND pg_sleep(60) IS NOT NULL")
        except psycopg.Error as error:
            ended.append(error)

    thread = threading.Thread(target=long)
    thread.start()
    until(lambda: prepared.sql("blue", "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
    blue_switch(prepared.blue, prepared.green)
    thread.join(timeout=10.0)
    assert ended and paused(prepared) < 2000
    blue_switch(prepared.green, prepared.blue)


def test_a_prepared_transaction_refuses_the_switch_at_once(prepared: Pair) -> None:
    with psycopg.connect(prepared.dsns["blue"], autocommit=True) as other:
        other.execute("BEGIN")
        other.execute("INSERT INTO public.notes VALUES ('in two phases', 1)")
        other.execute("PREPARE TRANSACTION 'in two phases'")
        try:
            with load(prepared, writers=1):
                deadline = Deadline.after(30.0)
                with pytest.raises(PreparedTransaction, match="pg_prepared_xacts"):
                    Switch.one(prepared.blue, prepared.green, PLAIN).run(deadline)
                assert deadline.remaining() > 27.0
        finally:
            other.execute("ROLLBACK PREPARED 'in two phases'")
    assert read_sides(prepared.blue, prepared.green) == BEFORE


# --- what the switch refuses ----------------------------------------------------------------------------------------


def test_a_table_made_after_the_kit_is_named_and_blue_writes_on(prepared: Pair) -> None:
    with load(prepared, writers=1):
        create = "CREATE TABLE public.late (id int)"
        late = at("switch: locked", lambda: prepared.sql("blue", create))
        with late, pytest.raises(SwitchRefused, match=r"public\.late"):
            blue_switch(prepared.blue, prepared.green)
        with pytest.raises(SwitchRefused, match="partial"):
            blue_switch(prepared.blue, prepared.green)
        prepared.sql("blue", "DROP TABLE public.late")
        assert read_sides(prepared.blue, prepared.green) == BEFORE


def test_an_older_fencing_token_changes_nothing(prepared: Pair) -> None:
    token = prepared.sql("blue", "SELECT hi FROM cutover.fencing")[0][0]
    Switch.one(prepared.blue, prepared.green, PLAIN, lambda: token + 5).run(Deadline.after(20.0))
    with pytest.raises(LeaseLost, match="newer fencing token"):
        Switch.one(prepared.green, prepared.blue, PLAIN, lambda: token + 4).run(Deadline.after(20.0))
    assert read_sides(prepared.blue, prepared.green) == SWITCHED
    Switch.one(prepared.green, prepared.blue, PLAIN, lambda: token + 6).run(Deadline.after(20.0))
    assert prepared.sql("blue", "SELECT hi FROM cutover.fencing") == [(token + 6,)]


def test_an_older_token_does_not_open_what_was_left_fenced(prepared: Pair) -> None:
    token = prepared.sql("green", "SELECT hi FROM cutover.fencing")[0][0]

    def die() -> None:
        raise Died

    with at("switch: committed", die), pytest.raises(Died):
        Switch.one(prepared.blue, prepared.green, PLAIN, lambda: token + 1).run(Deadline.after(20.0))
    assert read_sides(prepared.blue, prepared.green) == COMMITTED
    prepared.sql("green", "UPDATE cutover.fencing SET hi = hi + 10")
    with pytest.raises(LeaseLost):
        Switch.one(prepared.blue, prepared.green, PLAIN, lambda: token + 1).run(Deadline.after(20.0))
    assert read_sides(prepared.blue, prepared.green) == COMMITTED
    Switch.one(prepared.green, prepared.blue, PLAIN, lambda: token + 11).run(Deadline.after(20.0))


def test_who_is_overtaken_before_the_commit_point_gives_up_there(prepared: Pair) -> None:
    """Whoever may not open the other side must not leave both shut."""
    token = prepared.sql("green", "SELECT hi FROM cutover.fencing")[0][0]

    def taken_over() -> None:
        prepared.sql("green", "UPDATE cutover.fencing SET hi = hi + 10")

    with at("switch: way back set", taken_over), pytest.raises(LeaseLost):
        Switch.one(prepared.blue, prepared.green, PLAIN, lambda: token + 1).run(Deadline.after(20.0))
    assert read_sides(prepared.blue, prepared.green) == BEFORE
    prepared.sql("blue", "UPDATE cutover.fencing SET hi = hi + 10")  # who took over has claimed both


def test_a_target_that_cannot_be_opened_is_known_before_the_commit_point(prepared: Pair) -> None:
    prepared.sql(
        "green",
        "CREATE FUNCTION public.no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no ALTER here'; END $$",
    )
    prepared.sql(
        "green",
        "CREATE EVENT TRIGGER no_alter ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION public.no()",
    )
    try:
        with pytest.raises(QueryFailed, match="no ALTER here"):
            blue_switch(prepared.blue, prepared.green)
        assert read_sides(prepared.blue, prepared.green) == BEFORE
    finally:
        prepared.sql("green", "DROP EVENT TRIGGER no_alter")
        prepared.sql("green", "DROP FUNCTION public.no()")


# --- sequences ------------------------------------------------------------------------------------------------------


def next_values(pair: Pair, side: str) -> dict[str, int]:
    names = ("never_used", "restarted", "downward", "in_batches")
    return {name: pair.sql(side, f"SELECT nextval('public.{name}')")[0][0] for name in names}


@pytest.mark.parametrize("by", ["program", "script"])
def test_sequences_go_on_where_they_stood(prepared: Pair, by: str) -> None:
    reset = """SELECT setval('public.restarted', 700, false), setval('public.never_used', 40, false);
               ALTER SEQUENCE public.downward RESTART; ALTER SEQUENCE public.in_batches RESTART"""
    prepared.sql("blue", reset)
    used = [prepared.sql("blue", "SELECT nextval('public.downward')")[0][0] for _ in range(3)]
    cached = prepared.sql("blue", "SELECT nextval('public.in_batches')")[0][0]
    move(prepared, by, "blue", "green")
    there = next_values(prepared, "green")
    assert there["never_used"] == 40 and there["restarted"] == 700
    assert there["downward"] < min(used) and there["in_batches"] > cached
    prepared.sql("green", "INSERT INTO shop.customers (email, name) VALUES ('green@' || random(), 'N')")
    prepared.sql("green", "INSERT INTO public.webhooks (event_id, body) VALUES (gen_random_uuid(), '{}')")
    move(prepared, by, "green", "blue")
    back = next_values(prepared, "blue")
    assert back["never_used"] > 40 and back["restarted"] > 700
    assert back["downward"] < there["downward"] and back["in_batches"] > there["in_batches"]
    prepared.sql("blue", "INSERT INTO shop.customers (email, name) VALUES ('blue@' || random(), 'N')")
    prepared.sql("blue", "INSERT INTO public.webhooks (event_id, body) VALUES (gen_random_uuid(), '{}')")


NARROW = (
    "CREATE SEQUENCE public.narrow AS smallint",
    "CREATE SEQUENCE public.round INCREMENT -2 MINVALUE 1 MAXVALUE 99 CYCLE",
)


@pytest.mark.parametrize("by", ["program", "script"])
def test_a_margin_does_not_exhaust_a_sequence(prepared: Pair, by: str) -> None:
    """A thousand further would be its end: the first insert on green would fail, or one that cycles would begin anew."""
    for side in ("blue", "green"):
        for statement in NARROW:
            prepared.sql(side, statement)
    prepared.sql("blue", "SELECT setval('public.narrow', 31800), setval('public.round', 41)")
    try:
        for source, target in (("blue", "green"), ("green", "blue")):
            before = prepared.sql(
                source, "SELECT (SELECT last_value FROM public.narrow), (SELECT last_value FROM public.round)"
            )[0]
            move(prepared, by, source, target)
            after = prepared.sql(target, "SELECT nextval('public.narrow'), nextval('public.round')")[0]
            assert before[0] < after[0] < 32767 and 1 < after[1] < before[1], (before, after)
    finally:
        for side in ("blue", "green"):
            prepared.sql(side, "DROP SEQUENCE IF EXISTS public.narrow, public.round")


def move(pair: Pair, by: str, source: str, target: str) -> None:
    if by == "program":
        blue_switch(pair.side(source), pair.side(target))
    else:
        from test_switch_script import run

        code, told = run(pair, pair.side(source), pair.side(target))
        assert code == 0, told


def test_a_refused_question_is_told_with_its_code(prepared: Pair) -> None:
    with prepared.blue.open() as session, pytest.raises(QueryFailed) as caught:
        session.run("SELECT 1 / 0")
    assert caught.value.sqlstate == "22012"


def paused(pair: Pair) -> float:
    """Milliseconds of the newest switch to green, by its own record."""
    return float(pair.sql("green", "SELECT timings ->> 'pause' FROM cutover.switches ORDER BY at DESC LIMIT 1")[0][0])
