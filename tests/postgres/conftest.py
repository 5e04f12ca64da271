"""Two real servers, 16 and 18, with the shop's schema and a few thousand rows; one pair for all tests of this folder."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from cutover.postgres.session import Database
from cutover.world import rows, servers

ROWS = 4000


@dataclass(frozen=True)
class Pair:
    """Both sides, for adapters and for a writer's own connections."""

    blue: Database
    green: Database
    dsns: dict[str, str]
    programs: Path

    def side(self, name: str) -> Database:
        return self.blue if name == "blue" else self.green

    def sql(self, side: str, statement: str, *params: object) -> list[tuple]:  # type: ignore[type-arg]
        with psycopg.connect(self.dsns[side], autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement.encode(), params or None)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def pair() -> Iterator[Pair]:
    scratch = Path(tempfile.mkdtemp(prefix="cutover-test-"))
    scratch.chmod(0o755)
    account = servers.unprivileged()
    programs = servers.binaries(scratch, account)
    running = []
    try:
        dsns: dict[str, str] = {}
        for side in ("blue", "green"):
            server = servers.create(
                side, scratch=scratch, log=scratch / f"{side}.log", account=account, programs=programs,
                extra={"max_prepared_transactions": "5"},
            )
            running.append(servers.start(server))
            rows.create(server.dsn(database="postgres"), server.dsn())
            dsns[side] = server.dsn()
        rows.fill(dsns["blue"], ROWS)
        environ = {"SHOP_BLUE_DSN": dsns["blue"], "SHOP_GREEN_DSN": dsns["green"]}
        os.environ.update(environ)
        yield Pair(
            Database("blue", "SHOP_BLUE_DSN", lambda: dsns["blue"]),
            Database("green", "SHOP_GREEN_DSN", lambda: dsns["green"]),
            dsns,
            servers.client_bin(),
        )
    finally:
        for process in running:
            servers.halt(process)
        shutil.rmtree(scratch, ignore_errors=True)
