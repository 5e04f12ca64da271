"""The command that shows every figure as it is now, so that an operator sees that all of them are wired."""

import time
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import cell, ended, put
from cutover.cli.looking import ENV

BACK = 20  # steps that are looked back
PATIENCE = 20.0


@task(help={"env": ENV, "json": "one document on standard output"})
@ended
def metrics(c: Context, env: str = "", json: bool = False) -> None:
    """Read every figure of both sides once; ends with 1 when one has a gap. Example: invoke metrics --env local"""
    from cutover.cli.opening import named, opened, print_json
    from cutover.core.clock import Deadline
    from cutover.core.errors import ConfigurationRefused
    from cutover.core.series import Span
    from cutover.figures import Figures

    app = opened(named(env), read_only=True)
    # Nothing is kept by looking: what has no memory of its own has one sample, of now.
    figures = Figures(app.means, writes=False)
    if not figures.asked:
        raise ConfigurationRefused([f"{app.environment.name} has no figures: write them under metrics.figures"])
    now = time.time()
    spans = {
        asked: Span(now - BACK * figures.one(*asked).step, now, figures.one(*asked).step) for asked in figures.asked
    }
    read = figures.read_all(spans, Deadline.after(PATIENCE))
    spending = figures.spending(now - BACK * 60, now, Deadline.after(PATIENCE)) if figures.priced else None
    lines = [_line(name, side, figures.one(name, side), read[name, side]) for name, side in figures.asked]
    if json:
        cost = None if spending is None else _cost(spending, app.environment.metrics.cost)
        document = {"schema": "cutover.metrics/1", "environment": app.environment.name, "at": now}
        print_json({**document, "figures": lines, "cost": cost})
    else:
        _print(lines)
        if spending is not None:
            _print_cost(_cost(spending, app.environment.metrics.cost))
    if any(line["gap"] for line in lines):
        raise Exit(code=1)


def _line(name: str, side: str, figure: Any, reading: Any) -> dict[str, Any]:
    newest = reading.newest
    return {
        "figure": name,
        "side": side,
        "value": None if newest is None else newest.value,
        "unit": figure.unit,
        "at": None if newest is None else newest.at,
        "age": None if newest is None else max(0.0, time.time() - newest.at),
        "samples": len(reading.samples),
        "resets": reading.resets,
        "gap": None if reading.gap is None else reading.gap.value,
        "seen": reading.seen,
        "shell": figure.source.shell(figure.query),
    }


def _cost(spending: Any, words: Any) -> dict[str, Any]:
    """What an hour at the present use costs."""
    hours = spending.seconds / 3600
    parts = {name: amount / hours for name, amount in spending.parts.items()}
    at_least = {
        "an_hour": spending.an_hour,
        "currency": words.currency,
        "parts": parts,
        "unknown": dict(spending.unknown),
    }
    return {**at_least, "budget": words.budget}


def _print_cost(cost: dict[str, Any]) -> None:
    least = "at least " if cost["unknown"] else "about "
    put(f"an hour at this use costs {least}{cost['an_hour']:.2f} {cost['currency']}", end="")
    if cost["budget"] and cost["an_hour"]:
        put(f"; a phase's budget of {cost['budget']:g} lasts for {cost['budget'] / cost['an_hour']:.1f} h", end="")
    put("".join(f"; not known: {name}" for name in cost["unknown"]))


def _print(lines: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "side")
    table.add_column("newest", justify="right")
    table.add_column("age", justify="right")
    table.add_column("gap", overflow="fold")
    for line in lines:
        newest = "-" if line["value"] is None else f"{line['value']:.6g} {line['unit']}"
        age = "" if line["age"] is None else f"{line['age']:.0f} s"
        # Why a figure proves nothing; and what is to be said of one that does.
        said = f"{line['gap']}: {line['seen']}" if line["gap"] else line["seen"].partition(" ")[2]
        table.add_row(*map(cell, (line["figure"], line["side"], newest, age, said)))
    Console(highlight=False, soft_wrap=True).print(table)
    gaps = sum(line["gap"] is not None for line in lines)
    for line in lines:
        if line["gap"]:
            put(f"{line['figure']} of {line['side']} by hand: {line['shell']}")
    put(f"{len(lines) - gaps} of {len(lines)} read")
