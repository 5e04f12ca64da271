"""The databases of the local world: on which server, with what in them, and under which names the others find them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cutover.world import bouncer, rows, servers
from cutover.world.likeness import HOOKS, SHOP, Likeness
from cutover.world.processes import Process, free_port

SERVERS = ("blue", "green")
POOL_ADMIN, POOL_FILE = "SHOP_POOL_ADMIN", "SHOP_POOL_FILE"
"""The variables with PgBouncer's admin console, and with its file."""


def serving(
    scratch: Path, programs: Path, log: Path, name: str, settings: Mapping[str, str], likeness: Likeness, *, hooks: bool
) -> tuple[servers.Server, Process]:
    """One side's server with its databases; green's are closed to applications."""
    account = servers.unprivileged()
    made = servers.create(name, scratch=scratch, log=log, account=account, programs=programs, extra=settings)
    process = servers.start(made)
    admin, bare = made.dsn(database="postgres"), likeness.without_tables if name == "green" else frozenset[str]()
    rows.create(admin, made.dsn(), tables=SHOP not in bare)
    second = [HOOKS] if hooks else []
    for database in (*second, *likeness.further):
        rows.create_hooks(admin, made.dsn(database=database), tables=database not in bare)
    if name == "green":
        for database in (SHOP, *second, *likeness.further):
            rows.close_to_applications(made.dsn(database=database))
    return made, process


def filled(blue: servers.Server, count: int, likeness: Likeness) -> int:
    """Blue's shop with about so many rows; answers how many."""
    return rows.fill(blue.dsn(), count, rows.APART if likeness.apart is None else likeness.apart)


def pooled(scratch: Path, log: Path, blue: servers.Server, pools: Mapping[str, str]) -> Process:
    """A PgBouncer in front of both servers; raises WorldError."""
    folder, port = scratch / bouncer.NAME, free_port()
    folder.mkdir(mode=0o755)
    bouncer.write(folder, port, pools, blue.port)
    return bouncer.start(folder, port, log)


def variables(
    made: Mapping[str, servers.Server], scratch: Path, likeness: Likeness, pool: Process | None, *, hooks: bool
) -> dict[str, str]:
    """Where each database is, for the program that moves it and for the shop."""
    found = _addresses(made, "SHOP", SHOP)
    found["SHOP_APP_DSN"] = _application(made, SHOP, likeness, pool)
    if hooks:
        found |= _addresses(made, "HOOKS", HOOKS)
        found["HOOKS_APP_DSN"] = _application(made, HOOKS, likeness, pool)
    for name in likeness.further:
        found |= _addresses(made, further(name), name)
        found[f"{further(name)}_APP_DSN"] = _application(made, name, likeness, pool)
    if pool is not None:
        found |= {POOL_ADMIN: bouncer.console(pool.port), POOL_FILE: str(scratch / bouncer.NAME / bouncer.FILE)}
        found |= {f"SHOP_POOL_{side.upper()}": f"127.0.0.1:{made[side].port}" for side in SERVERS}
    return found


def further(name: str) -> str:
    """How the variables of a database begin that stands beside the shop's own."""
    return f"SHOP_{name.upper()}"


def _addresses(made: Mapping[str, servers.Server], word: str, database: str) -> dict[str, str]:
    return {f"{word}_{side.upper()}_DSN": made[side].dsn(database=database) for side in SERVERS}


def _application(made: Mapping[str, servers.Server], database: str, likeness: Likeness, pool: Process | None) -> str:
    entry = next((entry for entry, there in likeness.pools.items() if there == database), None)
    if pool is not None and entry is not None:
        return f"postgresql://shop@127.0.0.1:{pool.port}/{entry}"
    hosts = ",".join(f"127.0.0.1:{made[side].port}" for side in SERVERS)
    return f"postgresql://shop@{hosts}/{database}?target_session_attrs=read-write"
