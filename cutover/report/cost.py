"""What the way back cost, or would have: by the seconds that its steps took when they were last measured."""

from collections.abc import Mapping, Sequence
from typing import Any

from cutover.core.errors import CutoverError
from cutover.core.journal import Entry, position_of
from cutover.core.leg import BACK
from cutover.core.plan import Plan
from cutover.plans.rollback_cost import way_back
from cutover.run_views import RunView


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
    turned = _turned(view)
    before = view.entries if turned is None else [one for one in view.entries if one.seq < turned]
    at = before[-1].at if before else view.began
    told: dict[str, Any] = {"at": at, "taken": _taken(view, turned), "behind": list(behind), "behind_missing": missing}
    nothing: dict[str, Any] = {"seconds": None, "steps": [], "unmeasured": [], "promised_until": None}
    if view.is_final:
        return {**told, **nothing, "missing": "the way back was removed by `finish`"}
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


def _turned(view: RunView) -> int | None:
    """The entry with which the last way back began, where the run has not gone forward again since."""
    legs = view.position.legs
    last = legs[-1] if legs else None
    return last.seq if last is not None and last.direction == BACK else None


def _taken(view: RunView, turned: int | None) -> float | None:
    if turned is None:
        return None
    after = [one for one in view.entries if one.seq >= turned]
    ended = next((one.at for one in after if one.kind == "leg-ended"), None)
    return None if ended is None else round(ended - after[0].at, 3)
