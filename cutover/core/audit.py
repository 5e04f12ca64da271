"""Proves a journal's hash chain entry by entry, and says where and how it breaks.

What a chain alone cannot show: a tail that was cut off, and a journal that was written anew from some entry on with all its
hashes. For these a hash has to be noted elsewhere: beside the lease, where the place does that, or by a person, from a
report (`noted`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.core.journal import Entry
from cutover.core.rows import GENESIS, Row, Rows, sealed_as

LEAST = 12  # characters of a noted hash that are enough to know it by, as `status` shows them
SPARE = 1000  # entries more than that which may have been taken out


@dataclass(frozen=True)
class Break:
    """Where the chain does not hold: the number that was to come, what stands there, and what kind of break it is.

    `kind` is edited, missing, reordered, inserted, exchanged, unreadable, truncated or noted-head-missing.
    """

    kind: str
    number: int
    seen: str
    row: Row | None = None

    def field(self, name: str) -> Any:
        """What the entry at the break says of itself; None where there is none."""
        return self.row.said.get(name) if self.row is not None else None


@dataclass(frozen=True)
class Audit:
    """The entries that hold, oldest first; the first break, None where there is none; where the noted hash stands."""

    where: str
    rows: tuple[Row, ...]
    entries: tuple[Entry, ...]
    broken: Break | None = None
    noted_at: int | None = None
    anchored: bool = False
    """Whether the last entry is noted beside the lease, so that a tail that is cut off is missed."""
    note: str = ""
    """What of the place's own protection is missing."""

    @property
    def head(self) -> str:
        return self.entries[-1].hash if self.entries else GENESIS


def audit(kept: Rows, noted: str = "") -> Audit:
    """Walks the chain to its first break; `noted` is a hash (12 characters of it at least) that has to be in it."""
    entries: list[Entry] = []
    broken: Break | None = None
    for row in kept.rows:
        entry = _entry(row)
        if entry is None or not _follows(entry, entries):
            broken = _break(kept.rows, row, entry, entries)
            break
        entries.append(entry)
    broken = broken or _cut_off(kept, entries)
    at = next((one.seq for one in entries if noted and one.hash.startswith(noted.lower())), None)
    if broken is None and noted and at is None:
        broken = Break(
            "noted-head-missing",
            len(entries) + 1,
            f"the noted hash {noted} belongs to none of the {len(entries)} entries: what came with it was cut off, the journal was "
            "written anew, or it is another one",
        )
    return Audit(kept.where, kept.rows, tuple(entries), broken, at, kept.anchor is not None, kept.note)


def _entry(row: Row) -> Entry | None:
    """The row as an entry; None where it cannot be one."""
    said = row.said
    types: Mapping[str, Any] = {"seq": int, "run": str, "at": (int, float), "token": int, "kind": str, "data": dict}
    types = {**types, "prev": str, "hash": str}
    if row.trouble or set(said) != set(types) or any(not isinstance(said[name], kind) for name, kind in types.items()):
        return None
    return Entry(**said)


def _follows(entry: Entry, before: Sequence[Entry]) -> bool:
    head = before[-1].hash if before else GENESIS
    number = len(before) + 1
    return (entry.seq, entry.prev) == (number, head) and entry.hash == sealed_as(entry, number)


def _break(rows: Sequence[Row], row: Row, entry: Entry | None, before: Sequence[Entry]) -> Break:
    """What kind of break it is, told from what else is there."""
    number, head = len(before) + 1, before[-1].hash if before else GENESIS
    if entry is None:
        return Break("unreadable", number, row.trouble or "it is no entry: " + ", ".join(sorted(row.said)), row)
    written_as = next((n for n in _numbers(rows, entry) if entry.hash == sealed_as(entry, n)), None)
    # Its number is sealed with it, so what was moved still says where it was.
    due = [
        one for one in map(_entry, rows) if one is not None and one.prev == head and one.hash == sealed_as(one, number)
    ]
    if due and due[0].seq != number:
        kind = "reordered" if written_as is not None and written_as > number else "inserted"
        return Break(kind, number, f"the entry that was written as number {number} stands as {due[0].seq}", row)
    if entry.seq > number and (written_as is None or written_as >= entry.seq):
        gap = f"entry {number} is" if entry.seq == number + 1 else f"entries {number} to {entry.seq - 1} are"
        return Break("missing", number, f"{gap} missing", row)
    if written_as is None:
        return Break("edited", number, "its content is not what was sealed by its hash", row)
    if written_as > number:
        gap = f"entry {number} is" if written_as == number + 1 else f"entries {number} to {written_as - 1} are"
        return Break(
            "missing", number, f"{gap} missing, and what follows got other numbers: this was {written_as}", row
        )
    if written_as < number:
        return Break("inserted", number, f"it was written as number {written_as}: more entries stand before it", row)
    if entry.seq != number:
        return Break("reordered", number, f"it was written as number {written_as}", row)
    return Break("exchanged", number, f"entry {number - 1} is not the one after which this was written", row)


def _numbers(rows: Sequence[Row], entry: Entry) -> Iterator[int]:
    """The numbers that an entry may have been written as: its own, and those of a journal of which half was taken out."""
    yield entry.seq
    yield from range(1, 2 * len(rows) + SPARE)


def _cut_off(kept: Rows, entries: Sequence[Entry]) -> Break | None:
    """What only the place itself can tell: it cannot be read on, or ends before what is noted beside the lease."""
    number = len(entries) + 1
    if kept.trouble:
        return Break("unreadable", number, kept.trouble)
    if kept.anchor is None or kept.anchor.seq == 0:
        return None
    last, hash_ = kept.anchor.seq, kept.anchor.hash
    if len(entries) < last:
        gap = f"entry {number} is" if number == last else f"entries {number} to {last} are"
        return Break("truncated", number, f"{gap} missing: {last} is noted beside the lease as the last one")
    if entries[last - 1].hash != hash_:
        seen = f"it is not the one that is noted beside the lease as the last one ({hash_[:LEAST]}): written anew from some entry on"
        return Break("exchanged", last, seen, kept.rows[last - 1])
    return None
