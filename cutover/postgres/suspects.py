"""Keys that may differ: read from the buckets that differ, and looked at again until they are equal or surely different."""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cutover.core.clock import Backoff, Deadline, SystemClock
from cutover.postgres import marker
from cutover.postgres.buckets import EXTENT, ROWS_PER_RANGE, Buckets, Tally
from cutover.postgres.comparable import PARAM, Column, Table, with_params
from cutover.postgres.session import Session
from cutover.postgres.snapshot import SLICE_TIMEOUT, Scope, Snapshot

Key = tuple[str, ...]

ROUNDS = 40
# Not the snapshot's list: it leaves out what has begun after the last one that has ended, and that one may wait for a standby.
RUNNING = """SELECT transactionid::text::bigint FROM pg_locks
 WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted"""
SHORTEST = 5.0  # seconds for a question, however near the deadline is
STALLED = 1.0  # seconds after which a transaction that still runs is a long one, and none that is just being shown
MANY = 0.20  # above this share of differing buckets the whole table is read, in finer buckets first
RANGES_AT_ONCE = 1000
KEYS_AT_ONCE = 2000
MOST_SCANS = 20  # of a whole table, for buckets of hashes
MOST_SUSPECTS = 100_000


@dataclass
class Suspects:
    """Keys whose rows differ between two snapshots, and how many buckets were not read because there were too many."""

    keys: list[Key] = field(default_factory=list)
    more: int = 0


def suspects_in(
    table: Table,
    buckets: Buckets,
    bad: Sequence[int],
    ours: Snapshot,
    theirs: Snapshot,
    scope: Scope,
    most: int = MOST_SUSPECTS,
) -> Suspects:
    """The keys that differ within the `bad` buckets, both sides read within their snapshots; memory is bounded."""
    found = Suspects()
    if not buckets.step and len(bad) > MANY * buckets.size:
        buckets, bad = _finer(table, buckets, bad, ours, theirs, scope)
    at_once = min(RANGES_AT_ONCE, most // ROWS_PER_RANGE + 1)
    if not buckets.step:
        at_once = _hashed_at_once(table, buckets, ours, 2 * most)
    for start in range(0, len(bad), at_once):
        part = bad[start : start + at_once]
        if len(found.keys) >= most or (not buckets.step and start >= MOST_SCANS * at_once):
            found.more = len(bad) - start
            break
        sides = [_ask_entries(snapshot, table, buckets, part, scope) for snapshot in (ours, theirs)]
        a, b = ({tuple(row[:-1]): row[-1] for row in side.result()} for side in sides)
        found.keys += sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))
    return found


def _finer(
    table: Table, buckets: Buckets, bad: Sequence[int], ours: Snapshot, theirs: Snapshot, scope: Scope
) -> tuple[Buckets, list[int]]:
    finer = buckets.finer()
    tallies = []
    for snapshot in (ours, theirs):
        session, heap = snapshot.first, table.at(snapshot.first)
        combine = f"sum({heap.hash})" if table.adds else f"bit_xor({heap.hash})"
        sql = (
            f"SELECT {finer.sql(table, session)}, count(*), {combine} FROM {heap.rows} "
            f"WHERE {buckets.sql(table, session)} = ANY({PARAM}::bigint[]) AND {scope.of(table, session)} GROUP BY 1"
        )
        tallies.append(snapshot.ask(with_params(sql), [list(bad)]))
    a, b = (Tally(finer.size, adds=table.adds) for _ in tallies)
    for tally, answer in zip((a, b), tallies, strict=True):
        tally.add(answer.result())
    return finer, a.differing(b)


