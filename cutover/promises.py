"""Times that were promised: the wait after a rollback, and how long the way back is kept; an override is recorded."""

import time

from cutover.app import App
from cutover.core.errors import Refused
from cutover.core.journal import State
from cutover.core.plain import span
from cutover.run_views import RunView, runs_of


def may_begin(app: App, state: State, *, again: str = "") -> str:
    """What beginning a new run overrides, empty for nothing; raises Refused unless `again` says why."""
    name = app.environment.name
    views = runs_of(state)
    if views and views[-1].is_final and views[-1].position.legs[0].digest == app.plan.digest():
        raise Refused("this very plan was cut over and finished; name the next blue and green in the environment file")
    if not views or views[-1].state != "rolled-back":
        return ""
    left = _left(views[-1].ended, app.environment.rollback.waiting_period)
    if left <= 0:
        return ""
    what = f"run {views[-1].run} was rolled back; the waiting period goes on for {span(left)}"
    if not again.strip():
        raise Refused(
            f"{what} (rollback.waiting_period in the environment file), time to find out why",
            next_command=f"invoke cutover --env {name} --again 'why it is safe to try again'",
        )
    return what


def may_finish(app: App, view: RunView, *, early: str = "") -> str:
    """What removing the way back overrides, empty for nothing; raises Refused unless `early` says why."""
    switched = [view.position.converged_at.get(step.name) for step in app.plan.switching_steps()]
    since = max((at for at in switched if at is not None), default=0.0)
    left = _left(since, app.environment.rollback.window)
    if left <= 0:
        return ""
    what = f"the way back is promised for {span(left)} more"
    if not early.strip():
        raise Refused(
            f"{what} (rollback.window in the environment file); `finish` removes it for good",
            next_command=f"invoke finish --env {app.environment.name} --early 'why it is not needed'",
        )
    return what


def _left(since: float, period: float) -> float:
    """Seconds of the period that are left; never more than all of it, also where whoever wrote down `since` had a clock that is ahead."""
    return min(period, since + period - time.time())
