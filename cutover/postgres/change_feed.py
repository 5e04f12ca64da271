"""Which keys were changed since a validation, decoded from a replication slot of our own: no table has to be read for it."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.core.clock import Backoff, Deadline, SystemClock
from cutover.core.errors import CutoverError
from cutover.core.telling import say
from cutover.postgres.comparable import Table
from cutover.postgres.pgoutput import relation, tuples
from cutover.postgres.replication import PUBLICATION, prefix
from cutover.postgres.session import CANCELLED, IN_USE, NOT_ALLOWED, QueryFailed, Session, Sided
from cutover.postgres.suspects import RUNNING, Key

MAKE_SLOT = 5.0  # seconds for one try; making a slot waits for every transaction that is open
DECODE_TIMEOUT = 600.0  # seconds; one large transaction is decoded in one piece
STANDBYS = 30.0  # seconds for a standby's answer
FETCHED = 10_000  # messages that are in our memory at a time
TOUCHED_LIMIT = 100_000  # keys; of a table with more than this in one piece the whole is compared
LONG = 200  # characters of a value by which rows are still looked up
# Types whose values mean the same as text on both sides, and of which equal ones are found fast.
LOOKED_UP = {"int2", "int4", "int8", "oid", "uuid", "text", "varchar", "date", "timestamp", "timestamptz", "numeric"}
STANDBY_SNAPSHOT = 160000  # the first version with pg_log_standby_snapshot
SLOT = "SELECT 1 FROM pg_replication_slots WHERE slot_name = '{name}' AND wal_status IS DISTINCT FROM 'lost'"
DROP = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{name}'"
OLDEST = """(SELECT format('pid %s of %s, open for %s s', pid, coalesce(usename, '?'), extract(epoch FROM now() - xact_start)::int)
  FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() ORDER BY xact_start LIMIT 1)
UNION ALL (SELECT format('the prepared transaction %s of %s', gid, owner) FROM pg_prepared_xacts LIMIT 1)"""


class ComparedElsewhere(CutoverError):
    """A second one compares the changes at this moment; whoever comes later has to begin with what the other has left."""


class NotFollowed(CutoverError):
    """What changed since the recorded validation is not known any more, or never was."""


def feed_slot(source: Sided) -> str:
    """The slot of one database's changes; slots belong to a whole server, so it tells databases apart."""
    return f"{prefix(source)}{source.side}_changes"


@dataclass
class Changed:
    """What was changed: keys by table; of tables without a key, values by column; and tables to be read as a whole."""

    keys: dict[str, set[Key]] = field(default_factory=dict)
    values: dict[str, dict[str, set[str | None]]] = field(default_factory=dict)
    """In each of these columns every changed row, as it was and as it is, has one of the values."""
    whole: set[str] = field(default_factory=set)

    def add(self, other: "Changed") -> None:
        for table, keys in other.keys.items():
            self.keys.setdefault(table, set()).update(keys)
        for table, columns in other.values.items():
            self.add_values(table, columns)
        self.whole |= other.whole
        self.bound()

    def add_values(self, table: str, columns: Mapping[str, set[str | None]]) -> None:
        """Further rows' values; a column that some row cannot be looked up by is none of them any more."""
        known = self.values.setdefault(table, {name: set() for name in columns})
        for name in list(known):
            if name in columns:
                known[name] |= columns[name]
            else:
                del known[name]
        if not known:
            self.whole.add(table)

    def bound(self) -> None:
        """A table of which too much changed to be named is compared as a whole."""
        self.whole |= {table for table, keys in self.keys.items() if len(keys) > TOUCHED_LIMIT}
        for table, columns in self.values.items():
            if columns and max(map(len, columns.values())) > TOUCHED_LIMIT:
                self.whole.add(table)
        for table in self.whole:
            self.keys.pop(table, None)
            self.values.pop(table, None)

    def forget(self, tables: Iterable[str]) -> None:
        """These were compared as a whole."""
        for table in tables:
            self.keys.pop(table, None)
            self.values.pop(table, None)
            self.whole.discard(table)

    @property
    def count(self) -> int:
        return sum(len(keys) for keys in self.keys.values())

    def saved(self) -> dict[str, Any]:
        """For JSON; `loaded` reads it."""
        return {
            "keys": {table: sorted(keys) for table, keys in self.keys.items() if keys},
            "values": {table: {name: list(found) for name, found in of.items()} for table, of in self.values.items()},
            "whole": sorted(self.whole),
        }

    @classmethod
    def loaded(cls, saved: Mapping[str, Any]) -> "Changed":
        return cls(
            {table: {tuple(key) for key in keys} for table, keys in saved.get("keys", {}).items()},
            {table: {name: set(found) for name, found in of.items()} for table, of in saved.get("values", {}).items()},
            set(saved.get("whole", ())),
        )


