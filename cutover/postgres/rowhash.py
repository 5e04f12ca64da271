"""A hash that sees whether two rows are identical, not merely equal in SQL's sense, the same on both majors.

`hash_record_extended` over raw columns is linear (values exchanged between two rows cancel out), operator-class hashes
hide -0.0, numeric scale and more, and enum hashes are OIDs; hence the form per type and the finalizer over text.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

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
    "enable_sort": "off",  # it believes in a million groups and would sort them on disk
    "synchronize_seqscans": "off",
    "row_security": "off",  # a policy that filters becomes an error, not a silent part of the rows
    "work_mem": "256MB",
}
AS_IS = {"bool", "int2", "int4", "oid", "uuid", "bytea", "date"}
AS_BYTES = {
    "int8": "int8send",
    "time": "time_send",
    "timetz": "timetz_send",
    "timestamp": "timestamp_send",
    "timestamptz": "timestamptz_send",
    "float4": "float4send",
    "float8": "float8send",
    "bpchar": "bpcharsend",  # its cast to text would trim the trailing blanks
    "char": "charsend",  # a byte above 127 becomes another text on 15 than on 16
}
WIDE_ENOUGH = 140000  # the first version with bit_xor and hash_record_extended
CANARY_ROW = (
    "1::int4, int8send(4294967296), 'a'::text, timestamptz_send('2026-01-02 03:04:05+00'), 1.50::numeric(9, 2), "
    "'\\xdeadbeef'::bytea, '2026-01-02'::date, true, float8send('-0'), NULL::text, "
    "'00000000-0000-4000-8000-000000000001'::uuid, '[1,2)'::int4range::text"
)


class CannotCompare(CutoverError):
    """The servers cannot be compared by hash, or a standby was named; nothing is said about the rows."""


class Hashing(Enum):
    """How a row becomes 64 bits; by value the names of the comparison that chose them."""

    RECORD = "S4"  # the fastest
    SENT = "S2"  # where the servers' encodings differ: the bytes as they are sent to a client
    TEXT = "S1"  # before 14, or where the servers' own hashes disagree


@dataclass(frozen=True)
class RowHash:
    """SQL for hashes; one seed per run, so that rows built to collide once do not collide again."""

    form: Hashing = Hashing.RECORD
    seed: int = field(default_factory=lambda: secrets.randbits(62))

    def of(self, forms: Sequence[str]) -> str:
        """SQL of a row's hash, a bigint; `forms` are the columns as `form_of` writes them."""
        row = f"ROW({', '.join(forms)})"
        if not forms:
            return f"{self.seed}::bigint"
        if self.form is Hashing.TEXT:
            return f"hashtextextended({row}::text, {self.seed})"
        if self.form is Hashing.SENT:
            return f"hash_record_extended(ROW(record_send({row})), {self.seed})"
        return f"hashtextextended(hash_record_extended({row}, {self.seed})::text, {self.seed})"

    def of_key(self, forms: Sequence[str]) -> str:
        """SQL of a hash that only spreads keys; it need not be as good as that of a row."""
        if self.form is Hashing.RECORD:
            return f"hash_record_extended(ROW({', '.join(forms)}), {self.seed})"
        return self.of(forms)


def hash_of_both(source: Session, target: Session) -> RowHash:
    """The fastest hash on which both servers agree; raises CannotCompare when they agree on none."""
    versions = [int(session.value("SHOW server_version_num")) for session in (source, target)]
    encodings = [session.value("SHOW server_encoding") for session in (source, target)]
    wanted = [Hashing.RECORD, Hashing.TEXT] if encodings[0] == encodings[1] else [Hashing.SENT]
    for form in wanted:
        if form is not Hashing.TEXT and min(versions) < WIDE_ENOUGH:
            continue
        row_hash = RowHash(form)
        # Known constants before anything is believed: nobody promises that hashes stay the same from major to major.
        if canary(source, row_hash) == canary(target, row_hash):
            return row_hash
    raise CannotCompare(
        f"{source.label} ({encodings[0]}, {versions[0]}) and {target.label} ({encodings[1]}, {versions[1]}) hash the same "
        "constants differently; rows cannot be compared by hash"
    )


def canary(session: Session, row_hash: RowHash) -> int:
    """The hash of known constants."""
    return int(session.value(f"SELECT {row_hash.of([CANARY_ROW])}"))


def form_of(column: str, kind: str, typmod: int, deterministic: bool) -> str:
    """SQL of a column as it is hashed; `kind` is the built-in type's name, empty for any other type."""
    if kind in AS_IS or (kind in ("text", "varchar") and deterministic) or (kind == "numeric" and typmod >= 0):
        return column
    if kind in AS_BYTES:
        return f"{AS_BYTES[kind]}({column})"
    if not deterministic:
        return f'{column}::text COLLATE "C"'
    return f"{column}::text"
