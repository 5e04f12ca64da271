"""Every table of a schema filled with generated rows, parents first; one that cannot be filled is named with the server's reason."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from cutover.rehearsal.catalog import SHOPS, Catalog, Column, Connection, Reference, Table
from cutover.rehearsal.limits import limits_of
from cutover.rehearsal.values import NULLS, NoValue, Values

BATCH = 200
TRIES = 6
"""So many times the wanted rows are tried: what is refused, or there already, is made anew."""
KEYS = 5000  # of a parent that are drawn from
SAMPLES = 20  # refused rows after which a table that took none counts as one that cannot be filled
LATER = 0.5  # how many of the rows get, once all is filled, what could only be NULL before

Row = dict[str, str | None]
Keys = list[tuple[Any, ...]]


@dataclass
class Filled:
    """What was filled: rows by table, why a table stayed empty, and the tables themselves with what makes rows of them."""

    counts: dict[str, int] = field(default_factory=dict)
    empty: dict[str, str] = field(default_factory=dict)
    makers: list["Maker"] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(self.counts.values())


@dataclass
class Maker:
    """Makes rows of one table; `parents` are the keys that its foreign keys may have, by their name."""

    table: Table
    values: Values
    parents: Mapping[str, Keys]
    later: frozenset[str]
    """Foreign keys to what is filled after this table: NULL for now."""
    number: int = 0

    @property
    def columns(self) -> list[Column]:
        return [one for one in self.table.columns if not one.made]

    def row(self) -> Row:
        """The next row; raises NoValue where a parent that must be there has no row, or a type is not known."""
        self.number += 1
        given: Row = {}
        for reference in self.table.references:
            self._refer(reference, given)
        return {
            one.name: given[one.name] if one.name in given else self.values.of(one, self.number) for one in self.columns
        }

    def _refer(self, reference: Reference, given: Row) -> None:
        free = all(not self.table.column(name).not_null for name in reference.columns if name not in given)
        keys = self.parents.get(reference.name, [])
        fixed = {at: given[name] for at, name in enumerate(reference.columns) if name in given}
        fitting = [key for key in keys if all(str(key[at]) == value for at, value in fixed.items())] if fixed else keys
        single = any(set(columns) <= set(reference.columns) for columns in self.table.unique)
        if not fitting or (free and not single and self.values.dice.random() < NULLS):
            if not free and not fitting:
                raise NoValue(f"{reference.name} refers to a table without a row that fits")
            given.update({name: None for name in reference.columns if name not in given})
            return
        key = fitting[(self.number - 1) % len(fitting)] if single else self.values.dice.choice(fitting)
        given.update({name: str(part) for name, part in zip(reference.columns, key, strict=True)})

    def statement(self, rows: int = 1) -> sql.Composed:
        """So many rows that are not there yet."""
        names = [one.name for one in self.columns]
        if not names:
            return sql.SQL("INSERT INTO {} DEFAULT VALUES").format(self.table.identifier)
        casts = [sql.SQL("CAST(%s AS {})").format(sql.SQL(one.written)) for one in self.columns]
        row = sql.SQL("({})").format(sql.SQL(", ").join(casts))
        return sql.SQL("INSERT INTO {} ({}) VALUES {} ON CONFLICT DO NOTHING").format(
            self.table.identifier, sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(", ").join([row] * rows)
        )


def filled(
    dsn: str, scale: int, seed: int, say: Callable[[str], None], spared: frozenset[tuple[str, str]] = SHOPS
) -> Filled:
    """Fills every table of the database, but for those that are spared, with `scale` rows; the same seed gives the same rows."""
    found = Filled()
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        tables = Catalog(connection, spared).tables()
        order = in_order(tables)
        at = {table.oid: place for place, table in enumerate(order)}
        for table in order:
            later = frozenset(one.name for one in table.references if at.get(one.table, -1) > at[table.oid])
            maker = Maker(table, _values(table, seed), _parents(connection, table, order, later), later)
            count, why = _fill(connection, maker, scale, order)
            found.counts[table.label] = count
            found.makers.append(maker)
            if not count:
                found.empty[table.label] = why
            connection.commit()
        _refer_late(connection, found.makers, order)
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM (ANALYZE)")
    say(
        f"{len(found.counts)} table{'s' * (len(found.counts) != 1)} with {found.rows:,} rows"
        + "".join(f"; {n} is empty: {w}" for n, w in found.empty.items())
    )
    return found


def in_order(tables: Sequence[Table]) -> list[Table]:
    """Parents before their children; where tables refer to each other, the one whose references may be NULL comes first."""
    left = {table.oid: table for table in tables}
    order: list[Table] = []
    while left:
        ready = [table for table in left.values() if not _waits(table, left, strict=True)]
        ready = ready or [table for table in left.values() if not _waits(table, left, strict=False)][:1]
        ready = ready or list(left.values())[:1]  # a circle of what must be: the server says so
        for table in ready:
            order.append(left.pop(table.oid))
    return order


def _waits(table: Table, left: Mapping[int, Table], *, strict: bool) -> bool:
    return any(
        one.table in left and one.table != table.oid
        for one in table.references
        if strict or any(table.column(name).not_null for name in one.columns)
    )


def _values(table: Table, seed: int) -> Values:
    alone = frozenset(columns[0] for columns in table.unique if len(columns) == 1)
    return Values(table, random.Random(f"{seed} {table.label}"), limits_of(table), alone)


def _parents(connection: Connection, table: Table, order: Sequence[Table], later: Iterable[str]) -> dict[str, Keys]:
    return {one.name: _keys(connection, one, order) for one in table.references if one.name not in later}


def _keys(connection: Connection, reference: Reference, order: Sequence[Table]) -> Keys:
    """The keys of the rows that are there; none for a table that is not of the schema."""
    names = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in reference.keys)
    plain = sql.SQL(", ").join(map(sql.Identifier, reference.keys))
    parent = next((table.identifier for table in order if table.oid == reference.table), None)
    if parent is None:
        return []
    question = sql.SQL("SELECT {} FROM {} ORDER BY {} LIMIT {}").format(names, parent, plain, sql.Literal(KEYS))
    return [row for row in connection.execute(question).fetchall() if None not in row]


def _fill(connection: Connection, maker: Maker, scale: int, order: Sequence[Table]) -> tuple[int, str]:
    """How many rows the table has then, and what the server said last where it has none."""
    own = [one for one in maker.table.references if one.table == maker.table.oid]
    count, tried, why = 0, 0, ""
    while count < scale and tried < TRIES * scale + SAMPLES:
        # The first rows of a table that refers to itself are roots, which the next ones may refer to.
        size = min(BATCH if count or not own else max(1, scale // 10), scale - count)
        try:
            rows = [maker.row() for _ in range(size)]
        except NoValue as error:
            return count, str(error)
        tried += size
        made, said = _inserted(connection, maker, rows)
        count, why = count + made, said or why
        if not count and tried >= SAMPLES:
            break
        if own and made:
            maker.parents = {**maker.parents, **{one.name: _keys(connection, one, order) for one in own}}
    return count, why or ("" if count else "no row was taken: each is one that is there already")


def _inserted(connection: Connection, maker: Maker, rows: Sequence[Row]) -> tuple[int, str]:
    """How many of the rows were taken, at once if all can be; else one by one, with the last reason of the server."""
    why, groups = "", [rows] if maker.columns else []
    groups += [[row] for row in rows]
    count = 0
    for group in groups:
        try:
            with connection.transaction():
                values = [value for row in group for value in row.values()]
                count += max(0, connection.execute(maker.statement(len(group)), values).rowcount)
        except psycopg.Error as error:
            why = _reason(error)
        else:
            if group is rows:
                break
    return count, why


def _reason(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip()


def _refer_late(connection: Connection, makers: Sequence[Maker], order: Sequence[Table]) -> None:
    """References to what was filled later: half of the rows get one now."""
    for maker, reference in _late(makers):
        keys, table = _keys(connection, reference, order), maker.table
        if not keys or not table.primary:
            continue
        primary = sql.SQL(", ").join(map(sql.Identifier, table.primary))
        ids = connection.execute(
            sql.SQL("SELECT {0} FROM {1} ORDER BY {0}").format(primary, table.identifier)
        ).fetchall()
        wanted = sql.SQL(", ").join(
            sql.SQL("{} = CAST(%s AS {})").format(sql.Identifier(name), sql.SQL(table.column(name).written))
            for name in reference.columns
        )
        where = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in table.primary)
        update = sql.SQL("UPDATE {} SET {} WHERE {}").format(table.identifier, wanted, where)
        for row in ids:
            if maker.values.dice.random() < LATER:
                try:
                    with connection.transaction():
                        connection.execute(update, [*maker.values.dice.choice(keys), *row])
                except psycopg.Error:
                    continue  # it stays NULL, which is as good a row


def _late(makers: Sequence[Maker]) -> Iterator[tuple[Maker, Reference]]:
    for maker in makers:
        for reference in maker.table.references:
            if reference.name in maker.later:
                yield maker, reference
