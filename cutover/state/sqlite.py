"""Journal and lease of one environment in one SQLite file: append-only, hash-chained, readable by its owner alone."""

import json
import os
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cutover.core.clock import Clock, SystemClock
from cutover.core.errors import CutoverError, LeaseHeld, LeaseLost
from cutover.core.journal import Entry
from cutover.core.lease import Lease
from cutover.core.plain import canonical

GENESIS = "0" * 64
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


class JournalBroken(CutoverError):
    """The hash chain does not hold, the file is not a journal, or it cannot be read or written."""


class SqliteState:
    """The store of one environment; durable (WAL, synchronous=FULL) when a call returns.

    A dead holder's lease is free at once when it ran on this host: its pid is gone, or belongs to a process that
    started at another time. A holder on another host is never assumed dead; `unlock` with its lease id takes over.
    """

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self.path = path
        self._clock = clock or SystemClock()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        os.chmod(path, 0o600)
        self._db = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        self._one_at_a_time = threading.RLock()
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise JournalBroken(f"{path}: {error}") from error

    def close(self) -> None:
        self._db.close()

    # --- journal -------------------------------------------------------------------------------------------------

    def append(self, run: str, kind: str, data: Mapping[str, Any], lease: Lease) -> Entry:
        with self._transaction():
            self._check(lease)
            row = self._db.execute("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
            seq, prev = (row[0] + 1, row[1]) if row else (1, GENESIS)
            kept = json.loads(canonical(data))
            at = self._clock.now()
            seal = Entry.seal(seq, run, at, lease.token, kind, kept, prev)
            entry = Entry(seq, run, at, lease.token, kind, kept, prev, seal)
            self._db.execute(
                "INSERT INTO entries VALUES (?,?,?,?,?,?,?,?)",
                (seq, run, at, lease.token, kind, canonical(data), prev, seal),
            )
        return entry

    def entries(self, run: str | None = None) -> Sequence[Entry]:
        found: list[Entry] = []
        prev = GENESIS
        try:
            rows = self._db.execute(
                "SELECT seq, run, at, token, kind, data, prev, hash FROM entries ORDER BY seq"
            ).fetchall()
            for number, row in enumerate(rows, start=1):
                entry = Entry(row[0], row[1], row[2], row[3], row[4], json.loads(row[5]), row[6], row[7])
                seal = Entry.seal(entry.seq, entry.run, entry.at, entry.token, entry.kind, entry.data, entry.prev)
                if (entry.seq, entry.prev, entry.hash) != (number, prev, seal):
                    raise JournalBroken(f"{self.path}: entry {row[0]} was changed, or one before it is missing")
                prev = entry.hash
                found.append(entry)
        except (sqlite3.DatabaseError, ValueError) as error:
            raise JournalBroken(f"{self.path}: {error}") from error
        return [entry for entry in found if run is None or entry.run == run]

    def wish(self, run: str, kind: str, data: Mapping[str, Any]) -> None:
        with self._transaction():
            self._db.execute(
                "INSERT INTO wishes (run, at, kind, data) VALUES (?,?,?,?)",
                (run, self._clock.now(), kind, canonical(data)),
            )

    def wishes(self, run: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
        with self._readable():
            rows = self._db.execute("SELECT kind, data FROM wishes WHERE run = ? ORDER BY seq", (run,)).fetchall()
        return [(kind, json.loads(data)) for kind, data in rows]

    # --- lease ---------------------------------------------------------------------------------------------------

    def acquire(self, *, who: str, operation: str, take_over: str | None = None) -> Lease:
        with self._transaction():
            token, holder = self._lease_row()
            if holder is not None and holder.id != take_over and _may_be_alive(holder):
                raise LeaseHeld(
                    f"{holder.who} on {holder.host} (pid {holder.pid}) holds this environment since "
                    f"{time.strftime('%Y-%m-%d %H:%M:%S %Z', time.localtime(holder.since))} for: {holder.operation}",
                    next_command=f"invoke unlock --lease {holder.id}   # only when that process is surely gone",
                )
            lease = Lease(
                id=uuid.uuid4().hex[:12],
                # The databases know no journal: a token must also be newer than those of another one, or of one that was lost.
                token=max(token + 1, int(self._clock.now())),
                who=who,
                host=socket.gethostname(),
                pid=os.getpid(),
                started=_process_start(os.getpid()),
                since=time.time(),
                operation=operation,
            )
            self._db.execute("UPDATE lease SET token = ?, holder = ?", (lease.token, canonical(asdict(lease))))
        return lease

    def release(self, lease: Lease) -> None:
        with self._transaction():
            token, _ = self._lease_row()
            if token == lease.token:
                self._db.execute("UPDATE lease SET holder = NULL")

    def holder(self) -> Lease | None:
        _, holder = self._lease_row()
        return holder if holder is not None and _may_be_alive(holder) else None

    def check(self, lease: Lease) -> None:
        self._check(lease)

    def _check(self, lease: Lease) -> None:
        token, holder = self._lease_row()
        if token != lease.token or holder is None:
            by = f"{holder.who} on {holder.host} (pid {holder.pid}, {holder.operation})" if holder else "somebody"
            raise LeaseLost(f"our lease {lease.id} is void: {by} took over; nothing more is written by this process")

    def _lease_row(self) -> tuple[int, Lease | None]:
        with self._readable():
            token, holder = self._db.execute("SELECT token, holder FROM lease").fetchone()
        return token, Lease(**json.loads(holder)) if holder else None

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
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise JournalBroken(f"{self.path}: {error}") from error


def _may_be_alive(holder: Lease) -> bool:
    if holder.host != socket.gethostname():
        return True
    return _process_start(holder.pid) == holder.started


def _process_start(pid: int) -> int:
    """The process's start in clock ticks since boot (proc(5), field 22); -1 when there is no such process or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] in ("Z", "X") else int(fields[19])
