"""The rows that changed since the last full validation: compared just before the fence, and its last moments inside it."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.postgres.buckets import Buckets, buckets_for
from cutover.postgres.change_feed import DECODE_TIMEOUT, Changed, ChangeFeed, NoFeed
from cutover.postgres.comparable import PARAM, Table, same_tables, with_params
from cutover.postgres.session import Session
from cutover.postgres.snapshot import HORIZON
from cutover.postgres.suspects import ABSENT, Key, Settled, entries, recheck
from cutover.postgres.whole_tables import by_value, on_both, whole

TOUCHED_LIMIT = 100_000
CATCH_UP = 30.0
BEFORE = 300.0  # seconds for one question before the fence; inside it the sessions' own patience counts
LAST_MOMENTS = (
    500  # keys; more than this are compared before the fence, again and again, as long as that makes them fewer
)
DRAINS = 5
LARGE = 64_000_000  # bytes of a table that may be hashed whole while writes wait; about a quarter of a second
SEARCHED = 10  # times as much may be searched for some values, which hashes little of it


class ChangedRowsDiffer(CutoverError):
    """Rows that changed since the validation differ; nothing was fenced."""


@dataclass(frozen=True)
class Changes:
    """What is to be compared inside the fence; `baseline` is None without a validation, `coverage` says what was covered."""

    baseline: str | None
    tables: tuple[Table, ...]
    feed: ChangeFeed | None = field(default=None, repr=False, compare=False)
    pending: Changed = field(default_factory=Changed, repr=False, compare=False)
    coverage: str = "nothing: there is no validation to compare from"
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of each table; one that is `large` is not read with writes waiting, where no key says which rows."""
    large: int = LARGE

    unread: set[str] = field(default_factory=set, compare=False)
    """Tables that changed in the last moments and were too large to be read."""

    @property
    def covered(self) -> str:
        """What was compared, and what was not."""
        unread = f"; too large to be read with writes waiting: {', '.join(sorted(self.unread))}" if self.unread else ""
        return self.coverage + unread

    def reads(self, table: Table, times: int = 1) -> bool:
        """Whether a table may be read while writes wait; one that may not is noted as `unread`."""
        fits = self.sizes.get(table.name, 0) <= self.large * times
        if not fits:
            self.unread.add(table.name)
        return fits

    @classmethod
    def since_baseline(cls, source: Session, target: Session, deadline: Deadline, *, large: int = LARGE) -> "Changes":
        """Compares what changed since the baseline while writes go on, and follows the changes from here on.

        Raises SchemasDiffer when the sides cannot be compared, ChangedRowsDiffer when they differ and Unreachable when
        the deadline ends a question. Moves the baseline up to where this comparison began, unless rows never stood still:
        those are compared inside the fence.
        """
        baseline = source.value("SELECT horizon::text FROM cutover.baseline")
        if baseline is None:
            return cls(None, ())
        tables = same_tables(source, target)
        try:
            feed: ChangeFeed | None = ChangeFeed(source, tables)
            followed = "the keys changed since were decoded from a replication slot"
        except NoFeed as error:
            # Without a slot every table has to be read once more, with writes waiting.
            feed, followed = None, f"inside the fence every table was read once more ({error.message})"
        horizon = str(source.value(HORIZON))
        pending = Changed()
        compared = sum(_incremental(source, target, table, str(baseline), pending, deadline) for table in tables)
        if not pending.keys and not pending.whole:
            source.run("UPDATE cutover.baseline SET horizon = %s::xid8, at = now()", [horizon])
        if feed is not None:
            _drain(source, target, tables, feed, pending, deadline)
        sizes = {table.name: _bytes(source, table) for table in tables}
        return cls(
            horizon,
            tuple(tables),
            feed,
            pending,
            f"{compared} rows changed since the validation and the row counts of {len(tables)} tables were compared "
            f"before the fence; {followed}",
            sizes,
            large,
        )

    def close(self) -> None:
        """Drops the slot; without this call it goes with the source's session."""
        if self.feed is not None:
            self.feed.close()


