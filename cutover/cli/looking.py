"""The commands that look: plan, status, history."""

import time
from typing import Any

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
    }
)
@ended
def plan(c: Context, env: str = "", detailed_exitcode: bool = False, json: bool = False) -> None:
    """Show every step, what is there now, and how each is undone. Example: invoke plan --env staging"""
    from cutover.cli.opening import named, opened

    pending = show_plan(opened(named(env), read_only=True), as_json=json)
    if detailed_exitcode and pending:
        raise Exit(code=2)


def show_plan(app: Any, *, as_json: bool, dry_run: bool = False, finishing: bool = False) -> int:
    """Prints the plan with what is observed; returns how many steps are not at their end state."""
    from cutover.cli.opening import print_json
    from cutover.core.gate import Gate
    from cutover.core.plain import text
    from cutover.runs import observed, start_digest

    shown = app.finish if finishing else app.plan
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
    }
    if as_json:
        print_json(document)
    else:
        _print_plan(document)
    return len(pending)


def _print_plan(document: dict[str, Any]) -> None:
    from rich.console import Console

    from cutover.runs import BLIND

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
                f"  ? {row['gate']:<28} must pass within {row['deadline']:g} s{hold}  {row['now']}".rstrip(),
                markup=False,
            )
            continue
        kept = "; kept by a rollback" if row["kept_by_rollback"] else ""
        out.print(f"  {row['sign']} {row['step']:<28} {row['before']} → {row['after']}", markup=False)
        now = row["now"]
        if now.startswith(BLIND):
            now = f"not observed ({blind.setdefault(now.removeprefix(BLIND), len(blind) + 1)})"
        out.print(f"      now: {now}; undo: {row['undo']}{kept}", markup=False)
    out.print("")
    for reason, number in blind.items():
        out.print(f"({number}) {reason}", markup=False)
    out.print(
        f"\n{document['to_change']} to change, {document['irreversible']} irreversible "
        "(~ changes, = holds already, ? is asked)\n"
        f"plan digest  {document['plan_digest']}\nstart digest {document['start_digest'] or 'none: not everything could be observed'}",
        markup=False,
    )


def show_way_back(app: Any, *, to: str | None, everything: bool, as_json: bool) -> None:
    """Prints what a rollback would take back now."""
    from cutover.cli.opening import print_json
    from cutover.core.gate import Gate
    from cutover.core.plain import text
    from cutover.run_views import active
    from cutover.runs import observed

    view = None
    if app.state_path.exists():
        state = app.state()
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


@task(help={"env": ENV + "; all when left out", "json": "one document on standard output"})
@ended
def status(c: Context, env: str = "", json: bool = False) -> None:
    """Where each environment stands: run, phase, zone, who holds it. Example: invoke status"""
    from cutover.app import DIRECTORY
    from cutover.cli.opening import opened, print_json
    from cutover.environment import names
    from cutover.run_views import plain_view, runs_of

    found: list[dict[str, Any]] = []
    for name in [env] if env else names(DIRECTORY):
        app = opened(name)
        entry: dict[str, Any] = {"environment": name, "state": "no run", "holder": None}
        if app.state_path.exists():
            state = app.state()
            try:
                views, holder = runs_of(state), state.holder()
            finally:
                state.close()
            if views:
                entry |= plain_view(views[-1], app.plan)
            if holder is not None:
                entry["holder"] = {"who": holder.who, "host": holder.host, "pid": holder.pid, "for": holder.operation}
        found.append(entry)
    if json:
        print_json({"schema": "cutover.status/1", "environments": found})
        return
    for entry in found:
        _print_status(entry)


def _print_status(entry: dict[str, Any]) -> None:
    name = entry["environment"]
    if "run" not in entry:
        print(f"{name}: {entry['state']}")
        return
    outcome = entry["outcome"] or "under way"
    print(f"{name}: {entry['state']}, zone {entry['zone']}; run {entry['run']} went {entry['direction']}, {outcome}")
    if entry["phase"]:
        print(
            f"  in phase {entry['phase']}" + (f", intent open: {entry['open_intent']}" if entry["open_intent"] else "")
        )
    if entry["stopped_by"]:
        print(f"  stopped by {entry['stopped_by']}")
    if entry["holder"]:
        holder = entry["holder"]
        print(f"  held by {holder['who']} on {holder['host']} (pid {holder['pid']}) for {holder['for']}")
    print(f"  last entry {_when(entry['last'])}, journal head {entry['head'][:12]}")
    if entry["state"] == "open" and not entry["holder"]:
        print(f"  next: invoke resume --env {name}   or   invoke rollback --env {name} --reason '…'")


@task(help={"env": ENV, "run": "show every entry of this run", "json": "one document on standard output"})
@ended
def history(c: Context, env: str = "", run: str = "", json: bool = False) -> None:
    """List the runs of an environment, or one run's entries; checks the hash chain. Example: invoke history --env local"""
    from rich.console import Console

    from cutover.cli.opening import named, opened, print_json
    from cutover.core.errors import Refused
    from cutover.run_views import plain_view, runs_of

    app = opened(named(env))
    if not app.state_path.exists():
        say("no run yet")
        return
    state = app.state()
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
            print(f"{entry.seq:>4} {_when(entry.at)} {entry.kind:<14} {data}")
        return
    if json:
        print_json([plain_view(view, app.plan) for view in views])
        return
    table = Table("run", "began", "took", "state", "entries", "reason")
    for view in views:
        leg = view.position.leg
        table.add_row(
            view.run,
            _when(view.began),
            f"{view.ended - view.began:.0f} s",
            view.state,
            str(len(view.entries)),
            leg.reason if leg else "",
        )
    Console(highlight=False).print(table)


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
