"""A real PgBouncer in front of a pair of servers: its clients see one address, whichever side serves."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from cutover.postgres.pgbouncer import Pool
from cutover.world import servers
from cutover.world.processes import Process, WorldError, free_port, launch, poll, stop, tail

NAME, FILE = "pgbouncer", "pgbouncer.ini"
PROGRAM = Path("/usr/sbin/pgbouncer")
INSTALL = "apt-get install pgbouncer"
READY = 10.0  # seconds
ENTRY = "{entry} = host=127.0.0.1 port={port} dbname={database}"
SETTINGS = """; a comment about {first} = host=nowhere
[databases]
{entries}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users.txt
admin_users = postgres
pool_mode = transaction
"""


@dataclass(frozen=True)
class Bouncer:
    """A running PgBouncer: `about` tells another process of it in plain words, `dsn` is what clients connect with."""

    about: Mapping[str, str]
    dsn: str

    @property
    def pool(self) -> Pool:
        return pool_of(self.about)

    def of(self, database: str) -> Bouncer:
        """The same PgBouncer for another one of its databases."""
        dsn = make_conninfo(self.dsn, dbname=database)
        return Bouncer({**self.about, "database": database}, dsn)


def pool_of(about: Mapping[str, str]) -> Pool:
    """The pool that the plain words of `Bouncer.about` tell of."""
    return Pool(
        database=about["database"], file=about["file"], variable="POOL_ADMIN", admin=lambda: about["admin"],
        addresses=lambda side: about[side], shown=(about["blue"], about["green"]), pause_timeout=2.0,
    )  # fmt: skip


@contextmanager
def bouncer(ports: Mapping[str, int], database: str, *more: str) -> Iterator[Bouncer]:
    """PgBouncer in front of `database` (and `more`, see `of`) on both sides' ports, directed to blue.

    Raises WorldError when it does not start.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="cutover-bouncer-") as place:
        folder = Path(place)
        write(folder, port, {name: name for name in (database, *more)}, ports["blue"])
        process = start(folder, port, folder / "log")
        about = {
            "database": database,
            "file": str(folder / FILE),
            "admin": console(port),
            **{side: f"127.0.0.1:{ports[side]}" for side in ("blue", "green")},
        }
        try:
            yield Bouncer(about, f"host=127.0.0.1 port={port} user=shop dbname={database} connect_timeout=10")
        finally:
            stop([process], signum=signal.SIGTERM)


def console(port: int) -> str:
    """The DSN of its admin console."""
    return f"host=127.0.0.1 port={port} user=postgres dbname=pgbouncer"


def write(folder: Path, port: int, entries: Mapping[str, str], blue_port: int) -> None:
    """Its files, in an empty folder: each entry leads to its database on blue."""
    account = servers.unprivileged()
    (folder / "users.txt").write_text('"shop" ""\n"postgres" ""\n', encoding="utf-8")
    elsewhere = {} if "other" in entries else {"other": "other"}
    lines = [ENTRY.format(entry=name, port=1, database=database) for name, database in elsewhere.items()]
    lines += [ENTRY.format(entry=name, port=blue_port, database=database) for name, database in entries.items()]
    settings = SETTINGS.format(first=next(iter(entries)), entries="\n".join(lines), port=port, folder=folder)
    (folder / FILE).write_text(settings, encoding="utf-8")
    (folder / FILE).chmod(0o640)
    for path in (folder, *folder.iterdir()):
        if account.uid is not None and account.gid is not None:
            os.chown(path, account.uid, account.gid)


def start(folder: Path, port: int, log: Path) -> Process:
    """The program at work with the files of `folder`, once its console answers; raises WorldError."""
    if not PROGRAM.exists():
        raise WorldError(f"{PROGRAM} is not there", next_command=INSTALL)
    process = launch(
        NAME,
        [str(PROGRAM), str(folder / FILE)],
        log=log,
        env={"PATH": "/usr/bin:/bin"},
        account=servers.unprivileged(),
        cwd=folder,
    )
    try:
        poll(
            lambda: _answers(port), READY, lambda: f"PgBouncer is not ready after {READY:g} s; {log} ends:\n{tail(log)}"
        )
    except BaseException:
        stop([process], signum=signal.SIGTERM)
        raise
    return Process(process.name, process.pid, process.started, port)


def _answers(port: int) -> bool | None:
    try:
        with psycopg.connect(console(port), autocommit=True, connect_timeout=2) as connection:
            return bool(connection.execute("SHOW VERSION", prepare=False).fetchall()) or None
    except psycopg.Error:
        return None