def compare_changed(source: Session, target: Session, changes: Changes) -> list[str]:
    """What differs among the rows changed since the source's baseline; empty when nothing does, or without a baseline.

    Both sides must stand still. Covered: every insert, update, delete and truncation since `changes` was made, but of a
    `large` table those alone whose keys are known; without a feed every row written since then, and the row count of each
    table.
    """
    if changes.baseline is None:
        return []
    changed = changes.pending
    scanned: list[str] = []
    if changes.feed is not None:
        changed.add(changes.feed.read(source.patience))
    else:
        scanned = [told for table in changes.tables for told in _scanned(source, target, table, changes.baseline)]
    keyed = {name: sorted(keys) for name, keys in changed.keys.items() if keys and name not in changed.whole}

    def hashes(session: Session) -> dict[str, dict[Key, str | None]]:
        found = {}
        for table in changes.tables:
            if keys := keyed.get(table.name):
                looked_up = entries(session, table, keys, timeout=session.patience)
                found[table.name] = {key: entry.hash for key, entry in looked_up.items()}
        return found

    ours, theirs = on_both(hashes, source, target)
    differing: list[str] = []
    for table in changes.tables:
        if table.name in changed.whole:
            if changes.reads(table):
                differing += whole(source, target, table)
        elif columns := changed.values.get(table.name):
            name, values = max(columns.items(), key=lambda column: len(column[1]))
            if len(values) > TOUCHED_LIMIT and changes.reads(table):
                differing += whole(source, target, table)
            elif len(values) <= TOUCHED_LIMIT and changes.reads(table, times=SEARCHED):
                differing += by_value(source, target, table, name, values)
        elif keys := keyed.get(table.name):
            a, b = ours[table.name], theirs[table.name]
            differing += _named(table, (key for key in keys if a.get(key) != b.get(key)))
    return [*scanned, *differing]


def _drain(
    source: Session, target: Session, tables: Iterable[Table], feed: ChangeFeed, pending: Changed, deadline: Deadline
) -> None:
    """Compares what is written meanwhile until little is left; what is still to be compared becomes `pending`."""
    for _ in range(DRAINS):
        feed.advance()
        found = feed.read(_left(deadline, DECODE_TIMEOUT))
        pending.add(Changed(values=found.values, whole=found.whole))
        for table in tables:
            keys = sorted(found.keys.get(table.name, ()))
            _refuse_real(table, recheck(table, keys, source, target, source, CATCH_UP, deadline), pending)
        if found.count <= LAST_MOMENTS or deadline.expired:
            break
    feed.advance()
    pending.add(feed.read(_left(deadline, DECODE_TIMEOUT)))


def _incremental(
    source: Session, target: Session, table: Table, baseline: str, pending: Changed, deadline: Deadline
) -> int:
    """Compares the rows written since the baseline, and the number of rows per bucket; returns how many rows those are."""
    buckets = buckets_for(table, source, target)
    touched = _touched(source, table, baseline, deadline)
    if len(touched) > TOUCHED_LIMIT:
        raise ChangedRowsDiffer(
            f"{table.name}: more than {TOUCHED_LIMIT} rows changed since the validation",
            next_command='invoke validate --env "$CUTOVER_ENV" --record, then again',
        )
    # A delete that was lost shows in the number of rows alone.
    counts = on_both(partial(_counts, table=table, buckets=buckets, deadline=deadline), source, target)
    bad = [bucket for bucket in counts[0].keys() | counts[1].keys() if counts[0].get(bucket) != counts[1].get(bucket)]
    keys = sorted(
        {*touched, *_keys_in(source, table, buckets, bad, deadline), *_keys_in(target, table, buckets, bad, deadline)}
    )
    _refuse_real(table, recheck(table, keys, source, target, source, CATCH_UP, deadline), pending)
    return len(touched)


