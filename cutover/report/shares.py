"""The share of green over the run: what was asked for by each step, and what witnesses, counts and figures saw."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from cutover.core.journal import Entry
from cutover.core.series import Sample
from cutover.core.share import Share
from cutover.core.step import UNDO
from cutover.curves import Curve
from cutover.metrics.clauses import beside
from cutover.metrics.units import RATES

TRAFFIC = "traffic-"


def asked(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Each move of a hostname's share that came to its end, oldest first: percent of the requests on green."""
    found = []
    for entry in entries:
        seen = entry.data.get("seen")
        if entry.kind not in ("converged", "skipped") or not isinstance(seen, Mapping) or set(seen) != {"percent"}:
            continue
        try:
            share = float(Share.of(seen["percent"]).percent)
        except (ValueError, ArithmeticError, TypeError):  # a state of somebody's own step that only looks like a share
            continue
        step = str(entry.data["step"])
        found.append({"at": entry.at, "host": _host(step), "step": step, "percent": share})
    return found


def _host(step: str) -> str:
    """`traffic-shop-50-undo` moves the share of `shop`."""
    name = step.removesuffix(UNDO).removeprefix(TRAFFIC)
    return name.rpartition("-")[0] or name


def observed(entries: Sequence[Entry], curves: Sequence[Curve], since: float, until: float) -> list[dict[str, Any]]:
    """What was seen of it, each with who saw it and of how many requests: percent on green.

    Of figures that which lies between `since` and `until`, the run's begin and end.
    """
    return [*_witnessed(entries), *_compared(entries), *_measured(curves, since, until)]


def _witnessed(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    found = []
    for entry in entries:
        data = entry.data.get("data") or {}
        for one in data.get("shares") or () if entry.kind in ("passed", "failed") else ():
            told = one.get("blue", 0) + one.get("green", 0)
            if told:
                of = {"by": f"{one.get('host')} by {one.get('witness')}", "count": told}
                found.append({"at": entry.at, **of, "percent": 100.0 * one["green"] / told})
    return found


def _compared(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The requests of both sides by which green was compared with blue."""
    found = []
    for entry in entries:
        data = entry.data.get("data") or {}
        blue, green = data.get("blue"), data.get("green")
        if entry.kind in ("passed", "failed") and isinstance(blue, list) and isinstance(green, list) and blue and green:
            told = blue[0] + green[0]
            if told:
                of = {"by": "counts of the comparison", "count": told}
                found.append({"at": entry.at, **of, "percent": 100.0 * green[0] / told})
    return found


def _measured(curves: Sequence[Curve], since: float, until: float) -> list[dict[str, Any]]:
    """Requests of both sides per second, where the environment measures them.

    A moment of which only one side has a sample is left out: what was not read is not 0.
    """
    rates = {(one.figure, one.side): one for one in curves if one.unit in RATES and "request" in one.figure}
    names = list(dict.fromkeys(name for name, _ in rates if {(name, "blue"), (name, "green")} <= set(rates)))
    if not names:
        return []
    blue, green = rates[names[0], "blue"], rates[names[0], "green"]
    inside = [one for one in _samples(green) if since <= one.at <= until]
    return [
        {"at": one.at, "by": f"figure {names[0]}", "count": None, "percent": 100.0 * one.value / (one.value + other)}
        for one, other in beside(inside, _samples(blue), min(blue.step, green.step))
        if one.value + other > 0
    ]


def _samples(curve: Curve) -> list[Sample]:
    return [Sample(at, value) for at, value in curve.samples]


def by_whom(seen: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """What was seen, apart for each who saw it."""
    ordered = sorted(seen, key=lambda one: (str(one["by"]), one["at"]))
    return [(name, list(group)) for name, group in groupby(ordered, key=lambda one: str(one["by"]))]
