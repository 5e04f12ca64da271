"""A local world of its own under a repository folder of its own, and the commands that an operator types there."""

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import yaml

from cutover.bench.figures import BenchFailed
from cutover.bench.typed import PLENTY, Done, Running
from cutover.core.journal import Entry
from cutover.net.ledger import Ledger, LedgerSummary
from cutover.postgres.sides import STATE_WORD
from cutover.state.sqlite import SqliteState
from cutover.world import world

T = TypeVar("T")
QUICK = {"requests": 60, "seconds": 1, "settle": 1}  # evidence of each shift; a busy machine takes up a change late
OURS = ("AWS_", "PG", "SHOP_", "CUTOVER_", "PYTEST_", "INVOKE_", "NO_COLOR", "FORCE_COLOR")


@dataclass
class Staged:
    """One world below `root`, and the commands typed there; `source` is the repository whose environments are taken."""

    root: Path
    source: Path = field(default_factory=Path.cwd)
    ttl: Mapping[str, int] | None = None
    """Of the DNS records that move, where it is not the committed environment's."""
    _started: list[Running] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def repository(self) -> Path:
        return self.root / "repo"

    def make_folder(self) -> None:
        """The repository folder, as yet without an environment."""
        (self.repository / "environments").mkdir(parents=True)
        (self.repository / "tasks.py").write_bytes((self.source / "tasks.py").read_bytes())

    def environment(self, name: str, base: str = "local", **changes: Any) -> str:
        """Writes an environment of this stage: the committed one's words, with short times; `changes` win."""
        words = yaml.safe_load((self.source / "environments" / f"{base}.yaml").read_text(encoding="utf-8"))
        words |= {
            "name": name,
            "description": "for this stage",
            # A write that waited for a fault is no sign of a slow side, and neither is a busy machine.
            "shift": {"shares": [50, 100], "soak": 0.2, "limits": {"p95_ms": 30000}, "evidence": QUICK},
            "bake": {"soak": 0.2},
            "checklist": {"checkout": "checkout"},
        }
        if self.ttl is not None:
            words["hostnames"]["api"]["carrier"]["ttl"] = dict(self.ttl)
        words = {key: value for key, value in {**words, **changes}.items() if value is not None}
        path = self.repository / "environments" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(words, sort_keys=False), encoding="utf-8")
        return name

    def close(self) -> None:
        """Ends the commands and the world, and removes everything."""
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
        clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return {**clean, "CUTOVER_HOME": str(self.home), "PYTHONUNBUFFERED": "1", **(more or {})}

    def program(self, task: str) -> Sequence[str]:
        """What an operator's `invoke` is here, for this task."""
        return (sys.executable, "-m", "invoke")

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> Running:
        """Types `invoke ARGS` in the repository folder."""
        place = self.root / "commands" / f"{len(self._started)}"
        place.mkdir(parents=True)
        with (place / "out").open("w") as out, (place / "err").open("w") as err:
            process = subprocess.Popen(
                [*self.program(args[0]), *args],
                cwd=self.repository,
                env=self.variables(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
            )
        self._started.append(Running(args, process, place))
        return self._started[-1]

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

    def back_on_blue(self) -> None:
        """Blue serves and no run of any environment is open, whatever was left."""
        for running in self._started:
            running.kill()
        self.supervisors_gone()
        for one in self.run("status", "--json").ended(0).json["environments"]:
            if one["state"] in ("open", "green"):
                self.rollback(one["environment"]).ended(0)
            elif one["state"].startswith("not known"):
                raise BenchFailed(f"{one['environment']}: {one['state']}")
        if (sides := self.sides()) not in (("open", "fenced"), ("unprepared", "unprepared")):
            raise BenchFailed(f"blue is {sides[0]} and green {sides[1]}")

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
            return session.execute(question.encode(), parameters or None).fetchall()

    def sides(self, database: str = "shop") -> tuple[str, str]:
        blue, green = (str(self.ask(side, STATE_WORD, database=database)[0][0]) for side in ("blue", "green"))
        return blue, green

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

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.world_variables()["SHOP_LEDGER"])

    def seen_since(self, moment: float) -> LedgerSummary:
        return self.ledger.between(moment, time.time())

    def lost_and_doubled(self, seen: LedgerSummary, side: str) -> tuple[list[str], list[str]]:
        """The keys of acknowledged writes that this side does not have, and of those that it has more than once."""
        question = "SELECT idempotency_key::text FROM shop.orders WHERE idempotency_key = ANY (%s::uuid[])"
        found = Counter(str(key) for (key,) in self.ask(side, question, [seen.acknowledged]))
        lost = [key for key in seen.acknowledged if key not in found]
        return lost, [key for key, times in found.items() if times > 1]

    def eventually(self, look: Callable[[], T | None], what: str, within: float = 30.0) -> T:
        """The first answer that is not empty; raises BenchFailed when there is none within so many seconds."""
        end = time.monotonic() + within
        while not (seen := look()):
            if time.monotonic() >= end:
                raise BenchFailed(f"not within {within:g} s: {what}")
            time.sleep(0.05)
        return seen

    def supervisors(self) -> list[str]:
        return [line for line in self.processes() if "cutover.supervision" in line]

    def supervisors_gone(self, within: float = 90.0) -> None:
        self.eventually(lambda: not self.supervisors(), "the supervisor's end", within)
