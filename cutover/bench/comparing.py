"""What a comparison of two databases costs, beside counting the rows and turning them into text once, in the same run."""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from cutover.core.errors import CutoverError
from cutover.postgres.kit import SCHEMA
from cutover.world import servers
from cutover.world.processes import Process

PATIENCE = 1800.0
TABLE = """CREATE TABLE public.measured (id bigint PRIMARY KEY, token uuid NOT NULL, customer int NOT NULL,
  amount numeric(12, 2), weight float8, at timestamptz, day date, paid boolean, code varchar(20), remark text, extra jsonb)"""
# 11 columns, about 290 bytes a row; the same rows on both sides without being sent.
ROWS = """INSERT INTO public.measured SELECT i, md5(i::text)::uuid, i % 9973, (i % 100000) / 100.0, i / 7.0,
  timestamptz '2026-01-01 00:00+00' + i * interval '1 second', date '2026-01-01' + (i % 365)::int, i % 3 = 0, 'code ' || i % 5000,
  repeat(md5(i::text), 4), jsonb_build_object('a', i % 10, 'b', 'x' || i % 100) FROM generate_series({first}::bigint, {last}) i"""
COUNT = "SELECT count(*) FROM public.measured"
TEXT = "SELECT sum(length(ROW(t.*)::text)) FROM public.measured t"
CLIENT = """import json, resource, sys
from cutover.postgres.session import Database
from cutover.postgres.validation import validate
report = validate(Database("blue", "B", lambda: sys.argv[1]), Database("green", "G", lambda: sys.argv[2]))
print(json.dumps([report.status, len(report.differences), report.rows,
                  resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
DAMAGE = {"equal": "id < 0", "1 row": "id = 77", "0.1 %": "id % 1000 = 501"}


class BenchFailed(CutoverError):
    """What was measured gave a wrong answer, so its time means nothing."""


@dataclass
class Cost:
    """The rounds of one measurement: wall and server CPU in seconds, the client's largest memory in MB."""

    name: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    client_mb: float = 0.0

    def __str__(self) -> str:
        spread = f"{min(self.wall):.2f}–{max(self.wall):.2f}"
        memory = f"{self.client_mb:>8.0f}" if self.client_mb else f"{'':>8}"
        wall, cpu = statistics.median(self.wall), statistics.median(self.cpu)
        return f"{self.name:<26}{wall:>8.2f}{spread:>14}{cpu:>8.2f}{memory}"


@dataclass
class Figures:
    """Every measurement of one run, and what it ran on."""

    rows: int
    rounds: int
    versions: str
    machine: str
    costs: dict[str, Cost]

    def ratio(self, name: str, what: str) -> float:
        """How many times the text-cast floor's `wall` or `cpu`, median by median."""
        ours, floor = (getattr(self.costs[key], what) for key in (name, "text-cast floor"))
        return float(statistics.median(ours) / statistics.median(floor))

    def document(self) -> dict[str, Any]:
        ratios = {f"{name} / floor, {what}": round(self.ratio(name, what), 2)
                  for name in DAMAGE for what in ("wall", "cpu")}  # fmt: skip
        return {**asdict(self), "ratios": ratios}

    def __str__(self) -> str:
        head = f"{'':<26}{'wall s':>8}{'spread':>14}{'CPU s':>8}{'client MB':>10}"
        lines = [f"{self.rows} rows, {self.rounds} rounds, PostgreSQL {self.versions}, {self.machine}", head]
        lines += [str(cost) for cost in self.costs.values()]
        lines += [
            f"{name} against the text-cast floor: wall {self.ratio(name, 'wall'):.2f}, CPU {self.ratio(name, 'cpu'):.2f}"
            for name in DAMAGE
        ]
        return "\n".join(lines)


def measure(*, rows: int, rounds: int, say: Callable[[str], None]) -> Figures:
    """Measures on two servers of its own, `rounds` times in turn; raises BenchFailed when an answer is wrong."""
    names = ["count(*)", "text-cast floor", *DAMAGE]
    costs = {name: Cost(name) for name in names}
    with _servers(rows, say) as (dsns, running):
        for number in range(1, rounds + 1):
            for name, sql in (("count(*)", COUNT), ("text-cast floor", TEXT)):
                with _measured(costs[name], running):
                    _on_both(dsns, sql)
            for name, where in DAMAGE.items():
                wanted = _damage(dsns[1], where)
                with _measured(costs[name], running):
                    answer = _client(dsns)
                _repair(dsns[1], where)
                costs[name].client_mb = max(costs[name].client_mb, answer[3])
                if answer[:3] != ["differs" if wanted else "equal", wanted, rows]:
                    raise BenchFailed(f"{name}: {wanted} of {rows} rows differ, the comparison said {answer}")
            say(f"round {number} is over")
        versions = " and ".join(_value(dsn, "SELECT current_setting('server_version')") for dsn in dsns)
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    return Figures(rows, rounds, versions, machine, costs)


