"""Checkpoints after the switch: everything that can be checked while green serves, with a report and a decision."""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

from cutover.core.errors import CutoverError
from cutover.core.gate import Check, Finding, Guard, Policy, Verdict
from cutover.core.guarding import found as finding_of
from cutover.core.hidden import hidden
from cutover.core.journal import Entry, Journal, Position
from cutover.core.plain import span
from cutover.core.telling import heard, noted
from cutover.environment import Checkpoints
from cutover.plans.checkpoint_schedule import CHECKPOINT, LATE, Due, Rhythm, due, moments, newest, switched_at
from cutover.plans.checkpoint_suite import suite
from cutover.plans.means import Means

EVERY = 10.0
SCHEMA = "cutover.checkpoint/1"
DECISIONS = {
    Verdict.PASS: "well",
    Verdict.INSUFFICIENT: "warning",
    Verdict.BLIND: "not proven",
    Verdict.FAIL: "failure",
}
SHOWN = ("moment", "verdict", "decision", "seen", "verdicts", "file")
WORST = (Verdict.FAIL, Verdict.BLIND, Verdict.INSUFFICIENT, Verdict.PASS)

Suite = Sequence[tuple[str, Callable[[], Finding]]]


def checkpoint_guard(means: Means, commit: Sequence[str], phases: Sequence[str]) -> list[Guard]:
    """The guard that does what is due, in these phases; none where the environment asks for none."""
    words = means.environment.checkpoints
    if words is None:
        return []
    check = CheckpointsDone(
        environment=means.environment.name,
        wanted=wanted_moments(words),
        within=words.within,
        commit=tuple(commit),
        suite=lambda: suite(means),
        journal=means.journal,
        file=lambda name: means.file(f"checkpoints/{name}.json"),
    )
    return [
        Guard(
            name="checkpoints",
            check=check,
            policy=Policy(words.failure),
            every=EVERY,
            during=tuple(phases),
            stands=True,
            patience=0.0,
            on_blind=Policy(words.unproven),
            on_insufficient=Policy(words.warning),
        )
    ]


def wanted_moments(words: Checkpoints) -> tuple[float, ...]:
    """Every moment at which a checkpoint is wanted, in seconds after the switch."""
    return tuple(moments(words.at, [Rhythm(one.since, one.until, one.every) for one in words.every]))


def stand(words: Checkpoints, position: Position, commit: Sequence[str], entries: Sequence[Entry]) -> dict[str, Any]:
    """How checkpoints stand of one run, as data: how many were taken, the last one, and when the next is due.

    `next` is None before the switch, after a way back, and when there is none any more; `due` is seconds since the epoch.
    """
    taken = [entry for entry in entries if entry.kind == CHECKPOINT]
    switched = switched_at(position, commit)
    last = newest(entries, switched) if switched is not None else None
    after = float(last.data["moment"]) if last is not None else 0.0
    ahead = [moment for moment in wanted_moments(words) if moment > after] if switched is not None else []
    told = {key: taken[-1].data.get(key) for key in SHOWN} if taken else {}
    return {
        "taken": len(taken),
        "last": {**told, "at": taken[-1].at, "starts": policies(words).get(str(told["decision"]))} if taken else None,
        "next": {"moment": ahead[0], "due": switched + ahead[0]} if ahead and switched is not None else None,
    }


