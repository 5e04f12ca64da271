"""No cutover without a rehearsal of its very plan, where the environment wants that; an override has a reason and is recorded."""

import time
from importlib.metadata import version

from cutover.app import App
from cutover.core.errors import CutoverError, Refused
from cutover.core.gate import Finding
from cutover.core.plain import span
from cutover.rehearsal_record import Record, place, read


def rehearse(name: str) -> str:
    """The command that makes what is wanted."""
    return f"invoke rehearse --env {name}"


def lacking(app: App, *, now: float | None = None) -> str:
    """What the environment's rehearsal lacks; empty where nothing is lacking, or none is wanted."""
    if not app.environment.rehearsal.required:
        return ""
    name = app.environment.name
    try:
        record = read(name)
    except CutoverError as error:
        return error.message
    if record is None:
        return f"no rehearsal of {name} is recorded: there is no {place(name)}"
    return _lacking(app, record, time.time() if now is None else now)


def _lacking(app: App, record: Record, now: float) -> str:
    on = f"the rehearsal of {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(record.ended))}"
    if record.plan_digest != app.plan.digest():
        changed = record.changed(app.plan)
        version_then = record.document["tool"]
        differs = (
            f"other words since: {', '.join(changed)}" if changed else f"the same words, other steps: {version_then}"
        )
        now_is = "" if changed else f", now {version('cutover')}"
        return f"{on} was of another plan ({differs}{now_is})"
    if not record.succeeded:
        return f"{on} failed: {record.why}"
    if not record.legs:
        return f"{on} has no leg: nothing was walked"
    if missing := record.never_undone:
        return f"{on} never took back {', '.join(missing)}"
    old, most = now - record.ended, app.environment.rehearsal.max_age
    if old > most:
        return (
            f"{on} is {span(old - old % 60)} old, older than {span(most)} (rehearsal.max_age in the environment file)"
        )
    if old < -60:
        return f"{on} lies in the future: a clock is wrong"
    return ""


def may_begin(app: App, *, without: str = "") -> str:
    """What beginning a new run overrides, empty for nothing; raises Refused unless `without` says why."""
    what = lacking(app)
    if not what:
        return ""
    if not without.strip():
        name = app.environment.name
        raise Refused(
            f"{what}; {name} wants one (rehearsal in the environment file)",
            next_command=f"{rehearse(name)}   or   invoke cutover --env {name} --without-rehearsal 'why it has to be now'",
        )
    return f"begun without its rehearsal: {what}"


def finding(app: App) -> Finding:
    """How it stands, for a checklist."""
    what = lacking(app)
    if what:
        return Finding.failed(what, rehearse(app.environment.name))
    record = read(app.environment.name)
    assert record is not None
    age = max(0.0, time.time() - record.ended)
    told = f"rehearsed {span(age - age % 60)} ago, {record.legs} legs, every step taken back"
    return Finding.passed(f"{told} (rehearsal.max_age: {span(app.environment.rehearsal.max_age)})")
