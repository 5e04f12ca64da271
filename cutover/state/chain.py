"""What the journals of every store have in common: entries sealed into a chain, and the proof that it holds."""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from cutover.core.errors import CutoverError
from cutover.core.hidden import hidden_in
from cutover.core.journal import Entry
from cutover.core.plain import canonical
from cutover.core.rows import Head, Row, sealed_as


class JournalBroken(CutoverError):
    """The hash chain does not hold, what is there is not a journal, or it cannot be read or written."""


START = Head()
NAMES = frozenset({
    "step", "gate", "phase", "guard", "item", "undoes", "taken", "half_done", "cleared", "to", "until", "direction", "plan", "digest",
    "cause", "outcome", "policy", "then", "verdict", "role", "who", "run", "key", "incident", "channel",
})  # fmt: skip
"""What the engine, and whoever reads a record, tells things apart by."""


FIELDS = ("seq", "run", "at", "token", "kind", "data", "prev", "hash")
KINDS: tuple[type | tuple[type, ...], ...] = (int, str, (int, float), int, str, str, str, str)


def kept(*columns: Any) -> Entry:
    """An entry as a table keeps it, with its data as text; raises ValueError when that is no JSON, or a column none of ours."""
    odd = [name for name, kind, value in zip(FIELDS, KINDS, columns, strict=True) if not isinstance(value, kind)]
    if odd:
        raise ValueError(f"entry {columns[0]!r}: {', '.join(odd)} cannot be what was written")
    seq, run, at, token, kind, data, prev, hash_ = columns
    return Entry(seq, run, at, token, kind, _object(data), prev, hash_)


def parsed(text: str | bytes) -> Any:
    """JSON as it was kept; raises ValueError when it is none, or nested deeper than anything that we write."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply to be read") from error


def _object(text: str) -> Mapping[str, Any]:
    found = parsed(text)
    if not isinstance(found, dict):
        raise ValueError("what an entry says is no object")  # noqa: TRY004 - the file's content is wrong, no argument's type
    return found


def checked(text: str, *beside: str) -> str:
    """One line of JSON that belongs to `beside`, and below it its sum: what is in no chain shows by it that a byte was changed."""
    return f"{text}\n{_sum(text, *beside)}"


def read_checked(kept: object, *beside: str) -> Any:
    """The JSON again, without a sum where none was written; raises ValueError where the text is not what was written."""
    if not isinstance(kept, str):
        raise ValueError("what was kept is no text")  # noqa: TRY004 - the file's content is wrong, no argument's type
    text, _, sum_ = kept.partition("\n")
    if sum_ and sum_ != _sum(text, *beside):
        raise ValueError("it is not what was written: its sum does not fit")
    return parsed(text)


def _sum(*words: str) -> str:
    return sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def unproven(*columns: Any) -> Row:
    """The same for an audit: whatever stands in the columns."""
    said = dict(zip(FIELDS, columns, strict=True))
    try:
        said["data"] = parsed(said["data"])
    except (ValueError, TypeError) as error:
        return Row(str(said["seq"]), said, f"its data is no JSON: {error}")
    return Row(str(said["seq"]), said)


def without_secrets(data: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry or a word says, as JSON types, without the secrets that this process has read.

    Names are left as they are: the engine knows by them what is done, and a password may happen to be a step's name.
    """
    plain = json.loads(canonical(data))
    return {key: value if key in NAMES else hidden_in(value) for key, value in plain.items()}


def sealed(head: Head, run: str, at: float, token: int, kind: str, data: Mapping[str, Any]) -> Entry:
    """The entry that comes after `head`."""
    plain = without_secrets(data)
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
