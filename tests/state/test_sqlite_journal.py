"""The SQLite journal: append-only, chained, private, fenced, and whole after a kill."""

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from cutover.core.errors import LeaseLost
from cutover.core.journal import Journal
from cutover.state.chain import JournalBroken
from cutover.state.sqlite import SqliteState

UNGUARDED = "DROP TRIGGER entries_stay; DROP TRIGGER entries_kept; DROP TRIGGER entries_grow;"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def state(path: Path) -> Iterator[SqliteState]:
    state = SqliteState(path)
    yield state
    state.close()


def filled(state: SqliteState, entries: int = 5) -> None:
    lease = state.acquire(who="ann", operation="test")
    for number in range(entries):
        state.append("r1", "note", {"step": f"s{number}", "seen": "läuft ✓", "share": 0.1}, lease)
    state.release(lease)


def tampered(path: Path, sql: str) -> None:
    db = sqlite3.connect(path)
    db.executescript(UNGUARDED + sql)
    db.close()


def test_a_second_look_of_this_process_takes_no_locks_from_the_first(path: Path) -> None:
    """Another process that closes the file must not believe to be the last: it would delete the log that we write to."""
    looks = "import sys, pathlib, cutover.state.sqlite as s\none = s.SqliteState(pathlib.Path(sys.argv[1]))\n"
    looks += "print([entry.kind for entry in one.entries()])\none.close()"

    def another_process_sees() -> str:
        done = subprocess.run([sys.executable, "-c", looks, str(path)], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    state = SqliteState(path)
    try:
        lease = state.acquire(who="ann", operation="test")
        state.append("r1", "first", {}, lease)
        SqliteState(path).close()
        assert another_process_sees() == "['first']"
        state.append("r1", "second", {}, lease)
        assert another_process_sees() == "['first', 'second']"
        assert len(state.entries()) == 2
    finally:
        state.close()


def test_entries_come_back_as_they_were_written(state: SqliteState, path: Path) -> None:
    lease = state.acquire(who="ann", operation="test")
    written = [
        state.append("r1", "a", {"x": 1, "deep": {"list": [1, 2.5, None, True], "odd": float("nan")}}, lease),
        state.append("r2", "b", {}, lease),
        state.append("r1", "c", {"é": "\n\x00'\""}, lease),
    ]
    other = SqliteState(path)
    assert other.entries() == written
    assert other.entries("r1") == [written[0], written[2]]
    assert written[0].data["deep"]["odd"] == "nan"
    other.close()


def test_it_is_durable_by_its_settings(state: SqliteState) -> None:
    assert state._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert state._db.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entries SET kind = 'x'",
        "DELETE FROM entries WHERE seq = 3",
        "REPLACE INTO entries SELECT * FROM entries",
    ],
)
def test_entries_cannot_be_changed_by_plain_sql(state: SqliteState, path: Path, sql: str) -> None:
    filled(state)
    before = state.entries()
    db = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(sql)
    db.rollback()
    db.close()
    assert state.entries() == before


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entries SET data = replace(data, 's2', 's9') WHERE seq = 3",
        "UPDATE entries SET kind = 'other' WHERE seq = 1",
        "UPDATE entries SET at = at + 0.001 WHERE seq = 5",
        "UPDATE entries SET run = 'r2' WHERE seq = 3",
        "UPDATE entries SET token = token + 1 WHERE seq = 3",
        "UPDATE entries SET prev = '' WHERE seq = 3",
        "UPDATE entries SET data = 'no json' WHERE seq = 3",
        "DELETE FROM entries WHERE seq = 1",
        "DELETE FROM entries WHERE seq = 3",
        "DELETE FROM entries WHERE seq IN (2, 3, 4)",
        "DELETE FROM entries WHERE seq = 3; UPDATE entries SET seq = seq - 1 WHERE seq > 3",
        "UPDATE entries SET seq = 99 WHERE seq = 2; UPDATE entries SET seq = 2 WHERE seq = 3; UPDATE entries SET seq = 3 WHERE seq = 99",
        (
            "UPDATE entries SET seq = -seq WHERE seq > 2; UPDATE entries SET seq = 1 - seq WHERE seq < 0; "
            "INSERT INTO entries SELECT 3, run, at, token, kind, data, prev, 'h' FROM entries WHERE seq = 2"
        ),
    ],
)
def test_every_change_in_the_middle_breaks_the_chain(state: SqliteState, path: Path, sql: str) -> None:
    filled(state)
    tampered(path, sql)
    with pytest.raises(JournalBroken, match="was changed, or one before it is missing|Expecting value"):
        state.entries()
    with pytest.raises(JournalBroken):
        Journal(state, state.acquire(who="ann", operation="test"), "r1")


def test_a_cut_tail_alone_is_not_seen_without_an_anchor(state: SqliteState, path: Path) -> None:
    """Known and documented: the head's hash has to be kept elsewhere to notice this."""
    filled(state)
    tampered(path, "DELETE FROM entries WHERE seq > 3")
    assert len(state.entries()) == 3


def test_only_the_owner_can_read_it_even_under_a_generous_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        state = SqliteState(tmp_path / "new" / "journal.sqlite")
        filled(state)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "new").iterdir()}
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
        state.close()
    finally:
        os.umask(old)
    assert set(modes) == {"journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"}
    assert set(modes.values()) == {0o600}


