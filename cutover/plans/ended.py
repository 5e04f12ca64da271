"""What must be true before the end of blue, and the archive that outlives it."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding
from cutover.core.journal import Entry
from cutover.core.plain import text
from cutover.core.share import Share
from cutover.core.step import Command, Step
from cutover.plans.backup import SetAside, document_of, saved
from cutover.postgres.pair import DatabasePair
from cutover.postgres.sides import STATE_WORD

DAY = 86_400.0


def finished_at(entries: Sequence[Entry]) -> float | None:
    """When `finish` ended in these entries of one run, in seconds since the epoch; None when it has not."""
    plan = ""
    for entry in entries:
        if entry.kind == "leg-started":
            plan = entry.data["plan"]
        if entry.kind == "leg-ended" and plan == "finish" and entry.data["outcome"] == "done":
            return entry.at
    return None


@dataclass(frozen=True)
class RetentionOver(Check):
    """The old side is what remains when something turns out wrong weeks later: it is kept for its time, whoever asks.

    And not much longer, because it costs money and nobody patches it.
    """

    environment: str
    retention: float
    remind: float
    history: Callable[[], Sequence[Entry]] = field(compare=False, repr=False)
    now: Callable[[], float] = field(default=time.time, compare=False, repr=False)

    def look(self) -> Finding:
        try:
            ended = finished_at(self.history())
        except CutoverError as error:
            return Finding.blind(error.message)
        if ended is None:
            return Finding.failed("the cutover is not finished", f"invoke finish --env {self.environment}")
        kept, may_go = self.now() - ended, f"{datetime.fromtimestamp(ended + self.retention, UTC):%Y-%m-%d %H:%M} UTC"
        seen = f"finished {kept / DAY:.1f} days ago, kept for {self.retention / DAY:g}"
        if kept < self.retention:
            return Finding.not_yet(f"{seen}: blue may not go before {may_go}", "wait; the retention is a promise")
        if kept > self.remind:
            return Finding.passed(f"{seen}; blue still costs, {self.remind / DAY:g} days are over", warning=True)
        return Finding.passed(seen)

    def shell(self) -> str:
        program = (
            "import json, sys, time; "
            "ended = [run['finished_at'] for run in json.load(sys.stdin) if run['finished_at']][-1]; "
            "print(f'finished {(time.time() - ended) / 86400:.1f} days ago'); "
            f"sys.exit(time.time() - ended < {self.retention:.0f})"
        )
        return f'invoke history --env "$CUTOVER_ENV" --json | python3 -c {quote(program)}'


@dataclass(frozen=True)
class GreenServes(Check):
    """Only a side that takes no writes may end: blue has to be fenced, and green not."""

    pairs: tuple[DatabasePair, ...]

    def look(self) -> Finding:
        seen: list[str] = []
        well = True
        for pair in self.pairs:
            try:
                with pair.blue.open("look") as session:
                    blue = str(session.value(STATE_WORD))
                with pair.green.open("look") as session:
                    green = str(session.value(STATE_WORD))
            except CutoverError as error:
                return Finding.blind(error.message)
            well &= blue == "fenced" and green in ("open", "unprepared")  # `finish` takes green's kit away
            seen.append(f"{pair.named('blue')} {blue}, {pair.named('green')} {green}")
        told = "; ".join(seen)
        return Finding.passed(told) if well else Finding.failed(told, "blue must be fenced, green must serve")

    def shell(self) -> str:
        asked = [
            f'[ "$({pair.blue.ask(STATE_WORD)}\n)" = fenced ]\n[[ "$({pair.green.ask(STATE_WORD)}\n)" =~ ^(open|unprepared)$ ]]'
            for pair in self.pairs
        ]
        return "\n".join(["(set -e", *asked, "echo green serves)"])


@dataclass(frozen=True)
class Stands(Check):
    """The traffic has to be where the cutover left it: what somebody has moved back since then still needs blue.

    What is no share of blue and green any more (another version deployed since) is only told: blue has no part in it.
    """

    step: Step[Any]

    def look(self) -> Finding:
        try:
            seen = self.step.observe()
        except CutoverError as error:
            return Finding.blind(error.message)
        told = f"{self.step.resource}: {text(seen)}"
        if seen == self.step.after:
            return Finding.passed(told)
        if not isinstance(seen, Share):
            return Finding.passed(f"{told}: no share of blue's any more", warning=True)
        return Finding.failed(told, f"wanted {text(self.step.after)}; who moved it still needs blue")

    def shell(self) -> str:
        return self.step.check_shell()


@dataclass(frozen=True)
class Confirmed(Check):
    """What is deleted does not come back: each resource is confirmed by its own name, not by a list that nobody reads."""

    environment: str
    name: str
    confirmed: Callable[[], Collection[str]] = field(compare=False, repr=False)

    def look(self) -> Finding:
        if self.name in self.confirmed():
            return Finding.passed(f"{self.name} was confirmed by name")
        return Finding.not_yet(
            f"{self.name} is not confirmed",
            f"invoke decommission --env {self.environment} --confirm {self.name}",
        )

    def shell(self) -> str:
        return f'read -r -p "type {self.name} to delete it: " typed && [ "$typed" = {quote(self.name)} ]'


@dataclass(frozen=True, kw_only=True)
class Archived(Step[str]):
    """Keeps what a later question will need: the whole record of the run, blue's configuration, and where its backups are.

    Written beside the journal, read back and checked; it stays when blue is gone. Store it where your rules ask.
    """

    path: Path
    shown: str
    """The path as a person types it."""
    run: Callable[[], str] = field(compare=False, repr=False)
    """The run whose end this is."""
    content: Callable[[], Any] = field(compare=False, repr=False)
    before: str = "not archived"
    after: str = "archived"

    @property
    def resource(self) -> str:
        return "archive"

    def observe(self) -> str:
        kept = document_of(self.path)
        return self.after if kept is not None and kept.get("run") == self.run() else self.before

    def commands(self, target: str) -> Sequence[Command]:
        return (Archive(self),) if target == self.after else (SetAside(self.path, self.shown),)

    def check_shell(self) -> str:
        last = "import json, sys; print(json.load(sys.stdin)[-1]['run'])"
        return (
            f'run=$(invoke history --env "$CUTOVER_ENV" --json | python3 -c {quote(last)})\n'
            f'if grep -qsF "\\"run\\": \\"$run\\"" "{self.shown}"; then echo archived; else echo not archived; fi'
        )


@dataclass(frozen=True)
class Archive(Command):
    """Writes the archive, reads it back, and only then gives it its name."""

    step: Archived

    def run(self, deadline: Deadline) -> None:
        if self.step.observe() == self.step.after:
            return
        content = {"run": self.step.run(), **self.step.content()}
        SetAside(self.step.path, self.step.shown).run(deadline)  # of an earlier run
        saved(self.step.path, content)

    def shell(self) -> str:
        return 'invoke archive --env "$CUTOVER_ENV"'
