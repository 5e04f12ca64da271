"""Proves that both sides hold the same rows: one hashed pass per side, and a second look only where buckets differ.

Under live replication a difference counts only when it stays at a proven later position: a row that is on its way is
not a difference.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover.core.telling import say
from cutover.postgres.buckets import Buckets, Tally, buckets_for
from cutover.postgres.business import BusinessCheck, business_figures
from cutover.postgres.checkpoint import Begun, Checkpoint, Done, seed_of
from cutover.postgres.comparable import Table, only, same_tables
from cutover.postgres.comparison import Progress, Report
from cutover.postgres.rowdiff import Difference, explained, write_repair
from cutover.postgres.rowhash import PINNED, RowHash, hash_of_both
from cutover.postgres.session import Database, Session
from cutover.postgres.snapshot import HORIZON, SLICE_PAGES, SLICE_TIMEOUT, Scope, Slice, Snapshot, slices
from cutover.postgres.suspects import MOST_SUSPECTS, Key, recheck, suspects_in

SYSTEM = """SELECT (SELECT system_identifier::text FROM pg_control_system()),
  (SELECT oid::bigint FROM pg_database WHERE datname = current_database())"""

ONCE_LATE = 1.0  # seconds that a marker is waited for where one has not arrived in its time


@dataclass(frozen=True)
class Wanted:
    """What is compared and how: all tables or the named ones, `sample` percent of the keys, what is told of a difference."""

    tables: Sequence[str] = ()
    sample: float = 100.0
    max_report: int = 20
    show_values: bool = False
    checks: Sequence[BusinessCheck] = ()
    repair: Path | None = None
    checkpoint: Path | None = None
    resume: bool = False
    catch_up: float = 30.0
    row_hash: RowHash | None = None
    """A hash of the caller's choice; without it the fastest on which both servers agree."""
    slice_pages: int = SLICE_PAGES
    """How much of a table is read at a time, in pages of the server (8 kB)."""
    most_suspects: int = MOST_SUSPECTS
    """Keys per table that are looked at one by one; of what differs beyond that only the buckets are counted."""


def validate(
    source: Database,
    target: Database,
    wanted: Wanted | None = None,
    *,
    tables: Sequence[str] = (),
    listen: Callable[[Progress], None] = lambda progress: None,
) -> Report:
    """Compares every row of both sides (or what is `wanted`); raises SchemasDiffer or CannotCompare when that is impossible.

    Writes one marker row per second look, so that a change still under way is told apart from a difference.
    """
    wanted = wanted or Wanted(tables=tables)
    began = time.monotonic()
    with ExitStack() as stack:
        work = _Comparison(source, target, wanted, listen, stack)
        for table in work.tables:
            work.compare(table)
        work.explain()
        work.report.figures = business_figures(source, target, wanted.checks, catch_up=wanted.catch_up)
        work.checkpoint.close()
        work.report.seconds = time.monotonic() - began
        return work.report


