"""The stage of the whole-cutover tests: a repository folder with small environments, and the real local world under it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import preloading
import psycopg
from whole.commands import PLENTY, Running
from whole.stranger import Stranger

from cutover.bench.staged import Staged
from cutover.net.ledger import LedgerSummary
from cutover.world import world

REPOSITORY = Path(__file__).parents[2]
ROWS, RATE = 5000, 20
READS = {"status", "history"}

SMOKE = '''"""The few things that these tests want a side to be able to do; standard library only, because it is fast."""

import json
import os
import urllib.request
from uuid import uuid4

URL = os.environ["SMOKE_URL"]


def test_health():
    with urllib.request.urlopen(URL + "/health", timeout=10) as answer:
        assert answer.status == 200


def test_checkout():
    order = {"idempotency_key": os.environ.get("SMOKE_KEY") or str(uuid4()), "customer_id": 1, "lines": [{"product_id": 1, "quantity": 1}]}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(URL + "/api/checkout", json.dumps(order).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 201
'''


@dataclass
class Stage(Staged, Stranger):
    """One world, one repository folder, and the commands that an operator types there."""

    source: Path = REPOSITORY
    ttl: Mapping[str, int] | None = field(default_factory=lambda: {"normal": 2, "cutover": 1, "slack": 0})

    def program(self, task: str) -> Sequence[str]:
        """What only reads begins preloaded: nothing happens to it, and these tests ask often."""
        return (preloading.invoke(),) if task in READS else super().program(task)

    def set_up(self) -> None:
        """Makes the folder and brings the world up; what a failure leaves behind, `close` removes."""
        self.make_folder()
        (self.repository / "smoke").mkdir()
        (self.repository / "smoke" / "test_smoke.py").write_text(SMOKE, encoding="utf-8")
        self.environment("whole")
        settings = {"log_statement": "all", "log_line_prefix": "[%a] [%p] "}
        world.up(self.home, rows=ROWS, rate=RATE, settings=settings, hooks=True)
        self.put_records([{**record, "TTL": 2} for record in self.records()])
        self.eventually(lambda: all(r["TTL"] == 2 for r in self.records()), "TTL 2")

    def paused(self, place: str, *args: str, env: Mapping[str, str] | None = None) -> Running:
        """`invoke ARGS`, halted at that place; `release` lets it go on."""
        flag = self.root / "paused"
        flag.unlink(missing_ok=True)
        halted = {"CUTOVER_KILL_PAUSE": place, "CUTOVER_KILL_PAUSED": str(flag)}
        running = self.start(*args, env={**(env or {}), **halted})
        end = time.monotonic() + PLENTY
        while not flag.exists():
            assert running.process.poll() is None, f"it ended before {place}\n{running.done()}"
            if time.monotonic() > end:
                running.process.kill()
                raise AssertionError(f"never at {place}\n{running.done()}")
            time.sleep(0.02)
        return running

    def release(self) -> None:
        (self.root / "paused").unlink()

    def writable(self, wait: str = "10s") -> list[str]:
        """The sides on which the application's role can insert within `wait`, even when it takes off the read-only default."""
        found = []
        for side in ("blue", "green"):
            address = self.dsn(side).replace("postgres@", "shop@")
            with psycopg.connect(address, connect_timeout=5, application_name="cutover-test") as session:
                try:
                    session.execute(f"SET LOCAL lock_timeout = '{wait}'; SET TRANSACTION READ WRITE")
                    session.execute("INSERT INTO shop.events (kind, at) SELECT kind, at FROM shop.events LIMIT 1")
                    found.append(side)
                except psycopg.Error:
                    pass
                session.rollback()
        return found

    def nothing_lost(self, since: float, side: str) -> LedgerSummary:
        """No write that was acknowledged since then is missing on the side that serves, or there twice."""
        seen = self.seen_since(since)
        lost, doubled = self.lost_and_doubled(seen, side)
        assert not lost, f"{len(lost)} of {len(seen.acknowledged)} acknowledged writes are not on {side}: {lost[:3]}"
        assert not doubled, f"twice on {side}: {doubled[:3]}"
        assert seen.acknowledged, "no customer wrote anything"
        return seen

    def writes_go_on(self, count: int = 5, within: float = 20.0) -> None:
        """New writes are acknowledged again."""
        moment = time.time()
        self.eventually(
            lambda: len(self.seen_since(moment).acknowledged) >= count, f"{count} acknowledged writes", within
        )

    def aws_calls(self) -> list[dict[str, Any]]:
        lines = (self.home / "world" / "aws-calls.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def aws_writes(self) -> list[dict[str, Any]]:
        return [call for call in self.aws_calls() if call["write"]]

    def server_log(self, side: str) -> str:
        return (self.home / "world" / "log" / f"{side}.log").read_text(encoding="utf-8", errors="replace")
