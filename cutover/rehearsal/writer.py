"""Who keeps writing into the schema's tables while a rehearsal goes on, and remembers every row that was acknowledged."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from cutover.rehearsal.commands import RehearsalFailed
from cutover.rehearsal.tables import Filled, Maker
from cutover.rehearsal.values import NoValue

PAUSE = 0.1  # seconds between two writes
TABLES = 8  # that are written to at most
PATIENCE = 10.0
AGAIN = 20.0  # seconds after a leg in which writes have to go on
NAME = "rehearsal-writer"


@dataclass
class Writer:
    """Inserts rows by the application's own route; a row whose acknowledgement did not come is no promise."""

    dsn: str
    sides: Mapping[str, str]
    makers: Sequence[Maker]
    called: str = ""
    """What the environment calls the database; empty for the shop's."""
    _promises: list[tuple[Maker, tuple[Any, ...]]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def promised(self) -> int:
        return len(self._promises)

    def write_until_told(self) -> None:
        """Writes into one table after the other, over a new connection whenever one is gone."""
        number = 0
        while not self._over.is_set():
            try:
                with psycopg.connect(
                    self.dsn, connect_timeout=5, application_name=NAME, autocommit=True, prepare_threshold=None
                ) as connection:
                    while not self._over.wait(PAUSE):
                        number += 1
                        self._one(connection, self.makers[number % len(self.makers)])
            except psycopg.Error:
                self._over.wait(PAUSE)

    def _one(self, connection: "psycopg.Connection[tuple[Any, ...]]", maker: Maker) -> None:
        try:
            row = maker.row()
        except NoValue:
            return
        key = sql.SQL(", ").join(map(sql.Identifier, maker.table.key))
        statement = maker.statement() + sql.SQL(" RETURNING {}").format(key)
        try:
            found = connection.execute(statement, list(row.values())).fetchall()
        except (psycopg.errors.IntegrityError, psycopg.errors.DataError):
            return  # refused for good, as some of what is generated is
        with self._lock:
            self._promises += [(maker, key) for key in found]

    def prove(self, side: str) -> None:
        """Every row that was acknowledged is on that side, and further ones are taken; raises RehearsalFailed."""
        with self._lock:
            promises = list(self._promises)
        self._goes_on(len(promises), side)
        by_table: dict[int, list[tuple[Any, ...]]] = {}
        for maker, key in promises:
            by_table.setdefault(maker.table.oid, []).append(key)
        with psycopg.connect(self.sides[side], connect_timeout=5, application_name="cutover rehearsal") as connection:
            for maker in self.makers:
                lost = _missing(connection, maker, by_table.get(maker.table.oid, []))
                if lost:
                    raise RehearsalFailed(
                        f"on {side}{self._of} {lost} acknowledged rows of {maker.table.label} are lost"
                    )

    @property
    def _of(self) -> str:
        return f" of {self.called}" if self.called else ""

    def _goes_on(self, before: int, side: str) -> None:
        end = time.monotonic() + AGAIN
        while self.makers and self.promised == before:
            if time.monotonic() > end:
                tables = ", ".join(maker.table.label for maker in self.makers)
                raise RehearsalFailed(f"{side} serves{self._of}, and for {AGAIN:g} s nobody could write into {tables}")
            time.sleep(PAUSE)

    def end(self) -> None:
        self._over.set()


def _missing(connection: "psycopg.Connection[tuple[Any, ...]]", maker: Maker, keys: Sequence[tuple[Any, ...]]) -> int:
    columns = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in maker.table.key)
    there = set(connection.execute(sql.SQL("SELECT {} FROM {}").format(columns, maker.table.identifier)).fetchall())
    return sum(tuple(_said(connection, part) for part in key) not in there for key in keys)


def _said(connection: "psycopg.Connection[tuple[Any, ...]]", part: Any) -> str:
    found = (
        connection.execute("SELECT %s::text", [part]).fetchone() if not isinstance(part, (str, int)) else (str(part),)
    )
    return str(found[0]) if found is not None else ""


@contextmanager
def writing(variables: Mapping[str, str], database: str, found: Filled, called: str = "") -> Iterator[Writer]:
    """A writer at work on the filled tables that have a key; one that has nothing to do where there is none.

    `database` is how the variables with its addresses begin.
    """
    makers = [maker for maker in found.makers if maker.table.key and found.counts[maker.table.label]]
    step = max(1, len(makers) // TABLES)
    writer = Writer(
        variables[f"{database}_APP_DSN"],
        {side: variables[f"{database}_{side.upper()}_DSN"] for side in ("blue", "green")},
        makers[::step][:TABLES],
        called,
    )
    if not writer.makers:
        yield writer
        return
    thread = threading.Thread(target=writer.write_until_told, name=NAME, daemon=True)
    thread.start()
    try:
        yield writer
    finally:
        writer.end()
        thread.join(timeout=PATIENCE)
