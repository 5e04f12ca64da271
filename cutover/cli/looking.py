"""The commands that look: plan, status, history."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from cutover.cli.ends import ended, put, say

WIDE = 200  # columns of a table that no terminal is asked for
ENV = "environment: a file environments/NAME.yaml"


@task(
    help={
        "env": ENV,
        "detailed-exitcode": "end with 2 when something is to be done",
        "json": "the plan as one document on standard output",
        "html": "write the plan as a page for review, and print where it is",
        "out": "where that page goes, instead of .cutover/reviews/ENV-plan.html",
    }
)
@ended
def plan(
    c: Context, env: str = "", detailed_exitcode: bool = False, json: bool = False, html: bool = False, out: str = ""
) -> None:
    """Show every step, what is there now, and how each is undone. Example: invoke plan --env staging"""
    from cutover.cli.opening import is_dry, named, opened
    from cutover.cli.plan_shown import show_plan, write_review
    from cutover.core.errors import Refused

    if json and (html or out):
        raise Refused("--json and --html are two documents: ask for one of them")
    app = opened(named(env), read_only=True)
    if html or out:
        pending = write_review(app, out, dry_run=is_dry(c, False))
    else:
        pending = show_plan(app, as_json=json)
    if detailed_exitcode and pending:
        raise Exit(code=2)


@task(help={"env": ENV, "run": "show every entry of this run", "json": "one document on standard output"})
@ended
def history(c: Context, env: str = "", run: str = "", json: bool = False) -> None:
    """List the runs of an environment, or one run's entries; checks the hash chain. Example: invoke history --env local"""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from cutover.cli.opening import named, opened, print_json
    from cutover.core.errors import Refused
    from cutover.run_views import plain_view, runs_of

    app = opened(named(env), read_only=True)
    state = app.recorded()
    if state is None:
        say("no run yet")
        return
    try:
        views = runs_of(state)
    finally:
        state.close()
    if run:
        view = next((view for view in views if view.run == run), None)
        if view is None:
            raise Refused(f"no run {run}", next_command=f"invoke history --env {env}")
        if json:
            print_json(
                [{"seq": e.seq, "at": e.at, "kind": e.kind, "data": e.data, "hash": e.hash} for e in view.entries]
            )
            return
        for entry in view.entries:
            data = {key: value for key, value in entry.data.items() if key not in ("commands", "taken", "cleared")}
            put(f"{entry.seq:>4} {when(entry.at)} {entry.kind:<14} {data}")
        return
    if json:
        print_json([plain_view(view, app.plan) for view in views])
        return
    table = Table(box=SIMPLE)
    for name in ("run", "outcome", "direction", "zone", "who", "began", "took", "reason"):
        # What is typed again is shown whole, however narrow the terminal is.
        table.add_column(name, no_wrap=name in ("run", "began"), overflow="fold")
    for view in views:
        table.add_row(*_row(plain_view(view, app.plan)))
    Console(highlight=False, width=None if sys.stdout.isatty() else WIDE).print(table)


def _row(view: Mapping[str, Any]) -> list[str]:
    """A run in the table, with nothing in it that a terminal would act on."""
    from rich.markup import escape

    from cutover.core.plain import span
    from cutover.runbook.markdown import visible

    words = [view["run"], view["ending"], view["direction"] or "", view["zone"], view["who"]]
    words += [when(view["began"]), span(view["seconds"]), view["reason"]]
    return [escape(visible(one)) for one in words]


def when(at: float) -> str:
    """A moment, UTC, as reports and the console tell it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at)) + " UTC"
