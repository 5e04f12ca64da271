"""A journal as its place keeps it, before anybody has proven it: what an audit reads where `entries` would raise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
    """All of them by their numbers, and the number and hash that are noted beside the lease as the last entry's.

    `anchor` is None where the place notes none; `trouble` says what could not be read of the place itself.
    """

    where: str
    rows: tuple[Row, ...]
    anchor: tuple[int, str] | None = None
    trouble: str = ""
