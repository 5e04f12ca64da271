"""The command that measures: bench."""

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, say

ROWS = {"pause": 20_000, "validation": 1_000_000}


@task(
    positional=["what"],
    help={
        "what": "pause: the write pause of the switchover, as clients see it, beside the bare SQL minimum; "
        "validation: comparing all rows, beside counting them and turning them into text",
        "rounds": "how often, there and back; for validation how often each",
        "rate": "writes per second, all clients together",
        "clients": "how many of them",
        "rows": "rows in the tables: 20000 for pause, 1000000 for validation",
        "tables": "so many tables more, each with a sequence",
        "json": "one document on standard output",
    },
)
@ended
def bench(
    c: Context,
    what: str,
    rounds: int = 20,
    rate: int = 1000,
    clients: int = 4,
    rows: int = 0,
    tables: int = 0,
    json: bool = False,
) -> None:
    """Measure on servers of its own, each figure beside its reference. Example: invoke bench pause --rounds 20"""
    from cutover.bench import comparing
    from cutover.bench.pause import measure
    from cutover.cli.opening import print_json
    from cutover.core.errors import ConfigurationRefused

    if what not in ROWS:
        raise ConfigurationRefused([f"nothing is known to measure about {what!r}; known: {', '.join(ROWS)}"])
    rows = rows or ROWS[what]
    if min(rounds, rate, clients, rows) < 1 or tables < 0:
        raise ConfigurationRefused(["--rounds, --rate, --clients and --rows are at least 1, --tables at least 0"])
    if what == "validation":
        costs = comparing.measure(rows=rows, rounds=rounds, say=say)
        if json:
            print_json({"schema": "cutover.bench/1", "what": what, **costs.document()})
        else:
            print(costs)
        return
    figures = measure(rounds=rounds, rate=rate, clients=clients, rows=rows, extra_tables=tables, say=say)
    if json:
        print_json({"schema": "cutover.bench/1", "what": what, **figures.document()})
    else:
        print(figures)
    if figures.lost or figures.doubled or figures.diverged:
        raise Exit(code=1)
