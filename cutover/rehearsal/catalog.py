"""The tables of a schema as its server tells of them: columns, what must be unique, what refers to what, what is checked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

Connection = psycopg.Connection[tuple[Any, ...]]

SKIPPED = ("pg_catalog", "information_schema", "pg_toast", "shop", "cutover")
"""Schemas that are the server's, the demo shop's, or ours."""

_TABLES = """
SELECT c.oid, n.nspname, c.relname, c.relkind = 'p',
       CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> ALL (%s) AND n.nspname NOT LIKE 'pg_%%'
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
 ORDER BY n.nspname, c.relname"""
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull OR (t.typtype = 'd' AND t.typnotnull),
       a.attidentity <> '' OR a.attgenerated <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%%', false),
       t.oid, a.attnum
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
_UNIQUE = """
SELECT i.indisprimary, array_agg(a.attname::text ORDER BY k.place)
  FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(attnum, place)
  JOIN pg_attribute a ON a.attnum = k.attnum
 WHERE i.indrelid = %s AND i.indisunique AND a.attrelid = i.indrelid AND i.indexprs IS NULL
 GROUP BY i.indexrelid, i.indisprimary ORDER BY i.indexrelid"""
_REFERENCES = """
SELECT c.conname, c.confrelid, c.condeferrable,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k(n, place)
              JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY k.place),
       ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k(n, place)
              JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY k.place)
  FROM pg_constraint c WHERE c.conrelid = %s AND c.contype = 'f' AND c.conparentid = 0 ORDER BY c.conname"""
_CHECKS = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s AND contype = 'c' ORDER BY conname"
_BOUNDS = """
SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = %s ORDER BY c.relname"""
_TYPE = """
SELECT t.typtype::text, t.typname::text, t.typcategory::text, t.typelem, t.typbasetype,
       format_type(t.typbasetype, t.typtypmod), coalesce(r.rngsubtype, 0),
       ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
       ARRAY(SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c')
  FROM pg_type t LEFT JOIN pg_range r ON r.rngtypid = t.oid WHERE t.oid = %s"""


@dataclass(frozen=True)
class Type:
    """A type: `kind` is b(ase), e(num), d(omain), r(ange), c(omposite); the others say what it is made of."""

    kind: str
    name: str
    category: str
    labels: tuple[str, ...] = ()
    inner: "Type | None" = None
    """Of a domain its base, of an array its elements', of a range its bounds'."""
    written: str = ""
    """A domain's base type with its length or precision."""
    checks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """One column; `made` by the server itself: an identity, a sequence, an expression."""

    name: str
    written: str
    not_null: bool
    made: bool
    type: Type


@dataclass(frozen=True)
class Reference:
    """A foreign key: these columns are those of another table (by its oid)."""

    name: str
    table: int
    deferrable: bool
    columns: tuple[str, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """One table that rows are put into; of a partitioned one the parent."""

    oid: int
    namespace: str
    name: str
    columns: tuple[Column, ...]
    unique: tuple[tuple[str, ...], ...]
    primary: tuple[str, ...]
    references: tuple[Reference, ...]
    checks: tuple[str, ...]
    partition_key: str = ""
    bounds: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.namespace}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.namespace, self.name)

    @property
    def key(self) -> tuple[str, ...]:
        """What tells its rows apart: the primary key, or unique columns that are never NULL."""
        never_null = (one for one in self.unique if all(self.column(name).not_null for name in one))
        return self.primary or next(never_null, ())

    def column(self, name: str) -> Column:
        return next(one for one in self.columns if one.name == name)


SHOPS = frozenset({("public", "webhooks"), ("public", "creators"), ("public", "Weird Name")})
"""The demo shop's tables outside of its own schema."""


@dataclass
class Catalog:
    """Reads tables and types from one server; a type is asked once."""

    connection: Connection
    spared: frozenset[tuple[str, str]] = SHOPS
    """Tables that are not looked at, by namespace and name."""
    _types: dict[int, Type] = field(default_factory=dict)

    def tables(self) -> list[Table]:
        """Every table of the database, but for those that are spared and an extension's; partitions are their parent's."""
        rows = self.connection.execute(_TABLES, [list(SKIPPED)]).fetchall()
        return [self._table(*row) for row in rows if (row[1], row[2]) not in self.spared]

    def _table(self, oid: int, namespace: str, name: str, parted: bool, key: str | None) -> Table:
        unique = [(bool(primary), tuple(columns)) for primary, columns in self._asked(_UNIQUE, oid)]
        return Table(
            oid,
            namespace,
            name,
            tuple(
                Column(str(n), str(written), bool(needed), bool(made), self._type(int(kind)))
                for n, written, needed, made, kind, _ in self._asked(_COLUMNS, oid)
            ),
            tuple(columns for _, columns in unique),
            next((columns for primary, columns in unique if primary), ()),
            tuple(
                Reference(str(n), int(to), bool(late), tuple(mine), tuple(theirs))
                for n, to, late, mine, theirs in self._asked(_REFERENCES, oid)
            ),
            tuple(str(check) for (check,) in self._asked(_CHECKS, oid)),
            key or "",
            tuple(str(bound) for (bound,) in self._asked(_BOUNDS, oid)) if parted else (),
        )

    def _type(self, oid: int) -> Type:
        if oid not in self._types:
            kind, name, category, element, base, written, bounds, labels, checks = self._asked(_TYPE, oid)[0]
            inner = element if category == "A" else base or bounds
            made = self._type(int(inner)) if inner else None
            self._types[oid] = Type(kind, name, category, tuple(labels), made, written or "", tuple(checks))
        return self._types[oid]

    def _asked(self, question: str, oid: int) -> Sequence[tuple[Any, ...]]:
        return self.connection.execute(question.encode(), [oid]).fetchall()