@dataclass(frozen=True)
class Piece:
    """Some of the changes in their order: `end` is the position behind them, `last` whether there were no more."""

    changed: Changed
    end: str
    last: bool
    transactions: frozenset[int] = frozenset()
    """Their ids, of 32 bits: one that was flushed is shown by its own server only when its standbys have answered."""


class ChangeFeed:
    """The changes since its slot was made; a piece is read as often as one likes, until the slot is moved past it."""

    def __init__(self, session: Session, tables: Sequence[Table]) -> None:
        """Raises NotFollowed when there is no slot, or it has lost what it kept."""
        self._session = session
        self._leaves = {oid: table for table in tables for _, oid in table.at(session).leaves}
        self._looked_up = {
            table.name: {column.name for column in table.at(session).columns if column.kind in LOOKED_UP}
            for table in tables
            if not table.key
        }
        self._relations: dict[int, list[str]] = {}
        self._slot = feed_slot(session)
        self._version = int(session.value("SHOW server_version_num"))
        if not session.value(SLOT.format(name=self._slot)):
            raise NotFollowed(
                f"slot {self._slot} on {session.label} is gone: what changed since the validation is not known",
                next_command='invoke validate --env "$CUTOVER_ENV" --record',
            )

    def shorten(self) -> None:
        """Lets a later read begin here, once the slot was moved past this point; worth it outside the pause only."""
        if self._version >= STANDBY_SNAPSHOT:
            try:
                self._session.run("SELECT pg_log_standby_snapshot()")
            except QueryFailed as error:  # GRANT EXECUTE gives it; without, the server does it every 15 s
                if error.sqlstate != NOT_ALLOWED:
                    raise

    def piece(self, most: int, timeout: float = DECODE_TIMEOUT) -> Piece:
        """The next changes, in whole transactions: about `most` of them, or one large transaction."""
        session, found, seen, end = self._session, Changed(), 0, "0/0"
        begun: set[int] = set()
        now = str(session.value("SELECT pg_current_wal_flush_lsn()"))
        session.run("BEGIN")  # a cursor keeps on the server what would not fit into our memory
        try:
            session.run(f"DECLARE cutover_feed NO SCROLL CURSOR FOR {self._peek('lsn::text, data', most)}")
            while rows := session.rows(f"FETCH {FETCHED} FROM cutover_feed", timeout=timeout):
                for end, data in rows:
                    message = bytes(data)
                    if message[:1] == b"B":
                        begun.add(int.from_bytes(message[17:21], "big"))
                    self._take(message, found)
                found.bound()
                seen += len(rows)
        finally:
            session.run("ROLLBACK")
        last = seen < most
        return Piece(found, max(now, end, key=_position) if last else end, last, frozenset(begun))

    def rest(self, timeout: float) -> Changed:
        """Everything up to now that was flushed, which is every commit that a synchronous one has followed."""
        found = Changed()
        for (message,) in self._session.rows(self._peek("data", None), timeout=timeout):
            self._take(bytes(message), found)
        found.bound()
        return found

    def advance(self, position: str, timeout: float = DECODE_TIMEOUT) -> None:
        """Moves the slot: what was before this position is not read again, and its WAL is given up."""
        self._session.run("SELECT pg_replication_slot_advance(%s, %s::pg_lsn)", [self._slot, position], timeout=timeout)

    def _peek(self, what: str, most: int | None) -> str:
        limit = "NULL" if most is None else str(most)
        return (
            f"SELECT {what} FROM pg_logical_slot_peek_binary_changes('{self._slot}', NULL, {limit}, "
            f"'proto_version', '1', 'publication_names', '{PUBLICATION}')"
        )

    def _take(self, message: bytes, found: Changed) -> None:
        kind = message[:1]
        if kind == b"R":
            seen = relation(message)
            self._relations[seen.oid] = seen.columns
        elif kind in (b"I", b"U", b"D"):
            (oid,) = struct.unpack_from("!I", message, 1)
            table = self._leaves.get(oid)
            if table is None or table.name in found.whole:
                return
            names = self._relations[oid]
            rows = {part: dict(zip(names, values, strict=True)) for part, values in tuples(message)}
            if table.key:
                _take_keys(table, rows.values(), found)
            elif kind == b"I" or b"O" in rows:
                self._take_values(table, rows, found)
            else:  # how the row was is not told
                found.whole.add(table.name)
        elif kind == b"T":
            count, _ = struct.unpack_from("!IB", message, 1)
            for oid in struct.unpack_from(f"!{count}I", message, 6):
                if oid in self._leaves:
                    found.whole.add(self._leaves[oid].name)

    def _take_values(self, table: Table, rows: Mapping[bytes, Mapping[str, str | None]], found: Changed) -> None:
        # A large value that did not change comes as none with the new row; the old one, which has it, is told as well.
        for values in rows.values():
            short = {name: values[name] for name in self._looked_up[table.name] & values.keys()}
            found.add_values(table.name, {name: {v} for name, v in short.items() if v is None or len(v) <= LONG})


