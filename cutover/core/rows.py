"""A journal as its place keeps it, before anybody has proven it: what an audit reads where `entries` would raise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cutover.core.journal import Entry

GENESIS = "0" * 64


@dataclass(frozen=True)
class Head:
    """The number and hash of a chain's last entry."""

    seq: int = 0
    hash: str = GENESIS

    @classmethod
    def of(cls, entry: "Entry") -> "Head":
        """The head of a chain that ends with this entry."""
        return cls(entry.seq, entry.hash)


def sealed_as(entry: "Entry", seq: int) -> str:
    """The hash that it has as the entry of that number; empty where what it says cannot have been sealed at all."""
    try:
        return entry.seal(seq, entry.run, entry.at, entry.token, entry.kind, entry.data, entry.prev)
    except (UnicodeEncodeError, RecursionError):  # half a character, or nested deeper than anything that we write
        return ""


@dataclass(frozen=True)
class Row:
    """What is kept in one place (`4`, `journal/00000004.json`): an entry's fields as they were read, none where they cannot be.

    `trouble` says why they cannot.
    """

    place: str
    said: Mapping[str, Any]
    trouble: str = ""


@dataclass(frozen=True)
class Rows:
    """All of them by their numbers, and what is noted beside the lease as the last entry.

    `anchor` is None where the place notes none; `trouble` says what could not be read of the place itself, `note` what of its
    own protection is missing.
    """

    where: str
    rows: tuple[Row, ...]
    anchor: Head | None = None
    trouble: str = ""
    note: str = ""
