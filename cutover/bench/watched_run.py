"""A cutover that is watched by triggers, half-way, and what goes wrong meanwhile."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cutover.app import App, open_environment
from cutover.bench.figures import BenchFailed
from cutover.bench.staged import Staged
from cutover.bench.typed import Done, Running
from cutover.core.journal import Entry
from cutover.plans.triggered import Triggered, triggers
from cutover.world import world

NAME = "watched"
BASE = "local-watched"
CUSTOMERS = 40  # requests per second: enough that six seconds of half of them are a verdict
LIMITS = {"error_rate": 100, "p95_ms": 30000, "at_least": 1}  # what green does is the triggers' to judge
LONGEST = 300.0  # seconds; a busy machine takes minutes to begin


@dataclass
class WatchedRun:
    """One run of the watched environment, and when something was made to go wrong (seconds since 1970)."""

    stage: Staged
    running: Running
    began: float
    injected: float = 0.0

    @classmethod
    def begun(cls, stage: Staged, soak: float, **changes: Any) -> Self:
        """A run that stays at half of the traffic for so many seconds; `changes` are of its environment."""
        words = {
            "smoke": None,
            "checklist": None,
            "shift": {"shares": [50, 100], "soak": [soak, 0.2], "limits": LIMITS},
            **changes,
        }
        stage.environment(NAME, base=BASE, **words)
        now = time.time()
        return cls(stage, stage.start("cutover", "--env", NAME, "--yes", "--json"), now)

    def at_half(self) -> None:
        """In the soak at half of the traffic, and long enough: at first there is too little to judge, or to compare."""
        self.until("hold-begun", gate="soak-50")
        self.all_well()

    def all_well(self) -> None:
        self.stage.eventually(lambda: set(self.verdicts().values()) == {"pass"}, "a verdict of each trigger", 60)

    def verdicts(self) -> dict[str, str]:
        """What `invoke triggers` says, without the start of a process each time."""
        app = opened(self.stage)
        try:
            figures, rules = app.means.figures(), triggers(app.means)
            if app.looks is not None:
                app.looks.want([asked for rule in rules for asked in rule.condition.spans(time.time())])
            return {
                rule.name: Triggered(rule=rule, environment=NAME, figures=lambda: figures).look().verdict.value
                for rule in rules
            }
        finally:
            app.close()

    def goes_wrong(self, **changes: float | bool) -> None:
        """Something more is wrong with green from now on."""
        self.injected = time.time()
        world.fault(self.stage.home, "green", changes)

    def healed(self) -> None:
        world.heal(self.stage.home, "green")

    def until(self, kind: str, **data: Any) -> Entry:
        """Waits for an entry of the run's journal that is not older than the newest fault; raises BenchFailed."""

        def seen() -> Entry | None:
            over = self.running.over  # asked first: what it wrote just before its end is there
            entry = self.found(kind, data)
            if over and entry is None:
                raise BenchFailed(f"it ended before {kind} {data}\n{self.running.done()}")
            return entry

        return self.stage.eventually(seen, f"{kind} {data}", LONGEST)

    def found(self, kind: str, data: Mapping[str, Any]) -> Entry | None:
        """The first such entry that is not older than the newest fault."""
        for entry in self.since_fault():
            if entry.kind == kind and data.items() <= entry.data.items():
                return entry
        return None

    def since_fault(self) -> list[Entry]:
        """The run's journal from the newest fault on, or from its beginning."""
        return [entry for entry in self.stage.entries(NAME) if entry.at >= max(self.began, self.injected)]

    def ended(self, code: int) -> Done:
        return self.running.done(LONGEST).ended(code)

    def goes_on(self, *options: str) -> None:
        """`resume`, as a command of its own where the run has ended."""
        if not self.running.over:
            self.stage.run("resume", "--env", NAME, *options).ended(0)
        else:
            self.stage.supervisors_gone()
            self.running = self.stage.start("resume", "--env", NAME, "--json", *options)


def opened(stage: Staged) -> App:
    """The watched environment of this stage, read-only; the caller closes it."""
    before = os.environ.get("CUTOVER_HOME")
    os.environ["CUTOVER_HOME"] = str(stage.home)
    try:
        return open_environment(NAME, read_only=True, directory=stage.repository / "environments")
    finally:
        if before is None:
            del os.environ["CUTOVER_HOME"]
        else:
            os.environ["CUTOVER_HOME"] = before
