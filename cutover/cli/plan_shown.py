"""The plan and the way back on a terminal, or as JSON."""

import time
from pathlib import Path
from typing import Any

from cutover.cli.ends import heading, put, say
from cutover.core.errors import Refused

REVIEWS = "reviews"


def show_plan(app: Any, *, as_json: bool, dry_run: bool = False, which: str = "cutover") -> int:
    """Prints the plan with what is observed; returns how many steps are not at their end state."""
    from cutover.cli.opening import print_json
    from cutover.plan_rows import plan_document
    from cutover.rehearsal_wanted import lacking
    from cutover.rehearsed import UNTIMED, rehearsed

    document = plan_document(app, which, dry_run=dry_run, times=rehearsed(app) if as_json else UNTIMED)
    if which == "cutover" and app.environment.rehearsal.required:
        document["rehearsal"] = {"required": True, "lacking": lacking(app)}
    if as_json:
        print_json(document)
    else:
        _print_plan(document)
    return int(document["to_change"])


def write_review(app: Any, out: str, *, dry_run: bool) -> int:
    """Writes the plan as a page and prints where; returns how many steps are not at their end state."""
    from cutover.plan_rows import plan_document
    from cutover.rehearsed import rehearsed
    from cutover.runbook.compose import book_of
    from cutover.runbook.files import replaced
    from cutover.runbook.review import review

    environment = app.environment
    place = Path(out) if out else app.home / REVIEWS / f"{environment.name}-plan.html"
    times = rehearsed(app)
    at = time.time()
    document = plan_document(app, times=times)
    page = review(book_of(app), document, times, at=at, rehearsed_on=environment.rehearsed_on)
    if dry_run:
        say(f"{place} would be written")
        return int(document["to_change"])
    try:
        # What is observed of a system is for its owner to show, as its journal is.
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replaced(place, page, 0o600)
    except OSError as error:
        raise Refused(
            f"{place} cannot be written: {error.strerror}",
            next_command=f"invoke plan --env {environment.name} --html --out FILE",
        ) from error
    put(place)
    return int(document["to_change"])


def _print_plan(document: dict[str, Any]) -> None:
    from cutover.plan_rows import LEGEND
    from cutover.reviewed import BLIND

    phase = ""
    blind: dict[str, int] = {}
    for row in document["items"]:
        if row["phase"] != phase:
            phase = row["phase"]
            heading(phase)
        if "gate" in row:
            hold = f", held for {row['hold']:g} s" if row["hold"] else ""
            put(f"  ? {row['gate']:<28} must pass {_within(row['deadline'])}{hold}  {row['now']}".rstrip())
            continue
        kept = "; kept by a rollback" if row["kept_by_rollback"] else ""
        put(f"  {row['sign']} {row['step']:<28} {row['before']} → {row['after']}")
        now = row["now"]
        if now.startswith(BLIND):
            now = f"not observed ({blind.setdefault(now.removeprefix(BLIND), len(blind) + 1)})"
        put(f"      now: {now}; undo: {row['undo']}{kept}")
    if document["guards"]:
        heading("watched all the time")
    for guard in document["guards"]:
        during = f"  (in {', '.join(guard['during'])})" if guard["during"] else ""
        put(f"  ! {guard['guard']:<28} {guard['says']}{during}")
    put()
    for reason, number in blind.items():
        put(f"({number}) {reason}")
    put(
        f"\n{document['to_change']} to change, {document['irreversible']} irreversible "
        f"({', '.join(f'{sign} {words}' for sign, words in LEGEND.items())})\n"
        f"{_rehearsed(document)}plan digest  {document['plan_digest']}\nstart digest {document['start_digest'] or 'none: not everything could be observed'}"
    )


def _rehearsed(document: dict[str, Any]) -> str:
    """Whether the rehearsal that is wanted is there."""
    from cutover.rehearsal_wanted import rehearse

    wanted = document.get("rehearsal")
    if wanted is None:
        return ""
    if not wanted["lacking"]:
        return "rehearsed as this environment wants it\n"
    return f"`cutover` would refuse: {wanted['lacking']}; next: {rehearse(document['environment'])}\n"


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
    put(f"the way back of run {view.run}:")
    for row in rows:
        if "step" in row:
            put(f"  ~ {row['step']:<30} {row['before']} → {row['after']}   (now: {row['now']})")
        else:
            put(f"  ? {row['gate']:<30} {row['now']}")