def _refuse_real(table: Table, settled: Settled, pending: Changed) -> None:
    if settled.real:
        told = _named(table, sorted(settled.real))
        raise ChangedRowsDiffer("rows changed since the last validation differ: " + "; ".join(told[:5]))
    if settled.unproven and not table.key:
        pending.whole.add(table.name)
    elif settled.unproven:  # they are compared once more when nothing is written any longer
        pending.keys.setdefault(table.name, set()).update(settled.unproven)


def _named(table: Table, keys: Iterable[Key]) -> list[str]:
    return [f"{table.name} {', '.join(key)}" if table.key else f"{table.name}: a row without key" for key in keys]


def _key_texts(session: Session, table: Table) -> str:
    return (
        ", ".join(f"{column.quoted}::text" for column in table.key_at(session)) or f"({table.at(session).hash})::text"
    )


def _since(baseline: str) -> str:
    # age() counts back from the present; older rows, and frozen ones, were there when the baseline was taken
    return f"age(xmin) <= age('{int(baseline) % 2**32}'::xid)"


def _left(deadline: Deadline, longest: float = BEFORE) -> float:
    return max(0.1, deadline.within(longest).remaining())


def _touched(session: Session, table: Table, baseline: str, deadline: Deadline) -> list[Key]:
    """The keys of the rows written since the baseline; their hashes where the table has no key."""
    sql = (
        f"SELECT {_key_texts(session, table)} FROM {table.at(session).rows} WHERE {_since(baseline)} "
        f"LIMIT {TOUCHED_LIMIT + 1}"
    )
    return [tuple(row) for row in session.rows(sql, timeout=_left(deadline))]


def _counts(session: Session, table: Table, buckets: Buckets, deadline: Deadline) -> Mapping[int, int]:
    sql = f"SELECT {buckets.sql(table, session)}, count(*) FROM {table.at(session).rows} GROUP BY 1"
    return dict(session.rows(sql, timeout=_left(deadline)))


def _keys_in(session: Session, table: Table, buckets: Buckets, bad: list[int], deadline: Deadline) -> list[Key]:
    if not bad:
        return []
    sql = (
        f"SELECT DISTINCT {_key_texts(session, table)} FROM {table.at(session).rows} "
        f"WHERE {buckets.sql(table, session)} = ANY({PARAM}::bigint[])"
    )
    return [tuple(row) for row in session.rows(with_params(sql), [bad], timeout=_left(deadline))]


def _bytes(session: Session, table: Table) -> int:
    leaves = [oid for _, oid in table.at(session).leaves]
    asked = "SELECT coalesce(sum(pg_relation_size(oid)), 0)::bigint FROM unnest(%s::oid[]) oid"
    return int(session.value(asked, [leaves]))


def _scanned(source: Session, target: Session, table: Table, baseline: str) -> list[str]:
    """Without a feed: the rows written since the baseline and the row counts, each side in one scan."""
    touched = (
        f"SELECT count(*), array_agg(ARRAY[{_key_texts(source, table)}]) FILTER (WHERE {_since(baseline)}) "
        f"FROM {table.at(source).rows}"
    )
    with ThreadPoolExecutor(2) as pool:
        ours = pool.submit(source.rows, touched)
        theirs = pool.submit(target.value, f"SELECT count(*) FROM {table.at(target).rows}")
        (count, rows), other = ours.result()[0], theirs.result()
    keys: list[Key] = [tuple(row) for row in rows or ()]
    if len(keys) > TOUCHED_LIMIT:
        return [f"{table.name}: {len(keys)} rows changed since the validation; validate again first"]
    told = []
    if count != other:
        told.append(f"{table.name}: {count} rows on {source.label}, {other} on {target.label}")
    a, b = (entries(session, table, keys, timeout=session.patience) for session in (source, target))
    return told + _named(table, (key for key in keys if a.get(key, ABSENT).hash != b.get(key, ABSENT).hash))
