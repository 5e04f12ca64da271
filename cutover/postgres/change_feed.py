"""Which keys were changed lately, decoded from a temporary replication slot of our own: no table has to be read for it."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cutover.core.errors import CutoverError
from cutover.postgres.comparable import Table
from cutover.postgres.pgoutput import relation, tuples
from cutover.postgres.replication import PUBLICATION
from cutover.postgres.session import QueryFailed, Session
from cutover.postgres.suspects import Key

MAKE_SLOT = 3.0  # seconds; making a slot waits for every transaction that is open
DECODE_TIMEOUT = 60.0
STANDBY_SNAPSHOT = 160000  # the first version with pg_log_standby_snapshot


class NoFeed(CutoverError):
    """No slot could be made; the message says why."""


@dataclass
class Changed:
    """What was changed: keys by table, and tables of which more is to be looked at than single keys."""

    keys: dict[str, set[Key]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)

    def add(self, other: "Changed") -> None:
        for table, keys in other.keys.items():
            self.keys.setdefault(table, set()).update(keys)
        self.whole |= other.whole

    @property
    def count(self) -> int:
        return sum(len(keys) for keys in self.keys.values())


class ChangeFeed:
    """The changes since it was opened; the slot is temporary, so it goes with the session however that ends."""

    def __init__(self, session: Session, tables: Sequence[Table]) -> None:
        """Raises NoFeed when no slot can be made within 3 s, or nothing is published."""
        self._session = session
        self._leaves = {oid: table for table in tables for _, oid in table.at(session).leaves}
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
            for part, values in tuples(message):
                key = _key(table, dict(zip(names, values, strict=True)))
                if key is not None:
                    found.keys.setdefault(table.name, set()).add(key)
                elif part in b"NKO":  # no key, or the old row came with other columns than it
                    found.whole.add(table.name)
        elif kind == b"T":
            count, _ = struct.unpack_from("!IB", message, 1)
            for oid in struct.unpack_from(f"!{count}I", message, 6):
                if oid in self._leaves:
                    found.whole.add(self._leaves[oid].name)


def _key(table: Table, values: Mapping[str, str | None]) -> Key | None:
    key = [values.get(name) for name in table.key]
    return tuple(part for part in key if part is not None) if table.key and None not in key else None