def test_a_loose_mode_is_tightened(path: Path) -> None:
    path.touch(0o644)
    SqliteState(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be taken for one" * 50, b"SQLite format 3\x00" + b"\xff" * 5000]
)
def test_a_file_that_is_not_a_journal(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(JournalBroken, match="journal.sqlite"):
        SqliteState(path)
    assert path.read_bytes() == content


def test_a_broken_page_is_refused(path: Path) -> None:
    state = SqliteState(path)
    filled(state, 200)
    state.close()
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\x00" * 4096
    path.write_bytes(content)
    with pytest.raises(JournalBroken):
        state = SqliteState(path)
        try:
            state.entries()
        finally:
            state.close()


def test_an_old_token_writes_nothing(state: SqliteState, path: Path) -> None:
    old = state.acquire(who="ann", operation="test")
    state.append("r1", "a", {}, old)
    other = SqliteState(path)
    new = other.acquire(who="bob", operation="supervise", take_over=old.id)
    assert new.token > old.token
    with pytest.raises(LeaseLost, match=r"bob on .* \(pid \d+, supervise\) took over; nothing more is written"):
        state.append("r1", "b", {}, old)
    with pytest.raises(LeaseLost):
        state.check(old)
    state.release(old)  # no longer ours: nothing happens
    other.append("r1", "c", {}, new)
    assert [entry.kind for entry in state.entries()] == ["a", "c"]
    other.release(new)
    with pytest.raises(LeaseLost):
        other.append("r1", "d", {}, new)
    other.close()


def test_a_full_disk_ends_as_our_error_and_leaves_a_prefix(state: SqliteState) -> None:
    lease = state.acquire(who="ann", operation="test")
    state.append("r1", "a", {}, lease)
    pages = state._db.execute("PRAGMA page_count").fetchone()[0]
    state._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalBroken, match="the disk is full, .*: free some space there") as told:
        for _ in range(50):
            state.append("r1", "b", {"x": "y" * 2000}, lease)
    assert f"(df -h {state.path.parent})" in told.value.message
    kept = len(state.entries())
    state._db.execute(f"PRAGMA max_page_count = {pages + 100}")
    state.append("r1", "c", {}, lease)
    assert len(state.entries()) == kept + 1


def test_a_file_that_cannot_grow_is_told_from_one_that_cannot_be_opened(
    state: SqliteState, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.close()
    log = path.with_name(f"{path.name}-wal")
    log.mkdir()  # SQLite can neither make nor read it, and says no more than that
    with pytest.raises(JournalBroken) as told:
        SqliteState(path)
    assert "full" not in told.value.message
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(JournalBroken, match="the disk is full, .* `invoke status` says how to go on"):
        SqliteState(path)
    log.rmdir()
    SqliteState(path).close()


def test_wishes_are_left_without_the_lease(state: SqliteState, path: Path) -> None:
    state.acquire(who="ann", operation="test")
    other = SqliteState(path)
    other.wish("r1", "hold", {"who": "bob"})
    other.wish("r2", "hold", {})
    other.wish("r1", "resume", {})
    assert [(kind, dict(data)) for kind, data in state.wishes("r1")] == [("hold", {"who": "bob"}), ("resume", {})]
    other.close()


def test_threads_of_one_process_take_turns(state: SqliteState) -> None:
    lease = state.acquire(who="ann", operation="test")

    def write() -> None:
        for _ in range(20):
            state.append("r1", "a", {}, lease)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(state.entries()) == 80


CHILD = """
import sys
from pathlib import Path
from types import SimpleNamespace
from cutover.state.sqlite import SqliteState
state = SqliteState(Path(sys.argv[1]))
lease = state.acquire(who="child", operation="write")
number = 0
while True:
    state.append("r1", "note", {"number": number, "pad": "x" * (number % 700)}, lease)
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("after", [0, 7, 40])
def test_what_a_killed_process_said_it_wrote_is_there(path: Path, after: int) -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = -1
        try:
            while said < after:
                said = int(child.stdout.readline())
        finally:
            child.send_signal(signal.SIGKILL)
        said = max([said, *(int(line) for line in child.stdout.read().splitlines() if line)])
    state = SqliteState(path)
    numbers = [entry.data["number"] for entry in state.entries()]
    assert numbers == list(range(len(numbers))) and len(numbers) in (said + 1, said + 2)
    lease = state.acquire(who="ann", operation="go on")  # the dead child's lease is free
    assert state.append("r1", "next", {}, lease).token == lease.token
    state.close()


def test_a_file_whose_maker_died_is_made_whole_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cutover.state import sqlite

    whole = sqlite.SCHEMA
    monkeypatch.setattr(sqlite, "SCHEMA", whole.partition("INSERT OR IGNORE")[0] + "THE END;")
    with pytest.raises(JournalBroken):
        SqliteState(tmp_path / "journal.sqlite")
    monkeypatch.setattr(sqlite, "SCHEMA", whole)
    state = SqliteState(tmp_path / "journal.sqlite")
    assert state.holder() is None
    state.release(state.acquire(who="ann", operation="test"))
    state.close()
