"""Flags in a SQLite file: writers one after the other, readers never blocked (WAL), changes found by PRAGMA data_version."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from cutover.routing import forking
from cutover.routing.flag import Flag, FlagWrong
from cutover.routing.rows import flag_of
from cutover.routing.store import Conflict, Unavailable

T = TypeVar("T")
PATIENCE = 2.0  # seconds in which a write waits for another writer
GLANCE = 0.1  # seconds in which a look waits; in WAL mode only a recovery makes one wait

TABLE = """
CREATE TABLE IF NOT EXISTS cutover_flags (name TEXT PRIMARY KEY, version INTEGER NOT NULL, flag TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS cutover_flags_by_hand AFTER UPDATE OF flag ON cutover_flags WHEN NEW.version = OLD.version
    BEGIN UPDATE cutover_flags SET version = OLD.version + 1 WHERE name = NEW.name; END;
"""
"""One row a flag; who changes `flag` by hand need not count."""


class SqliteStore:
    """The table `cutover_flags` of a SQLite file, which `prepare` makes; on a local disk, as SQLite itself asks (sqlite.org/wal.html).

    Readers need to be allowed to write to the folder, where SQLite keeps the file's `-shm`. A file that is not there is not
    made by looking: a mistyped path is Unavailable, and no empty store.
    """

    inline = True

    def __init__(self, path: str | os.PathLike[str], *, patience: float = PATIENCE) -> None:
        self._path = os.path.abspath(path)
        self._patience = patience
        self.where = f"sqlite:{self._path}"
        self._begin()
        forking.remember(self)

    def _begin(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._looking: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._opened = 0

    def forked(self) -> None:
        # Closing it here would take the parent's locks away from it (sqlite.org/howtocorrupt.html, 2.6).
        self._parents = self._looking
        self._begin()

    def prepare(self) -> None:
        """Makes file and table where they are not there; raises Unavailable."""
        with self._explained(), closing(self._connected(self._patience, "rwc")) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript(TABLE)

    def close(self) -> None:
        with self._one_at_a_time:
            if self._looking is not None:
                self._looking.close()
            self._looking = None

    def mark(self) -> Hashable:
        def version(db: sqlite3.Connection) -> Hashable:
            return self._file, self._opened, db.execute("PRAGMA data_version").fetchone()[0]

        return self._looked(version)

    def all(self) -> Mapping[str, Flag | FlagWrong]:
        def rows(db: sqlite3.Connection) -> list[tuple[bytes, int, bytes]]:
            if not _has_table(db):
                return []
            return db.execute("SELECT name, version, flag FROM cutover_flags").fetchall()

        named = [(_text(name), version, text) for name, version, text in self._looked(rows)]
        return {name: flag_of(name, version, text) for name, version, text in named}

    def put(self, flag: Flag, expected_version: int) -> Flag:
        stored = replace(flag, version=expected_version + 1)
        with self._explained(), closing(self._connected(self._patience)) as db:
            db.execute("PRAGMA synchronous=FULL")
            db.execute("BEGIN IMMEDIATE")
            row = None
            if _has_table(db):
                row = db.execute("SELECT version, flag FROM cutover_flags WHERE name = ?", (flag.name,)).fetchone()
            elif not expected_version:
                raise Unavailable(f"{self.where} has no table cutover_flags; nothing was written: prepare() makes it")
            stood = flag_of(flag.name, *row) if row else None
            found = stood if isinstance(stood, Flag) else None
            if (found.version if found else 0) != expected_version:
                raise Conflict(self.where, flag, expected_version, found)
            # DELETE and INSERT: an UPDATE that keeps the version of a broken row would be counted by the trigger.
            db.execute("DELETE FROM cutover_flags WHERE name = ?", (flag.name,))
            db.execute("INSERT INTO cutover_flags VALUES (?, ?, ?)", (flag.name, stored.version, stored.text()))
            db.execute("COMMIT")
        return stored

    def wait(self, mark: Hashable, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and self.mark() == mark:
            time.sleep(min(left, 0.05))

    def _looked(self, look: Callable[[sqlite3.Connection], T]) -> T:
        """What `look` reads by a connection that only looks: data_version does not count what its own connection writes."""
        with self._one_at_a_time, self._explained():
            about = os.stat(self._path)
            if self._looking is None or self._file != (about.st_ino, about.st_dev):
                if self._looking is not None:
                    self._looking.close()
                    self._looking = None
                self._looking = self._connected(GLANCE)
                self._file, self._opened = (about.st_ino, about.st_dev), self._opened + 1
            try:
                return look(self._looking)
            except sqlite3.Error:
                self._looking.close()
                self._looking = None
                raise

    def _connected(self, patience: float, mode: str = "rw") -> sqlite3.Connection:
        address = f"file:{quote(self._path)}?mode={mode}"
        db = sqlite3.connect(address, uri=True, timeout=patience, isolation_level=None, check_same_thread=False)
        db.text_factory = bytes  # text that is no UTF-8 must not keep the other flags from being read
        return db

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            told = "is not there" if not Path(self._path).exists() else str(error)
            raise Unavailable(f"{self.where}: {told}") from error


def _has_table(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT 1 FROM sqlite_master WHERE name = 'cutover_flags'").fetchone())


def _text(name: object) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
