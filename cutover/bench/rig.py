"""Two servers with the shop's rows, prepared as a plan prepares them, for one measurement."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import conninfo, sql

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.step import Step
from cutover.postgres.ddl_guard import DdlGuard
from cutover.postgres.kit import FenceKit
from cutover.postgres.marker import await_marker, write_marker
from cutover.postgres.pair import DatabasePair
from cutover.postgres.pgbouncer import Pool
from cutover.postgres.replication import Publication, Subscription
from cutover.postgres.session import Database
from cutover.world import rows, servers
from cutover.world.bouncer import bouncer
from cutover.world.pair_of_servers import SIDES, PairOfServers, pair_of_servers

PATIENCE = 600.0  # seconds for one step of the preparation
CAUGHT_UP = 30.0  # seconds


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
    pair: PairOfServers
    pool: Pool | None = None
    """PgBouncer's, where the clients come through it."""
    more: tuple[DatabasePair, ...] = ()
    """Further databases, which switch in the same window; nobody writes to them."""

    @property
    def pairs(self) -> tuple[DatabasePair, ...]:
        return (DatabasePair(self.blue, self.green, pool=self.pool), *self.more)

    def side(self, name: str) -> Database:
        return self.blue if name == "blue" else self.green

    def count_for(self, clients: int) -> None:
        """A row for each client to count its writes in."""
        with self.blue.open("bench") as blue:
            blue.run("INSERT INTO public.counted SELECT generate_series(0, %s), 0", [clients])

    @property
    def servers(self) -> Mapping[str, servers.Server]:
        return self.pair.servers

    def crash(self, side: str) -> None:
        self.pair.crash(side)

    def start(self, side: str) -> None:
        self.pair.start(side)


@contextmanager
def rig(
    row_count: int, extra_tables: int, *, databases: int = 1, pooled: bool = False, prepared: bool = True
) -> Iterator[Rig]:
    """Blue open, green fenced, both following each other (or only the schemas there); everything is removed afterwards.

    With `pooled` a real PgBouncer stands before the sides, and the application knows only its address.
    """
    # A thousand tables are locked in one transaction.
    settings = {"max_locks_per_transaction": str(64 + extra_tables // 20)}
    with ExitStack() as stack:
        pair = stack.enter_context(pair_of_servers(settings=settings))
        dsns = {side: pair.dsn(side) for side in SIDES}
        for side, dsn in dsns.items():
            rows.create(pair.dsn(side, database="postgres"), dsn)
            _schema(dsn, extra_tables)
        rows.fill(dsns["blue"], row_count)
        made = Rig(
            Database("blue", "BENCH_BLUE_DSN", lambda: dsns["blue"]),
            Database("green", "BENCH_GREEN_DSN", lambda: dsns["green"]),
            dsns,
            _application(dsns),
            " to ".join(version_of(dsn) for dsn in dsns.values()),
            pair,
        )
        made = replace(made, more=tuple(_further(pair, f"further-{number}") for number in range(2, databases + 1)))
        for one in made.pairs if prepared else ():
            for step in _preparation(one):
                take(step)
        if pooled:
            ports = {side: server.port for side, server in pair.servers.items()}
            front = stack.enter_context(bouncer(ports, "shop"))
            made = replace(made, application=front.dsn, pool=front.pool)
        yield made


def caught_up(made: Rig) -> None:
    """Waits until each side has what the other one has."""
    for source, target in ((made.blue, made.green), (made.green, made.blue)):
        with source.open("bench") as s, target.open("bench") as t:
            await_marker(t, write_marker(s), Deadline.after(CAUGHT_UP))


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


def _further(pair: PairOfServers, name: str) -> DatabasePair:
    """A database beside the first one, with a table without a key and two with one."""
    dsns = {side: pair.dsn(side, database=name) for side in SIDES}
    for side, dsn in dsns.items():
        with psycopg.connect(pair.dsn(side, database="postgres"), autocommit=True, connect_timeout=5) as session:
            session.execute(sql.SQL("CREATE DATABASE {} OWNER shop").format(sql.Identifier(name)))
        _schema(dsn, 0)
    blue, green = (
        Database(side, f"BENCH_{name}_{side}", lambda side=side: dsns[side], name=name)  # type: ignore[misc]
        for side in SIDES
    )
    return DatabasePair(blue, green)


def _application(dsns: dict[str, str]) -> str:
    ports = ",".join(str(conninfo.conninfo_to_dict(dsn)["port"]) for dsn in dsns.values())
    return (
        f"host=127.0.0.1,127.0.0.1 port={ports} dbname=shop user=shop target_session_attrs=read-write connect_timeout=5"
    )


def version_of(dsn: str) -> str:
    with psycopg.connect(dsn, connect_timeout=5) as session:
        row = session.execute("SELECT current_setting('server_version')").fetchone()
    return str(row[0]) if row else "?"


def _preparation(pair: DatabasePair) -> list[Step[Any]]:
    blue, green = pair.blue, pair.green
    return [
        FenceKit(name="kit-blue", database=blue, before="absent", after="open"),
        FenceKit(name="kit-green", database=green, before="absent", after="fenced"),
        Publication(name="publication-blue", database=blue, before="absent", after="present"),
        Publication(name="publication-green", database=green, before="absent", after="present"),
        DdlGuard(name="guard-blue", database=blue),
        DdlGuard(name="guard-green", database=green),
        Subscription(name="forward", source=blue, target=green, copy=True, before="absent", after="following"),
        Subscription(name="reverse", source=green, target=blue, copy=False, before="absent", after="following"),
    ]


def take(step: Step[Any]) -> None:
    """Runs the step's commands and waits until its `after` is seen; raises RigBroken when it is not."""
    deadline = Deadline.after(PATIENCE)
    for command in step.commands(step.after):
        command.run(deadline)
    while (seen := step.observe()) != step.after:
        if deadline.expired:
            raise RigBroken(f"{step.name} is {seen} after {PATIENCE:g} s, wanted {step.after}")
        time.sleep(0.05)
