"""Which tables are compared with which: matched by name on both sides, partition trees by leaf or as a whole."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutover.core.errors import CutoverError
from cutover.postgres.rowhash import CannotCompare, Hashing, RowHash, form_of, hash_of_both
from cutover.postgres.session import Session

CATALOG_TIMEOUT = 60.0
OURS = """c.relpersistence = 'p' AND n.nspname <> 'information_schema' AND n.nspname <> 'cutover' AND n.nspname !~ '^pg_'"""
TABLES = f"""SELECT c.oid, format('%I.%I', n.nspname, c.relname), c.relkind = 'p', c.relispartition,
       coalesce(pg_get_expr(c.relpartbound, c.oid), ''),
       CASE WHEN c.relispartition OR c.relkind = 'p' THEN pg_partition_root(c.oid)::oid ELSE c.oid END
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND {OURS} ORDER BY 2"""
COLUMNS = f"""SELECT a.attrelid, a.attname::text, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.atttypmod,
       CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname::text ELSE '' END,
       coalesce(l.collisdeterministic, true), CASE WHEN l.oid IS NOT NULL THEN format('%I.%I', ln.nspname, l.collname) END,
       a.attgenerated::text <> '', a.attnotnull, t.typtype::text = 'b' AND t.typnamespace <> 'pg_catalog'::regnamespace
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_collation l ON l.oid = a.attcollation LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
 WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND {OURS} ORDER BY 1, a.attname COLLATE "C\""""
UNIQUE = f"""SELECT i.indrelid, ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(n, o)
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n WHERE k.o <= i.indnkeyatts ORDER BY k.o)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND c.relkind IN ('r', 'p') AND {OURS}
 ORDER BY i.indisprimary DESC, i.indisreplident DESC, i.indexrelid"""


PARAM = "\0"  # a parameter in SQL that is put together: names of tables and columns may hold a percent sign


def with_params(sql: str) -> str:
    """The SQL as it is asked with parameters."""
    return sql.replace("%", "%%").replace(PARAM, "%s")


class SchemasDiffer(CutoverError):
    """The sides do not have the same tables and columns, so their rows cannot be compared."""


@dataclass(frozen=True)
class Column:
    """One column of one side; `kind` is the built-in type's name, `foreign` an extension's own type."""

    name: str
    quoted: str
    declared: str
    typmod: int
    kind: str
    deterministic: bool
    collation: str | None
    generated: bool
    not_null: bool
    foreign: bool

    @property
    def form(self) -> str:
        return form_of(self.quoted, self.kind, self.typmod, self.deterministic)

    @property
    def text(self) -> str:
        """SQL of its value as text, blanks included."""
        if self.kind == "bpchar":
            return f"CASE WHEN {self.quoted} IS NULL THEN NULL ELSE format('%s', {self.quoted}) END"
        return f"{self.quoted}::text"


@dataclass(frozen=True)
class Heap:
    """Where a table's rows lie on one side: `rows` for FROM, and its leaves as (name, oid)."""

    rows: str
    leaves: tuple[tuple[str, int], ...]
    columns: tuple[Column, ...]
    hash: str
    key_hash: str


@dataclass(frozen=True)
class Table:
    """One table as it is compared: `key` names columns that are unique on both sides, empty when there are none."""

    name: str
    key: tuple[str, ...]
    sides: Mapping[str, Heap]
    adds: bool
    """Hashes are added up, not combined by xor: without a key an even number of duplicates would cancel out."""

    def at(self, session: Session) -> Heap:
        return self.sides[session.side]

    def key_at(self, session: Session) -> tuple[Column, ...]:
        """The key's columns on the session's side, in the key's order."""
        found = {column.name: column for column in self.at(session).columns}
        return tuple(found[name] for name in self.key)


@dataclass(frozen=True)
class _Found:
    """A table as one side's catalog has it; `leaves` are (name, oid, bound)."""

    name: str
    oid: int
    partitioned: bool
    leaves: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True)
class _Catalog:
    side: str
    roots: Mapping[str, _Found]
    columns: Mapping[int, tuple[Column, ...]]
    unique: Mapping[int, tuple[tuple[str, ...], ...]]


