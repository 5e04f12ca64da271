"""What the legs of a rehearsal measured: seconds of each step and phase, of each way back, and the customers' write pauses."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from cutover.core.journal import Entry
from cutover.core.step import UNDO
from cutover.plans.took import whole
from cutover.rehearsal.legs import BACK, FORWARD, Leg


def steps(entries: Sequence[Entry]) -> dict[str, dict[str, Any]]:
    """By step: the median of its seconds on the way forward and back, and of how many legs each is."""
    return _times(entries, "converged", "step")


def phases(entries: Sequence[Entry]) -> dict[str, dict[str, Any]]:
    """The same by phase; a phase of the twin has shorter waits than the environment's."""
    return _times(entries, "phase-left", "phase")


def _times(entries: Sequence[Entry], kind: str, about: str) -> dict[str, dict[str, Any]]:
    forth, back = dict[str, list[float]](), dict[str, list[float]]()
    for entry, is_back in whole(entries):
        if entry.kind == kind:
            name = str(entry.data[about]).removesuffix(UNDO)
            (back if is_back else forth).setdefault(name, []).append(float(entry.data["seconds"]))
    return {
        name: {
            "forward": _median(forth.get(name, [])),
            "back": _median(back.get(name, [])),
            "legs_forward": len(forth.get(name, [])),
            "legs_back": len(back.get(name, [])),
        }
        for name in dict.fromkeys((*forth, *back))
    }


def rollbacks(legs: Iterable[Leg]) -> dict[str, float]:
    """The seconds of the way back from the end of each phase."""
    return {leg.phase: leg.seconds for leg in legs if leg.direction == BACK}


def pauses(legs: Sequence[Leg]) -> dict[str, Any]:
    """The customers' write pauses in milliseconds, by direction: how many, the median, and the worst."""
    found = {}
    for direction in (FORWARD, BACK):
        ms = [pause for leg in legs if leg.direction == direction for pause in leg.pauses_ms]
        found[direction] = {"count": len(ms), "median": _median(ms), "worst": max(ms, default=None)}
    return found


def _median(values: Sequence[float]) -> float | None:
    return round(median(values), 3) if values else None
