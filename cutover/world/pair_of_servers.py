"""A pair of PostgreSQL servers for one measurement or one test: empty, reachable, and gone without a trace afterwards."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cutover.world import servers
from cutover.world.processes import Process, stop

SIDES = ("blue", "green")
VERSIONS = {"blue": "16", "green": "18"}  # what the wheel has for each side
CRASH_PATIENCE = 10.0  # seconds


@dataclass(frozen=True)
class PairOfServers:
    """Both servers, and the processes that serve now; a server that crashed gets another one."""

    servers: Mapping[str, servers.Server]
    running: dict[str, Process] = field(default_factory=dict)

    def dsn(self, side: str, *, role: str = "postgres", database: str = "shop") -> str:
        return self.servers[side].dsn(role=role, database=database)

    def start(self, side: str) -> None:
        self.running[side] = servers.start(self.servers[side])

    def crash(self, side: str) -> None:
        """Ends the server at once, with nothing of its memory written; `start` brings it back on the same port."""
        stop([self.running[side]], signum=signal.SIGQUIT, patience=CRASH_PATIENCE)

    def halt(self, side: str) -> None:
        if side in self.running:
            servers.halt(self.running[side])


@contextmanager
def pair_of_servers(
    *, settings: Mapping[str, str] | None = None, versions: Mapping[str, str] | None = None
) -> Iterator[PairOfServers]:
    """Both servers running, with `settings` beside ours; `versions` names majors where not 16 and 18 are meant.

    16 and 18 come from the wheel, every other major from Debian's package.
    """
    scratch = Path(tempfile.mkdtemp(prefix="cutover-pair-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        scratch.chmod(0o755)
        account = servers.unprivileged()
        programs = servers.binaries(scratch, account)
        wanted = {**VERSIONS, **(versions or {})}
        made = {
            side: servers.create(
                side, scratch=scratch, log=scratch / f"{side}.log", account=account, programs=programs,
                extra=settings, version=None if wanted[side] == VERSIONS[side] else _programs(wanted[side], programs),
            )
            for side in SIDES
        }  # fmt: skip
        pair = PairOfServers(made)
        for side in SIDES:
            stack.callback(pair.halt, side)  # whichever process it is by then
            pair.start(side)
        yield pair


def debian_programs(version: str) -> Path:
    """Where Debian's package of this major puts its programs, installed or not."""
    return Path("/usr/lib/postgresql") / version / "bin"


def _programs(version: str, wheel: Path) -> Path:
    sides = {major: side for side, major in VERSIONS.items()}
    if version in sides:
        return wheel / servers.INSTALLATIONS[sides[version]] / "bin"
    return debian_programs(version)
