"""The messages of logical decoding by pgoutput, protocol version 1 (PostgreSQL manual, "Logical Replication Message Formats")."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

Values = list[str | None]


class Relation(NamedTuple):
    """A table as the messages after this one name it; `key` are the columns of its replica identity, none where that is FULL."""

    oid: int
    schema: str
    name: str
    columns: list[str]
    key: list[str]


def relation(message: bytes) -> Relation:
    """An R message."""
    (oid,) = struct.unpack_from("!I", message, 1)
    schema, at = _text(message, 5)
    name, at = _text(message, at)
    full = message[at : at + 1] == b"f"
    (count,) = struct.unpack_from("!H", message, at + 1)
    at += 3
    columns, key = [], []
    for _ in range(count):
        column, end = _text(message, at + 1)
        columns.append(column)
        if message[at] & 1 and not full:
            key.append(column)
        at = end + 8  # past type and modifier
    return Relation(oid, schema, name, columns, key)


def tuples(message: bytes, at: int = 5) -> Iterator[tuple[bytes, Values]]:
    """The old (K or O) and new (N) rows of an I, U or D message; None for a null, and for a value that was not sent."""
    while at < len(message):
        part = message[at : at + 1]
        (count,) = struct.unpack_from("!H", message, at + 1)
        at += 3
        values: Values = []
        for _ in range(count):
            kind = message[at : at + 1]
            at += 1
            if kind in b"nu":
                values.append(None)
                continue
            (length,) = struct.unpack_from("!I", message, at)
            values.append(message[at + 4 : at + 4 + length].decode())
            at += 4 + length
        yield part, values


def _text(message: bytes, at: int) -> tuple[str, int]:
    end = message.index(b"\0", at)
    return message[at:end].decode(), end + 1
