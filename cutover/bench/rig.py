"""Two servers with the shop's rows, prepared as a plan prepares them, for one measurement."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.step import Step
from cutover.postgres.kit import FenceKit
from cutover.postgres.replication import Publication, Subscription
from cutover.postgres.session import Database
from cutover.world import rows, servers
from cutover.world.processes import Process

PATIENCE = 600.0  # seconds for one step of the preparation


class RigBroken(CutoverError):
    """The servers did not get ready to be measured."""


@dataclass(frozen=True)
class Rig:
    """Both sides, and the address with which an application finds the side that accepts writes."""

    blue: Database
    green: Database
    dsns: dict[str, str]
    application: str
    versions: str
    servers: dict[str, servers.Server]
    _running: dict[str, Process]

    def crash(self, side: str) -> None:
        """Ends the server at once, with nothing of its memory written; `start` brings it back."""
        server = self.servers[side]
        os.kill(self._running[side].pid, signal.SIGQUIT)
        end = time.monotonic() + PATIENCE
        while (server.data / "postmaster.pid").exists():
            if time.monotonic() > end:
                raise RigBroken(f"{side} did not end")
            time.sleep(0.01)

    def start(self, side: str) -> None:
        """Starts a server that crashed."""
        self._running[side] = servers.start(self.servers[side])


@contextmanager
def rig(row_count: int, extra_tables: int) -> Iterator[Rig]:
    """Blue open, green fenced, both following each other; everything is removed afterwards."""
    scratch = Path(tempfile.mkdtemp(prefix="cutover-bench-"))
    scratch.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        account = servers.unprivileged()
        programs = servers.binaries(scratch, account)
        dsns: dict[str, str] = {}
        made_servers: dict[str, servers.Server] = {}
        running: dict[str, Process] = {}
        for side in ("blue", "green"):
            log = scratch / f"{side}.log"
            # A thousand tables are locked in one transaction.
            more = {"max_locks_per_transaction": str(64 + extra_tables // 20)}
            server = servers.create(side, scratch=scratch, log=log, account=account, programs=programs, extra=more)
            made_servers[side], running[side] = server, servers.start(server)
            stack.callback(_halt, running, side)
            rows.create(server.dsn(database="postgres"), server.dsn())
            dsns[side] = server.dsn()
            _schema(dsns[side], extra_tables)
        rows.fill(dsns["blue"], row_count)
        made = Rig(
            Database("blue", "BENCH_BLUE_DSN", lambda: dsns["blue"]),
            Database("green", "BENCH_GREEN_DSN", lambda: dsns["green"]),
            dsns,
            _application(dsns),
            " to ".join(_version(dsn) for dsn in dsns.values()),
            made_servers,
            running,
        )
        for step in _preparation(made):
            _take(step)
        yield made


def _halt(running: dict[str, Process], side: str) -> None:
    servers.halt(running[side])  # whichever it is by then


def _schema(dsn: str, extra_tables: int) -> None:
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as session:
        session.execute("SET ROLE shop")
        session.execute(
            "CREATE TABLE public.written (key uuid PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY UNIQUE)"
        )
        # Without a key: what arrives twice is there twice.
        session.execute("CREATE TABLE public.loose (key uuid); ALTER TABLE public.loose REPLICA IDENTITY FULL")
        session.execute("CREATE TABLE public.counted (id int PRIMARY KEY, n bigint NOT NULL)")
        for number in range(extra_tables):
            session.execute(f"CREATE TABLE public.extra_{number} (id bigserial PRIMARY KEY, t text)".encode())


def _application(dsns: dict[str, str]) -> str:
    ports = ",".join(str(conninfo.conninfo_to_dict(dsn)["port"]) for dsn in dsns.values())
    return (
        f"host=127.0.0.1,127.0.0.1 port={ports} dbname=shop user=shop target_session_attrs=read-write connect_timeout=5"
    )


def _version(dsn: str) -> str:
    with psycopg.connect(dsn, connect_timeout=5) as session:
        row = session.execute("SELECT current_setting('server_version')").fetchone()
    return str(row[0]) if row else "?"


def _preparation(made: Rig) -> list[Step[Any]]:
    blue, green = made.blue, made.green
    return [
        FenceKit(name="kit-blue", database=blue, before="absent", after="open"),
        FenceKit(name="kit-green", database=green, before="absent", after="fenced"),
        Publication(name="publication-blue", database=blue, before="absent", after="present"),
        Publication(name="publication-green", database=green, before="absent", after="present"),
        Subscription(name="forward", source=blue, target=green, copy=True, before="absent", after="following"),
        Subscription(name="reverse", source=green, target=blue, copy=False, before="absent", after="following"),
    ]


def _take(step: Step[Any]) -> None:
    deadline = Deadline.after(PATIENCE)
    for command in step.commands(step.after):
        command.run(deadline)
    while (seen := step.observe()) != step.after:
        if deadline.expired:
            raise RigBroken(f"{step.name} is {seen} after {PATIENCE:g} s, wanted {step.after}")
        time.sleep(0.05)