class _Comparison:
    """One comparison of two sides: a snapshot per table and side, and sessions of their own for the later looks."""

    def __init__(
        self,
        source: Database,
        target: Database,
        wanted: Wanted,
        listen: Callable[[Progress], None],
        stack: ExitStack,
    ) -> None:
        self._wanted, self._listen = wanted, listen
        self._ours = stack.enter_context(source.open("validate", settings=PINNED))
        self._theirs = stack.enter_context(target.open("validate", settings=PINNED))
        self._marks = stack.enter_context(source.open("marker"))
        row_hash = wanted.row_hash or hash_of_both(self._ours, self._theirs)
        if wanted.resume and wanted.checkpoint is not None:
            row_hash = RowHash(row_hash.form, seed_of(wanted.checkpoint))
        self.tables = only(same_tables(self._ours, self._theirs, row_hash), wanted.tables)
        self.checkpoint = Checkpoint(wanted.checkpoint, self._identity(row_hash), resume=wanted.resume)
        self.report = Report(
            source.side, target.side, row_hash.form.value, wanted.sample, resumed=self.checkpoint.resumed
        )
        self._scope = Scope(wanted.sample)
        self._snapshots = (Snapshot(source, stack), Snapshot(target, stack))
        self._progress = Progress(bytes_total=sum(self._size(s) for s in (self._ours, self._theirs)))
        self._found: list[tuple[Table, list[Difference]]] = []
        self._catch_up = wanted.catch_up

    def compare(self, table: Table) -> None:
        """Reads the table on both sides and settles what differs."""
        self._progress.table = table.name
        done = self.checkpoint.done.get(table.name)
        if done is None:
            done = self._read(table)
            self.checkpoint.finish(table.name, done)
        self.report.tables += 1
        self.report.rows += done.rows
        keys: list[Key] = [tuple(key) for key in done.suspects]
        if keys:
            say(
                f"{len(keys)} row{'s' * (len(keys) > 1)} of {table.name} may differ, or be on the way: waits for a marker to arrive on {self._theirs.label}"
            )
        settled = recheck(table, keys, self._ours, self._theirs, self._marks, self._catch_up)
        if not settled.caught_up:
            self._catch_up = min(self._catch_up, ONCE_LATE)  # one table has waited for all of them
        self.report.rechecked += settled.looks * len(keys)
        names = [Difference(table.name, ", ".join(key), seen, parts=key) for key, seen in settled.real.items()]
        if names:
            self._found.append((table, names))
            self.report.differences += names
        if done.more and names:
            self.report.more.append(f"{table.name} ({done.more} buckets of keys)")
        elif done.more:
            self.report.unproven.append(f"{table.name} ({done.more} buckets of keys were not read)")
        if settled.unproven:
            shown = "; ".join(", ".join(key) for key in settled.unproven[:3])
            self.report.unproven.append(f"{table.name} ({shown}: {settled.why})")

    def explain(self) -> None:
        """Names the columns of the first differences and writes the repair, when it was asked for."""
        left = self._wanted.max_report
        told: list[Difference] = []
        for number, (table, differences) in enumerate(self._found):
            chosen = differences if self._wanted.repair is not None else differences[:left]
            explained_ones = explained(table, chosen, self._ours, self._theirs, show_values=self._wanted.show_values)
            left = max(0, left - len(differences))
            whole = [*explained_ones, *differences[len(chosen) :]]
            self._found[number] = (table, whole)
            told += whole
        self.report.differences = told
        if self._wanted.repair is not None:
            complete = not (self.report.more or self.report.unproven) and self._scope.percent >= 100
            write_repair(self._wanted.repair, self._found, self._ours, self._theirs, complete=complete)

    def _read(self, table: Table) -> Done:
        """Both sides' buckets, slice by slice, then the keys that differ; each side within one snapshot."""
        ours, theirs = self._snapshots
        begun = self._begun(table)
        for snapshot, parts in zip(self._snapshots, begun.parts, strict=True):
            snapshot.begin(joined=len(parts) > 1)
        try:
            if not begun.horizon:
                begun.horizon = str(ours.first.value(HORIZON))
                self.checkpoint.begin(table.name, begun)
            buckets = Buckets(**begun.buckets)
            tallies = self._tally(table, buckets, begun)
            bad = set(tallies[0].differing(tallies[1]))
            if begun.slices:
                bad |= self._touched(table, buckets, begun.horizon)
            suspects = suspects_in(table, buckets, sorted(bad), ours, theirs, self._scope, self._wanted.most_suspects)
            return Done(tallies[0].rows, suspects.keys, suspects.more, begun.horizon)
        finally:
            for snapshot in self._snapshots:
                snapshot.end()

    def _begun(self, table: Table) -> Begun:
        """What an interrupted comparison has read of this table; a new plan when a file of it is another one now."""
        sides = [snapshot.first for snapshot in self._snapshots]
        plans = [slices(session, table, self._wanted.slice_pages) for session in sides]
        files = [identity for _, identity in plans]
        known = self.checkpoint.begun.get(table.name)
        if known is not None and known.files == files:
            return known  # with its own slices: a file that has grown must not be cut in another way
        return Begun("", buckets_for(table, *sides).saved(), files, [parts for parts, _ in plans])

    def _tally(self, table: Table, buckets: Buckets, begun: Begun) -> list[Tally]:
        tallies = [Tally(buckets.size, adds=table.adds) for _ in begun.parts]
        pending = {}
        for snapshot, tally, found in zip(self._snapshots, tallies, begun.parts, strict=True):
            side = snapshot.first.side
            for part in found:
                read = begun.slices.get((side, part.leaf, part.low))
                if read is None:
                    pending[snapshot.tally(table, buckets, part, self._scope)] = (side, tally, part)
                else:
                    tally.add(read)
                    self._progress.skipped += part.bytes
                    self._went_on(part, sum(row[1] for row in read) if tally is tallies[0] else 0)
        for future in as_completed(pending):
            side, tally, part = pending.pop(future)
            rows = future.result()
            tally.add(rows)
            self.checkpoint.slice_read(table.name, side, part.leaf, part.low, rows)
            self._went_on(part, sum(row[1] for row in rows) if tally is tallies[0] else 0)
        return tallies

    def _touched(self, table: Table, buckets: Buckets, horizon: str) -> set[int]:
        """The buckets of the rows that were written since the interrupted comparison began this table.

        Its slices are of another moment than ours: a row that was written meanwhile may have moved from a slice that is
        read to one that was read, and be seen in neither. Every other row lay where it lies now.
        """
        session = self._snapshots[0].first
        return {
            bucket
            for (bucket,) in session.rows(
                f"SELECT DISTINCT {buckets.sql(table, session)} FROM {table.at(session).rows} "
                f"WHERE age(xmin) <= age('{int(horizon) % 2**32}'::xid)",
                timeout=SLICE_TIMEOUT,
            )
        }

    def _went_on(self, part: Slice, rows: int) -> None:
        self._progress.bytes_read += part.bytes
        self._progress.rows += rows
        self._listen(self._progress)

    def _size(self, session: Session) -> int:
        leaves = [oid for table in self.tables for _, oid in table.at(session).leaves]
        return int(
            session.value("SELECT coalesce(sum(pg_relation_size(oid)), 0) FROM pg_class WHERE oid = ANY(%s)", [leaves])
        )

    def _identity(self, row_hash: RowHash) -> dict[str, Any]:
        """What must be the same when it is gone on with: servers, tables with their hashes, and what was asked for."""
        shape = {
            table.name: [[session.side, table.at(session).hash, table.at(session).leaves] for session in (self._ours, self._theirs)]
            for table in self.tables
        }  # fmt: skip
        return {
            "seed": row_hash.seed,
            "hashing": row_hash.form.value,
            "systems": [list(session.rows(SYSTEM)[0]) for session in (self._ours, self._theirs)],
            "tables": _digest(shape),
            "sample": self._wanted.sample,
        }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
