"""What exactly differs in a row: the columns, both values as far as the policy lets them be seen, and SQL that mends it."""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover.postgres.comparable import PARAM, Column, Table, with_params
from cutover.postgres.session import Session
from cutover.postgres.suspects import Key, join_on_key

SHOWN = 200  # characters of a value
KEYS_AT_ONCE = 500
REPAIR_TIMEOUT = 600.0

REPAIR_BEGIN = """-- Brings {side} to what {source} had when it was compared. Nothing has been executed.
-- Read it, run it on {side} while nobody writes these rows, then: invoke validate
-- It holds values of the database: keep it as safe as the database.
BEGIN;
SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO,YMD'; SET LOCAL intervalstyle = 'postgres';
SET LOCAL standard_conforming_strings = on; SET LOCAL client_encoding = 'UTF8'; SET LOCAL search_path = pg_catalog;
SET LOCAL transaction_read_only = off;
SET LOCAL session_replication_role = replica;  -- past the fence and without the triggers' second effects
-- With an origin of its own the change is not sent back to {source}, where an inserted row would stop replication.
SELECT pg_replication_origin_create('cutover_repair') WHERE pg_replication_origin_oid('cutover_repair') IS NULL;
SELECT pg_replication_origin_session_setup('cutover_repair');
"""
REPAIR_END = """COMMIT;
SELECT pg_replication_origin_session_reset();
"""


@dataclass(frozen=True)
class ColumnDifference:
    """One column's value on both sides, as text that the policy lets be seen."""

    column: str
    source: str
    target: str


@dataclass(frozen=True)
class Difference:
    """One key whose rows differ; `seen` is `missing`, `extra` or `different` as seen from the source."""

    table: str
    key: str
    seen: str
    columns: tuple[ColumnDifference, ...] = ()
    parts: Key = field(default=(), repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.table} ({self.key}): {self.seen}"


def explained(
    table: Table, differences: Sequence[Difference], ours: Session, theirs: Session, *, show_values: bool
) -> list[Difference]:
    """The differences with the columns that differ; values never leave the server unless `show_values`."""
    if not table.key:
        return list(differences)
    keys = [difference.parts for difference in differences if difference.seen == "different"]
    salt = secrets.token_hex(16)  # without it a short value could be found by trying all
    left, right = (_columns(session, table, keys, show_values, salt) for session in (ours, theirs))
    found: list[Difference] = []
    for difference in differences:
        a, b = left.get(difference.parts), right.get(difference.parts)
        columns: list[ColumnDifference] = []
        if a is not None and b is not None:
            columns = [ColumnDifference(name, a[name][1], b[name][1]) for name in a if a[name][0] != b[name][0]]
        found.append(Difference(difference.table, difference.key, difference.seen, tuple(columns), difference.parts))
    return found


def _columns(
    session: Session, table: Table, keys: Sequence[Key], show_values: bool, salt: str
) -> dict[Key, dict[str, tuple[Any, str]]]:
    """For each key and column: (what it is compared by, what is shown of it)."""
    columns = table.at(session).columns
    asked = [part for column in columns for part in (_compared(column), _shown(column, show_values, salt))]
    found: dict[Key, dict[str, tuple[Any, str]]] = {}
    for start in range(0, len(keys), KEYS_AT_ONCE):
        part = keys[start : start + KEYS_AT_ONCE]
        sql = f"SELECT {', '.join(['cutover_n', *asked])} FROM {join_on_key(session, table)}"
        for number, *values in session.rows(
            with_params(sql), [[key[i] for key in part] for i in range(len(table.key))], timeout=REPAIR_TIMEOUT
        ):
            found[part[number - 1]] = {
                column.name: (values[2 * i], values[2 * i + 1]) for i, column in enumerate(columns)
            }
    return found


def _compared(column: Column) -> str:
    return f"sha256(convert_to({column.text}, 'UTF8'))"


def _shown(column: Column, show_values: bool, salt: str) -> str:
    text = column.text
    if show_values:
        cut = f"left({text}, {SHOWN}) || CASE WHEN length({text}) > {SHOWN} THEN '…' ELSE '' END"
        return f"coalesce({cut}, 'null')"
    declared = column.declared.replace("'", "''")
    digest = f"left(encode(sha256(convert_to('{salt}' || {text}, 'UTF8')), 'hex'), 8)"
    return f"coalesce('{declared}, ' || length({text}) || ' characters, ' || {digest}, 'null')"


def write_repair(
    path: Path, found: Sequence[tuple[Table, Sequence[Difference]]], ours: Session, theirs: Session, *, complete: bool
) -> int:
    """Writes statements that would make the target's rows the source's; returns how many. Only the owner can read the file."""
    count = 0
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(handle, 0o600)  # also where the file was there already
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(REPAIR_BEGIN.format(side=theirs.side, source=ours.side))
        if not complete:
            file.write("-- NOT COMPLETE: more rows differ than are listed here.\n")
        for table, differences in found:
            for statement in _statements(table, differences, ours, theirs):
                file.write(statement + "\n")
                count += 1
        file.write(REPAIR_END)
    return count


