"""The command that shows how far a shift has got in the name system."""

import time
from typing import Any

from invoke.context import Context
from invoke.tasks import task

from cutover.cli.ends import cell, ended, put
from cutover.cli.looking import ENV


@task(help={"env": ENV, "json": "one document on standard output"})
@ended
def propagation(c: Context, env: str = "", json: bool = False) -> None:
    """Show what every name server and resolver answers, and which side that is. Example: invoke propagation --env local"""
    from cutover.cli.opening import named, opened, print_json
    from cutover.plans.carriers import carried
    from cutover.plans.propagation import propagation as seen_by

    app = opened(named(env), read_only=True)
    now = time.time()
    hostnames = seen_by(carried(app.means), app.plan, _position(app), now)
    if json:
        document = {"schema": "cutover.propagation/1", "environment": app.environment.name, "at": now}
        print_json({**document, "hostnames": hostnames})
        return
    for one in hostnames:
        _print(one, now)


def _position(app: Any) -> Any:
    """Where the last run stands; None when there is none, or it was taken back."""
    from cutover.run_views import runs_of

    state = app.recorded()
    if state is None:
        return None
    try:
        views = runs_of(state)
    finally:
        state.close()
    return views[-1].position if views and views[-1].state != "rolled-back" else None


def _print(one: dict[str, Any], now: float) -> None:
    from rich.console import Console
    from rich.table import Table

    out = Console(highlight=False, soft_wrap=True)
    put(f"{one['host']} {one['type']}: asked {one['asked']} on green, the provider shows {one['effective']}")
    if one["trouble"]:
        put(f"  {one['trouble']}")
    if not one["answers"]:
        if not one["trouble"]:
            put("  no name server is asked: no record of this name moves")
        return
    remarks = [_remark(each["straggler"], now) for each in one["answers"]]
    table = Table("server", "kind")
    table.add_column("answers", overflow="fold")
    for heading in ("side", "TTL left", *(("remark",) if any(remarks) else ())):
        table.add_column(heading)
    for each, remark in zip(one["answers"], remarks, strict=True):
        told = ", ".join(each["values"]) or each["reason"]
        left = "" if each["ttl_left"] is None else f"{each['ttl_left']} s"
        cells = [each["server"], each["role"], told, each["side"] or "-", left, *((remark,) if any(remarks) else ())]
        table.add_row(*map(cell, cells))
    out.print(table)


def _remark(straggler: dict[str, Any] | None, now: float) -> str:
    if straggler is None:
        return ""
    until = time.strftime("%H:%M:%S", time.localtime(straggler["until"]))
    kind = "expected straggler" if straggler["expected"] else "straggler"
    left = max(0.0, straggler["until"] - now)
    return f"{kind} until {until} ({left:.0f} s): {straggler['why']}"
