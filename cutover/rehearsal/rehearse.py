"""One whole rehearsal: the twin is derived and compared, walked in a world of its own, and what it came to is recorded."""

import json
import os
import platform
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cutover.app import App, open_environment
from cutover.core.errors import CutoverError, Interrupted, Refused
from cutover.core.who import who
from cutover.faults.schedule import Schedule
from cutover.faults.trial import Result
from cutover.rehearsal import measured, under_faults
from cutover.rehearsal.commands import RehearsalFailed
from cutover.rehearsal.databases import VARIABLES
from cutover.rehearsal.legs import Walk
from cutover.rehearsal.page import page
from cutover.rehearsal.remembering import remembering
from cutover.rehearsal.same_plan import proven_same
from cutover.rehearsal.schema_file import Schema
from cutover.rehearsal.stage import SHOP_BLUE, Say, Stage, staged
from cutover.rehearsal.tables import Filled, filled
from cutover.rehearsal.twin import Twin, twin_of
from cutover.rehearsal.under_faults import UnderFaults
from cutover.rehearsal.writer import Writer, writing
from cutover.rehearsal_record import FAILED, FILE, RUNBOOKS, SCHEMA, SUCCEEDED, parts, sealed
from cutover.runbook.files import replaced
from cutover.world import prometheus
from cutover.world.likeness import SHOP

PAGE = "rehearsal.md"
SHOP_ROWS, RATE = 60_000, 40
"""Of the demo shop beside the schema's tables, and its customers' requests per second."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of a rehearsal; `scale` is rows in each table of the schema."""

    scale: int = 1000
    seed: int = 1
    schema: Schema | None = None
    faults: str = ""
    """Seeds with commas between them, or `all`; empty for none."""
    kept: bool = False


