"""Two sessions of one side that see the same moment, and what they read of one table, slice by slice."""

import queue
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from cutover.postgres.buckets import Buckets
from cutover.postgres.comparable import Table
from cutover.postgres.rowhash import PINNED, WIDE_ENOUGH
from cutover.postgres.session import Database, Session

CONNECTIONS = 2  # two slices at a time are 1.8 times as fast as one; more gain little and are felt by the application
SLICE_PAGES, MOST_SLICES = 8192, 512  # 64 MB
SLICE_TIMEOUT = 3600.0
SAMPLE_OF = 1 << 16

# Every transaction before it has ended: what a later one writes is seen by its xmin.
HORIZON = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"

LEAVES = """SELECT c.oid::regclass::text, c.oid::bigint, pg_relation_filenode(c.oid)::bigint, pg_relation_size(c.oid),
       current_setting('block_size')::int FROM pg_class c WHERE c.oid = ANY(%s) ORDER BY c.oid"""


@dataclass(frozen=True)
class Slice:
    """The rows of one leaf from page `low` to below page `high`, to the end where `high` is None; about `bytes` long."""

    leaf: str
    low: int
    high: int | None
    bytes: int

    @property
    def where(self) -> str:
        if self.low == 0 and self.high is None:
            return ""
        end = "" if self.high is None else f" AND ctid < '({self.high},0)'"
        return f" WHERE ctid >= '({self.low},0)'{end}"


@dataclass(frozen=True)
class Scope:
    """Which rows of a table are compared: every one, or those whose key's hash falls into a sample of `percent`."""

    percent: float = 100.0

    def of(self, table: Table, session: Session) -> str:
        """A condition, always with the same rows on both sides."""
        if self.percent >= 100:
            return "true"
        # Not the bits that make the buckets: a sample of buckets would leave out the same neighbours every time.
        return f"(({table.at(session).key_hash} >> 32) & {SAMPLE_OF - 1}) < {round(self.percent / 100 * SAMPLE_OF)}"


class Snapshot:
    """One side's two sessions; `begin` and `end` enclose the reading of one table, so that no snapshot grows old."""

    def __init__(self, database: Database, stack: ExitStack) -> None:
        self.sessions = [stack.enter_context(database.open("validate", settings=PINNED)) for _ in range(CONNECTIONS)]
        self._inside: list[Session] = []
        self._free: queue.SimpleQueue[Session] = queue.SimpleQueue()
        self._pool = stack.enter_context(
            ThreadPoolExecutor(CONNECTIONS, thread_name_prefix=f"validate-{database.label}")
        )
        # Registered last, so it is called first: what has not begun is not begun any more when something fails.
        stack.callback(self._pool.shutdown, wait=True, cancel_futures=True)
        for session in self.sessions:
            self._free.put(session)

    @property
    def first(self) -> Session:
        return self.sessions[0]

    def begin(self, *, joined: bool) -> None:
        """Takes a snapshot; with `joined` every session sees it, else the first one alone."""
        self._inside = list(self.sessions if joined else self.sessions[:1])
        self.first.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        token = self.first.value("SELECT pg_export_snapshot()")
        for session in self._inside[1:]:
            session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            session.run(f"SET TRANSACTION SNAPSHOT '{token}'")

    def end(self) -> None:
        for session in self._inside:
            session.run("ROLLBACK")

    def tally(self, table: Table, buckets: Buckets, part: Slice, scope: Scope) -> Future[list[tuple[Any, ...]]]:
        """(bucket, count, hash) of one slice, read by whichever session is free."""

        def read() -> list[tuple[Any, ...]]:
            session = self._free.get()
            try:
                return session.rows(_tally(session, table, buckets, part, scope), timeout=SLICE_TIMEOUT)
            finally:
                self._free.put(session)

        return self._pool.submit(read)

    def ask(self, sql: str, params: Sequence[Any]) -> Future[list[tuple[Any, ...]]]:
        """The rows of a question to the first session, asked while the other side is asked too."""
        return self._pool.submit(self.first.rows, sql, params, timeout=SLICE_TIMEOUT)


def _tally(session: Session, table: Table, buckets: Buckets, part: Slice, scope: Scope) -> str:
    heap = table.at(session)
    combine = f"sum({heap.hash})" if table.adds else f"bit_xor({heap.hash})"
    where = part.where
    if scope.percent < 100:
        where += f"{' AND' if where else ' WHERE'} {scope.of(table, session)}"
    return f"SELECT {buckets.sql(table, session)}, count(*), {combine} FROM ONLY {part.leaf}{where} GROUP BY 1"


def slices(session: Session, table: Table, pages_at_once: int = SLICE_PAGES) -> tuple[list[Slice], list[list[Any]]]:
    """A table's slices on the session's side, and the identity of its files: rows stay where they are while it is the same."""
    found = session.rows(LEAVES, [[oid for _, oid in table.at(session).leaves]])
    if int(session.value("SHOW server_version_num")) < WIDE_ENOUGH:
        pages_at_once = 1 << 62  # each slice would read the whole table
    parts: list[Slice] = []
    for leaf, _, _, size, block in found:
        pages = size // block
        length = max(pages_at_once, -(-pages // MOST_SLICES))
        lows = list(range(0, max(pages, 1), length))
        for low in lows:
            last = low == lows[-1]  # open-ended, because the table may have grown since its size was read
            parts.append(Slice(leaf, low, None if last else low + length, (pages - low if last else length) * block))
    return parts, [[leaf, oid, filenode] for leaf, oid, filenode, _, _ in found]
