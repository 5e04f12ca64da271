"""What the way back cost, or would have: by the seconds that its steps took when they were last measured."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from cutover.core.back import REOPENED
from cutover.core.errors import CutoverError
from cutover.core.journal import Entry, Leg, position_of
from cutover.core.leg import BACK
from cutover.core.plan import Plan
from cutover.plans.rollback_cost import way_back
from cutover.report.timeline import timeline
from cutover.run_views import FINISHED, RunView, is_of, zone


def cost(
    plan: Plan,
    view: RunView,
    entries: Sequence[Entry],
    window: float,
    behind: Sequence[Mapping[str, Any]],
    missing: str,
) -> dict[str, Any]:
    """As plain data; `entries` are the journal's, of every run, `behind` each database's lag of now, `missing` why there is none.

    A run that went back is counted from where it turned: `taken` is what that really took, None where nothing was taken back.
    """
    backs = _backs(view)
    turned = backs[0].seq if backs else None
    before = view.entries if turned is None else [one for one in view.entries if one.seq < turned]
    at = before[-1].at if before else view.began
    told: dict[str, Any] = {"at": at, "taken": _taken(view, backs), "behind": list(behind), "behind_missing": missing}
    nothing: dict[str, Any] = {"seconds": None, "steps": [], "unmeasured": [], "promised_until": None}
    if zone(plan, view.position) == FINISHED:
        return {**told, **nothing, "missing": "the way back was removed by `finish`"}
    if not is_of(view, plan):
        return {**told, **nothing, "missing": "the plan is another one by now"}
    try:
        found = way_back(plan, position_of(view.run, before), entries, window)
    except CutoverError as error:
        return {**told, **nothing, "missing": error.message}
    return {
        **told,
        "seconds": round(found.seconds, 3),
        "steps": [{"step": name, "seconds": seconds} for name, seconds in found.times.items()],
        "unmeasured": list(found.unmeasured),
        "promised_until": found.promised_until,
        "missing": "",
    }


def _backs(view: RunView) -> list[Leg]:
    """The legs of the last way back, oldest first, where the run has not gone forward again since."""
    legs = [leg for leg in view.position.legs if leg.cause != REOPENED]  # that one is a part of the way back
    return list(takewhile(lambda leg: leg.direction == BACK, reversed(legs)))[::-1]


def _taken(view: RunView, backs: Sequence[Leg]) -> float | None:
    """What its legs took together, without the time between them; None where the last one has not ended."""
    if not backs or view.position.under_way:
        return None
    wanted = {leg.seq for leg in backs}
    spans = [span for span in timeline(view.entries) if span.seq in wanted]
    return round(sum(span.ended - span.began for span in spans if span.ended is not None), 3)
