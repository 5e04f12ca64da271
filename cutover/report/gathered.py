"""Reads what a report needs beside the run's entries: figures, the customers' ledger, the lag of now; all within a bound."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from cutover.app import App
from cutover.bounded import at_the_same_time
from cutover.core.clock import Deadline
from cutover.core.errors import Refused
from cutover.core.journal import Entry
from cutover.curves import curves
from cutover.customers import by_time, switches, write_pause
from cutover.net.ledger import Ledger
from cutover.outcome import missing_and_doubled
from cutover.plans.triggered import triggers
from cutover.postgres.behind import behind
from cutover.report.document import Gathered, document
from cutover.run_views import CUTOVER, ROLLBACK, RunView, runs_of, zone

WITHIN = 20.0  # seconds that all of it may take together
GRACE = 4.0  # seconds after that in which what is late may still say why
AROUND = 300.0  # seconds before and after the cutover of which figures are read, too
SHARE = 0.1  # of the run's time, where that is less
PAUSES, LOST_MISSING = "pauses", "lost_missing"
PIECES = 180  # of the run's time by which the ledger is told


def report_of(app: App, run: str = "", *, within: float = WITHIN) -> dict[str, Any]:
    """The report of one run, the newest when none is named; raises Refused where there is none."""
    env = app.environment.name
    state = app.recorded()
    if state is None:
        raise Refused(f"no run of {env} was recorded", next_command=f"invoke cutover --env {env}")
    try:
        views = runs_of(state)
        view = next((one for one in reversed(views) if run in ("", one.run)), None)
        if view is None:
            raise Refused(f"no run {run or 'yet'} of {env}", next_command=f"invoke history --env {env}")
        wishes = list(state.wishes(view.run))
    finally:
        state.close()
    now = time.time()
    entries = [entry for one in views for entry in one.entries]
    more = gathered(app, view, wishes, entries, is_newest=view is views[-1], now=now, within=within)
    return document(view, app.plan, more, now)


def gathered(
    app: App,
    view: RunView,
    wishes: Sequence[tuple[str, Mapping[str, Any]]],
    entries: Sequence[Entry],
    *,
    is_newest: bool,
    now: float,
    within: float,
) -> Gathered:
    """What else is known; whoever hangs or is dead is a named gap."""
    environment, means = app.environment, app.means
    since, until = _span(view, now)
    deadline = Deadline.after(within)
    asked: dict[str, Callable[[], Any]] = {"figures": lambda: curves(means, since, until, deadline)}
    if environment.ledger is not None:
        asked["customers"] = lambda: _customers(app, view, since, until, deadline)
        if is_newest:
            asked["kept"] = lambda: _kept(app, view, now)
    live = is_newest and view.state in ("open", "green") and zone(app.plan, view.position) == ROLLBACK
    if live and means.pairs:
        asked["behind"] = lambda: [asdict(behind(pair.green, pair.blue)) for pair in means.pairs]
    found = at_the_same_time(asked, within + GRACE)
    figures, customers, lag = found["figures"], found.get("customers"), found.get("behind")
    kept = found.get("kept", "this run is not the newest: the sides have moved on since")
    told = (
        {**customers, **(kept if isinstance(kept, dict) else {LOST_MISSING: kept})}
        if isinstance(customers, dict)
        else {}
    )
    pauses = told.pop(PAUSES, ())
    return Gathered(
        environment=environment.name,
        description=environment.description,
        owners=environment.owners.model_dump(),
        wishes=wishes,
        journal=entries,
        rules=triggers(means),
        since=since,
        until=until,
        curves=figures if isinstance(figures, list) else (),
        curves_missing=_why(figures, list, "the environment measures no figures: they stand under `metrics`"),
        customers=told,
        customers_missing=_why(customers, dict, "the environment names no ledger: it stands under `ledger`"),
        customer_pauses=pauses,
        behind=lag if isinstance(lag, list) else (),
        behind_missing=_why(lag, list, _not_asked(view, means.pairs, live)),
        window=environment.rollback.window,
    )


def _span(view: RunView, now: float) -> tuple[float, float]:
    """The time of the cutover and its way back with some before and after it; what ended blue long after is no part of it."""
    leg = view.position.leg
    goes_on = leg is not None and leg.plan == CUTOVER and leg.outcome in (None, "waiting")
    ended = now if goes_on else view.walked_until
    around = min(AROUND, max(30.0, SHARE * (ended - view.began)))
    return view.began - around, max(min(ended + around, now), view.began + 1.0)


def _why(found: Any, wanted: type, nothing: str) -> str:
    """Why there is none of it: nobody was asked, what was asked did not answer, or there is nothing there."""
    if isinstance(found, wanted):
        return "" if found else nothing
    return nothing if found is None else str(found)


def _not_asked(view: RunView, pairs: Sequence[Any], live: bool) -> str:
    if not pairs:
        return "both sides share their databases: none is behind"
    return "" if live else f"asked only while there is a way back to take: this run is {view.state}"


def _customers(app: App, view: RunView, since: float, until: float, deadline: Deadline) -> dict[str, Any]:
    ledger = Ledger(app.means.ledger_path())
    pieces, missing = by_time(ledger, since, until, PIECES, deadline)
    return {
        PAUSES: [write_pause(ledger, one) for one in switches(view.entries)],
        "requests": sum(one.requests for one in pieces),
        "failed": sum(one.failed for one in pieces),
        "pieces": [asdict(one) for one in pieces],
        "incomplete": missing,
        "acknowledged_writes": None,
        "lost_writes": None,
        "duplicated_writes": None,
        LOST_MISSING: "",
    }


def _kept(app: App, view: RunView, now: float) -> dict[str, Any]:
    """Whether every write that was acknowledged since the run began is on the side that serves now."""
    keys = Ledger(app.means.ledger_path()).between(view.began, now).acknowledged
    lost, doubled = missing_and_doubled(app, keys)
    missing = "" if lost is not None else "no `ledger_keys` says how, or the side that serves could not be asked"
    return {"acknowledged_writes": len(keys), "lost_writes": lost, "duplicated_writes": doubled, LOST_MISSING: missing}
