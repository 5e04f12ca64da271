"""Journal and lease of one environment as objects, each written only under a condition: shared by operators on many machines.

    lease                  token, holder, and the journal's head; changed by compare-and-swap only
    journal/00000001.json  one entry each, written only where there is none
    wishes/RUN/000001.json words for whoever holds the lease

The journal's own numbers fence it. Whoever gets the lease writes an entry of the kind `lease-taken` before anything else, at
the number that a former holder would write next. A process that was stopped between looking and writing finds that number
taken when it wakes up, whatever its clock says and however long it slept, and a number is never passed over without looking
who wrote there. These entries belong to no run and are not among `entries`.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from cutover.core import killpoint
from cutover.core.clock import Clock, SystemClock
from cutover.core.errors import CutoverError, LeaseLost
from cutover.core.journal import Entry
from cutover.core.lease import Lease
from cutover.core.plain import canonical
from cutover.core.rows import Head, Row, Rows
from cutover.state.chain import START, JournalBroken, chained, follows, going_on, parsed, sealed, without_secrets
from cutover.state.holding import claimed, lost, may_be_alive, refuse_if_held
from cutover.state.objects import Objects

LEASE, JOURNAL, WISHES = "lease", "journal/", "wishes/"
TAKEN = "lease-taken"
READERS = 24  # entries that are read at the same time


@dataclass(frozen=True)
class _Held:
    """What the lease object says."""

    token: int = 0
    holder: Lease | None = None
    head: Head = START

    def body(self) -> bytes:
        return canonical(asdict(self)).encode()

    def is_held_by(self, lease: Lease) -> bool:
        return self.holder is not None and self.token == lease.token


class S3State:
    """The store of one environment; durable when a call returns. `where` is its address, for messages.

    A holder on another host is never assumed dead; `unlock` with its lease id takes over. An append that was under way when
    somebody took over either stands before the `lease-taken` of the new holder, who reads it, or was never written.
    """

    def __init__(self, objects: Objects, where: str, *, clock: Clock | None = None) -> None:
        self.where = where
        self._objects = objects
        self._clock = clock or SystemClock()
        self._heads: dict[str, Head] = {}
        """Where the next entry of a lease that this process got goes: behind what it has seen, and nowhere else."""
        self._written: tuple[_Held, str] | None = None
        self._read: dict[tuple[str, str], bytes] = {}
        self._one_at_a_time = threading.RLock()

    def close(self) -> None:
        """Nothing is kept open."""

    # --- journal -------------------------------------------------------------------------------------------------

    def append(self, run: str, kind: str, data: Mapping[str, Any], lease: Lease) -> Entry:
        with self._one_at_a_time:
            try:
                entry = self._append(run, kind, data, lease)
                self._anchored(Head.of(entry), lease)
            except LeaseLost:
                self._heads.pop(lease.id, None)
                raise
        return entry

    def _append(self, run: str, kind: str, data: Mapping[str, Any], lease: Lease) -> Entry:
        head = self._heads.get(lease.id) or self._head_of(lease)
        while True:
            entry = sealed(head, run, self._clock.now(), lease.token, kind, data)
            killpoint.reached("before put of entry")
            if self._objects.put_new(_entry_key(entry.seq), _entry_body(entry)) is not None:
                self._heads[lease.id] = Head.of(entry)
                return entry
            head = self._heads[lease.id] = self._passed(head, lease, taking=not run)

    def _passed(self, head: Head, lease: Lease, *, taking: bool) -> Head:
        """The head after the entry that stands where ours was to go; raises LeaseLost when a newer holder wrote it.

        Only who is `taking` the lease passes over what a former holder was still writing; after that there can be none.
        """
        found = self._entry(head.seq + 1)
        if found is None or not follows(found, head):
            raise JournalBroken(f"{self.where}: entry {head.seq + 1} was changed, or is not the one after {head.seq}")
        if found.token > lease.token:
            raise lost(lease, self._looked().holder)
        if found.token < lease.token and not taking:
            raise JournalBroken(f"{self.where}: entry {found.seq} was written by somebody who had lost the lease")
        return Head.of(found)

    def _head_of(self, lease: Lease) -> Head:
        """The head for a lease that another object of this process got."""
        held = self._looked()
        if not held.is_held_by(lease):
            raise lost(lease, held.holder)
        *_, last = self._from(held.head)
        return last

    def _from(self, anchor: Head) -> Iterator[Head]:
        """The anchor, and the heads after it to the journal's end; what was appended last may not be anchored yet."""
        if anchor.seq:
            entry = self._entry(anchor.seq)
            if entry is None or entry.hash != anchor.hash:
                raise JournalBroken(f"{self.where}: entry {anchor.seq} is missing, or not the one written as the last")
        yield anchor
        head = anchor
        while (entry := self._entry(head.seq + 1)) is not None:
            if not follows(entry, head):
                raise JournalBroken(f"{self.where}: entry {entry.seq} was changed, or one before it is missing")
            head = Head.of(entry)
            yield head

    def entries(self, run: str | None = None) -> Sequence[Entry]:
        return [entry for entry in self.newer(None) if entry.run and (run is None or entry.run == run)]

    def newer(self, than: Entry | None) -> Sequence[Entry]:
        if than is None:
            kept = self._kept()  # before the listing, which then has at least what is anchored
            listed = self._objects.list(JOURNAL)
            if listed and kept is None:
                raise JournalBroken(f"{self.where}/{LEASE} is missing, but there are {len(listed)} entries")
            return chained(self._read_all(listed), self.where, kept[0].head if kept is not None else None)
        last = self._entry(than.seq)
        if last is None or last.hash != than.hash:
            raise JournalBroken(
                f"{self.where}: entry {than.seq} is missing, or is not the one that was written as the last"
            )
        found: list[Entry] = []
        while (entry := self._entry((found[-1] if found else than).seq + 1)) is not None:
            found.append(entry)
        return going_on(found, than, self.where)

    def rows(self) -> Rows:
        """As `entries`, but with those of the kind `lease-taken`: they are links of the chain."""
        anchor, trouble = None, ""
        try:
            held = self._kept()
            anchor = held[0].head if held is not None else None
            trouble = "" if held is not None else f"{LEASE} is missing"
        except JournalBroken as error:
            trouble = error.message
        listed = self._objects.list(JOURNAL)
        with ThreadPoolExecutor(READERS) as pool:
            found = tuple(pool.map(lambda one: self._unproven(*one), listed))
        return Rows(self.where, found, anchor, trouble if listed else "")

    def _unproven(self, key: str, tag: str) -> Row:
        try:
            said = parsed(self._body(key, tag))
        except (ValueError, JournalBroken) as error:
            return Row(key, {}, str(error))
        return Row(key, said) if isinstance(said, dict) else Row(key, {}, "no object of JSON")

    def wish(self, run: str, kind: str, data: Mapping[str, Any]) -> None:
        said = {"kind": kind, "data": without_secrets(data), "at": self._clock.now(), "id": uuid4().hex}
        body = canonical(said).encode()
        place = _wishes(run)
        number = len(self._objects.list(place)) + 1
        while self._objects.put_new(f"{place}{number:06}.json", body) is None:
            number += 1

    def wishes(self, run: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
        try:
            found = [json.loads(self._body(*one)) for one in self._objects.list(_wishes(run))]
            return [(wish["kind"], wish["data"]) for wish in found]
        except (ValueError, KeyError, TypeError) as error:
            raise JournalBroken(f"{self.where}/{_wishes(run)}: {error}") from error

    # --- lease ---------------------------------------------------------------------------------------------------

    def acquire(self, *, who: str, operation: str, take_over: str | None = None) -> Lease:
        with self._one_at_a_time:
            while True:
                kept = self._kept()
                if kept is None and self._objects.list(JOURNAL):
                    raise JournalBroken(f"{self.where}/{LEASE} is missing, but there are entries")
                held = kept[0] if kept is not None else _Held()
                refuse_if_held(held.holder, take_over)
                lease = claimed(held.token, self._clock.now(), who=who, operation=operation)
                killpoint.reached("before put of lease")
                taken = replace(held, token=lease.token, holder=lease)
                if self._swapped(taken, kept[1] if kept is not None else None):
                    break
            killpoint.reached("before lease-taken")
            try:
                *_, self._heads[lease.id] = self._from(held.head)
                seen = {"lease": lease.id, "who": who, "host": lease.host, "pid": lease.pid, "operation": operation}
                self.append("", TAKEN, seen, lease)
            except BaseException:
                with suppress(CutoverError):  # nobody would hold it, and nobody else could have it
                    self.release(lease)
                raise
        return lease

    def release(self, lease: Lease) -> None:
        with self._one_at_a_time:
            self._heads.pop(lease.id, None)
            while (kept := self._kept()) is not None and kept[0].is_held_by(lease):
                if self._swapped(replace(kept[0], holder=None), kept[1]):
                    self._written = None
                    return

    def holder(self) -> Lease | None:
        holder = self._looked().holder
        return holder if holder is not None and may_be_alive(holder) else None

    def check(self, lease: Lease) -> None:
        held = self._looked()
        if not held.is_held_by(lease):
            raise lost(lease, held.holder)

    def _anchored(self, head: Head, lease: Lease) -> None:
        """Writes the head beside the lease, so that a tail that is cut off is missed; raises LeaseLost when it is void."""
        kept = self._written  # what we wrote last: when it is not there any more, the swap fails and we look
        while True:
            if kept is None and (kept := self._kept()) is None:
                raise JournalBroken(f"{self.where}/{LEASE} is missing")
            held, tag = kept
            if not held.is_held_by(lease):
                raise lost(lease, held.holder)
            if held.head.seq >= head.seq or self._swapped(replace(held, head=head), tag):
                return
            kept = None

    def _swapped(self, held: _Held, tag: str | None) -> bool:
        body = held.body()
        written = self._objects.put_new(LEASE, body) if tag is None else self._objects.replace(LEASE, body, tag)
        self._written = (held, written) if written is not None else None
        return written is not None

    def _looked(self) -> _Held:
        kept = self._kept()
        return kept[0] if kept is not None else _Held()

    def _kept(self) -> tuple[_Held, str] | None:
        found = self._objects.get(LEASE)
        if found is None:
            return None
        try:
            said = json.loads(found[0])
            holder = Lease(**said["holder"]) if said["holder"] is not None else None
            return _Held(said["token"], holder, Head(**said["head"])), found[1]
        except (ValueError, KeyError, TypeError) as error:
            raise JournalBroken(f"{self.where}/{LEASE}: {error}") from error

    # --- objects -------------------------------------------------------------------------------------------------

    def _read_all(self, listed: Sequence[tuple[str, str]]) -> list[Entry]:
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(lambda one: self._parsed(one[0], self._body(*one)), listed))

    def _entry(self, seq: int) -> Entry | None:
        found = self._objects.get(_entry_key(seq))
        return None if found is None else self._parsed(_entry_key(seq), found[0])

    def _body(self, key: str, tag: str) -> bytes:
        """The listed object's body; one that was read before is asked for again only when its tag has changed."""
        if (key, tag) not in self._read:
            found = self._objects.get(key)
            if found is None:
                raise JournalBroken(f"{self.where}/{key} is gone")
            self._read[key, tag] = found[0]
        return self._read[key, tag]

    def _parsed(self, key: str, body: bytes) -> Entry:
        try:
            return Entry(**parsed(body))
        except (ValueError, TypeError) as error:
            raise JournalBroken(f"{self.where}/{key}: {error}") from error


def _entry_key(seq: int) -> str:
    return f"{JOURNAL}{seq:08}.json"


def _entry_body(entry: Entry) -> bytes:
    return canonical(asdict(entry)).encode()


def _wishes(run: str) -> str:
    return f"{WISHES}{quote(run, safe='')}/"
