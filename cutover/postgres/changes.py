"""The rows that changed since the recorded validation: compared while writes go on, and their last moments inside the fence."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.postgres.change_feed import DECODE_TIMEOUT, Changed, ChangeFeed, ComparedElsewhere, Piece, shown
from cutover.postgres.comparable import Table, same_tables
from cutover.postgres.session import Session
from cutover.postgres.suspects import Key, entries, recheck
from cutover.postgres.whole_tables import by_value, on_both, recheck_values, whole

PIECE = 20_000  # changes that are compared at a time
CATCH_UP = 30.0
LAST_MOMENTS = (
    500  # keys; more than this are compared before the fence, again and again, as long as that makes them fewer
)
DRAINS = 5
LARGE = 64_000_000  # bytes of a table that may be hashed whole while writes wait; about a quarter of a second
SEARCHED = 10  # times as much may be searched for some values, which hashes little of it
RECORDED = "SELECT row_count, tables, to_char(at, 'HH24:MI:SS TZ'), pending, compared, at::text FROM cutover.baseline"
KEEP = """UPDATE cutover.baseline SET pending = %s::jsonb, compared = %s
 WHERE at = %s::timestamptz AND pending = %s::jsonb AND compared = %s RETURNING 1"""
GRACE = 5.0  # seconds for what was begun before the deadline


class ChangedRowsDiffer(CutoverError):
    """Rows that changed since the validation differ; nothing was fenced."""


@dataclass(frozen=True)
class Left:
    """What is left to be compared: about so many rows, and `why` more could not be compared now, empty when all could."""

    rows: int
    why: str = ""


@dataclass
class Changes:
    """What has changed on the source since its recorded validation; the sessions are pinned ones, one on each side.

    What could not be settled while writes went on is kept beside the record, so that a dead process leaves nothing out.
    """

    source: Session
    target: Session
    tables: Sequence[Table]
    feed: ChangeFeed
    pending: Changed
    recorded: str
    """What the validation covered, in words."""
    record: tuple[str, str, int]
    """What the record holds: when it was made, and what was pending and compared when it was read or written by us."""
    compared: int
    """Changed rows that were compared since then, one that changed again counted again."""
    sizes: Mapping[str, int]
    """Bytes of each table; one that is `large` is not read with writes waiting, where no key says which rows."""
    large: int = LARGE
    inside: int = 0
    unread: set[str] = field(default_factory=set)
    """Tables that changed and were too large to be read inside the fence."""

    @classmethod
    def recorded_on(
        cls, source: Session, target: Session, decoder: Session | None = None, *, large: int = LARGE
    ) -> "Changes | None":
        """The changes since the validation that is recorded on the source, None without one.

        A `decoder`, another session on the source, keeps the others quick: decoding changes makes a session forget what it
        knew of the catalog.

        Raises NotFollowed when they are not known any more, SchemasDiffer when the sides cannot be compared.
        """
        found = source.rows(RECORDED)
        if not found:
            return None
        rows, covered, at, saved, compared, made = found[0]
        source.run("SET synchronous_commit = on")  # what is pending must be durable before the slot is moved past it
        tables, pending = same_tables(source, target), Changed.loaded(saved)
        # One that was made, or altered, since then: its rows came by other ways than those that are followed.
        pending.whole |= {name for name, shape in shapes(source, tables).items() if covered.get(name) != shape}
        pending.bound()
        return cls(
            source,
            target,
            tables,
            ChangeFeed(decoder or source, tables),
            pending,
            f"{rows} rows of {len(covered)} tables from {at} on",
            (made, json.dumps(saved), compared),
            compared,
            _bytes(source, tables),
            large,
        )

    @property
    def covered(self) -> str:
        """What was compared, and what was not."""
        unread = f"; too large to be read with writes waiting: {', '.join(sorted(self.unread))}" if self.unread else ""
        return (
            f"{self.recorded}, and what was written since then, decoded from a replication slot: "
            f"{self.compared} changed rows before the fence, {self.inside} inside it{unread}"
        )

    def settle(self, deadline: Deadline, patience: float | None = None) -> Left:
        """Compares what was written meanwhile until little is left; writes go on.

        After `deadline` nothing new is begun; a piece may take `patience` s to be decoded, because a large transaction is one
        piece. What is behind the slot's position was compared, or is `pending`. Raises ChangedRowsDiffer when rows differ,
        ComparedElsewhere when somebody else is at it, and Unreachable when a question is not answered in time.
        """
        before = None
        for number in range(DRAINS):
            self.feed.shorten()
            while True:
                piece = self.feed.piece(PIECE, patience or _left(deadline))
                count = piece.changed.count
                if why := self._compare(piece, deadline):
                    return Left(count, why)
                self.feed.advance(piece.end, patience or _left(deadline))
                if piece.last or deadline.expired:
                    break
            if not piece.last:
                return Left(count, f"{self.compared} changed rows were compared, and there are more")
            # Twice at least: a later read begins where the oldest transaction that was open at the last snapshot found the
            # one before, and decoding that far back would keep the writes waiting.
            few = count <= LAST_MOMENTS or (before is not None and count >= before)
            if deadline.expired or (few and number > 0):
                break
            # Not in the last pass: what is written while tables are searched would be left, and that is more.
            self._settle_values(deadline)
            before = count
        return Left(count)

    def too_large(self) -> list[str]:
        """The tables that the fence would have to leave out, as they changed in a way that tells no keys."""
        waiting = [table for table in self.tables if table.name in self.pending.whole | self.pending.values.keys()]
        return [table.name for table in waiting if not self._fits(table, self._times(table))]

    def compared_whole(self, tables: Iterable[str]) -> None:
        """These tables were compared by somebody else, after all that `settle` has read."""
        self.pending.forget(tables)
        self._keep(0)

    def differing(self) -> list[str]:
        """What differs among everything that is left, while both sides stand still; empty when nothing does.

        Covered is every insert, update, delete and truncation since the record; of a `large` table those alone whose keys
        are known.
        """
        changed = Changed()
        changed.add(self.pending)
        changed.add(self.feed.rest(self.source.patience))
        self.inside = changed.count
        keyed = {name: sorted(keys) for name, keys in changed.keys.items() if keys}

        def hashes(session: Session) -> dict[str, dict[Key, str | None]]:
            found = {}
            for table in self.tables:
                if keys := keyed.get(table.name):
                    looked_up = entries(session, table, keys, timeout=session.patience)
                    found[table.name] = {key: entry.hash for key, entry in looked_up.items()}
            return found

        ours, theirs = on_both(hashes, self.source, self.target)
        differing: list[str] = []
        for table in self.tables:
            if table.name in changed.whole:
                if self._reads(table):
                    differing += whole(self.source, self.target, table)
            elif columns := changed.values.get(table.name):
                if self._reads(table, SEARCHED):
                    differing += by_value(self.source, self.target, table, *_telling(columns))
            elif keys := keyed.get(table.name):
                a, b = ours[table.name], theirs[table.name]
                differing += _named(table, (key for key in keys if a.get(key) != b.get(key)))
        return differing

    def _compare(self, piece: Piece, deadline: Deadline) -> str:
        """Compares these keys and those that were left over; answers why they could not be settled, empty when they were."""
        changed, deadline = piece.changed, Deadline.after(_left(deadline))
        if not shown(self.source, piece.transactions, deadline):
            return f"what was written on {self.source.label} waits for its standbys"
        unsettled: dict[str, set[Key]] = {}
        for table in self.tables:
            keys = changed.keys.get(table.name, set()) | self.pending.keys.get(table.name, set())
            settled = recheck(table, sorted(keys), self.source, self.target, self.source, CATCH_UP, deadline)
            if settled.real:
                told = _named(table, sorted(settled.real))
                raise _differ("; ".join(told[:5]))
            if len(settled.unproven) > LAST_MOMENTS or not settled.caught_up:
                return f"{table.name}: {len(settled.unproven)} changed rows could not be compared ({settled.why})"
            if settled.unproven:  # they are compared once more when nothing is written any longer
                unsettled[table.name] = set(settled.unproven)
        self.pending.keys = unsettled
        self.pending.add(Changed(values=changed.values, whole=changed.whole))
        self._keep(changed.count)
        return ""

    def _settle_values(self, deadline: Deadline) -> None:
        """The rows that changed in tables without a key, where these are not too large to be searched."""
        for table in self.tables:
            columns = self.pending.values.get(table.name)
            if not columns or not self._fits(table, SEARCHED) or deadline.expired:
                continue
            name, values = _telling(columns)
            wait = Deadline.after(_left(deadline))
            settled = recheck_values(table, name, values, self.source, self.target, CATCH_UP, wait)
            if settled.real:
                raise _differ(f"{table.name}: a row without key")
            if settled.caught_up and not settled.unproven:
                self.pending.forget([table.name])
                self._keep(0)

    def _keep(self, compared: int) -> None:
        self.compared += compared
        made, pending, counted = self.record
        saved = json.dumps(self.pending.saved())
        # Before the slot moves: who dies in between reads the same once more. And against what we have read: a second one
        # who compares at the same time must not put out what the other has left for later.
        if not self.source.rows(KEEP, [saved, self.compared, made, pending, counted]):
            raise ComparedElsewhere(
                f"somebody else compares the changes of {self.source.label} at this moment, or has validated it anew",
                next_command="let it end, and try again",
            )
        self.record = made, saved, self.compared

    def _reads(self, table: Table, times: int = 1) -> bool:
        fits = self._fits(table, times)
        if not fits:
            self.unread.add(table.name)
        return fits

    def _fits(self, table: Table, times: int) -> bool:
        return self.sizes.get(table.name, 0) <= self.large * times

    def _times(self, table: Table) -> int:
        return 1 if table.name in self.pending.whole else SEARCHED


def _differ(told: str) -> ChangedRowsDiffer:
    return ChangedRowsDiffer(
        f"rows changed since the last validation differ: {told}",
        next_command='invoke validate --env "$CUTOVER_ENV": it names rows and columns',
    )


def _named(table: Table, keys: Iterable[Key]) -> list[str]:
    return [f"{table.name} {', '.join(key)}" if table.key else f"{table.name}: a row without key" for key in keys]


def _telling(columns: Mapping[str, set[str | None]]) -> tuple[str, set[str | None]]:
    """The column by which the fewest rows are found that did not change, and the values there."""
    return max(columns.items(), key=lambda column: len(column[1]))


def _left(deadline: Deadline) -> float:
    return max(GRACE, deadline.within(DECODE_TIMEOUT).remaining())


def shapes(session: Session, tables: Iterable[Table]) -> dict[str, list[Any]]:
    """What each table is made of: its leaves and columns; a table that is made again, or rewritten by DDL, has others."""
    return {
        table.name: [
            [oid for _, oid in table.at(session).leaves],
            [[column.name, column.declared] for column in table.at(session).columns],
        ]
        for table in tables
    }


def _bytes(session: Session, tables: Sequence[Table]) -> dict[str, int]:
    asked = "SELECT oid::bigint, pg_relation_size(oid) FROM unnest(%s::oid[]) oid"
    sizes = dict(session.rows(asked, [[oid for table in tables for _, oid in table.at(session).leaves]]))
    return {table.name: sum(sizes.get(oid) or 0 for _, oid in table.at(session).leaves) for table in tables}
