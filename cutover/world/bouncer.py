"""A real PgBouncer in front of a pair of servers, for tests and measurements: its clients see one address, whichever side serves."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from cutover.core.errors import CutoverError
from cutover.postgres.pgbouncer import Pool
from cutover.world import servers
from cutover.world.processes import WorldError, free_port, launch, poll, stop, tail

PROGRAM = Path("/usr/sbin/pgbouncer")
READY = 10.0  # seconds
ENTRY = "{database} = host=127.0.0.1 port={port} dbname={database}"
SETTINGS = """; a comment about {database} = host=nowhere
[databases]
other = host=127.0.0.1 port=1 dbname=other
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
    if not PROGRAM.exists():
        raise WorldError(f"{PROGRAM} is not there", next_command="apt-get install pgbouncer")
    account, port = servers.unprivileged(), free_port()
    with tempfile.TemporaryDirectory(prefix="cutover-bouncer-") as place:
        folder = Path(place)
        (folder / "users.txt").write_text('"shop" ""\n"postgres" ""\n', encoding="utf-8")
        file = folder / "pgbouncer.ini"
        entries = "\n".join(ENTRY.format(database=name, port=ports["blue"]) for name in (database, *more))
        settings = SETTINGS.format(database=database, entries=entries, port=port, folder=folder)
        file.write_text(settings, encoding="utf-8")
        file.chmod(0o640)
        for path in (folder, *folder.iterdir()):
            if account.uid is not None and account.gid is not None:
                os.chown(path, account.uid, account.gid)
        log = folder / "log"
        process = launch(
            "pgbouncer", [str(PROGRAM), str(file)], log=log, env={"PATH": "/usr/bin:/bin"}, account=account, cwd=folder
        )
        about = {
            "database": database,
            "file": str(file),
            "admin": f"host=127.0.0.1 port={port} user=postgres dbname=pgbouncer",
            **{side: f"127.0.0.1:{ports[side]}" for side in ("blue", "green")},
        }
        front = Bouncer(about, f"host=127.0.0.1 port={port} user=shop dbname={database} connect_timeout=10")
        try:
            poll(lambda: _answers(front), READY, lambda: f"PgBouncer is not ready after {READY:g} s:\n{tail(log)}")
            yield front
        finally:
            stop([process], signum=signal.SIGTERM)


def _answers(front: Bouncer) -> bool | None:
    try:
        return bool(front.pool.where()) or None
    except CutoverError:
        return None
