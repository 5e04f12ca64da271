"""How long the preflight's questions take, beside the dumps of both schemas that a person would hold against each other."""

import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from cutover.bench.figures import BenchFailed, Limit, Line, Reference, Spread
from cutover.bench.rig import rig
from cutover.core.gate import Verdict
from cutover.postgres.preflight import look_together, preflight
from cutover.world import servers

ROWS = 1000
LONGEST = 5.0  # seconds
DUMP = 300.0


def preflighted(tables: int, rounds: int, say: Callable[[str], None]) -> Iterator[Line]:
    """The databases' checks of a pair with so many tables more than the shop's, each with a sequence and a key."""
    say(f"two servers, {tables} further tables")
    ours, dumps, count = [], [], 0
    with rig(ROWS, tables, prepared=False) as made:
        for _ in range(rounds):
            began = time.monotonic()
            findings = look_together(list(preflight(made.blue, made.green)))
            ours.append(time.monotonic() - began)
            count = len(findings)
            blind = [name for name, finding in findings if finding.verdict is Verdict.BLIND]
            if blind:
                raise BenchFailed(f"checks that saw nothing: {', '.join(blind)}")
            began = time.monotonic()
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(_dump, made.dsns.values()))
            dumps.append(time.monotonic() - began)
        with made.blue.open("bench") as blue:
            there = blue.value("SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND oid >= 16384")
    beside = (Reference("pg_dump -s of both", Spread.of(dumps, "s")),)
    yield Line(
        f"preflight of {there:,} tables", Spread.of(ours, "s"), beside, (Limit("worst", LONGEST),), f"{count} checks"
    )


def _dump(dsn: str) -> None:
    subprocess.run(
        [str(servers.client_bin() / "pg_dump"), "--schema-only", "--dbname", dsn],
        stdout=subprocess.DEVNULL, check=True, timeout=DUMP,
    )  # fmt: skip
