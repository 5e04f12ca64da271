"""Proves that both sides hold the same rows: one hashed pass per side, and a second look only where buckets differ.

Under live replication a difference counts only when it stays at a proven later position: a row that is on its way is
not a difference.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding, Verdict
from cutover.core.step import Command, Step
from cutover.postgres import marker
from cutover.postgres.rowhash import PINNED, HashedTable, SchemasDiffer, same_tables
from cutover.postgres.session import Database, Session

ROUNDS = 6
PASS_TIMEOUT = 6 * 3600.0


class RowsDiffer(CutoverError):
    """Rows differ between the sides; the message names the first of them."""


@dataclass(frozen=True)
class Difference:
    """One key whose rows differ; `seen` is `missing`, `extra` or `different` as seen from the source."""

    table: str
    key: str
    seen: str

    def __str__(self) -> str:
        return f"{self.table} ({self.key}): {self.seen}"


@dataclass
class Report:
    """What was compared and what differs; `status` is equal, differs or `not proven`."""

    source: str
    target: str
    tables: int = 0
    rows: int = 0
    rechecked: int = 0
    differences: list[Difference] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        return "differs" if self.differences else "not proven" if self.unproven else "equal"

    def __str__(self) -> str:
        counts = f"{self.rows} rows in {self.tables} tables, {self.source} against {self.target}"
        if self.differences:
            shown = "; ".join(str(d) for d in self.differences[:5])
            return f"{counts}: {len(self.differences)} differ: {shown}"
        if self.unproven:
            return f"{counts}: not proven for {', '.join(self.unproven)}"
        return f"{counts}: equal"


def validate(source: Database, target: Database, *, tables: Sequence[str] = (), catch_up: float = 30.0) -> Report:
    """Compares every row of both sides (or of the named tables); raises SchemasDiffer when that is impossible.

    Writes one marker row per second look, so that a change still under way is told apart from a difference.
    """
    report = Report(source.side, target.side)
    with (
        source.open("validate", settings=PINNED) as ours,
        target.open("validate", settings=PINNED) as theirs,
        source.open("marker") as marks,
        ThreadPoolExecutor(2) as pool,
    ):
        compared = [table for table in same_tables(ours, theirs) if not tables or table.name in tables]
        if missing := set(tables) - {table.name for table in compared}:
            raise SchemasDiffer(f"no such table on both sides: {', '.join(sorted(missing))}")
        for table in compared:
            left = pool.submit(_buckets, ours, table)
            right = pool.submit(_buckets, theirs, table)
            a, b = left.result(), right.result()
            report.tables += 1
            report.rows += sum(count for count, _ in a.values())
            suspects = sorted(bucket for bucket in set(a) | set(b) if a.get(bucket) != b.get(bucket))
            if suspects:
                _recheck(table, suspects, ours, theirs, marks, report, catch_up)
    return report


def _buckets(session: Session, table: HashedTable) -> dict[int, tuple[int, str]]:
    # Without a key duplicates may exist, and an even number of them would cancel out under xor.
    combine = f"bit_xor({table.hash})" if table.key else f"sum(({table.hash})::numeric)"
    sql = f"SELECT {table.bucket} AS b, count(*), ({combine})::text FROM ONLY {table.name} GROUP BY 1"
    return {bucket: (count, value) for bucket, count, value in session.rows(sql, timeout=PASS_TIMEOUT)}


def _recheck(
    table: HashedTable,
    suspects: list[int],
    ours: Session,
    theirs: Session,
    marks: Session,
    report: Report,
    catch_up: float,
) -> None:
    """Looks again at the suspect buckets: source, proven position, target, source; what is in flight settles."""
    wanted: set[str] | None = None
    earlier: dict[str, Difference] = {}
    for _ in range(ROUNDS):
        before = _entries(ours, table, suspects)
        token = marker.write_marker(marks)
        try:
            marker.await_marker(theirs, token, Deadline.after(catch_up))
        except marker.NotCaughtUp:
            report.unproven.append(table.name)
            return
        there = _entries(theirs, table, suspects)
        after = _entries(ours, table, suspects)
        report.rechecked += len(before)
        keys = (set(before) | set(there) | set(after)) if wanted is None else wanted
        moving: set[str] = set()
        real: dict[str, Difference] = {}
        for key in sorted(keys):
            first, second, other = (entries.get(key, ABSENT) for entries in (before, after, there))
            if other.hash in (first.hash, second.hash):
                continue
            if first == second:
                real[key] = Difference(table.name, key, _kind(first.hash, other.hash))
            else:
                moving.add(key)
        # Twice in a row: a row that came and went between two looks at the source was seen on the target alone.
        if not moving and real == earlier:
            report.differences += real.values()
            return
        earlier, wanted = real, moving | set(real)
    report.unproven.append(table.name)


@dataclass(frozen=True)
class _Entry:
    """One key's hash, or one hash's count, and `written`: a row that became what it was is another version of it."""

    hash: str | None
    written: str | None


ABSENT = _Entry(None, None)


def _entries(session: Session, table: HashedTable, buckets: list[int]) -> dict[str, _Entry]:
    where = f"{table.bucket} = ANY(%s::int[])"
    if table.key:
        key = " || ', ' || ".join(f"{column}::text" for column in table.key)
        sql = f"SELECT {key}, ({table.hash})::text, xmin::text FROM ONLY {table.name} WHERE {where}"
    else:
        sql = (
            f"SELECT ({table.hash})::text, count(*)::text, sum(xmin::text::bigint)::text "
            f"FROM ONLY {table.name} WHERE {where} GROUP BY 1"
        )
    found = session.rows(sql, [buckets], timeout=PASS_TIMEOUT)
    return {key: _Entry(value, written) for key, value, written in found}


def _kind(ours: str | None, theirs: str | None) -> str:
    return "missing" if theirs is None else "extra" if ours is None else "different"


@dataclass(frozen=True)
class RecordBaseline(Command):
    """Validates everything and, when it is equal, records from where on changes have to be compared again."""

    source: Database
    target: Database

    def run(self, deadline: Deadline) -> None:
        with self.source.open("baseline") as session:
            # Taken before the first row is read: whatever changes meanwhile is compared again inside the window.
            xmin = session.value("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")
            report = validate(self.source, self.target)
            if report.status != "equal":
                raise RowsDiffer(str(report))
            session.run("DELETE FROM cutover.baseline")
            session.run(
                "INSERT INTO cutover.baseline (horizon, at, row_count, table_count) VALUES (%s::xid8, now(), %s, %s)",
                [xmin, report.rows, report.tables],
            )

    def shell(self) -> str:
        return f'invoke validate --env "$CUTOVER_ENV" --record   # {self.source.side} against {self.target.side}'


@dataclass(frozen=True)
class ForgetBaseline(Command):
    """Forgets the recorded validation."""

    source: Database

    def run(self, deadline: Deadline) -> None:
        with self.source.open("baseline") as session:
            session.run("DELETE FROM cutover.baseline")

    def shell(self) -> str:
        return self.source.psql("DELETE FROM cutover.baseline;")


@dataclass(frozen=True, kw_only=True)
class Validated(Step[str]):
    """Compares every row of both sides while writes go on, and remembers from where on changes are compared again.

    Inside the window only the rows that changed since then are compared, so the final proof costs milliseconds.
    """

    source: Database
    target: Database
    settle: float = 6 * 3600.0

    @property
    def resource(self) -> str:
        return "validation"

    def observe(self) -> str:
        with self.source.open("state") as session:
            if session.value("SELECT to_regclass('cutover.baseline') IS NULL"):
                return "not validated"
            return "validated" if session.value("SELECT 1 FROM cutover.baseline") else "not validated"

    def commands(self, target: str) -> Sequence[Command]:
        return (RecordBaseline(self.source, self.target) if target == "validated" else ForgetBaseline(self.source),)

    def evidence(self) -> Mapping[str, Any]:
        with self.source.open("state") as session:
            found = session.rows("SELECT row_count, table_count FROM cutover.baseline")
        return {"rows": found[0][0], "tables": found[0][1]} if found else {}

    def check_shell(self) -> str:
        return self.source.ask(
            "SELECT CASE WHEN EXISTS (SELECT FROM cutover.baseline) THEN 'validated' ELSE 'not validated' END"
        )


@dataclass(frozen=True)
class SameRows(Check):
    """Compares every row of both sides once more, so that the side which serves is known to be complete."""

    writes = True

    source: Database
    target: Database

    def look(self) -> Finding:
        try:
            report = validate(self.source, self.target)
        except SchemasDiffer as error:
            return Finding.failed(error.message)
        except CutoverError as error:
            return Finding.blind(error.message)
        data = {"rows": report.rows, "tables": report.tables}
        if report.status == "equal":
            return Finding.passed(str(report), **data)
        if report.status == "differs":
            return Finding(Verdict.FAIL, str(report), data=data)
        return Finding(Verdict.INSUFFICIENT, str(report), data=data)

    def shell(self) -> str:
        return 'invoke validate --env "$CUTOVER_ENV"'
