"""The stage of the whole-cutover tests: a repository folder with small environments, and the real local world under it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml
from whole.commands import PLENTY, Done, Running
from whole.stranger import Stranger

from cutover.core.journal import Entry
from cutover.net.ledger import Ledger, LedgerSummary
from cutover.postgres.sides import STATE_WORD
from cutover.state.sqlite import SqliteState
from cutover.world import world

REPOSITORY = Path(__file__).parents[2]
ROWS, RATE = 5000, 20

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
class Stage(Stranger):
    """One world, one repository folder, and the commands that an operator types there."""

    root: Path
    _started: list[Running] = field(default_factory=list)

    # --- making it ---------------------------------------------------------------------------------------------

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def repository(self) -> Path:
        return self.root / "repo"

    def set_up(self) -> None:
        """Makes the folder and brings the world up; what a failure leaves behind, `close` removes."""
        (self.repository / "environments").mkdir(parents=True)
        (self.repository / "smoke").mkdir()
        (self.repository / "smoke" / "test_smoke.py").write_text(SMOKE, encoding="utf-8")
        (self.repository / "tasks.py").write_bytes((REPOSITORY / "tasks.py").read_bytes())
        self.environment("whole")
        settings = {"log_statement": "all", "log_line_prefix": "[%a] [%p] "}
        world.up(self.home, rows=ROWS, rate=RATE, settings=settings, hooks=True)
        self.put_records([{**record, "TTL": 2} for record in self.records()])
        self.eventually(lambda: all(r["TTL"] == 2 for r in self.records()), "TTL 2")

    def environment(self, name: str, base: str = "local", **changes: Any) -> str:
        """Writes an environment of these tests: the committed one's words, with short times; `changes` win."""
        words = yaml.safe_load((REPOSITORY / "environments" / f"{base}.yaml").read_text(encoding="utf-8"))
        words |= {
            "name": name,
            "description": "for the tests",
            # A write that waited for a fault is no sign of a slow side, and neither is a busy machine.
            "shift": {"shares": [50, 100], "soak": 0.2, "limits": {"p95_ms": 30000}},
            "bake": {"soak": 0.2},
            "checklist": {"checkout": "checkout"},
        }
        words["hostnames"]["api"]["carrier"]["ttl"] = {"normal": 2, "cutover": 1, "slack": 0}
        words = {key: value for key, value in {**words, **changes}.items() if value is not None}
        path = self.repository / "environments" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(words, sort_keys=False), encoding="utf-8")
        return name

    def close(self) -> None:
        for running in self._started:
            running.kill()
        world.down(self.home)
        shutil.rmtree(self.root)

    def processes(self) -> list[str]:
        """Every process but ours that shows by its command line or environment that it belongs to this stage."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes()
                mine = str(self.root).encode() in line + (entry / "environ").read_bytes()
            except OSError:
                continue
            if mine and int(entry.name) != os.getpid():
                found.append(f"{entry.name} {line.replace(bytes(1), b' ').decode(errors='replace')}")
        return found

    # --- commands ----------------------------------------------------------------------------------------------

    def variables(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = ("AWS_", "PG", "SHOP_", "CUTOVER_", "PYTEST_", "INVOKE_", "NO_COLOR", "FORCE_COLOR")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(kept)}
        return {**clean, "CUTOVER_HOME": str(self.home), "PYTHONUNBUFFERED": "1", **(more or {})}

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> Running:
        """Types `invoke ARGS` in the repository folder."""
        place = self.root / "commands" / f"{len(self._started)}"
        place.mkdir(parents=True)
        with (place / "out").open("w") as out, (place / "err").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "invoke", *args],
                cwd=self.repository,
                env=self.variables(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
            )
        self._started.append(Running(args, process, place))
        return self._started[-1]

    def paused(self, place: str, *args: str) -> Running:
        """`invoke ARGS`, halted at that place; `release` lets it go on."""
        flag = self.root / "paused"
        flag.unlink(missing_ok=True)
        running = self.start(*args, env={"CUTOVER_KILL_PAUSE": place, "CUTOVER_KILL_PAUSED": str(flag)})
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

    def run(self, *args: str, env: Mapping[str, str] | None = None, within: float = PLENTY) -> Done:
        return self.start(*args, env=env).done(within)

    def cutover(self, name: str, *args: str, env: Mapping[str, str] | None = None) -> Done:
        return self.run("cutover", "--env", name, "--yes", "--json", *args, env=env)

    def rollback(self, name: str, *args: str, env: Mapping[str, str] | None = None) -> Done:
        return self.run("rollback", "--env", name, "--yes", "--json", "--reason", "a test", *args, env=env)

    def resume(self, name: str) -> Done:
        """`resume`, once whoever was at it (a supervisor) has ended."""
        self.supervisors_gone()
        return self.run("resume", "--env", name, "--json")

    def back_on_blue(self, name: str) -> None:
        """Blue serves and no run is open, whatever a test has left."""
        for running in self._started:
            running.kill()
        self.supervisors_gone()
        if self.state(name) in ("open", "green"):
            self.rollback(name).ended(0)
        assert self.sides() in (("open", "fenced"), ("unprepared", "unprepared")), self.sides()

    # --- what can be seen --------------------------------------------------------------------------------------

    def world_variables(self) -> dict[str, str]:
        lines = (self.home / "world" / "env").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def dsn(self, side: str, database: str = "shop") -> str:
        return self.world_variables()[f"{database.upper()}_{side.upper()}_DSN"]

    def ask(
        self, side: str, question: str, parameters: Sequence[Any] = (), database: str = "shop"
    ) -> list[tuple[Any, ...]]:
        with psycopg.connect(
            self.dsn(side, database), connect_timeout=5, application_name="cutover-test", autocommit=True
        ) as session:
            return session.execute(question, parameters or None).fetchall()

    def sides(self, database: str = "shop") -> tuple[str, str]:
        blue, green = (str(self.ask(side, STATE_WORD, database=database)[0][0]) for side in ("blue", "green"))
        return blue, green

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

    def entries(self, name: str) -> list[Entry]:
        state = SqliteState(self.home / "world" / f"{name}.sqlite")
        try:
            return list(state.entries())
        finally:
            state.close()

    def state(self, name: str) -> str:
        """What `status` says of the environment: no run, open, green, rolled-back, finished."""
        done = self.run("status", "--env", name, "--json").ended(0)
        return str(done.json["environments"][0]["state"])

    def seen_since(self, moment: float) -> LedgerSummary:
        return Ledger(self.world_variables()["SHOP_LEDGER"]).between(moment, time.time())

    def nothing_lost(self, since: float, side: str) -> LedgerSummary:
        """No write that was acknowledged since then is missing on the side that serves, or there twice."""
        seen = self.seen_since(since)
        question = "SELECT idempotency_key::text FROM shop.orders WHERE idempotency_key = ANY (%s::uuid[])"
        found = Counter(key for (key,) in self.ask(side, question, [seen.acknowledged]))
        lost = [key for key in seen.acknowledged if key not in found]
        assert not lost, f"{len(lost)} of {len(seen.acknowledged)} acknowledged writes are not on {side}: {lost[:3]}"
        assert max(found.values(), default=1) == 1, f"twice on {side}: {found.most_common(3)}"
        assert seen.acknowledged, "no customer wrote anything"
        return seen

    def writes_go_on(self, count: int = 5, within: float = 20.0) -> None:
        """New writes are acknowledged again."""
        moment = time.time()
        self.eventually(
            lambda: len(self.seen_since(moment).acknowledged) >= count, f"{count} acknowledged writes", within
        )

    def aws_writes(self) -> list[dict[str, Any]]:
        lines = (self.home / "world" / "aws-calls.jsonl").read_text(encoding="utf-8").splitlines()
        return [call for call in map(json.loads, lines) if call["write"]]

    def server_log(self, side: str) -> str:
        return (self.home / "world" / "log" / f"{side}.log").read_text(encoding="utf-8", errors="replace")

    def eventually(self, look: Callable[[], Any], what: str, within: float = 30.0) -> Any:
        end = time.monotonic() + within
        while not (seen := look()):
            assert time.monotonic() < end, f"not within {within:g} s: {what}"
            time.sleep(0.05)
        return seen

    def supervisors(self) -> list[str]:
        return [line for line in self.processes() if "cutover.supervision" in line]

    def supervisors_gone(self, within: float = 90.0) -> None:
        self.eventually(lambda: not self.supervisors(), "the supervisor's end", within)
