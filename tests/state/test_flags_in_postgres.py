"""Flags in a real PostgreSQL: the contract, notifications, a server that ends our connection or hangs, and odd rows.

Here, where a server runs already.
"""

import threading
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import flag_store_contract
import psycopg
import pytest
from flag_store_faults import a_mistake_keeps_no_other_back, closed, survives_kills, unavailable
from links import Link
from psycopg import conninfo, sql

from cutover.routing import Flag, Flags, Unavailable, open_store
from cutover.routing.postgres_store import PostgresStore


@pytest.fixture
def dsn(server: str) -> Iterator[str]:
    """A database of its own."""
    name = f"flags_{uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as db:
        db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    known = conninfo.conninfo_to_dict(server)
    yield f"postgresql://{known['user']}@{known['host']}:{known['port']}/{name}"
    with psycopg.connect(server, autocommit=True) as db:
        db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def opened(dsn: str) -> Iterator[Callable[..., PostgresStore]]:
    stores: list[PostgresStore] = []

    def make(dsn: str = dsn, **more: float) -> PostgresStore:
        stores.append(PostgresStore(dsn, **more))
        return stores[-1]

    make().prepare()
    yield make
    for one in stores:
        one.close()


def ask(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(statement.encode())


def test_contract(opened: Callable[..., PostgresStore]) -> None:
    flag_store_contract.holds(opened)


@pytest.mark.slow
def test_a_writer_killed_in_the_middle(dsn: str, opened: Callable[..., PostgresStore]) -> None:
    survives_kills(dsn, times=2)


def test_a_change_is_told_and_not_waited_for(opened: Callable[..., PostgresStore], dsn: str) -> None:
    store, other = opened(), opened()
    flags = Flags(store, every=60)
    try:
        other.put(Flag(name="a", enabled=True, share=50), 0)  # type: ignore[arg-type]
        _soon(lambda: flags.standing("a").share == 50)
        ask(dsn, """UPDATE cutover_flags SET flag = '{"share": 7, "enabled": true}'""")
        _soon(lambda: flags.standing("a").share == 7)  # a change by hand is told and counted, too
        found = other.all()["a"]
        assert isinstance(found, Flag) and found.version == 2
    finally:
        flags.close()
        ask(dsn, "DELETE FROM cutover_flags")  # ends the wait of its thread
    _soon(lambda: not [one for one in threading.enumerate() if one.name == "cutover-flags"])


def _soon(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "only the next look, a minute later, would see it"


def test_another_thread_that_asks_does_not_take_the_notification_away(opened: Callable[..., PostgresStore]) -> None:
    store = opened()
    before = store.mark()
    waiting = threading.Thread(target=store.wait, args=(before, 60.0))
    waiting.start()
    opened().put(Flag(name="a"), 0)
    while store.mark() == before:
        pass
    waiting.join(20)
    assert not waiting.is_alive()


def test_odd_rows(opened: Callable[..., PostgresStore], dsn: str) -> None:
    store = opened()
    store.put(Flag(name="well"), 0)
    ask(dsn, """INSERT INTO cutover_flags VALUES ('broken', 3, '{"share": 101}'), ('older', 0, '{}'), ('', 1, '{}')""")
    a_mistake_keeps_no_other_back(store)


def test_without_its_table_it_says_who_makes_it(dsn: str) -> None:
    store = PostgresStore(dsn)
    unavailable(store, r"prepare\(\) makes it")
    stores = [PostgresStore(dsn) for _ in range(3)]
    threads = [threading.Thread(target=one.prepare) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not store.all()
    for one in (store, *stores):
        one.close()


def test_a_connection_that_the_server_ended_is_made_anew(opened: Callable[..., PostgresStore], dsn: str) -> None:
    store = opened()
    store.put(Flag(name="a"), 0)
    store.wait(None, 0.01)
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"  # fmt: skip
    ask(dsn, ended)
    unavailable_once(store)
    assert list(store.all()) == ["a"]
    ask(dsn, ended)
    with pytest.raises(Unavailable):
        store.wait(store.mark(), 20.0)
        store.wait(store.mark(), 20.0)
    assert store.put(Flag(name="a"), 1).version == 2


def unavailable_once(store: PostgresStore) -> None:
    with pytest.raises(Unavailable, match="terminating connection|closed the connection"):
        store.all()


def test_a_server_that_is_gone(dsn: str) -> None:
    known = conninfo.conninfo_to_dict(dsn)
    with_nobody = dsn.replace(f":{known['port']}/", ":1/")
    unavailable(open_store(with_nobody), "postgresql:127.0.0.1:1/flags_.*[Cc]onnection refused")


def test_a_link_that_swallows_ends_with_its_time(opened: Callable[..., PostgresStore], dsn: str) -> None:
    port = conninfo.conninfo_to_dict(dsn)["port"]
    link = Link(int(str(port)))
    store = opened(dsn.replace(f":{port}/", f":{link.port}/"), patience=2.0)
    try:
        store.put(Flag(name="a"), 0)
        link.swallowing = True
        with pytest.raises(Unavailable, match="no answer within 2 s"):
            store.put(Flag(name="a"), 1)
        with pytest.raises(Unavailable, match="no answer within 2 s|timeout"):
            store.all()
    finally:
        link.close()
    assert opened().put(Flag(name="b"), 0).version == 1


def test_a_server_that_only_reads_says_so(opened: Callable[..., PostgresStore], dsn: str) -> None:
    opened().put(Flag(name="a"), 0)
    reading = open_store(f"{dsn}?options=-c%20default_transaction_read_only%3Don")
    assert list(reading.all()) == ["a"]
    with pytest.raises(Unavailable, match="read-only transaction"):
        reading.put(Flag(name="a"), 1)
    closed(reading)
