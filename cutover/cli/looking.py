"""The commands that look: plan, status, history."""

import time

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task
from rich.table import Table

from cutover.cli.ends import ended, say

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
    from rich.console import Console

    from cutover.cli.opening import named, opened, print_json
    from cutover.core.errors import Refused
    from cutover.run_views import plain_view, runs_of

    app = opened(named(env))
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
            print(f"{entry.seq:>4} {when(entry.at)} {entry.kind:<14} {data}")
        return
    if json:
        print_json([plain_view(view, app.plan) for view in views])
        return
    table = Table("run", "began", "took", "state", "entries", "reason")
    for view in views:
        leg = view.position.leg
        table.add_row(
            view.run,
            when(view.began),
            f"{view.ended - view.began:.0f} s",
            view.state,
            str(len(view.entries)),
            leg.reason if leg else "",
        )
    Console(highlight=False).print(table)


def when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
