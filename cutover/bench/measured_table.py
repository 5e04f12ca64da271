"""Two servers with the same table of millions of rows, made on each by itself, and damage that is planted and mended."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from cutover.bench.figures import BenchFailed
from cutover.postgres.kit import SCHEMA
from cutover.world.pair_of_servers import SIDES, pair_of_servers
from cutover.world.processes import Process

PATIENCE = 1800.0  # seconds
NAME = "public.measured"


@dataclass(frozen=True)
class Shape:
    """The columns of the measured table, and how they are filled for the row `i`; `customer` is what damage spoils."""

    words: str
    columns: str
    values: str


WIDE = Shape(
    "11 columns, about 290 bytes a row",
    """id bigint PRIMARY KEY, token uuid NOT NULL, customer int NOT NULL, amount numeric(12, 2), weight float8, at timestamptz,
  day date, paid boolean, code varchar(20), remark text, extra jsonb""",
    """i, md5(i::text)::uuid, i % 9973, (i % 100000) / 100.0, i / 7.0, timestamptz '2026-01-01 00:00+00' + i * interval '1 second',
  date '2026-01-01' + (i % 365)::int, i % 3 = 0, 'code ' || i % 5000, repeat(md5(i::text), 4),
  jsonb_build_object('a', i % 10, 'b', 'x' || i % 100)""",
)
NARROW = Shape(
    "3 columns", "id bigint PRIMARY KEY, customer int NOT NULL, at timestamptz",
    "i, i % 9973, timestamptz '2026-01-01 00:00+00' + i * interval '1 second'",
)  # fmt: skip
AT_ONCE = 250_000
SETTINGS = {"autovacuum": "off", "max_parallel_workers_per_gather": "0"}


@dataclass(frozen=True)
class MeasuredTable:
    """Both servers' databases; `running` are the servers' processes."""

    dsns: dict[str, str]
    running: tuple[Process, ...]
    versions: str

    def on_both(self, sql: str) -> None:
        """Asks both sides at once."""
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda dsn: _value(dsn, sql), self.dsns.values()))

    @contextmanager
    def damaged(self, where: str) -> Iterator[int]:
        """Green's rows `where` are wrong for the body, which is told how many they are."""
        planted = self._damage(where)
        try:
            yield planted
        finally:
            self._damage(where)  # twice is as if it had never been

    def _damage(self, where: str) -> int:
        with _connected(self.dsns["green"]) as session:
            changed = session.execute(f"UPDATE {NAME} SET customer = -customer - 1 WHERE {where}".encode()).rowcount
            # The next one must not find what this one left to be cleared away.
            session.execute(f"VACUUM (ANALYZE) {NAME}")
        return changed


@contextmanager
def measured_table(rows: int, say: Callable[[str], None], shape: Shape = WIDE) -> Iterator[MeasuredTable]:
    """Two servers with the same rows, between which the marker is replicated; raises BenchFailed when one refuses."""
    with pair_of_servers(settings=SETTINGS) as pair:
        dsns = {side: pair.dsn(side, database="postgres") for side in SIDES}
        for dsn in dsns.values():
            with _connected(dsn) as session:
                session.execute(SCHEMA)
                session.execute(f"CREATE TABLE {NAME} ({shape.columns})".encode())
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda dsn: _fill(dsn, rows, shape), dsns.values()))
        with _connected(dsns["blue"]) as session:
            session.execute("CREATE PUBLICATION bench FOR TABLE cutover.marker")
        with _connected(dsns["green"]) as session:
            session.execute(f"CREATE SUBSCRIPTION bench CONNECTION '{dsns['blue']}' PUBLICATION bench".encode())
        versions = " and ".join(str(_value(dsn, "SELECT current_setting('server_version')")) for dsn in dsns.values())
        say(f"two servers with {rows} rows each are ready")
        yield MeasuredTable(dsns, tuple(pair.running.values()), versions)


@contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    try:
        with psycopg.connect(
            dsn, autocommit=True, connect_timeout=5, options=f"-c statement_timeout={int(PATIENCE * 1000)}"
        ) as session:
            yield session
    except psycopg.Error as error:
        raise BenchFailed(f"the server refused: {str(error).strip()}") from error


def _fill(dsn: str, rows: int, shape: Shape) -> None:
    with _connected(dsn) as session:
        for first in range(1, rows + 1, AT_ONCE):
            series = f"generate_series({first}::bigint, {min(first + AT_ONCE - 1, rows)}) i"
            session.execute(f"INSERT INTO {NAME} SELECT {shape.values} FROM {series}".encode())
        # As a table is that has been there for a while: no hint bits to be set by whoever reads it first.
        session.execute(f"VACUUM (FREEZE, ANALYZE) {NAME}")
        session.execute("CHECKPOINT")


def _value(dsn: str, sql: str) -> Any:
    with _connected(dsn) as session:
        row = session.execute(sql.encode()).fetchone()
    return row[0] if row else None
