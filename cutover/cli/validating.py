"""The command that compares both sides' rows and the business's figures."""

import sys
import time
from pathlib import Path
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.app import App
from cutover.cli.ends import ended, say
from cutover.core.errors import ConfigurationRefused
from cutover.postgres.comparison import Progress, Report

EVERY = 2.0  # seconds between two lines of progress where there is no terminal
CODES = {"equal": 0, "equal on a sample": 0, "differs": 1, "not proven": 2}


@task(
    help={
        "env": "environment: a file environments/NAME.yaml",
        "tables": "only these, separated by commas, as schema.table",
        "sample": "only so many percent of the keys, picked anew each time; equal then means equal on this sample",
        "resume": "go on with a comparison that was interrupted, with the same flags",
        "repair": "write SQL that would make the other side's rows the same to this file; it is never executed",
        "record": "when equal, remember from where on changes are compared again (the runbook's step does that)",
        "json": "one document on standard output",
    }
)
@ended
def validate(
    c: Context,
    env: str = "",
    tables: str = "",
    sample: float = 100.0,
    resume: bool = False,
    repair: str = "",
    record: bool = False,
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
    shown = _Shown()
    try:
        if record:
            _record(app, tables=tables, sample=sample, resume=resume, repair=repair)
            return
        source = serving(app)
        target = app.means.green if source.side == "blue" else app.means.blue
        report = compare(
            source,
            target,
            _wanted(app, tables=tables, sample=sample, resume=resume, repair=repair),
            listen=shown,
        )
    except ConfigurationRefused:
        raise
    except (SchemasDiffer, RowsDiffer) as error:
        say(error.message)
        raise Exit(code=1) from error
    except CutoverError as error:
        say(f"not proven: {error.message}")
        if error.next_command:
            say(f"next: {error.next_command}")
        raise Exit(code=2) from error
    finally:
        shown.end()
    _print(app, report, json, print_json)
    if repair:
        say(f"{repair} is written; nothing of it has been executed. It holds values of the database.")
    if CODES[report.status]:
        raise Exit(code=CODES[report.status])


def _record(app: App, **flags: Any) -> None:
    from cutover.core.clock import Deadline
    from cutover.postgres.baseline import RecordBaseline

    if flags["tables"] or flags["sample"] < 100 or flags["resume"] or flags["repair"]:
        raise ConfigurationRefused(["--record compares everything: it goes with none of the other flags"])
    RecordBaseline(app.means.blue, app.means.green).run(Deadline.after(app.environment.database.copy_timeout))
    say("equal, and recorded")


def _wanted(app: App, *, tables: str, sample: float, resume: bool, repair: str) -> Any:
    from cutover.postgres.business import BusinessCheck
    from cutover.postgres.validation import Wanted

    policy = app.environment.database.validation
    return Wanted(
        tables=[name.strip() for name in tables.split(",") if name.strip()],
        sample=sample,
        max_report=policy.max_report,
        show_values=policy.show_values,
        checks=[BusinessCheck(check.name, check.sql, check.within / 100) for check in policy.checks],
        repair=Path(repair) if repair else None,
        checkpoint=app.means.state_dir / f"{app.environment.name}.validation",
        resume=resume,
    )


def _print(app: App, report: Report, json: bool, print_json: Any) -> None:
    from cutover.checkup import five_checks

    limit = app.environment.database.validation.max_report
    if json:
        print_json({**report.document(limit), "checks": five_checks(app, report)})
        return
    print(str(report))
    for difference in report.differences[:limit]:
        print(f"  {difference.table} ({difference.key}): {difference.seen} on {report.target}")
        for column in difference.columns:
            print(f"    {column.column}: {column.source} on {report.source}, {column.target} on {report.target}")


class _Shown:
    """Progress on standard error: one line that changes on a terminal, else a plain line from time to time."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._next = time.monotonic() + EVERY
        self._drawn = False

    def __call__(self, progress: Progress) -> None:
        if self._terminal:
            print(f"\r\x1b[K{progress}", end="", file=sys.stderr, flush=True)
            self._drawn = True
        elif time.monotonic() >= self._next:
            say(str(progress))
            self._next = time.monotonic() + EVERY

    def end(self) -> None:
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
