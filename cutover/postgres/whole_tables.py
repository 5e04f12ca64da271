"""Tables that no key divides, compared in one read of each side, both sides at once."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from cutover.core.clock import Deadline
from cutover.postgres import marker
from cutover.postgres.comparable import PARAM, Table, with_params
from cutover.postgres.session import Session
from cutover.postgres.suspects import SHORTEST, Entry, Key, Settled, recheck

T = TypeVar("T")


def by_value(source: Session, target: Session, table: Table, name: str, values: Collection[str | None]) -> list[str]:
    """Compares the rows of a table without key that have one of the changed rows' values in the column `name`."""

    def counts(session: Session) -> dict[Key, str | None]:
        found = having(session, table, name, values, timeout=session.patience)
        return {key: entry.hash for key, entry in found.items()}

    ours, theirs = on_both(counts, source, target)
    return [] if ours == theirs else [f"{table.name}: a row without key"]


def recheck_values(
    table: Table,
    name: str,
    values: Collection[str | None],
    source: Session,
    target: Session,
    catch_up: float,
    deadline: Deadline,
) -> Settled:
    """The same while writes go on: what is in flight settles, as in `recheck`."""

    def ask(session: Session, keys: Sequence[Key], timeout: float) -> Mapping[Key, Entry]:
        return having(session, table, name, values, timeout=timeout)

    # Behind all that changed: a row that came and went would otherwise be looked for where it has not come yet.
    try:
        marker.await_marker(target, marker.write_marker(source), deadline.within(catch_up))
    except marker.NotCaughtUp as error:
        return Settled(why=error.message, caught_up=False)
    ours, theirs = on_both(partial(ask, keys=(), timeout=max(deadline.remaining(), SHORTEST)), source, target)
    return recheck(table, sorted(ours.keys() | theirs.keys()), source, target, source, catch_up, deadline, ask)


def having(
    session: Session, table: Table, name: str, values: Collection[str | None], *, timeout: float
) -> dict[Key, Entry]:
    """How often each row is there that has one of these values, by its hash.

    The table is read once, but only rows with such a value are hashed: that is what reading all of it would cost.
    """
    heap = table.at(session)
    column = next(column for column in heap.columns if column.name == name)
    null = f" OR {column.quoted} IS NULL" if None in values else ""
    sql = (
        f"SELECT ({heap.hash})::text, count(*)::text, sum(xmin::text::bigint)::text FROM {heap.rows} "
        # Not = ANY(array): a timestamp is read by a function that is not immutable, for every row anew.
        f"WHERE {column.quoted} IN (SELECT cutover_v::{column.declared} FROM unnest({PARAM}::text[]) AS u(cutover_v))"
        f"{null} GROUP BY 1"
    )
    known = [value for value in values if value is not None]
    found = session.rows(with_params(sql), [known], timeout=timeout)
    return {(value,): Entry(count, written) for value, count, written in found}


def whole(source: Session, target: Session, table: Table) -> list[str]:
    """Compares all of a table: one without a key that its rows could be found by, or one that was truncated."""
    sides = on_both(partial(_sum, table=table), source, target)
    if sides[0] == sides[1]:
        return []
    if sides[0][0] != sides[1][0]:
        return [f"{table.name}: {sides[0][0]} rows on {source.label}, {sides[1][0]} on {target.label}"]
    return [f"{table.name}: {'rows differ' if table.key else 'a row without key'}"]


def on_both(ask: Callable[[Session], T], source: Session, target: Session) -> tuple[T, T]:
    """Asks both sides at once."""
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(ask, target)
        return ask(source), theirs.result()


def _sum(session: Session, table: Table) -> tuple[Any, ...]:
    heap = table.at(session)
    sql = f"SELECT count(*), sum({heap.hash})::text FROM {heap.rows}"
    return session.rows(sql)[0]
