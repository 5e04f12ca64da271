"""Contradictions between workers, configuration, the user's own steps, and the window."""

from collections.abc import Iterator, Mapping
from typing import Any

from cutover.environment.plain_data import Contradiction, at, items, seconds_of, sides
from cutover.environment.problem import Loc

IN_WINDOW = ("window-before", "window-after")
STOPPING, RUNNING = 45.0, 60.0  # the timeouts of workers and of own steps that are not written


def work(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Every contradiction under `workers`, `configuration` and `steps`."""
    budget = seconds_of(at(data, "window", "budget"), 60.0)
    yield from _workers(data, budget)
    yield from _together(data, budget)
    parameters: dict[str, Loc] = {}
    for name, entry in items(data.get("configuration")):
        place: Loc = ("configuration", name)
        yield from sides(entry, (), "value", place)
        yield from _once(at(entry, "parameter"), (*place, "parameter"), parameters, "entry's parameter")
    for name, entry in items(data.get("steps")):
        place = ("steps", name)
        before, after = at(entry, "before"), at(entry, "after")
        if isinstance(before, str) and isinstance(after, str) and str(before) == str(after):
            yield Contradiction((*place, "after"), "is the same state as before the step", (*place, "before"))
        for number, half in enumerate(_words(at(entry, "between"))):
            if str(half) in (str(before), str(after)):
                other = "before" if str(half) == str(before) else "after"
                reason = f"is the state {other} the step, and none in which it stopped half-way"
                yield Contradiction((*place, "between", number), reason, (*place, other))
        if at(entry, "phase") in IN_WINDOW:
            yield from _fits(entry, place, budget, RUNNING)
        if at(entry, "phase") == "shift-before" and at(data, "shift", "strategy") == "immediate":
            reason = "traffic moves inside the window here: write window-before or window-after"
            yield Contradiction((*place, "phase"), reason, ("shift", "strategy"))


def _together(data: Mapping[str, Any], budget: float | None) -> Iterator[Contradiction]:
    """They are taken one after the other, so it is their sum that has to fit."""
    waits: list[tuple[Loc, float | None]] = [
        (("workers", name), seconds_of(at(entry, "timeout"), STOPPING))
        for name, entry in items(data.get("workers"))
        if at(entry, "side") == "blue"
    ]
    waits += [
        (("steps", name), seconds_of(at(entry, "timeout"), RUNNING))
        for name, entry in items(data.get("steps"))
        if at(entry, "phase") in IN_WINDOW
    ]
    known = [(place, seconds) for place, seconds in waits if seconds is not None]
    if not known or budget is None or any(seconds >= budget for _, seconds in known):
        return  # said of that entry alone
    total = sum(seconds for _, seconds in known)
    if total >= budget:
        parts = " + ".join(f"{_shown(place[1])} {seconds:g} s" for place, seconds in known)
        reason = (
            f"what the window may wait for, one after the other, must be shorter than window.budget ({budget:g} s) in all: "
            f"{parts} = {total:g} s"
        )
        yield Contradiction(known[-1][0], reason, ("window", "budget"))


def _shown(name: object) -> str:
    return str(name) if str(name).isprintable() else "?"


def _workers(data: Mapping[str, Any], budget: float | None) -> Iterator[Contradiction]:
    known: dict[str, Loc] = {}
    for name, entry in items(data.get("workers")):
        place: Loc = ("workers", name)
        if at(entry, "side") == "blue":
            yield from _fits(entry, place, budget, STOPPING)
        if at(entry, "side") == "green" and at(entry, "log_group") is not None:
            reason = "is kept of workers that were stopped, and green's are started"
            yield Contradiction((*place, "log_group"), reason, (*place, "side"))
        least, count = at(entry, "runs_on", "min_size"), at(entry, "runs_on", "count")
        if str(least).isdigit() and str(count).isdigit() and int(str(least)) > int(str(count)):
            here: Loc = (*place, "runs_on")
            yield Contradiction((*here, "min_size"), "is more than the group has while it runs", (*here, "count"))
        on = [(word, at(entry, "runs_on", word)) for word in ("cluster", "service", "group", "uuid", "bus", "rule")]
        written = "/".join(str(value) for _, value in on if isinstance(value, str))
        one = written and f"{at(entry, 'runs_on', 'kind')} {written}"  # names are unique within their kind alone
        yield from _once(one, (*place, "runs_on"), known, "entry's workers")


def _fits(entry: object, place: Loc, budget: float | None, default: float) -> Iterator[Contradiction]:
    timeout = seconds_of(at(entry, "timeout"), default)
    if budget is not None and timeout is not None and timeout >= budget:
        reason = f"must be shorter than window.budget ({timeout:g} s when it is not written), for it runs in the window"
        yield Contradiction((*place, "timeout") if at(entry, "timeout") else place, reason, ("window", "budget"))


def _words(value: object) -> list[str]:
    return [str(one) for one in value if isinstance(one, str)] if isinstance(value, (list, tuple)) else []


def _once(value: object, place: Loc, known: dict[str, Loc], what: str) -> Iterator[Contradiction]:
    if not isinstance(value, str) or not value:
        return
    if str(value) in known:
        yield Contradiction(place, f"is another {what}, too", known[str(value)])
    known.setdefault(str(value), place)