def _statements(table: Table, differences: Sequence[Difference], ours: Session, theirs: Session) -> list[str]:
    if not table.key:
        return _without_key(table, [d.parts[0] for d in differences], ours, theirs)
    there = table.at(theirs).rows
    literals = _literals(ours, theirs, table, [d.parts for d in differences if d.seen != "extra"])
    statements = []
    # Deletes first: what is extra may stand in the way of what is missing.
    for difference in sorted(differences, key=lambda d: ("extra", "different", "missing").index(d.seen)):
        where = " AND ".join(
            f"{column.quoted} = {_quoted(value)}::{column.declared}"
            for column, value in zip(table.key_at(theirs), difference.parts, strict=True)
        )
        values = literals.get(difference.parts)
        if difference.seen == "extra":
            statements.append(f"DELETE FROM {there} WHERE {where};")
        elif values is None:
            statements.append(f"-- {difference}: the row is gone from {ours.label} by now")
        elif difference.seen == "missing":
            names = ", ".join(values)
            into = there.removeprefix("ONLY ")
            statements.append(
                f"INSERT INTO {into} ({names}) OVERRIDING SYSTEM VALUE VALUES ({', '.join(values.values())});"
            )
        else:
            changed = {column.column for column in difference.columns}
            quoted = {c.quoted for c in table.at(theirs).columns if not difference.columns or c.name in changed}
            sets = ", ".join(f"{name} = {value}" for name, value in values.items() if name in quoted)
            statements.append(f"UPDATE {there} SET {sets} WHERE {where};")
    return statements


def _without_key(table: Table, hashes: Sequence[str], ours: Session, theirs: Session) -> list[str]:
    """Rows are told apart by their hash alone: so many of each are inserted or deleted that both sides have the same number."""
    heap = table.at(theirs)
    generated = {column.name for column in heap.columns if column.generated}
    columns = [column for column in table.at(ours).columns if column.name not in generated]
    here, there = _counted(table, hashes, ours, columns), _counted(table, hashes, theirs, ())
    into, names = heap.rows.removeprefix("ONLY "), ", ".join(column.quoted for column in columns)
    statements = [f"-- {table.name} has no key: run this once; a second time it would insert the same rows again."]
    for key in hashes:
        number, *literals = here.get(key, (0,))
        more = number - there.get(key, (0,))[0]
        if more > 0:
            values = ", ".join(f"{value}::{column.declared}" for value, column in zip(literals, columns, strict=True))
            times = f" FROM generate_series(1, {more})" if more > 1 else ""
            statements.append(f"INSERT INTO {into} ({names}) OVERRIDING SYSTEM VALUE SELECT {values}{times};")
        elif more < 0:
            found = f"SELECT ctid FROM {heap.rows} WHERE ({heap.hash})::text = '{key}' LIMIT {-more}"
            statements.append(f"DELETE FROM {heap.rows} WHERE ctid = ANY(ARRAY({found}));")
        else:
            statements.append(f"-- {table.name} ({key}): the same on both sides by now")
    return statements


def _counted(
    table: Table, hashes: Sequence[str], session: Session, columns: Sequence[Column]
) -> dict[str, tuple[Any, ...]]:
    """For each hash how many such rows there are, and the columns of one of them as SQL literals."""
    heap = table.at(session)
    number = f"count(*) OVER (PARTITION BY {heap.hash})"
    asked = ", ".join([f"({heap.hash})::text", number, *(f"quote_nullable({column.text})" for column in columns)])
    sql = f"SELECT DISTINCT ON (1) {asked} FROM {heap.rows} WHERE ({heap.hash})::text = ANY({PARAM}::text[])"
    found = session.rows(with_params(sql), [list(hashes)], timeout=REPAIR_TIMEOUT)
    return {key: (number, *values) for key, number, *values in found}


def _literals(session: Session, theirs: Session, table: Table, keys: Sequence[Key]) -> dict[Key, dict[str, str]]:
    """For each key the source's values as SQL literals, without the columns that the target generates."""
    generated = {column.name for column in table.at(theirs).columns if column.generated}
    columns = [column for column in table.at(session).columns if column.name not in generated]
    asked = [f"quote_nullable({column.text})" for column in columns]
    found: dict[Key, dict[str, str]] = {}
    for start in range(0, len(keys), KEYS_AT_ONCE):
        part = keys[start : start + KEYS_AT_ONCE]
        sql = f"SELECT {', '.join(['cutover_n', *asked])} FROM {join_on_key(session, table)}"
        for number, *values in session.rows(
            with_params(sql), [[key[i] for key in part] for i in range(len(table.key))], timeout=REPAIR_TIMEOUT
        ):
            found[part[number - 1]] = {
                column.quoted: f"{value}::{column.declared}" for column, value in zip(columns, values, strict=True)
            }
    return found


def _quoted(value: str) -> str:
    escaped = value.replace("'", "''")
    return f"E'{escaped}'".replace("\\", "\\\\") if "\\" in value else f"'{escaped}'"