def _hashed_at_once(table: Table, buckets: Buckets, ours: Snapshot, most_rows: int) -> int:
    """Each batch reads the whole table, so it is as large as memory allows."""
    leaves = [oid for _, oid in table.at(ours.first).leaves]
    rows, size = ours.first.rows(EXTENT, [leaves])[0]
    return max(1, most_rows * buckets.size // max(rows or (size or 0) // 60, 1))


def _ask_entries(
    snapshot: Snapshot, table: Table, buckets: Buckets, bad: Sequence[int], scope: Scope
) -> Future[list[tuple[Any, ...]]]:
    sql, params = _entries_sql(table, buckets, bad, snapshot.first, scope)
    return snapshot.ask(with_params(sql), params)


def _entries_sql(
    table: Table, buckets: Buckets, bad: Sequence[int], session: Session, scope: Scope
) -> tuple[str, list[list[int]]]:
    heap, key = table.at(session), table.key_at(session)
    if not key:
        # Without a key the hash names the row, and how often it is there is what may differ.
        value = f"({heap.hash})::text"
        where = f"{buckets.sql(table, session)} = ANY({PARAM}::bigint[]) AND {scope.of(table, session)}"
        return f"SELECT {value}, count(*)::text FROM {heap.rows} WHERE {where} GROUP BY 1", [list(bad)]
    names = ", ".join(f"{column.quoted}::text" for column in key)
    if buckets.step:
        bounds = [buckets.bounds(bucket) for bucket in bad]
        sql = (
            f"SELECT {names}, {heap.hash} FROM unnest({PARAM}::bigint[], {PARAM}::bigint[]) AS r(cutover_low, cutover_high) "
            f"JOIN {heap.rows} ON {buckets.column} >= r.cutover_low AND {buckets.column} <= r.cutover_high "
            f"WHERE {scope.of(table, session)}"
        )
        return sql, [[low for low, _ in bounds], [high for _, high in bounds]]
    where = f"{buckets.sql(table, session)} = ANY({PARAM}::bigint[]) AND {scope.of(table, session)}"
    return f"SELECT {names}, {heap.hash} FROM {heap.rows} WHERE {where}", [list(bad)]


@dataclass(frozen=True)
class Entry:
    """One key's hash, or one hash's count, and `written`: a row that became what it was is another version of it."""

    hash: str | None
    written: str | None


ABSENT = Entry(None, None)
Ask = Callable[[Session, Sequence[Key], float], Mapping[Key, Entry]]


def entries(session: Session, table: Table, keys: Sequence[Key], *, timeout: float = SLICE_TIMEOUT) -> dict[Key, Entry]:
    """The rows of these keys as they are now; without a key, how often each of these hashes is there.

    Asks for a few thousand keys at a time, each time for at most `timeout` s.
    """
    found: dict[Key, Entry] = {}
    for start in range(0, len(keys), KEYS_AT_ONCE):
        part = keys[start : start + KEYS_AT_ONCE]
        sql, params = _by_key(session, table, part) if table.key else _by_hash(session, table, part)
        for which, value, written in session.rows(with_params(sql), params, timeout=timeout):
            found[part[which - 1] if table.key else (which,)] = Entry(value, written)
    return found


def join_on_key(session: Session, table: Table) -> str:
    """SQL that joins the table, unqualified, with one text array per key column as parameters.

    `k.cutover_n` counts the keys from 1: a value cast to text is not always what decoding or `format` gives (true for t).
    """
    key, heap = table.key_at(session), table.at(session)
    arrays = ", ".join(f"{PARAM}::text[]" for _ in key)
    names = ", ".join([*(f"cutover_k{i}" for i in range(len(key))), "cutover_n"])
    on = " AND ".join(_same(column, f"k.cutover_k{i}") for i, column in enumerate(key))
    return f"unnest({arrays}) WITH ORDINALITY AS k({names}) JOIN {heap.rows} AS cutover_t ON {on}"


def _same(column: Column, value: str) -> str:
    if column.foreign:  # its operators lie in a schema that is not searched
        return f'{column.quoted}::text = {value} COLLATE "C"'
    collate = f" COLLATE {column.collation}" if column.collation else ""
    return f"{column.quoted} = {value}::{column.declared}{collate}"


def _by_key(session: Session, table: Table, keys: Sequence[Key]) -> tuple[str, list[list[str]]]:
    heap = table.at(session)
    sql = f"SELECT cutover_n, ({heap.hash})::text, cutover_t.xmin::text FROM {join_on_key(session, table)}"
    return sql, [[key[i] for key in keys] for i in range(len(table.key))]


def _by_hash(session: Session, table: Table, keys: Sequence[Key]) -> tuple[str, list[list[int]]]:
    heap = table.at(session)
    sql = (
        f"SELECT ({heap.hash})::text, count(*)::text, sum(xmin::text::bigint)::text "
        f"FROM {heap.rows} WHERE {heap.hash} = ANY({PARAM}::bigint[]) GROUP BY 1"
    )
    return sql, [[int(key[0]) for key in keys]]


@dataclass
class Settled:
    """What looking again found: `real` differences as seen from the source, and keys that never stood still."""

    real: dict[Key, str] = field(default_factory=dict)
    unproven: list[Key] = field(default_factory=list)
    why: str = ""
    looks: int = 0
    caught_up: bool = True
    """Whether the target ever reached the position that it was asked for."""


def recheck(
    table: Table,
    suspects: Sequence[Key],
    ours: Session,
    theirs: Session,
    marks: Session,
    catch_up: float,
    deadline: Deadline | None = None,
    ask: Ask | None = None,
) -> Settled:
    """Looks again at each suspect: source, proven position, target, source; what is in flight settles.

    A row is different only when two looks in a row find the same versions of it on both sides: one that came and went
    between two looks at the source was seen on the target alone. And every transaction that ran at the first of them has
    ended at the second: a commit is sent before its own server shows it. Waits up to `catch_up` s for each marker,
    and looks no more after `deadline`. `ask` reads the rows of these keys, where there is a faster way than by each key.
    """
    ask = ask or partial(_entries_of, table=table)
    settled = Settled()
    open_keys = list(suspects)
    earlier: dict[Key, tuple[Entry, Entry]] = {}
    ran: set[int] = set()
    long_since = Deadline.after(STALLED)
    backoff = Backoff(SystemClock(), first=0.001, longest=0.05)
    deadline = deadline or Deadline.after(math.inf)
    while open_keys and settled.looks < ROUNDS and not (settled.looks and deadline.expired):
        settled.looks += 1
        try:
            looked, running = _look(ask, open_keys, ours, theirs, marks, deadline, catch_up)
        except marker.NotCaughtUp as error:
            settled.unproven, settled.why, settled.caught_up = open_keys, error.message, False
            return settled
        still: dict[Key, tuple[Entry, Entry]] = {}
        open_keys = []
        all_ended = not (ran & running) or long_since.expired
        for key, before, there, after in looked:
            if there.hash in (before.hash, after.hash):
                continue
            if before == after and earlier.get(key) == (after, there) and all_ended:
                settled.real[key] = _kind(after, there)
                continue
            open_keys.append(key)
            if before == after:
                still[key] = (after, there)
        earlier, ran = still, running
        if open_keys and not (still and all_ended):
            backoff.pause()  # every one of them is being written at this moment, or may be
    settled.unproven = open_keys
    settled.why = f"rows changed at each of {settled.looks} looks" if open_keys else ""
    return settled


def _entries_of(session: Session, keys: Sequence[Key], timeout: float, table: Table) -> dict[Key, Entry]:
    return entries(session, table, keys, timeout=timeout)


def _look(
    ask: Ask, keys: Sequence[Key], ours: Session, theirs: Session, marks: Session, deadline: Deadline, catch_up: float
) -> tuple[list[tuple[Key, Entry, Entry, Entry]], set[int]]:
    """Each key as it was before, there and after, and the transactions that ran on the source in between."""

    def left() -> float:  # a link may hang: no question may take longer than all of them
        return max(deadline.within(SLICE_TIMEOUT).remaining(), SHORTEST)

    before = ask(ours, keys, left())
    marker.await_marker(theirs, marker.write_marker(marks), deadline.within(catch_up))
    there = ask(theirs, keys, left())
    running = {xid for (xid,) in ours.rows(RUNNING)}
    after = ask(ours, keys, left())
    looked = [(key, before.get(key, ABSENT), there.get(key, ABSENT), after.get(key, ABSENT)) for key in keys]
    return looked, running


def _kind(ours: Entry, theirs: Entry) -> str:
    return "missing" if theirs.hash is None else "extra" if ours.hash is None else "different"
