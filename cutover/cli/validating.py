"""The command that compares both sides' rows and the business's figures."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, put, say
from cutover.core.errors import ConfigurationRefused

if TYPE_CHECKING:
    from cutover.app import App
    from cutover.postgres.comparison import Progress, Report
    from cutover.postgres.gaps import Gap
    from cutover.postgres.pair import DatabasePair
    from cutover.postgres.session import Database

EVERY = 2.0  # seconds between two lines of progress where there is no terminal
CODES = {"equal": 0, "equal on a sample": 0, "differs": 1, "not proven": 2}
WORSE = ("equal", "equal on a sample", "not proven", "differs")


@task(
    help={
        "env": "environment: a file environments/NAME.yaml",
        "database": "only this one, where the environment names several",
        "tables": "only these, separated by commas, as schema.table",
        "sample": "only so many percent of the keys, picked anew each time; equal then means equal on this sample",
        "resume": "go on with a comparison that was interrupted, with the same flags",
        "repair": "write SQL that would make the other side's rows the same to this file; it is never executed",
        "record": "when equal, remember from where on changes are compared again (the runbook's step does that)",
        "changed": "only what changed since the validation that was recorded (the window's gate does that)",
        "json": "one document on standard output",
    }
)
@ended
def validate(
    c: Context,
    env: str = "",
    database: str = "",
    tables: str = "",
    sample: float = 100.0,
    resume: bool = False,
    repair: str = "",
    record: bool = False,
    changed: bool = False,
    json: bool = False,
) -> None:
    """Compare every row of both sides: 0 equal, 1 differs, 2 not proven. Example: invoke validate --env local"""
    from cutover.cli.opening import is_dry, named, opened, print_json
    from cutover.core.errors import CutoverError
    from cutover.outcome import serving
    from cutover.postgres.baseline import RowsDiffer
    from cutover.postgres.comparable import SchemasDiffer
    from cutover.postgres.validation import validate as compare

    app = opened(named(env))
    if not 0 < sample <= 100:
        raise ConfigurationRefused([f"--sample is a percentage above 0 and up to 100, not {sample:g}"])
    if is_dry(c, False):
        say("validate writes one marker row per second look; not run in dry-run")
        return
    pairs = _chosen(app, database)
    if len(pairs) > 1 and (tables or repair):
        raise ConfigurationRefused([f"--tables and --repair go with --database: {', '.join(p.name for p in pairs)}"])
    if record and changed:
        raise ConfigurationRefused(["--record and --changed: one of them at a time"])
    flags: dict[str, Any] = {"tables": tables, "sample": sample, "resume": resume, "repair": repair}
    reports: dict[str, Report] = {}
    codes: set[int] = set()
    for pair in pairs:
        shown = _Shown(pair.name)
        try:
            if record:
                _record(app, pair, **flags)
                continue
            if changed:
                codes.add(_changed(app, pair, **flags))
                continue
            source = serving(pair)
            target = pair.green if source.side == "blue" else pair.blue
            before = _gap(source, target)
            reports[pair.name] = compare(source, target, _wanted(app, pair, **flags), listen=shown)
            if before is not None:
                shown.end()
                _told_of(before, source, proven=reports[pair.name].status == "equal" and _everything(flags))
        except ConfigurationRefused:
            raise
        except (SchemasDiffer, RowsDiffer) as error:
            say(error.message)
            codes.add(1)
        except CutoverError as error:
            say(f"not proven: {error.message}")
            if error.next_command:
                say(f"next: {error.next_command}")
            codes.add(2)
        finally:
            shown.end()
    if reports:
        _print(app, reports, json, print_json)
    if repair and reports:
        say(f"{repair} is written; nothing of it has been executed. It holds values of the database.")
    codes |= {CODES[report.status] for report in reports.values()}
    # A difference that was found weighs more than what could not be proven.
    for code in (1, 2):
        if code in codes:
            raise Exit(code=code)


def _chosen(app: App, database: str) -> Sequence[DatabasePair]:
    """The databases to compare; raises ConfigurationRefused with the known names."""
    if not app.means.pairs:
        raise ConfigurationRefused(
            [f"{app.environment.name}: both sides work on the same databases: nothing to compare"]
        )
    chosen = [pair for pair in app.means.pairs if not database or pair.name == database]
    if not chosen:
        known = ", ".join(pair.name for pair in app.means.pairs if pair.name) or "there is only one, without a name"
        raise ConfigurationRefused([f"--database: none is called {database!r}; known: {known}"])
    return chosen


def _record(app: App, pair: DatabasePair, **flags: Any) -> None:
    from cutover.core.clock import Deadline
    from cutover.postgres.baseline import RecordBaseline

    _alone("--record compares everything", flags)
    RecordBaseline(pair.blue, pair.green).run(Deadline.after(app.means.words(pair).copy_timeout))
    say(f"{pair.name}: equal, and recorded" if pair.name else "equal, and recorded")


def _changed(app: App, pair: DatabasePair, **flags: Any) -> int:
    """The exit code: 0 all are equal, 1 some differ, 2 not proven."""
    from cutover.core.clock import Deadline
    from cutover.core.gate import Verdict
    from cutover.postgres.baseline import ChangesCompared

    _alone("--changed compares what was written since the record", flags)
    deadline = Deadline.after(app.means.words(pair).copy_timeout)
    while True:
        found = ChangesCompared(pair.blue, pair.green).look()
        say(f"{pair.name}: {found.seen}" if pair.name else found.seen)
        if found.verdict is not Verdict.INSUFFICIENT or deadline.expired:
            if found.hint:
                say(f"next: {found.hint}")
            return 0 if found.verdict is Verdict.PASS else 1 if found.data.get("differ") else 2


def _gap(source: Database, target: Database) -> Gap | None:
    """Markers that never arrived; those that are under way are none. None where there are no markers yet."""
    from cutover.postgres.gaps import overtaken

    with source.open("gap") as ours, target.open("gap") as theirs:
        if any(session.value("SELECT to_regclass('cutover.switches')") is None for session in (ours, theirs)):
            return None
        return overtaken(ours, theirs)


def _told_of(found: Gap, source: Database, *, proven: bool) -> None:
    """What was missing is told, and forgotten once every row is known to be the same."""
    from cutover.postgres.gaps import closed

    if not proven:
        say(f"{found}. Only when a comparison of everything says equal are the writes moved to {found.target}")
        return
    with source.open("gap") as session:
        closed(session, found)
    say(f"{found}. Every row was compared since and is the same: the writes may be moved to {found.target}")


def _everything(flags: Mapping[str, Any]) -> bool:
    """Whether each row was compared by this very command."""
    return not flags["tables"] and flags["sample"] == 100 and not flags["resume"]


def _alone(what: str, flags: Mapping[str, Any]) -> None:
    if flags["tables"] or flags["sample"] < 100 or flags["resume"] or flags["repair"]:
        raise ConfigurationRefused([f"{what}: it goes with none of the other flags"])


def _wanted(app: App, pair: DatabasePair, *, tables: str, sample: float, resume: bool, repair: str) -> Any:
    from cutover.postgres.business import BusinessCheck
    from cutover.postgres.validation import Wanted

    policy = app.means.words(pair).validation
    return Wanted(
        tables=[name.strip() for name in tables.split(",") if name.strip()],
        sample=sample,
        max_report=policy.max_report,
        show_values=policy.show_values,
        checks=[BusinessCheck(check.name, check.sql, check.within / 100) for check in policy.checks],
        repair=Path(repair) if repair else None,
        checkpoint=app.means.state_dir / f"{pair.named(app.environment.name)}.validation",
        resume=resume,
    )


def _print(app: App, reports: Mapping[str, Report], json: bool, print_json: Any) -> None:
    from cutover.checkup import five_checks

    limits = {name: words.validation.max_report for name, words in app.environment.every_database.items()}
    if json:
        documents = {name: report.document(limits[name]) for name, report in reports.items()}
        checks = five_checks(app, *reports.values())
        if len(app.means.pairs) == 1:
            print_json({**documents[""], "checks": checks})
            return
        status = max((report.status for report in reports.values()), key=WORSE.index)
        print_json({"schema": "cutover.validation/2", "status": status, "databases": documents, "checks": checks})
        return
    for name, report in reports.items():
        put(f"{name}: {report}" if name else str(report))
        for difference in report.differences[: limits[name]]:
            put(f"  {difference.table} ({difference.key}): {difference.seen} on {report.target}")
            for column in difference.columns:
                put(f"    {column.column}: {column.source} on {report.source}, {column.target} on {report.target}")


class _Shown:
    """Progress on standard error: one line that changes on a terminal, else a plain line from time to time."""

    def __init__(self, name: str) -> None:
        self._name = f"{name}: " if name else ""
        self._terminal = sys.stderr.isatty()
        self._next = time.monotonic() + EVERY
        self._drawn = False

    def __call__(self, progress: Progress) -> None:
        if self._terminal:
            print(f"\r\x1b[K{self._name}{progress}", end="", file=sys.stderr, flush=True)
            self._drawn = True
        elif time.monotonic() >= self._next:
            say(f"{self._name}{progress}")
            self._next = time.monotonic() + EVERY

    def end(self) -> None:
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