@dataclass
class Rehearsal:
    """The rehearsal of one environment; nothing of the real one is asked, and none of its secrets is resolved."""

    name: str
    wanted: Wanted
    root: Path
    say: Say
    app: App = field(init=False)
    twin: Twin = field(init=False)
    schedules: Sequence[Schedule] = ()
    under_faults: Sequence[Result] = ()
    compared: int = 0
    found: dict[str, Filled] = field(default_factory=dict)
    """What was filled, by how the variables of its database begin."""
    _began: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.app = open_environment(self.name, read_only=True)
        self.twin = twin_of(self.app.environment, rows=SHOP_ROWS, rate=RATE, watched=prometheus.program() is not None)
        self.schedules = under_faults.wanted(self.wanted.faults, self.app.plan) if self.wanted.faults else ()

    def walked(self) -> dict[str, Any]:
        """Walks it all and returns the record's document; raises Refused before anything is started, Interrupted on a signal."""
        walk: Walk | None = None
        why = ""
        with staged(self.twin, self.root, self.say, kept=self.wanted.kept) as stage:
            self.compared = proven_same(self.app.plan, stage.app.plan, self.twin.rewritten, self.twin.not_rehearsed)
            self.say(f"the twin's plan is the one of {self.name}: {self.compared} phases, items and guards compared")
            self.filled_with_rows(stage)
            with ExitStack() as beside:
                writers = [
                    beside.enter_context(writing(stage.variables, name, found, self.twin.beside.get(name, "")))
                    for name, found in self.found.items()
                ]
                beside.enter_context(remembering(stage.app))
                walk = Walk(stage, self.say, lambda side: _proven(writers, side))
                try:
                    walk.all_legs()
                    if self.schedules:
                        self._under_faults(stage, walk)
                except Interrupted:
                    raise
                except CutoverError as error:
                    why = error.message
                document = self._document(walk, sum(writer.promised for writer in writers), why)
        return document

    def _under_faults(self, stage: Stage, walk: Walk) -> None:
        """The same plan with something that goes wrong in it; raises CutoverError where something may not be."""
        last = self.app.plan.phases[-1].name
        walk.back(last)
        slowest = max(leg.seconds for leg in walk.legs)
        under = UnderFaults(stage, stage.text, walk.people.answer, slowest, self.say)
        self.under_faults = under.results
        under.all_of(self.schedules)
        if problems := [f"{', '.join(one.strikes)}: {one.problems[0]}" for one in under.results if one.problems]:
            raise RehearsalFailed(f"under faults: {'; '.join(problems)}")
        walk.prove("blue")

    def filled_with_rows(self, stage: Stage) -> None:
        """In every database that is not the shop's; in that one, too, where it has a schema of the environment's."""
        for name, called in self.twin.beside.items():
            dsn = stage.variables[f"{name}_BLUE_DSN"]
            say = partial(_told_of, self.say, called)
            self.found[name] = filled(dsn, self.wanted.scale, self.wanted.seed, say, frozenset())
        if self.wanted.schema is None:
            return
        self.wanted.schema.load(stage.variables, self._with_tables())
        dsn = stage.variables[SHOP_BLUE]
        self.found[VARIABLES[SHOP]] = filled(dsn, self.wanted.scale, self.wanted.seed, self.say)

    def _with_tables(self) -> tuple[str, ...]:
        """The sides that have tables before the plan makes some."""
        return ("blue",) if SHOP in self.twin.likeness.without_tables else ("blue", "green")

    def _document(self, walk: Walk, promised: int, why: str) -> dict[str, Any]:
        entries, never = walk.entries(), walk.never_undone()
        if not why and never:
            why = f"these steps were never taken back: {', '.join(never)}"
        ended = time.time()
        return {
            "schema": SCHEMA,
            "environment": self.name,
            "outcome": FAILED if why else SUCCEEDED,
            "why": why,
            "plan_digest": self.app.plan.digest(),
            "bound": parts(self.app.plan),
            "compared": self.compared,
            "tool": version("cutover"),
            "began": round(self._began, 3),
            "ended": round(ended, 3),
            "seconds": round(ended - self._began, 1),
            "who": who(),
            "machine": f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
            "seed": self.wanted.seed,
            "scale": self.wanted.scale,
            "schema_file": self._schema(),
            "rows": {
                "blue": SHOP_ROWS + sum(one.rows for one in self.found.values()),
                "tables": sum(len(one.counts) for one in self.found.values()),
            },
            "legs": [asdict(leg) for leg in walk.legs],
            "not_ended_after": walk.skipped,
            "steps": measured.steps(entries),
            "phases": measured.phases(entries),
            "rollback_seconds": measured.rollbacks(walk.legs),
            "write_pause_ms": measured.pauses(walk.legs),
            "promised": f"{walk.proven} orders of customers, {promised} rows of other tables",
            "lost": 0 if not why else None,
            "doubled": 0 if not why else None,
            "undone": sorted(walk.undone()),
            "found_undone": sorted(walk.found_undone()),
            "never_undone": never,
            "answered": walk.people.answered,
            "faults": under_faults.documents(self.under_faults),
            "rewritten": [one.document() for one in self.twin.rewritten],
            "not_rehearsed": [one.document() for one in self.twin.not_rehearsed],
        }

    def _schema(self) -> dict[str, Any] | None:
        schema, found = self.wanted.schema, self.found.get(VARIABLES[SHOP], Filled())
        if schema is None:
            return None
        return {
            "file": schema.name,
            "sha256": schema.sha256,
            "tables": len(found.counts),
            "left_out": list(schema.left_out),
            "empty": dict(found.empty),
        }


def _told_of(say: Say, called: str, line: str) -> None:
    say(f"{called}: {line}")


def _proven(writers: Sequence[Writer], side: str) -> None:
    for writer in writers:
        writer.prove(side)


def written(name: str, document: dict[str, Any]) -> list[Path]:
    """Writes record and page beside the runbooks, each whole or not at all; raises Refused."""
    folder = RUNBOOKS / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [
            replaced(folder / PAGE, page(document)),
            replaced(folder / FILE, json.dumps(sealed(document), indent=1, ensure_ascii=False) + "\n"),
        ]
    except OSError as error:
        raise Refused(f"{folder} cannot be written: {error.strerror}") from None
