"""Sessions end by their deadline whatever the network does, and a dry-run's cannot write."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from links import Link
from pairs import Pair
from psycopg import conninfo

from cutover.core.errors import Unreachable
from cutover.postgres.session import CONNECT, Database, QueryFailed


@contextmanager
def link(pair: Pair) -> Iterator[tuple[Link, Database]]:
    found = Link(int(conninfo.conninfo_to_dict(pair.dsns["blue"])["port"] or 0))
    dsn = conninfo.make_conninfo(pair.dsns["blue"], port=found.port)
    try:
        yield found, replace(pair.blue, resolve=lambda: dsn)
    finally:
        found.close()


@pytest.mark.parametrize("sql", ["SELECT 1", "SELECT pg_sleep(30)"])
def test_a_link_that_swallows_packets_ends_by_the_deadline(pair: Pair, sql: str) -> None:
    with link(pair) as (between, database), database.open() as session:
        assert session.value("SELECT 1") == 1
        between.swallowing = True
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"no answer within 0\.5 s"):
            session.rows(sql, timeout=0.5)
        assert 0.4 < time.monotonic() - began < 0.8
        began = time.monotonic()
        with pytest.raises(Unreachable):  # and it stays ended
            session.rows("SELECT 1", timeout=0.5)
        assert time.monotonic() - began < 0.8


def test_deadlines_of_several_sessions_do_not_mix(pair: Pair) -> None:
    """The later call ends first, and the one that answers in time is left alone."""
    with link(pair) as (between, database), database.open() as slow, database.open() as fast, pair.blue.open() as well:
        between.swallowing = True
        ended: list[float] = []
        began = time.monotonic()

        def ask() -> None:
            with pytest.raises(Unreachable):
                slow.rows("SELECT 1", timeout=1.0)
            ended.append(time.monotonic() - began)

        thread = threading.Thread(target=ask)
        thread.start()
        with pytest.raises(Unreachable):
            fast.rows("SELECT 1", timeout=0.3)
        assert time.monotonic() - began < 0.7
        assert well.value("SELECT 1 FROM pg_sleep(1)", timeout=5.0) == 1
        thread.join(timeout=5.0)
        assert 0.9 < ended[0] < 1.4


def test_connecting_through_a_dead_link_ends(pair: Pair) -> None:
    with link(pair) as (between, database):
        between.swallowing = True
        began = time.monotonic()
        with pytest.raises(Unreachable), database.open():
            pass
        assert time.monotonic() - began < CONNECT + 1.5


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unreachable, match="blue"), Database("blue", "X", lambda: f"host=127.0.0.1 port={port}").open():
        pass


def test_a_session_that_was_ended_is_unreachable(pair: Pair) -> None:
    with pair.blue.open() as session:
        pair.sql("blue", "SELECT pg_terminate_backend(%s, 5000)", session.pid)
        with pytest.raises(Unreachable):
            session.rows("SELECT 1")


def test_a_read_only_database_cannot_write(pair: Pair) -> None:
    database = replace(pair.blue, read_only=True)
    with database.open() as session:
        for statement in (
            "INSERT INTO public.queue VALUES (-9, 'x')",
            "CREATE TABLE public.nope ()",
            "ALTER DATABASE shop SET default_transaction_read_only = on",
            "SELECT nextval('public.never_used')",
            "CREATE PUBLICATION nope",
        ):
            with pytest.raises(QueryFailed) as caught:
                session.run(statement)
            assert caught.value.sqlstate == "25006"


def test_the_address_does_not_show(pair: Pair) -> None:
    secret = Database("blue", "SHOP_BLUE_DSN", lambda: "postgresql://u:hunter2@127.0.0.1:1/x")
    assert "hunter2" not in repr(secret)
    with pytest.raises(Unreachable) as caught, secret.open():
        pass
    assert "hunter2" not in str(caught.value)


def test_a_connection_string_that_cannot_be_read_is_not_shown() -> None:
    for text in ("postgresql://u:50%pelican@h/d", "host=h password=pel ican"):
        broken = Database("blue", "BLUE_DSN", lambda text=text: text)  # type: ignore[misc]
        for ask in (lambda: broken.connect(), broken.hosts):  # noqa: B023
            with pytest.raises(Unreachable) as caught:
                ask()
            assert "ican" not in str(caught.value) and "cannot be read" in caught.value.message