def follow(session: Session, deadline: Deadline) -> None:
    """Makes the slot anew: from here on every change of this side is kept; waits for the transactions that are open.

    Raises CutoverError when they do not end before the deadline.
    """
    drop(session, deadline)
    session.run(f"SET statement_timeout = '{int(MAKE_SLOT * 1000)}ms'")
    try:
        while True:
            try:
                session.run(
                    "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')",
                    [feed_slot(session)],
                    timeout=MAKE_SLOT + 5,
                )
                break
            except QueryFailed as error:
                if error.sqlstate != CANCELLED:
                    raise
                who = session.value(OLDEST) or "nobody any more"
                if deadline.expired:
                    raise NotFollowed(
                        f"a slot is made when every open transaction has ended: {who}",
                        next_command="end it, then `invoke resume`",
                    ) from error
                say(f"waits for the transactions that are open on {session.label}: {who}")
    finally:
        session.run("RESET statement_timeout")
    # What was flushed just before the slot is not in it, and may not be shown yet to whoever reads the rows next.
    shown(session, {xid for (xid,) in session.rows(RUNNING)}, deadline.within(STANDBYS))


def shown(session: Session, transactions: Iterable[int], deadline: Deadline) -> bool:
    """Waits until none of these transactions runs any more in the eyes of its own server; False when the deadline ends that."""
    open_ones, backoff = set(transactions), Backoff(SystemClock(), first=0.001, longest=0.1)
    while open_ones := open_ones & {xid for (xid,) in session.rows(RUNNING)}:
        if deadline.expired:
            return False
        backoff.pause(deadline)
    return True


def drop(session: Session, deadline: Deadline) -> None:
    """Drops the slot, which would keep WAL for ever; waits for a dead predecessor's session to leave it."""
    backoff = Backoff(SystemClock(), first=0.05)
    while True:
        try:
            session.run(DROP.format(name=feed_slot(session)))
            return
        except QueryFailed as error:
            if error.sqlstate != IN_USE or deadline.expired:
                raise
        say(f"{feed_slot(session)} is still read by somebody")
        backoff.pause(deadline)


def _take_keys(table: Table, rows: Iterable[Mapping[str, str | None]], found: Changed) -> None:
    for values in rows:
        key = [values.get(name) for name in table.key]
        parts = tuple(part for part in key if part is not None)
        if len(parts) == len(key):
            found.keys.setdefault(table.name, set()).add(parts)
        else:  # the old row came with other columns than the key
            found.whole.add(table.name)


def _position(lsn: str) -> int:
    high, low = lsn.split("/")
    return int(high, 16) << 32 | int(low, 16)
