"""What a parallel copy has to do and has done, kept on green beside the rows: a part and its mark are one transaction."""

from dataclasses import dataclass

from cutover.core.errors import CutoverError
from cutover.postgres.keeper import Kept, joined
from cutover.postgres.session import Session
from cutover.postgres.sides import APP_TABLES

PART_BYTES = 64 << 20
MOST_PARTS = 512  # of one table
RANGES = 140000  # the first version that reads a range of pages without reading the whole table

MAKE = """CREATE TABLE IF NOT EXISTS cutover.copy_run (
  one boolean PRIMARY KEY DEFAULT true CHECK (one), slot text NOT NULL, position pg_lsn NOT NULL, snapshot text NOT NULL,
  began timestamptz NOT NULL DEFAULT clock_timestamp(), finished timestamptz);
CREATE TABLE IF NOT EXISTS cutover.copy_parts (
  id int PRIMARY KEY, leaf text NOT NULL, columns text NOT NULL, low bigint NOT NULL, high bigint, whole boolean NOT NULL,
  relation oid NOT NULL, filenode oid NOT NULL, bytes bigint NOT NULL, row_count bigint, done timestamptz)"""
FORGET = "DROP TABLE IF EXISTS cutover.copy_run, cutover.copy_parts"
# A question about a table that does not exist is an error, and the copy has not begun before it exists.
_HAS = "query_to_xml('SELECT FROM cutover.copy_run{where}', true, true, '')::text LIKE '%<row%'"
BEGUN = f"CASE WHEN to_regclass('cutover.copy_run') IS NULL THEN false ELSE {_HAS.format(where='')} END"
FINISHED = (
    f"CASE WHEN to_regclass('cutover.copy_run') IS NULL THEN false "
    f"ELSE {_HAS.format(where=' WHERE finished IS NOT NULL')} END"
)

COPIED = """SELECT sum(row_count)::bigint, sum(bytes)::bigint, count(DISTINCT leaf),
       round(extract(epoch FROM max(finished) - max(began)), 1)::float8 FROM cutover.copy_run, cutover.copy_parts HAVING count(*) > 0"""

# Leaves only: rows are published and arrive leaf by leaf. Generated columns are made anew on green.
LEAVES = f"""SELECT t.name, t.oid, pg_relation_filenode(t.oid), pg_table_size(t.oid), pg_relation_size(t.oid) / current_setting('block_size')::int,
       coalesce((SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
         WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''), '')
  FROM {APP_TABLES} t WHERE t.relkind = 'r' ORDER BY t.name"""


class CopyOvertaken(CutoverError):
    """A copier that was stopped for long woke up after another one had taken its place."""


@dataclass(frozen=True)
class Part:
    """Pages `low` to below `high` of one leaf (to its end where `high` is None); `whole` when it is the leaf's only part."""

    id: int
    leaf: str
    columns: str
    low: int
    high: int | None
    whole: bool
    relation: int
    filenode: int
    bytes: int

    @property
    def out(self) -> str:
        """As text, whose form is the same in every major; binary arrays of an enum carry its number, which differs by side."""
        if self.whole:
            where = ""
        else:
            end = "" if self.high is None else f" AND ctid < '({self.high},0)'"
            where = f" WHERE ctid >= '({self.low},0)'{end}"
        return f"COPY (SELECT {self.columns} FROM ONLY {self.leaf}{where}) TO STDOUT"

    def taken(self, *, freeze: bool) -> str:
        columns = f" ({self.columns})" if self.columns else ""
        return f"COPY {self.leaf}{columns} FROM STDIN{' WITH (FREEZE)' if freeze else ''}"


