"""Inside the fence: only the rows that changed since the last full validation are compared, by key."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cutover.postgres.rowhash import HashedTable, same_tables
from cutover.postgres.session import Session

TOUCHED_LIMIT = 100_000


@dataclass(frozen=True)
class Changes:
    """What is to be compared inside the fence, read from the catalogs before it; `baseline` is None without a validation."""

    baseline: str | None
    tables: tuple[HashedTable, ...]

    @classmethod
    def since_baseline(cls, source: Session, target: Session) -> "Changes":
        """Raises SchemasDiffer when the sides cannot be compared."""
        baseline = source.value("SELECT horizon::text FROM cutover.baseline")
        return cls(baseline, tuple(same_tables(source, target)) if baseline is not None else ())


def compare_changed(source: Session, target: Session, changes: Changes) -> list[str]:
    """What differs among the rows touched since the source's baseline; empty when nothing does, or without a baseline.

    Both sides must stand still. Covered: every row inserted or updated since the baseline, and the row count of each
    table (a lost delete). A row whose transaction is older than the baseline was compared by the full validation.
    """
    baseline, tables = changes.baseline, changes.tables
    if baseline is None:
        return []
    with ThreadPoolExecutor(2) as pool:
        ours = pool.submit(lambda: [_touched(source, table, baseline) for table in tables])
        counts = pool.submit(lambda: [target.value(f"SELECT count(*) FROM ONLY {t.name}") for t in tables])
        touched, target_counts = ours.result(), counts.result()
    differing: list[str] = []
    for table, (count, rows), other in zip(tables, touched, target_counts, strict=True):
        if count != other:
            differing.append(f"{table.name}: {count} rows on {source.side}, {other} on {target.side}")
        if len(rows) > TOUCHED_LIMIT:
            differing.append(f"{table.name}: {len(rows)} rows changed since the validation; validate again first")
        elif rows:
            differing += _compare(target, table, rows)
    return differing


def _touched(session: Session, table: HashedTable, baseline: str) -> tuple[int, list[tuple[str, ...]]]:
    """The row count, and key and hash of each touched row, in one scan: writes are waiting while it runs."""
    kept = ", ".join([*(f"{column}::text" for column in table.key), f"({table.hash})::text"])
    count, found = session.rows(
        # age() counts back from the present; older rows, and frozen ones, were there when the baseline was taken
        f"SELECT count(*), array_agg(ARRAY[{kept}]) FILTER (WHERE age(xmin) <= age('{int(baseline) % 2**32}'::xid)) "
        f"FROM ONLY {table.name}"
    )[0]
    return count, [tuple(row) for row in found or ()]


def _compare(target: Session, table: HashedTable, rows: list[tuple[str, ...]]) -> list[str]:
    if not table.key:
        return _compare_unkeyed(target, table, [row[0] for row in rows])
    arrays = ", ".join(f"%s::text[]::{kind}[]" for kind in table.key_types)
    names = ", ".join(f"cutover_k{i}" for i in range(len(table.key)))
    join = " AND ".join(f"t.{column} = k.cutover_k{i}" for i, column in enumerate(table.key))
    key = ", ".join(f"t.{column}::text" for column in table.key)
    found = set(
        target.rows(
            f"SELECT {key}, ({table.hash})::text FROM ONLY {table.name} t JOIN unnest({arrays}) AS k({names}) ON {join}",
            [[row[i] for row in rows] for i in range(len(table.key))],
        )
    )
    return [f"{table.name} {', '.join(row[:-1])}" for row in rows if tuple(row) not in found]


def _compare_unkeyed(target: Session, table: HashedTable, hashes: list[str]) -> list[str]:
    found = dict(
        target.rows(
            f"SELECT ({table.hash})::text, count(*) FROM ONLY {table.name} WHERE {table.hash} = ANY(%s::bigint[]) GROUP BY 1",
            [sorted(set(hashes))],
        )
    )
    return [f"{table.name}: a row without key" for value, n in Counter(hashes).items() if found.get(value, 0) < n]
