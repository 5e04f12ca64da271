"""The command that measures: bench."""

import signal
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, say

# What can be measured: each module of cutover.bench has FULL, QUICK, chosen and measure.
RECORDS, ALL = Path("runbooks"), "all"
MEASURED = ("database", "engine", "watching", "routing", "console")


@task(
    positional=["what"],
    help={
        "what": "all, or one of these. database: the write pause, the way back, the lease, comparing rows, the preflight, and how the pause grows; "
        "engine: the journal's appends, a step's own cost, and how soon the program starts; "
        "watching: how soon faults of green are found and answered; "
        "routing: a decision, a routed call, eight threads, memory, and how evenly keys are spread; "
        "console: what it costs a run that 200 clients look at, its first paint, its charts, and how soon a line is heard of",
        "rounds": "how often: database 20, there and back; watching 3, each fault; routing 100; console 5 to 20; what varies little, or takes long, is measured less often",
        "only": "the parts to measure, as pause,validation or errors-12,crash; an unknown one names them all",
        "quick": "everything small, in a few minutes: shows that it works, and its figures mean nothing",
        "json": "one document on standard output, with every sample",
        "markdown": "the tables as BENCH.md has them",
        "record": "put them into runbooks/benchmarks.md and .json, in the place of the last ones of their kind",
    },
)
@ended
def bench(
    c: Context,
    what: str,
    rounds: int = 0,
    only: str = "",
    quick: bool = False,
    json: bool = False,
    markdown: bool = False,
    record: bool = False,
) -> None:
    """Measure, each figure beside its reference, on servers of its own. Example: invoke bench database --only pause"""
    from cutover.core.errors import ConfigurationRefused

    if what not in (*MEASURED, ALL):
        known = ", ".join((*MEASURED, ALL))
        raise ConfigurationRefused(
            [f"nothing is known to measure about {what!r}; known: {known} (parts of it: --only)"]
        )
    if rounds < 0:
        raise ConfigurationRefused([f"--rounds is at least 1, not {rounds}"])
    if what == ALL and (only or json):
        raise ConfigurationRefused(["--only and --json go with one kind, as in: invoke bench database --json"])
    if record and (quick or only):
        raise ConfigurationRefused(["--record keeps whole kinds at their full scale: not with --quick or --only"])
    signal.signal(signal.SIGTERM, _end)
    failed = [
        one
        for one in (MEASURED if what == ALL else (what,))
        if _measured(one, rounds, only, quick, json, markdown, record)
    ]
    if failed:
        raise Exit(code=1)


def _measured(what: str, rounds: int, only: str, quick: bool, json: bool, markdown: bool, record: bool) -> bool:
    """Measures one kind, and shows it; whether a part of it failed."""
    from cutover.bench.record import record as recorded
    from cutover.cli.opening import print_json

    about = _about(what)
    parts = about.chosen(only)
    scale = about.QUICK if quick else about.FULL
    figures = about.measure(parts, scale.rounds(rounds) if rounds else scale, say)
    if json:
        print_json({"schema": "cutover.bench/2", "what": what, **figures.document()})
    else:
        print(figures.markdown() if markdown else figures)
    if record:
        say(f"recorded in {' and '.join(map(str, recorded(RECORDS, what, figures)))}")
    return bool(figures.failed)


def _about(what: str) -> Any:
    """The module that measures it, loaded only when it is asked for."""
    return import_module(f"cutover.bench.{what}")


def _end(signum: int, frame: object) -> NoReturn:
    """Servers outlive whoever started them: they are ended on the way out."""
    raise SystemExit(128 + signum)