@dataclass(frozen=True)
class _Work:
    """A checkpoint under way, in a thread of its own: whatever hangs in it holds up nobody."""

    due: Due
    switched: float
    begun: float
    names: tuple[str, ...]
    results: dict[str, Finding] = field(default_factory=dict)
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(kw_only=True)
class CheckpointsDone(Check):
    """At set times after the switch everything that can be checked while green serves is looked at, and reported.

    Business figures of both sides, the way back, figures beside what they were before, every trigger, smoke tests that only read, and
    the journal itself. What the newest checkpoint found decides: all well goes on; a warning, a failure and what could not be
    seen start what is written for them. What was missed while nobody watched is done once, late.
    """

    environment: str
    wanted: tuple[float, ...]
    """Seconds after the switch."""
    within: float
    commit: tuple[str, ...]
    """The steps whose end is the switch."""
    suite: Callable[[], Suite] = field(repr=False)
    journal: Callable[[], Journal | None] = field(repr=False)
    file: Callable[[str], tuple[Path, str]] = field(repr=False)
    now: Callable[[], float] = field(default=time.time, repr=False)
    start: Callable[[Callable[[], None]], None] = field(default=lambda work: _beside(work), repr=False)
    _work: _Work | None = field(default=None, init=False, repr=False)

    def look(self) -> Finding:
        journal = self.journal()
        switched = switched_at(journal.position(), self.commit) if journal is not None else None
        if journal is None or switched is None:
            return Finding.passed("nothing was switched yet")
        if self._work is not None and self._work.switched != switched:
            self._work = None  # of a switch that was taken back meanwhile
        if self._work is not None and (self._work.done.is_set() or self.now() - self._work.begun >= self.within):
            self._record(journal, self._work)
            self._work = None
        last = newest(journal.entries(), switched)
        if self._work is None and (next_one := due(self.wanted, switched, last, self.now())) is not None:
            self._work = self._begun(next_one, switched)
        if last is None:
            return Finding.passed("no checkpoint yet")
        return Finding(
            Verdict(last.data["verdict"]), str(last.data["seen"]), "read the report: " + str(last.data["file"])
        )

    def _begun(self, wanted: Due, switched: float) -> _Work:
        todo = self.suite()
        work = _Work(wanted, switched, self.now(), tuple(name for name, _ in todo))
        self.start(partial(_go_through, todo, work))
        return work

    def _record(self, journal: Journal, work: _Work) -> None:
        results = dict(work.results)
        for name in work.names:
            results.setdefault(name, Finding.blind(f"not known within {self.within:g} s"))
        late = work.due.late > LATE
        told = {
            "run": journal.run,
            "moment": work.due.moment,
            "missed": list(work.due.missed),
            "late": round(work.due.late, 1) if late else 0.0,
            "switched": work.switched,
        }
        document = report(self.environment, results, work.begun, self.now(), **told)
        path, shown = self.file(f"{journal.run}-{work.due.moment:.0f}")
        try:
            digest = written(path, document)
        except OSError as error:  # the verdict is recorded all the same
            shown, digest = f"not written: {error.strerror}", ""
        seen = _named(work.due, late) + str(document["seen"])
        decision = document["decision"]
        verdicts = {name: one.verdict.value for name, one in results.items()}
        # The run's name is the entry's own.
        told.pop("run")
        told |= {"verdict": document["verdict"], "decision": decision, "seen": seen, "verdicts": verdicts}
        journal.append(CHECKPOINT, file=shown, sha256=digest, **told)

    def shell(self) -> str:
        return f"invoke checkpoint --env {quote(self.environment)}"


def _beside(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="checkpoint", daemon=True).start()


def _go_through(todo: Suite, work: _Work) -> None:
    # What is said and tried again in here is shown to nobody: the walk has its own.
    with heard(lambda _: None), noted(lambda _, __: None):
        for name, look in todo:
            work.results[name] = looked(look)
    work.done.set()


def looked(look: Callable[[], Finding]) -> Finding:
    """What this says; anything raised means that nothing was seen."""
    try:
        return finding_of(_Asked(look))
    except CutoverError as error:
        return Finding.blind(error.message)


@dataclass(frozen=True)
class _Asked(Check):
    """One question of a checkpoint."""

    asked: Callable[[], Finding]

    def look(self) -> Finding:
        return self.asked()

    def shell(self) -> str:
        return "invoke checkpoint"


def report(environment: str, results: Mapping[str, Finding], begun: float, ended: float, **more: Any) -> dict[str, Any]:
    """The report as one document; its verdict is the worst of all, and its decision what that means."""
    worst = next(
        (verdict for verdict in WORST if any(one.verdict is verdict for one in results.values())), Verdict.BLIND
    )
    odd = [f"{name}: {one.seen}" for name, one in results.items() if one.verdict is not Verdict.PASS]
    return {
        "schema": SCHEMA,
        "environment": environment,
        **more,
        "begun": begun,
        "ended": ended,
        "verdict": worst.value,
        "decision": DECISIONS[worst],
        "seen": "; ".join(odd) or f"{len(results)} checks are well",
        "checks": [
            {"name": name, "verdict": one.verdict.value, "seen": one.seen, "hint": one.hint, "data": dict(one.data)}
            for name, one in results.items()
        ],
    }


def written(path: Path, document: Mapping[str, Any]) -> str:
    """Writes a report whole or not at all; returns its SHA-256. Raises OSError."""
    text = json.dumps(document, indent=2, sort_keys=True, default=str) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    with half.open("w", encoding="utf-8") as file:
        file.write(hidden(text))
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
    return hashlib.sha256(text.encode()).hexdigest()


def _named(one: Due, late: bool) -> str:
    said = f"checkpoint {span(one.moment)} after the switch"
    said += f", {span(one.late)} late" if late else ""
    missed = ", ".join(span(moment) for moment in one.missed)
    return said + (f", in place of those at {missed}" if missed else "") + ": "


def policies(words: Checkpoints) -> dict[str, str]:
    """The decision matrix: what each outcome starts."""
    return {"well": "goes on", "warning": words.warning, "not proven": words.unproven, "failure": words.failure}
