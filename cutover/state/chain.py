"""What the journals of every store have in common: entries sealed into a chain, and the proof that it holds."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from cutover.core.errors import CutoverError
from cutover.core.journal import Entry
from cutover.core.plain import canonical
from cutover.core.rows import Head, Row, sealed_as


class JournalBroken(CutoverError):
    """The hash chain does not hold, what is there is not a journal, or it cannot be read or written."""


START = Head()


def kept(seq: int, run: str, at: float, token: int, kind: str, data: str, prev: str, hash: str) -> Entry:
    """An entry as a table keeps it, with its data as text; raises ValueError when that is no JSON."""
    return Entry(seq, run, at, token, kind, parsed(data), prev, hash)


def parsed(text: str | bytes) -> Any:
    """JSON as it was kept; raises ValueError when it is none, or nested deeper than anything that we write."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply to be read") from error


FIELDS = ("seq", "run", "at", "token", "kind", "data", "prev", "hash")


def unproven(*columns: Any) -> Row:
    """The same for an audit: whatever stands in the columns."""
    said = dict(zip(FIELDS, columns, strict=True))
    try:
        said["data"] = parsed(said["data"])
    except (ValueError, TypeError) as error:
        return Row(str(said["seq"]), said, f"its data is no JSON: {error}")
    return Row(str(said["seq"]), said)


def sealed(head: Head, run: str, at: float, token: int, kind: str, data: Mapping[str, Any]) -> Entry:
    """The entry that comes after `head`."""
    plain = json.loads(canonical(data))
    seal = Entry.seal(head.seq + 1, run, at, token, kind, plain, head.hash)
    return Entry(head.seq + 1, run, at, token, kind, plain, head.hash, seal)


def follows(entry: Entry, head: Head) -> bool:
    """Whether the entry is as it was sealed, and comes right after `head`."""
    return (entry.seq, entry.prev, entry.hash) == (head.seq + 1, head.hash, sealed_as(entry, entry.seq))


def going_on(found: Iterable[Entry], than: Entry | None, where: str) -> list[Entry]:
    """The entries that come after `than`, oldest first; raises JournalBroken with the place where they do not follow."""
    entries: list[Entry] = []
    head = Head.of(than) if than is not None else START
    for entry in found:
        if not follows(entry, head):
            raise JournalBroken(f"{where}: entry {entry.seq} was changed, or one before it is missing")
        head = Head.of(entry)
        entries.append(entry)
    return entries


def chained(found: Iterable[Entry], where: str, anchor: Head | None = None) -> list[Entry]:
    """The entries, oldest first; raises JournalBroken with the place where the chain does not hold, or ends before `anchor`."""
    entries = going_on(found, None, where)
    if anchor is None or anchor.seq == 0:
        return entries
    if len(entries) < anchor.seq:
        raise JournalBroken(f"{where}: entry {len(entries) + 1} is missing, and so are all up to {anchor.seq}")
    if entries[anchor.seq - 1].hash != anchor.hash:
        raise JournalBroken(f"{where}: entry {anchor.seq} is not the one that was written as the last")
    return entries
