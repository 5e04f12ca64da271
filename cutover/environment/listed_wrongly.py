"""Contradictions in the lines of the two checklists: no answer or two, and bounds that nothing is held against."""

from collections.abc import Iterator, Mapping
from typing import Any

from cutover.environment.checklist import TIMEOUT, ChecklistItem, quantity
from cutover.environment.figures import known_figures
from cutover.environment.plain_data import Contradiction, items, seconds_of
from cutover.environment.problem import Loc, did_you_mean
from cutover.environment.shapes import checklist_items
from cutover.metrics.figures import Known
from cutover.metrics.units import Quantity

ANSWERS = ("smoke", "attest", "command", "figure")
BOUNDS = ("at_most", "at_least")


def checklists(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Every contradiction under `readiness` and `checklist`."""
    known = known_figures(data)
    signed: dict[str, str] = {}
    for part in ("readiness", "checklist"):
        written = data.get(part)
        for key, value in items(written):
            if isinstance(value, Mapping) and "name" in value:
                yield Contradiction((part, key, "name"), "unknown key; the name is the key above it")
        lines = checklist_items(written)
        for item in lines if isinstance(lines, (list, tuple)) else ():
            if not isinstance(item, Mapping) or set(item) - set(ChecklistItem.model_fields):
                continue
            name = str(item.get("name"))
            yield from _line(item, (part, name), known)
            if item.get("attest") is not None and signed.setdefault(name, part) != part:
                yield Contradiction(
                    (part, name), "is signed under the same name in the other list", (signed[name], name)
                )


def _line(item: Mapping[str, Any], place: Loc, known: Mapping[str, Known]) -> Iterator[Contradiction]:
    given = [word for word in ANSWERS if item.get(word) is not None]
    if len(given) != 1:
        yield Contradiction(place, "needs one of `smoke`, `attest`, `command` and `figure`, and not more")
        return
    bounds = {word: bound for word in BOUNDS if (bound := _bound(item.get(word))) is not None}
    if given[0] != "command":
        for word in ("timeout", "variables", "only_looks"):
            if _is_written(word, item.get(word)):
                yield Contradiction((*place, word), "is for a line with a `command`")
    if given[0] in ("smoke", "attest"):
        for word in bounds:
            yield Contradiction((*place, word), "is for a line with a `command` or a `figure`")
        return
    if given[0] == "figure":
        yield from _figure(str(item["figure"]), bounds, place, known)
    if len(bounds) == 2:
        yield from _both(bounds, place)


def _figure(
    name: str, bounds: Mapping[str, Quantity], place: Loc, known: Mapping[str, Known]
) -> Iterator[Contradiction]:
    if name not in known:
        if name.isprintable():
            there = ", ".join(known) or "there are none: metrics.figures"
            yield Contradiction((*place, "figure"), f"is none of the figures: {there}{did_you_mean(name, known)}")
        return
    if not bounds:
        yield Contradiction(place, "needs `at_most` or `at_least`: a figure alone says nothing")
    for word, bound in bounds.items():
        try:
            bound.in_unit(known[name].unit)
        except ValueError as error:
            yield Contradiction((*place, word), f"does not fit the figure, which {error}", ("metrics", "figures", name))


def _both(bounds: Mapping[str, Quantity], place: Loc) -> Iterator[Contradiction]:
    most, least = bounds["at_most"], bounds["at_least"]
    try:
        if least.in_unit(most.unit) > most.value:
            yield Contradiction((*place, "at_least"), "is more than `at_most`")
    except ValueError as error:
        yield Contradiction((*place, "at_least"), f"does not fit `at_most`, which {error}")


def _bound(written: object) -> Quantity | None:
    try:
        return None if written is None else quantity(str(written))
    except ValueError:
        return None


def _is_written(word: str, value: object) -> bool:
    """Whether a word was given; what a dump of the model says where it was not, counts as not given."""
    if word == "timeout":
        return seconds_of(value, TIMEOUT) not in (None, TIMEOUT)
    return bool(value) and str(value) != "false"
