"""A hash that sees whether two rows are identical, not merely equal in SQL's sense, the same on both majors.

`hash_record_extended` over raw columns is linear (values exchanged between two rows cancel out), operator-class hashes
hide -0.0, numeric scale and more, and enum hashes are OIDs; hence the form per type and the finalizer over text.
"""

from dataclasses import dataclass

from cutover.core.errors import CutoverError
from cutover.postgres.session import Session

# Anything that changes how a value becomes text or bytes is pinned on both sides.
PINNED = {
    "timezone": "UTC",
    "datestyle": "ISO,YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "xmlbinary": "base64",
    "lc_monetary": "C",
    "jit": "off",
    "enable_sort": "off",
    "synchronize_seqscans": "off",
    "row_security": "off",
    "work_mem": "64MB",
}
AS_IS = {"bool", "int2", "int4", "oid", "uuid", "bytea", "date"}
AS_BYTES = {"int8", "time", "timetz", "timestamp", "timestamptz", "float4", "float8"}
SEED = 8_417_203
CANARY = (
    "SELECT hashtextextended(hash_record_extended(ROW(1::int4, int8send(4294967296), 'a'::text, "
    "timestamptz_send('2026-01-02 03:04:05+00'), '1.50'::numeric::text), 1)::text, 2)"
)

TABLES = """SELECT format('%I.%I', n.nspname, c.relname), c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname <> 'information_schema' AND n.nspname <> 'cutover'
   AND n.nspname !~ '^pg_' ORDER BY 1"""
COLUMNS = """SELECT a.attname, quote_ident(a.attname), t.typname, format_type(a.atttypid, a.atttypmod), a.atttypmod,
       coalesce(l.collisdeterministic, true),
       coalesce(a.attnum = ANY (i.indkey), false)
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
  LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
 WHERE a.attrelid = %s::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname COLLATE "C\""""


class SchemasDiffer(CutoverError):
    """The sides do not have the same tables and columns, so their rows cannot be compared."""


@dataclass(frozen=True)
class HashedTable:
    """One table: `key` are its primary key's columns (quoted), empty when it has none; `hash` is SQL for a row's hash."""

    name: str
    key: tuple[str, ...]
    key_types: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    hash: str
    bucket: str


def hashed_tables(session: Session) -> list[HashedTable]:
    """Every ordinary table (leaves of partitioned ones) of the session's side, with the SQL that hashes a row."""
    return [_hashed(session, name, oid) for name, oid in session.rows(TABLES)]


def same_tables(source: Session, target: Session) -> list[HashedTable]:
    """The tables of both sides; raises SchemasDiffer naming what differs, or when the servers hash differently."""
    if source.value(CANARY) != target.value(CANARY):
        raise SchemasDiffer("the two servers hash the same constants differently; rows cannot be compared by hash")
    ours = {table.name: table for table in hashed_tables(source)}
    theirs = {table.name: table for table in hashed_tables(target)}
    odd = sorted(set(ours) ^ set(theirs)) + sorted(n for n in set(ours) & set(theirs) if ours[n] != theirs[n])
    if odd:
        raise SchemasDiffer(f"tables that differ between {source.side} and {target.side}: {', '.join(odd)}")
    return list(ours.values())


def _hashed(session: Session, name: str, oid: int) -> HashedTable:
    columns = session.rows(COLUMNS, [oid])
    forms = {
        raw: _form(quoted, kind, typmod, deterministic) for raw, quoted, kind, _, typmod, deterministic, _ in columns
    }
    key = [(quoted, forms[raw], declared) for raw, quoted, _, declared, _, _, in_key in columns if in_key]
    row_hash = _hash(list(forms.values()))
    return HashedTable(
        name=name,
        key=tuple(quoted for quoted, _, _ in key),
        key_types=tuple(declared for _, _, declared in key),
        columns=tuple((raw, declared) for raw, _, _, declared, _, _, _ in columns),
        hash=row_hash,
        bucket=f"({_hash([form for _, form, _ in key]) if key else row_hash} & 4095)",
    )


def _hash(forms: list[str]) -> str:
    return f"hashtextextended(hash_record_extended(ROW({', '.join(forms)}), {SEED})::text, {SEED})"


def _form(column: str, kind: str, typmod: int, deterministic: bool) -> str:
    if kind in AS_IS or (kind in ("text", "varchar") and deterministic) or (kind == "numeric" and typmod >= 0):
        return column
    if kind in AS_BYTES:
        return f"{kind}{'_' if kind.startswith('time') else ''}send({column})"
    if not deterministic:
        return f'{column}::text COLLATE "C"'
    return f"{column}::text"
