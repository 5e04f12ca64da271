"""Journal and lease of one environment in one SQLite file: append-only, hash-chained, readable by its owner alone."""

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Any

from cutover.core.clock import Clock, SystemClock
from cutover.core.journal import Entry
from cutover.core.lease import Lease
from cutover.core.plain import canonical
from cutover.core.rows import Head, Row, Rows
from cutover.state.chain import (
    START,
    JournalBroken,
    checked,
    going_on,
    kept,
    read_checked,
    sealed,
    unproven,
    without_secrets,
)
from cutover.state.holding import claimed, lost, may_be_alive, refuse_if_held

ENTRIES = "SELECT seq, run, at, token, kind, data, prev, hash FROM entries ORDER BY seq"
COUNTED = (
    "SELECT (SELECT count(*) FROM entries INDEXED BY sqlite_autoindex_entries_1), "
    "(SELECT count(*) FROM entries NOT INDEXED)"
)
ROOM = 1 << 16  # bytes; the memory that its users share takes the half
BUSY = 10.0  # seconds to wait for another process's transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY, run TEXT NOT NULL, at REAL NOT NULL, token INTEGER NOT NULL, kind TEXT NOT NULL,
    data TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS wishes (
    seq INTEGER PRIMARY KEY, run TEXT NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lease (
    only INTEGER PRIMARY KEY CHECK (only = 1), token INTEGER NOT NULL, holder TEXT);
INSERT OR IGNORE INTO lease VALUES (1, 0, NULL);
CREATE TRIGGER IF NOT EXISTS entries_stay BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS entries_kept BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS entries_grow BEFORE INSERT ON entries WHEN EXISTS (SELECT 1 FROM entries WHERE seq >= NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'append-only'); END;
"""
TRIGGERS = ("entries_stay", "entries_kept", "entries_grow")


class SqliteState:
    """The store of one environment; durable (WAL, synchronous=FULL) when a call returns.

    A dead holder's lease is free at once when it ran on this host and saw the same pids: its pid is gone, or belongs to a
    process that started at another time. A holder on another host, or in another container, is never assumed dead; `unlock`
    with its lease id takes over.
    """

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self.path = path
        self._clock = clock or SystemClock()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Never an existing file: closing any descriptor of it takes from this process the locks of all its connections to it.
        # Whoever is the next to close it then believes to be the last, and deletes the log that the others still write to.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if path.stat().st_mode & 0o077:
            os.chmod(path, 0o600)
        self._db = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        self._one_at_a_time = threading.RLock()
        try:
            self._refuse_half()
            self._db.execute("PRAGMA synchronous=FULL")
            # Who only looks must not wait for the lock of who writes, nor make anew what somebody took away.
            if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'lease'").fetchone():
                self._db.execute("PRAGMA journal_mode=WAL")
                # Whole or not at all: what is there is not made again, so that a death in between must leave nothing.
                self._db.executescript(f"BEGIN IMMEDIATE;{SCHEMA}COMMIT;")
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            self._db.close()
            raise _unusable(path, error) from error

    def close(self) -> None:
        self._db.close()

    def _refuse_half(self) -> None:
        """An empty file beside a log that is not: SQLite would throw the log away, and the record with it."""
        log = self.path.with_name(self.path.name + "-wal")
        # The log first: who makes the file at this moment writes to the log last.
        if log.exists() and log.stat().st_size > 0 and self.path.stat().st_size == 0:
            raise sqlite3.DatabaseError(f"it is empty, and {log.name} is not: the file was cut off or exchanged")

    # --- journal -------------------------------------------------------------------------------------------------

    def append(self, run: str, kind: str, data: Mapping[str, Any], lease: Lease) -> Entry:
        with self._transaction():
            self._check(lease)
            row = self._db.execute("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
            entry = sealed(Head(*row) if row else START, run, self._clock.now(), lease.token, kind, data)
            self._db.execute(
                "INSERT INTO entries VALUES (?,?,?,?,?,?,?,?)",
                (entry.seq, run, entry.at, entry.token, kind, canonical(entry.data), entry.prev, entry.hash),
            )
        return entry

    def entries(self, run: str | None = None) -> Sequence[Entry]:
        return [entry for entry in self.newer(None) if run is None or entry.run == run]

    def newer(self, than: Entry | None) -> Sequence[Entry]:
        after = than.seq if than is not None else 0
        sql = "SELECT seq, run, at, token, kind, data, prev, hash FROM entries WHERE seq > ? ORDER BY seq"
        try:
            least = self._number() if than is None else 0
            read = [kept(*row) for row in self._db.execute(sql, (after,)).fetchall()]
            if len(read) < least:
                raise JournalBroken(f"{self.path}: {least} entries are there, and {len(read)} can be read")
            if than is not None and not read:
                self._is_still_last(than)
        except (sqlite3.DatabaseError, ValueError) as error:
            raise _unusable(self.path, error) from error
        return going_on(read, than, str(self.path))

    def _number(self) -> int:
        """How many entries there are. A chain does not miss its own end: what a broken page lost of it shows by the index alone."""
        indexed, there = self._db.execute(COUNTED).fetchone()  # one question, because others write meanwhile
        if indexed != there:
            raise JournalBroken(f"{self.path}: it holds {there} entries, and its index knows {indexed}")
        return int(there)

    def _is_still_last(self, entry: Entry) -> None:
        row = self._db.execute("SELECT hash FROM entries WHERE seq = ?", (entry.seq,)).fetchone()
        if row is None or row[0] != entry.hash:
            raise JournalBroken(
                f"{self.path}: entry {entry.seq} is missing, or is not the one that was written as the last"
            )

    def rows(self) -> Rows:
        found: list[Row] = []
        with self._one_at_a_time:
            try:
                found += (unproven(*row) for row in self._db.execute(ENTRIES))
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # a broken page: what comes before it was read
                return Rows(str(self.path), tuple(found), trouble=str(error))
            there = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
        gone = ", ".join(name for name in TRIGGERS if name not in there)
        note = f"what keeps entries from being changed by plain SQL is missing: the trigger {gone}" if gone else ""
        return Rows(str(self.path), tuple(found), note=note)

    def wish(self, run: str, kind: str, data: Mapping[str, Any]) -> None:
        with self._transaction():
            self._db.execute(
                "INSERT INTO wishes (run, at, kind, data) VALUES (?,?,?,?)",
                (run, self._clock.now(), kind, checked(canonical(without_secrets(data)), run, kind)),
            )

    def wishes(self, run: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
        with self._readable():
            rows = self._db.execute("SELECT kind, data FROM wishes WHERE run = ? ORDER BY seq", (run,)).fetchall()
        with self._as_written("a word that was left"):
            return [(kind, read_checked(data, run, kind)) for kind, data in rows]

    # --- lease ---------------------------------------------------------------------------------------------------

    def acquire(self, *, who: str, operation: str, take_over: str | None = None) -> Lease:
        with self._transaction():
            token, holder = self._lease_row()
            refuse_if_held(holder, take_over, local=True)
            lease = claimed(token, self._clock.now(), who=who, operation=operation)
            self._db.execute("UPDATE lease SET token = ?, holder = ?", (lease.token, checked(canonical(asdict(lease)))))
        return lease

    def release(self, lease: Lease) -> None:
        with self._transaction():
            token, _ = self._lease_row()
            if token == lease.token:
                self._db.execute("UPDATE lease SET holder = NULL")

    def holder(self) -> Lease | None:
        _, holder = self._lease_row()
        return holder if holder is not None and may_be_alive(holder, local=True) else None

    def check(self, lease: Lease) -> None:
        self._check(lease)

    def _check(self, lease: Lease) -> None:
        token, holder = self._lease_row()
        if token != lease.token or holder is None:
            raise lost(lease, holder)

    def _lease_row(self) -> tuple[int, Lease | None]:
        with self._one_at_a_time, self._readable():
            row = self._db.execute("SELECT token, holder FROM lease").fetchone()
        with self._as_written("the lease"):
            token, holder = row
            if not isinstance(token, int):
                raise ValueError("it has no token")  # noqa: TRY004 - the file's content is wrong, no argument's type
            return token, Lease(**read_checked(holder)) if holder is not None else None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._one_at_a_time, self._readable():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite itself rolls back on a full disk
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _as_written(self, what: str) -> Iterator[None]:
        """For what stands in no chain: it is what was written, or the journal is broken."""
        try:
            yield
        except (ValueError, TypeError) as error:
            raise JournalBroken(f"{self.path}: {what}: {error}") from error

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise _unusable(self.path, error) from error


def _unusable(path: Path, error: Exception) -> JournalBroken:
    """What is wrong with the file, as SQLite says it; a full disk, which it seldom names, in words of our own."""
    if not _is_full(path.parent, error):
        return JournalBroken(f"{path}: {error}")
    return JournalBroken(
        f"{path}: the disk is full, and nothing goes on without its record: free some space there "
        f"(df -h {quote(str(path.parent))}); then `invoke status` says how to go on"
    )


def _is_full(folder: Path, error: Exception) -> bool:
    """Whether there is no space: where a file beside it cannot grow, SQLite only says that it could not be read or opened."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return False
    try:
        return code == sqlite3.SQLITE_FULL or shutil.disk_usage(folder).free < ROOM
    except OSError:
        return False
