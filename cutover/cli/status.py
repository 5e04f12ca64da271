"""The command that says where each environment stands."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from invoke.context import Context
from invoke.tasks import task

from cutover.cli.ends import ended, put
from cutover.cli.looking import ENV, when
from cutover.core.errors import CutoverError
from cutover.core.lease import Lease
from cutover.core.plain import span


@task(
    help={
        "env": ENV + "; all when left out",
        "cost": "what going back would cost now; asks the databases",
        "json": "one document on standard output",
    }
)
@ended
def status(c: Context, env: str = "", cost: bool = False, json: bool = False) -> None:
    """Where each environment stands: run, phase, zone, who holds it. Example: invoke status --env prod --cost"""
    from cutover.app import DIRECTORY
    from cutover.cli.notifying import notices_of, print_notices
    from cutover.cli.opening import opened, print_json
    from cutover.environment import names
    from cutover.run_views import ROLLBACK, plain_view, runs_of

    found: list[dict[str, Any]] = []
    for name in [env] if env else names(DIRECTORY):
        entry: dict[str, Any] = {"environment": name, "state": "no run", "holder": None}
        try:
            app = opened(name)
            state = app.recorded()
            if state is not None:
                try:
                    views, holder = runs_of(state), state.holder()
                finally:
                    state.close()
                if views:
                    entry |= plain_view(views[-1], app.plan) | notices_of(app, views[-1])
                    entry |= _checkpoints(app, views[-1])
                    if cost and entry["zone"] == ROLLBACK:
                        entry["rollback_cost"] = _cost(app, views)
                if holder is not None:
                    entry["holder"] = holding(holder)
        except CutoverError as error:
            if env:
                raise
            entry["state"] = f"not known: {error.message}"  # the others are shown all the same
        found.append(entry)
    if json:
        print_json({"schema": "cutover.status/1", "environments": found})
        return
    for entry in found:
        _print_status(entry)
        print_notices(entry["environment"], entry.get("notices"))


def _cost(app: Any, views: Sequence[Any]) -> dict[str, Any]:
    """What going back would cost now, as data."""
    from cutover.plans.rollback_cost import cost_now

    entries = [entry for view in views for entry in view.entries]
    found = cost_now(app.means, app.plan, views[-1].position, entries)
    return {
        "seen": str(found),
        "seconds": round(found.seconds, 3),
        "steps": found.steps,
        "unmeasured": list(found.unmeasured),
        "behind": [asdict(one) for one in found.behind],
        "promised_until": found.promised_until,
        "decide_by": found.decide_by,
    }


def _checkpoints(app: Any, view: Any) -> dict[str, Any]:
    """How checkpoints stand; nothing where the environment asks for none."""
    from cutover.plans.checkpoint import stand

    words = app.environment.checkpoints
    if words is None:
        return {}
    commit = [step.name for step in app.plan.switching_steps()[:1]]
    return {"checkpoints": stand(words, view.position, commit, view.entries)}


def holding(holder: Lease) -> dict[str, Any]:
    """A holder as data."""
    return {
        "who": holder.who,
        "host": holder.host,
        "pid": holder.pid,
        "for": holder.operation,
        "since": holder.since,
        "lease": holder.id,
    }


def _print_status(entry: dict[str, Any]) -> None:
    name = entry["environment"]
    if "run" not in entry:
        put(f"{name}: {entry['state']}")
        if entry["holder"]:
            _print_holder(name, entry["holder"])
        return
    outcome = entry["outcome"] or "under way"
    put(f"{name}: {entry['state']}, zone {entry['zone']}; run {entry['run']} went {entry['direction']}, {outcome}")
    if entry["phase"]:
        put(f"  in phase {entry['phase']}" + (f", intent open: {entry['open_intent']}" if entry["open_intent"] else ""))
    if entry["stopped_by"]:
        put(f"  stopped by {entry['stopped_by']}")
    for line in _waits(entry):
        put(f"  {line}")
    if entry["holder"]:
        _print_holder(name, entry["holder"])
    put(f"  last entry {when(entry['last'])}, journal head {entry['head'][:12]}")
    if entry["state"] == "open" and not entry["holder"]:
        put(f"  next: invoke resume --env {name}   or   invoke rollback --env {name} --reason '…'")


def _waits(entry: dict[str, Any]) -> Iterator[str]:
    """What was overridden, what the run waits for, and what going back would cost."""
    for one in entry["overridden"]:
        yield f"overridden by {one['who']}: {one['what']}; because: {one['reason']}"
    for still in entry["standing"]:
        yield f"stands still: {still['guard']}: {still['seen']} (since {when(still['at'])}; then: {still['then']})"
    for gate, since in entry["asked"].items():
        yield f"waits for {gate} since {when(since)}"
    yield from _checked(entry)
    if "rollback_cost" in entry:
        cost = entry["rollback_cost"]
        yield f"going back now: {cost['seen']}"
        if cost["decide_by"] and cost["promised_until"] <= time.time():
            yield "the time for which the way back was promised is over; it goes as long as blue follows"
        elif cost["decide_by"]:
            yield f"decide by {when(cost['decide_by'])}: the way back is promised until {when(cost['promised_until'])}"


def _checked(entry: dict[str, Any]) -> Iterator[str]:
    """The last checkpoint with what came of it, and the next one."""
    found = entry.get("checkpoints")
    if found is None:
        return
    if (last := found["last"]) is not None:
        decided = f"{last['decision']} → {last['starts']}"
        yield f"{last['seen']} ({decided}; {when(last['at'])}, report: {last['file']})"
    if (ahead := found["next"]) is not None:
        name, moment = entry["environment"], f"{span(ahead['moment'])} after the switch"
        late = "is due since" if ahead["due"] <= time.time() else "is due"
        # Whoever walks the run does it; nobody walks one that is done.
        by = "" if entry["holder"] else f"; nobody watches, so by hand: invoke checkpoint --env {name}"
        yield f"the next checkpoint, {moment}, {late} {when(ahead['due'])}{by}"


def _print_holder(name: str, holder: dict[str, Any]) -> None:
    put(
        f"  held by {holder['who']} on {holder['host']} (pid {holder['pid']}) for {holder['for']}, since {when(holder['since'])};\n"
        f"  when that process is surely gone: invoke unlock --env {name} --lease {holder['lease']}"
    )