def plan(source: Session, kept: Kept, above: int) -> list[Part]:
    """The parts of every table as the snapshot sees it, the largest first; tables of more than `above` bytes are cut up."""
    ranges = int(source.value("SHOW server_version_num")) >= RANGES
    parts: list[Part] = []
    with joined(source, kept.snapshot):
        leaves = source.rows(LEAVES, timeout=120.0)
    for leaf, relation, filenode, size, pages, columns in leaves:
        count = min(-(-size // min(PART_BYTES, above)), MOST_PARTS, max(pages, 1)) if size > above and ranges else 1
        length = -(-pages // count) or 1
        lows = list(range(0, max(pages, 1), length))
        for low in lows:
            high = None if low == lows[-1] else low + length  # open-ended: the table may have grown since
            parts.append(Part(0, leaf, columns, low, high, len(lows) == 1, relation, filenode, size // len(lows)))
    parts.sort(key=lambda part: -part.bytes)
    return [Part(number, *_fields(part)[1:]) for number, part in enumerate(parts, 1)]


def note(target: Session, kept: Kept, parts: list[Part]) -> None:
    """Notes what is to be done, all of it or nothing."""
    target.run(f"BEGIN; {MAKE}; DELETE FROM cutover.copy_run; DELETE FROM cutover.copy_parts")
    target.run(
        "INSERT INTO cutover.copy_run (slot, position, snapshot) VALUES (%s, %s, %s)",
        [kept.slot, kept.position, kept.snapshot],
    )
    columns = [list(column) for column in zip(*map(_fields, parts), strict=True)] or [[] for _ in range(9)]
    target.run(
        """INSERT INTO cutover.copy_parts SELECT * FROM unnest(%s::int[], %s::text[], %s::text[], %s::bigint[], %s::bigint[],
             %s::bool[], %s::oid[], %s::oid[], %s::bigint[])""",
        columns,
    )
    target.run("COMMIT")


def noted(target: Session) -> tuple[Kept | None, bool]:
    """What the copy under way is made from, and whether it has been finished."""
    if target.value("SELECT to_regclass('cutover.copy_run') IS NULL"):
        return None, False
    found = target.rows("SELECT slot, position::text, snapshot, finished IS NOT NULL FROM cutover.copy_run")
    return (Kept(*found[0][:3]), bool(found[0][3])) if found else (None, False)


def left(target: Session) -> tuple[list[Part], int, int]:
    """The parts that are still to be copied, then bytes and rows of those that are."""
    rows = target.rows(
        """SELECT id, leaf, columns, low, high, whole, relation::bigint, filenode::bigint, bytes FROM cutover.copy_parts
            WHERE done IS NULL ORDER BY id""",
        timeout=60.0,
    )
    done = target.rows(
        "SELECT coalesce(sum(bytes), 0)::bigint, coalesce(sum(row_count), 0)::bigint FROM cutover.copy_parts WHERE done IS NOT NULL"
    )
    return [Part(*row) for row in rows], int(done[0][0]), int(done[0][1])


def mark(target: Session, part: Part, rows: int) -> None:
    """Marks a part as copied, in the transaction of its rows; raises CopyOvertaken where somebody else has."""
    marked = """UPDATE cutover.copy_parts SET done = clock_timestamp(), row_count = %s
 WHERE id = %s AND leaf = %s AND done IS NULL RETURNING id"""
    if target.value(marked, [rows, part.id, part.leaf]) is None:
        raise CopyOvertaken(f"{part.leaf}: somebody else has copied this part; nothing of it was kept")


def finish(target: Session, kept: Kept) -> None:
    """Notes that every part of this very copy is there; raises CopyOvertaken where another one has begun since."""
    target.run("SET synchronous_commit = on")
    finished = """UPDATE cutover.copy_run SET finished = clock_timestamp()
 WHERE snapshot = %s AND position = %s::pg_lsn AND NOT EXISTS (SELECT FROM cutover.copy_parts WHERE done IS NULL) RETURNING one"""
    if target.value(finished, [kept.snapshot, kept.position]) is None:
        raise CopyOvertaken("another copy has begun since: this one is not finished")


def _fields(part: Part) -> tuple[int, str, str, int, int | None, bool, int, int, int]:
    return (
        part.id, part.leaf, part.columns, part.low, part.high, part.whole, part.relation, part.filenode, part.bytes,
    )  # fmt: skip
