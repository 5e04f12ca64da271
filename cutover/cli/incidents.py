"""The post-mortem file: begun by every rollback, or by hand."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from invoke.context import Context
from invoke.tasks import task

from cutover.cli.ends import ended, say
from cutover.cli.looking import ENV

SHOWN = 25  # lines of each log in the file itself; the record beside it has more


@task(help={"env": ENV})
@ended
def incident(c: Context, env: str = "") -> None:
    """Begin the post-mortem file of the last rollback in runbooks/ENV/incidents; an existing one is left alone. Example: invoke incident --env prod"""
    from cutover.cli.opening import is_dry, named, opened
    from cutover.core.errors import Refused

    app = opened(named(env), read_only=is_dry(c, False))
    view = _rolled_back(app)
    if view is None:
        raise Refused("no run of this environment was rolled back", next_command=f"invoke history --env {env}")
    if app.means.read_only:
        say(f"would begin the post-mortem of run {view.run}; nothing is written in a dry-run")
        return
    say(_begun(app, view))


def begin(app: Any) -> None:
    """After a rollback; whatever goes wrong is said, and the run's end stays as it is."""
    try:
        view = _rolled_back(app, last=True)
        if view is not None:
            say(_begun(app, view))
    except Exception as error:  # noqa: BLE001 - the rollback is over: a file must not make it look like a failure
        say(f"the post-mortem file could not be begun ({type(error).__name__}): invoke incident")


def _rolled_back(app: Any, *, last: bool = False) -> Any:
    """The newest run that was rolled back; with `last` the newest run, if it was."""
    from cutover.incident_record import way_back
    from cutover.run_views import runs_of

    state = app.recorded()
    if state is None:
        return None
    try:
        views = runs_of(state)
    finally:
        state.close()
    return next((view for view in reversed(views[-1:] if last else views) if way_back(view) is not None), None)


def _begun(app: Any, view: Any) -> str:
    from cutover.incident_record import figure_lines, log_excerpts
    from cutover.notify.texts import Texts
    from cutover.runbook.incident import incident as page
    from cutover.runbook.incident import place, start

    environment = app.environment
    folder = Path("runbooks") / environment.name / "incidents"
    path = place(folder, view.run, _turned_at(view))
    there = f"the post-mortem file of run {view.run} is there already, and was left alone"
    if path.exists():
        return there
    kept = path.with_suffix(".json")
    document, trouble = _captured(app, view, kept)
    text = page(
        environment.name,
        view.entries,
        waiting_period=environment.rollback.waiting_period,
        users=Texts(environment.notify.texts).fill("users-rolled-back", {"environment": environment.name}),
        metrics=[trouble] if trouble else list(figure_lines(document)),
        answers=last_answers(view.entries),
        logs=list(log_excerpts(document, SHOWN)) if document else (),
        record=kept.name if document else "",
    )
    return (
        f"the post-mortem file is begun, due in 24 h: {path}"
        if start(path, text, 0o600 if document else 0o644)
        else there
    )


def _turned_at(view: Any) -> float:
    from cutover.incident_record import way_back

    leg = way_back(view)
    return view.entries[-1].at if leg is None else leg.at


def last_answers(entries: Sequence[Any]) -> list[str]:
    """What every gate and guard of the run said last: what the run itself was decided by."""
    said: dict[str, str] = {}
    for entry in entries:
        name = entry.data.get("gate") or entry.data.get("guard")
        if name and "seen" in entry.data:
            said[str(name)] = f"{name}: {entry.data['seen']} ({entry.kind})"
    return list(said.values())


def _captured(app: Any, view: Any, path: Path) -> tuple[Mapping[str, Any], str]:
    """What is kept of that time, read once: what a process that died has left beside the file counts. Or why there is none."""
    from cutover.incident_record import record
    from cutover.runbook.incident import start

    try:
        if not path.exists():
            say("keeping figures and logs of the time before the rollback …")
            # Logs may name people: not for everybody on this machine, however they were redacted.
            start(path, json.dumps(record(app.means, view), indent=1, sort_keys=True) + "\n", mode=0o600)
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found, ""
    except Exception as error:  # noqa: BLE001 - what cannot be captured must not cost the file
        return {}, f"figures and logs could not be captured: {type(error).__name__}"
