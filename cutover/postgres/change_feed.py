"""Which keys were changed lately, decoded from a temporary replication slot of our own: no table has to be read for it."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cutover.core.errors import CutoverError
from cutover.postgres.comparable import Table
from cutover.postgres.pgoutput import relation, tuples
from cutover.postgres.replication import PUBLICATION
from cutover.postgres.session import QueryFailed, Session
from cutover.postgres.suspects import Key

MAKE_SLOT = 3.0  # seconds; making a slot waits for every transaction that is open
DECODE_TIMEOUT = 60.0
LONG = 200  # characters of a value by which rows are still looked up
# Types whose values mean the same as text on both sides, and of which equal ones are found fast.
LOOKED_UP = {"int2", "int4", "int8", "oid", "uuid", "text", "varchar", "date", "timestamp", "timestamptz", "numeric"}
STANDBY_SNAPSHOT = 160000  # the first version with pg_log_standby_snapshot


class NoFeed(CutoverError):
    """No slot could be made; the message says why."""


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

    @property
    def count(self) -> int:
        return sum(len(keys) for keys in self.keys.values())


class ChangeFeed:
    """The changes since it was opened; the slot is temporary, so it goes with the session however that ends."""

    def __init__(self, session: Session, tables: Sequence[Table]) -> None:
        """Raises NoFeed when no slot can be made within 3 s, or nothing is published."""
        self._session = session
        self._leaves = {oid: table for table in tables for _, oid in table.at(session).leaves}
        self._looked_up = {
            table.name: {column.name for column in table.at(session).columns if column.kind in LOOKED_UP}
            for table in tables
            if not table.key
        }
        self._relations: dict[int, list[str]] = {}
        self._slot = f"cut_changes_{session.pid}"
        self._version = int(session.value("SHOW server_version_num"))
        self._open()

    def _open(self) -> None:
        session = self._session
        if not session.value("SELECT 1 FROM pg_publication WHERE pubname = %s", [PUBLICATION]):
            raise NoFeed(f"{session.label} has no publication {PUBLICATION}")
        session.run(f"SET statement_timeout = '{int(MAKE_SLOT * 1000)}ms'")
        try:
            session.run(
                "SELECT pg_create_logical_replication_slot(%s, 'pgoutput', true)", [self._slot], timeout=MAKE_SLOT + 5
            )
        except QueryFailed as error:
            raise NoFeed(f"no replication slot for the changed keys: {error.message}") from error
        finally:
            session.run("RESET statement_timeout")

    def advance(self) -> None:
        """Lets the next `read` begin here and not where the slot was made; worth it outside the pause only."""
        if self._version >= STANDBY_SNAPSHOT:
            self._session.run("SELECT pg_log_standby_snapshot()")

    def read(self, timeout: float = DECODE_TIMEOUT) -> Changed:
        """What was committed since the last `read`, and flushed: every commit that a synchronous one has followed."""
        found = Changed()
        sql = "SELECT data FROM pg_logical_slot_get_binary_changes(%s, NULL, NULL, 'proto_version', '1', 'publication_names', %s)"
        for (message,) in self._session.rows(sql, [self._slot, PUBLICATION], timeout=timeout):
            self._take(bytes(message), found)
        return found

    def close(self) -> None:
        """Drops the slot, which would otherwise stay as long as the session."""
        self._session.run("SELECT pg_drop_replication_slot(%s)", [self._slot])

    def _take(self, message: bytes, found: Changed) -> None:
        kind = message[:1]
        if kind == b"R":
            seen = relation(message)
            self._relations[seen.oid] = seen.columns
        elif kind in (b"I", b"U", b"D"):
            (oid,) = struct.unpack_from("!I", message, 1)
            table = self._leaves.get(oid)
            if table is None:
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


def _take_keys(table: Table, rows: Iterable[Mapping[str, str | None]], found: Changed) -> None:
    for values in rows:
        key = [values.get(name) for name in table.key]
        parts = tuple(part for part in key if part is not None)
        if len(parts) == len(key):
            found.keys.setdefault(table.name, set()).add(parts)
        else:  # the old row came with other columns than the key
            found.whole.add(table.name)