def same_tables(source: Session, target: Session, row_hash: RowHash | None = None) -> list[Table]:
    """The tables of both sides; raises SchemasDiffer naming what differs, CannotCompare on a standby.

    A partition tree is compared leaf by leaf where both sides have the same leaves, as a whole where they do not.
    """
    for session in (source, target):
        if session.value("SELECT pg_is_in_recovery()"):
            raise CannotCompare(f"{session.label} is a standby, which may lag: name the writer's address")
    row_hash = row_hash or hash_of_both(source, target)
    ours, theirs = _catalog(source), _catalog(target)
    odd = [f"{name} (missing on {theirs.side})" for name in ours.roots.keys() - theirs.roots.keys()]
    odd += [f"{name} (missing on {ours.side})" for name in theirs.roots.keys() - ours.roots.keys()]
    tables: list[Table] = []
    for name in sorted(ours.roots.keys() & theirs.roots.keys()):
        for a, b in _pairs(ours.roots[name], theirs.roots[name]):
            complaint = _columns_that_differ(ours.columns.get(a.oid, ()), theirs.columns.get(b.oid, ()))
            if complaint:
                odd.append(f"{a.name} ({complaint})")
            else:
                tables.append(_table(ours, theirs, a, b, row_hash))
    if odd:
        raise SchemasDiffer(f"tables that differ between {source.label} and {target.label}: {', '.join(sorted(odd))}")
    return tables


def only(tables: Sequence[Table], names: Sequence[str]) -> list[Table]:
    """The named tables, all without names; a partitioned table's name stands for its leaves. Raises SchemasDiffer."""
    if not names:
        return list(tables)
    wanted = [table for table in tables if table.name in names]
    if missing := set(names) - {table.name for table in wanted}:
        raise SchemasDiffer(f"no such table on both sides: {', '.join(sorted(missing))}")
    return wanted


def _pairs(ours: _Found, theirs: _Found) -> list[tuple[_Found, _Found]]:
    same = [(name, bound) for name, _, bound in ours.leaves] == [(name, bound) for name, _, bound in theirs.leaves]
    if not (ours.partitioned and theirs.partitioned and same):
        return [(ours, theirs)]
    return [
        (_Found(name, a, False, ((name, a, ""),)), _Found(name, b, False, ((name, b, ""),)))
        for (name, a, _), (_, b, _) in zip(ours.leaves, theirs.leaves, strict=True)
    ]


def _columns_that_differ(ours: Sequence[Column], theirs: Sequence[Column]) -> str:
    a, b = ({c.name: c.declared for c in columns} for columns in (ours, theirs))
    odd = [f"{name}: {a.get(name, 'missing')} / {b.get(name, 'missing')}" for name in sorted(a.keys() | b.keys())
           if a.get(name) != b.get(name)]  # fmt: skip
    return "; ".join(odd)


def _table(ours: _Catalog, theirs: _Catalog, a: _Found, b: _Found, row_hash: RowHash) -> Table:
    key = _common_key(ours.unique.get(a.oid, ()), theirs.unique.get(b.oid, ()))
    heaps = {side.side: _heap(side, found, key, row_hash) for side, found in ((ours, a), (theirs, b))}
    return Table(a.name, key, heaps, adds=not key or row_hash.form is Hashing.TEXT)


def _heap(side: _Catalog, found: _Found, key: tuple[str, ...], row_hash: RowHash) -> Heap:
    columns = side.columns.get(found.oid, ())
    forms = {column.name: column.form for column in columns}
    row = row_hash.of(list(forms.values()))
    return Heap(
        rows=found.name if found.partitioned else f"ONLY {found.name}",
        leaves=tuple((name, oid) for name, oid, _ in found.leaves),
        columns=columns,
        hash=row,
        key_hash=row_hash.of_key([forms[name] for name in key]) if key else row,
    )


def _common_key(ours: Sequence[tuple[str, ...]], theirs: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The first unique key of either side that is unique on the other side as well, alone or with columns more."""
    for key, others in [*((key, theirs) for key in ours), *((key, ours) for key in theirs)]:
        if any(set(other) <= set(key) for other in others):
            return key
    return ()


def _catalog(session: Session) -> _Catalog:
    columns: dict[int, list[Column]] = defaultdict(list)
    for oid, *rest in session.rows(COLUMNS, timeout=CATALOG_TIMEOUT):
        columns[oid].append(Column(*rest))
    unique: dict[int, list[tuple[str, ...]]] = defaultdict(list)
    for oid, names in session.rows(UNIQUE, timeout=CATALOG_TIMEOUT):
        if all(column.not_null for column in columns[oid] if column.name in names):
            unique[oid].append(tuple(names))
    return _Catalog(
        session.side,
        _roots(session),
        {oid: tuple(found) for oid, found in columns.items()},
        {oid: tuple(found) for oid, found in unique.items()},
    )


def _roots(session: Session) -> dict[str, _Found]:
    found = session.rows(TABLES, timeout=CATALOG_TIMEOUT)
    leaves: dict[int, list[tuple[str, int, str]]] = defaultdict(list)
    for oid, name, partitioned, _, bound, root in found:
        if not partitioned:
            leaves[root].append((name, oid, bound))
    return {
        name: _Found(name, oid, partitioned, tuple(leaves[oid]))
        for oid, name, partitioned, is_partition, _, _ in found
        if not is_partition
    }
