"""The command that measures: bench."""

import signal
from typing import NoReturn

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, say

WHAT = "database"


@task(
    positional=["what"],
    help={
        "what": "database: the write pause, the way back, comparing rows, the preflight, and how the pause grows",
        "rounds": "how often, there and back (20); what varies little is measured at most three times",
        "only": "the parts to measure, as pause,validation: pause, pgbouncer, rollback, validation, window, preflight, growth",
        "quick": "everything small, in about two minutes: shows that it works, and its figures mean nothing",
        "json": "one document on standard output, with every sample",
        "markdown": "the tables as BENCH.md has them",
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
) -> None:
    """Measure on servers of its own, each figure beside its reference. Example: invoke bench database --only pause"""
    from cutover.bench.database import FULL, QUICK, chosen, measure
    from cutover.cli.opening import print_json
    from cutover.core.errors import ConfigurationRefused

    if what != WHAT:
        raise ConfigurationRefused([f"nothing is known to measure about {what!r}; known: {WHAT} (parts of it: --only)"])
    if rounds < 0:
        raise ConfigurationRefused([f"--rounds is at least 1, not {rounds}"])
    parts = chosen(only)
    signal.signal(signal.SIGTERM, _end)
    scale = QUICK if quick else FULL
    figures = measure(parts, scale.rounds(rounds) if rounds else scale, say)
    if json:
        print_json({"schema": "cutover.bench/2", "what": what, **figures.document()})
    else:
        print(figures.markdown() if markdown else figures)
    if figures.failed:
        raise Exit(code=1)


def _end(signum: int, frame: object) -> NoReturn:
    """Servers outlive whoever started them: they are ended on the way out."""
    raise SystemExit(128 + signum)
