"""The commands that look: plan, status, history."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task
from rich.table import Table

from cutover.cli.ends import ended, say

WIDE = 200  # columns of a table that no terminal is asked for
ENV = "environment: a file environments/NAME.yaml"


@task(
    help={
        "env": ENV,
        "detailed-exitcode": "end with 2 when something is to be done",
        "json": "the plan as one document on standard output",
    }
)
@ended
def plan(c: Context, env: str = "", detailed_exitcode: bool = False, json: bool = False) -> None:
    """Show every step, what is there now, and how each is undone. Example: invoke plan --env staging"""
    from cutover.cli.opening import named, opened

    pending = show_plan(opened(named(env), read_only=True), as_json=json)
    if detailed_exitcode and pending:
        raise Exit(code=2)


def show_plan(app: Any, *, as_json: bool, dry_run: bool = False, which: str = "cutover") -> int:
    """Prints the plan with what is observed; returns how many steps are not at their end state."""
    from cutover.cli.opening import print_json
    from cutover.core.gate import Gate
    from cutover.core.plain import text
    from cutover.reviewed import observed, start_digest

    shown = app.plan_named(which)
    seen = observed(shown)
    rows: list[dict[str, Any]] = []
    for phase, item in shown.walk():
        if isinstance(item, Gate):
            finding = "not run in dry-run" if item.check.writes and dry_run else ""
            rows.append(
                {"phase": phase.name, "gate": item.name, "hold": item.hold, "deadline": item.deadline, "now": finding}
            )
            continue
        now = seen[item.name]
        undo = "none: point of no return" if item.one_way else f"{text(item.after)} → {text(item.before)}"
        sign = "=" if now == text(item.after) else "~"
        rows.append(
            {
                "phase": phase.name,
                "step": item.name,
                "sign": sign,
                "before": text(item.before),
                "after": text(item.after),
                "now": now,
                "undo": undo,
                "kept_by_rollback": item.standing,
            }
        )
    steps = [row for row in rows if "step" in row]
    pending = [row for row in steps if row["sign"] != "="]
    document = {
        "schema": "cutover.plan/1",
        "environment": app.environment.name,
        "plan_digest": shown.digest(),
        "start_digest": start_digest(shown, seen),
        "to_change": len(pending),
        "irreversible": sum(row["undo"].startswith("none") for row in steps),
        "items": rows,
        "guards": [_guard(guard) for guard in shown.guards],
    }
    if as_json:
        print_json(document)
    else:
        _print_plan(document)
    return len(pending)


def _guard(guard: Any) -> dict[str, Any]:
    """A guard as the runbook tells of it; a trigger has its own words."""
    from cutover.plans.triggered import Triggered
    from cutover.runbook.words import guard_policy

    says = f"if it fails: {guard_policy(guard)}"
    if isinstance(guard.check, Triggered):
        says = guard.check.rule.words()
    return {"guard": guard.name, "says": says, "policy": guard.policy.value, "during": list(guard.during)}


def _print_plan(document: dict[str, Any]) -> None:
    from rich.console import Console

    from cutover.reviewed import BLIND

    out = Console(highlight=False, soft_wrap=True)
    phase = ""
    blind: dict[str, int] = {}
    for row in document["items"]:
        if row["phase"] != phase:
            phase = row["phase"]
            out.print(f"\n[bold]{phase}[/]")
        if "gate" in row:
            hold = f", held for {row['hold']:g} s" if row["hold"] else ""
            out.print(
                f"  ? {row['gate']:<28} must pass {_within(row['deadline'])}{hold}  {row['now']}".rstrip(),
                markup=False,
            )
            continue
        kept = "; kept by a rollback" if row["kept_by_rollback"] else ""
        out.print(f"  {row['sign']} {row['step']:<28} {row['before']} → {row['after']}", markup=False)
        now = row["now"]
        if now.startswith(BLIND):
            now = f"not observed ({blind.setdefault(now.removeprefix(BLIND), len(blind) + 1)})"
        out.print(f"      now: {now}; undo: {row['undo']}{kept}", markup=False)
    if document["guards"]:
        out.print("\n[bold]watched all the time[/]")
    for guard in document["guards"]:
        during = f"  (in {', '.join(guard['during'])})" if guard["during"] else ""
        out.print(f"  ! {guard['guard']:<28} {guard['says']}{during}", markup=False)
    out.print("")
    for reason, number in blind.items():
        out.print(f"({number}) {reason}", markup=False)
    out.print(
        f"\n{document['to_change']} to change, {document['irreversible']} irreversible "
        "(~ changes, = holds already, ? is asked, ! is watched)\n"
        f"plan digest  {document['plan_digest']}\nstart digest {document['start_digest'] or 'none: not everything could be observed'}",
        markup=False,
    )


def _within(deadline: float) -> str:
    return f"within {deadline:g} s" if deadline else "at the first look"


def show_way_back(app: Any, *, to: str | None, everything: bool, as_json: bool) -> None:
    """Prints what a rollback would take back now."""
    from cutover.cli.opening import print_json
    from cutover.core.gate import Gate
    from cutover.core.plain import text
    from cutover.reviewed import observed
    from cutover.run_views import active

    view, state = None, app.recorded()
    if state is not None:
        try:
            view = active(state)
        finally:
            state.close()
    if view is None:
        say("nothing to take back: no run is open and none stands")
        if as_json:
            print_json({"schema": "cutover.plan/1", "environment": app.environment.name, "items": []})
        return
    position = view.position
    taken = (*position.taken, *position.kept) if everything else position.taken
    back = app.plan.inverse(taken, to=to, everything=everything, half_done=position.half_done)
    seen = observed(back)
    rows = [
        {"phase": phase.name, "gate": item.name, "now": "not run in dry-run" if item.check.writes else ""}
        if isinstance(item, Gate)
        else {
            "phase": phase.name,
            "step": item.name,
            "before": text(item.before),
            "after": text(item.after),
            "now": seen[item.name],
        }
        for phase, item in back.walk()
    ]
    if as_json:
        print_json({"schema": "cutover.plan/1", "environment": app.environment.name, "run": view.run, "items": rows})
        return
    print(f"the way back of run {view.run}:")
    for row in rows:
        if "step" in row:
            print(f"  ~ {row['step']:<30} {row['before']} → {row['after']}   (now: {row['now']})")
        else:
            print(f"  ? {row['gate']:<30} {row['now']}")


@task(help={"env": ENV, "run": "show every entry of this run", "json": "one document on standard output"})
@ended
def history(c: Context, env: str = "", run: str = "", json: bool = False) -> None:
    """List the runs of an environment, or one run's entries; checks the hash chain. Example: invoke history --env local"""
    from rich.box import SIMPLE
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
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
