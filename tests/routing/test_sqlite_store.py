"""Flags in SQLite: the contract, readers beside a writer, changes by hand, and files that are gone, replaced or damaged."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import flag_store_contract
import pytest
from flag_store_faults import a_mistake_keeps_no_other_back, survives_kills, unavailable

from cutover.routing import Flag, Flags, Unavailable, open_store
from cutover.routing.sqlite_store import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "it's 100 % flags?.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(path, patience=0.2)
    made.prepare()
    yield made
    made.close()


def by_hand(path: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sql, values)


def test_contract(store: SqliteStore, path: Path) -> None:
    opened: list[SqliteStore] = []

    def another() -> SqliteStore:
        opened.append(SqliteStore(path))
        return opened[-1]

    flag_store_contract.holds(another)
    for one in opened:
        one.close()


@pytest.mark.slow
def test_a_writer_killed_in_the_middle(store: SqliteStore, tmp_path: Path) -> None:
    plain = SqliteStore(tmp_path / "flags.sqlite")
    plain.prepare()
    survives_kills(f"sqlite:{tmp_path / 'flags.sqlite'}")


def test_who_looks_is_not_kept_waiting_by_who_writes(store: SqliteStore, path: Path) -> None:
    stored = store.put(Flag(name="a"), 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE cutover_flags SET flag = 'half'")
        before = store.mark()
        assert dict(store.all()) == {"a": stored} and store.mark() == before
        with pytest.raises(Unavailable, match="locked"):
            store.put(Flag(name="a"), 1)
        writer.execute("ROLLBACK")
    assert store.put(Flag(name="a"), 1).version == 2


def test_a_change_by_hand_is_seen_and_counted(store: SqliteStore, path: Path) -> None:
    stored = store.put(Flag(name="a"), 0)
    before = store.mark()
    changed = stored.at(7, reason="", author="", now=flag_store_contract.NOW).text()
    by_hand(path, "UPDATE cutover_flags SET flag = ? WHERE name = 'a'", changed)
    assert store.mark() != before
    found = store.all()["a"]
    assert isinstance(found, Flag) and (found.buckets, found.version) == (700, 2)


@pytest.mark.parametrize("odd", ["{", "[]", '{"share": 101}', b"\xff\xfe\xfa", 7.5, "NaN", '{"name": "b"}'])
def test_odd_content(store: SqliteStore, path: Path, odd: object) -> None:
    store.put(Flag(name="well"), 0)
    by_hand(path, "INSERT INTO cutover_flags VALUES ('broken', 3, ?)", odd if odd != 7.5 else "7.555")
    by_hand(path, "INSERT INTO cutover_flags VALUES (?, 'x', '{}')", b"\xff")
    a_mistake_keeps_no_other_back(store)


def test_what_is_not_there_is_not_made_by_looking(path: Path) -> None:
    unavailable(SqliteStore(path), "is not there")
    assert not path.exists()


def test_a_database_without_the_table_has_no_flags_and_says_how_to_make_it(path: Path) -> None:
    by_hand(path, "CREATE TABLE other (a)")
    store = SqliteStore(path)
    assert not store.all()
    with pytest.raises(Unavailable, match="prepare"):
        store.put(Flag(name="a"), 0)
    store.prepare()
    store.prepare()
    assert store.put(Flag(name="a"), 0) == store.all()["a"]
    store.close()


def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_text("no database\n" * 200)
    store = SqliteStore(path)
    with pytest.raises(Unavailable, match="not a database"):
        store.all()


def test_another_file_in_its_place_is_read(store: SqliteStore, path: Path, tmp_path: Path) -> None:
    store.put(Flag(name="a"), 0)
    other = SqliteStore(tmp_path / "other")
    other.prepare()
    other.put(Flag(name="b"), 0)
    other.close()
    before = store.mark()
    for tail in ("-wal", "-shm"):
        path.with_name(path.name + tail).unlink(missing_ok=True)
    os.replace(tmp_path / "other", path)
    assert store.mark() != before
    assert list(store.all()) == ["b"]


def test_an_application_goes_on_with_what_it_knew(store: SqliteStore, path: Path) -> None:
    store.put(Flag(name="a", enabled=True, share=50), 0)  # type: ignore[arg-type]
    flags = Flags(store, every=0)
    assert flags.standing("a").share == 50
    path.rename(path.with_name("gone"))
    standing = flags.standing("a")
    assert standing.share == 50 and "is not there" in standing.trouble
    path.with_name("gone").rename(path)
    end = time.monotonic() + 20
    while flags.standing("a").trouble:
        assert time.monotonic() < end


def test_a_forked_child_has_a_connection_of_its_own(store: SqliteStore, path: Path) -> None:
    store.put(Flag(name="a"), 0)
    store.mark()
    script = (
        "import os, sys\nfrom cutover.routing import Flag, open_store\nstore = open_store(sys.argv[1])\nstore.mark()\n"
        "child = os.fork()\nif not child:\n    store.put(Flag(name='b'), 0)\n    os._exit(len(store.all()))\n"
        "code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\nassert code == 2, code\n"
        "store.put(Flag(name='c'), 0)\nassert len(store.all()) == 3\nstore.close()\n"
    )
    link = path.with_name("plain.sqlite")
    link.symlink_to(path)
    subprocess.run([sys.executable, "-c", script, f"sqlite:{link}"], check=True, timeout=60)
    assert len(store.all()) == 3


def test_many_threads_may_ask_one_store(store: SqliteStore, path: Path) -> None:
    store.put(Flag(name="a"), 0)
    failed: list[Exception] = []

    def ask() -> None:
        try:
            for _ in range(50):
                store.mark()
                assert "a" in store.all()
        except Exception as error:  # noqa: BLE001 - a thread's error is the test's
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_it_is_opened_by_its_address(store: SqliteStore, path: Path) -> None:
    link = path.with_name("flags.sqlite")
    link.symlink_to(path)
    assert open_store(f"sqlite:{link}").where == f"sqlite:{link}"