@contextmanager
def _servers(rows: int, say: Callable[[str], None]) -> Iterator[tuple[list[str], list[Process]]]:
    """Two servers with the same rows, between which the marker is replicated."""
    scratch = Path(tempfile.mkdtemp(prefix="cutover-bench-"))
    scratch.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        account = servers.unprivileged()
        programs = servers.binaries(scratch, account)
        dsns: list[str] = []
        running: list[Process] = []
        for side in ("blue", "green"):
            server = servers.create(
                side, scratch=scratch, log=scratch / f"{side}.log", account=account, programs=programs,
                extra={"autovacuum": "off", "max_parallel_workers_per_gather": "0"},
            )  # fmt: skip
            running.append(servers.start(server))
            stack.callback(servers.halt, running[-1])
            dsns.append(server.dsn(database="postgres"))
            with _connected(dsns[-1]) as session:
                session.execute(SCHEMA)
                session.execute(TABLE)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda dsn: _fill(dsn, rows), dsns))
        with _connected(dsns[0]) as session:
            session.execute("CREATE PUBLICATION bench FOR TABLE cutover.marker")
        with _connected(dsns[1]) as session:
            session.execute(f"CREATE SUBSCRIPTION bench CONNECTION '{dsns[0]}' PUBLICATION bench".encode())
        say(f"two servers with {rows} rows each are ready")
        yield dsns, running


@contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    try:
        with psycopg.connect(
            dsn, autocommit=True, connect_timeout=5, options=f"-c statement_timeout={int(PATIENCE * 1000)}"
        ) as session:
            yield session
    except psycopg.Error as error:
        raise BenchFailed(f"the server refused: {str(error).strip()}") from error


def _fill(dsn: str, rows: int) -> None:
    with _connected(dsn) as session:
        for first in range(1, rows + 1, 250_000):
            session.execute(ROWS.format(first=first, last=min(first + 249_999, rows)).encode())
        # As a table is that has been there for a while: no hint bits to be set by whoever reads it first.
        session.execute("VACUUM (FREEZE, ANALYZE) public.measured")
        session.execute("CHECKPOINT")


def _value(dsn: str, sql: str) -> Any:
    with _connected(dsn) as session:
        row = session.execute(sql.encode()).fetchone()
    return row[0] if row else None


def _on_both(dsns: list[str], sql: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda dsn: _value(dsn, sql), dsns))


def _damage(dsn: str, where: str) -> int:
    with _connected(dsn) as session:
        return session.execute(f"UPDATE public.measured SET customer = -customer - 1 WHERE {where}".encode()).rowcount


def _repair(dsn: str, where: str) -> None:
    _damage(dsn, where)  # twice is as if it had never been


def _client(dsns: list[str]) -> list[Any]:
    """A process of its own, whose start is part of the time."""
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, *dsns], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if done.returncode:
        raise BenchFailed(f"the comparison failed: {done.stderr.strip()[-400:]}")
    answer: list[Any] = json.loads(done.stdout)
    return answer


@contextmanager
def _measured(cost: Cost, running: list[Process]) -> Iterator[None]:
    before, began = _cpu(running), time.monotonic()
    yield
    cost.wall.append(time.monotonic() - began)
    cost.cpu.append(_cpu(running) - before)


def _cpu(running: list[Process]) -> float:
    """Seconds of CPU of the servers: of the processes that live, and of those that have ended."""
    postmasters = {process.pid for process in running}
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has just ended, and its time is its parent's now
        user, system, ended_user, ended_system = (int(text) for text in fields[11:15])
        if int(folder.name) in postmasters:
            ticks += user + system + ended_user + ended_system
        elif int(fields[1]) in postmasters:
            ticks += user + system
    return ticks / os.sysconf("SC_CLK_TCK")
