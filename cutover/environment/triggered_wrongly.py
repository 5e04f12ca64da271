"""Contradictions between triggers, the figures that they name, the phases in which they are asked, and each other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any

from cutover.environment.figures import NO_BASELINE, empty_before, known_figures
from cutover.environment.plain_data import Contradiction, at, items, seconds_of
from cutover.environment.problem import Loc, did_you_mean
from cutover.environment.triggers import zone_text
from cutover.metrics.bounds import LEGACY
from cutover.metrics.clauses import Growth, Limit
from cutover.metrics.conditions import Condition, Sense
from cutover.metrics.figures import Known
from cutover.metrics.parsing import parse
from cutover.metrics.rule import FROM_FIRST_SHARE
from cutover.metrics.tokens import ConditionError

WHOLE_ON_GREEN = {"shift-100", "bake"}
SHARES, SOAK, BAKE = (10, 50, 100), 600.0, 86_400.0  # where they are not written


@dataclass(frozen=True)
class _Read:
    """One condition of a trigger, where it stands, and the phases in which it is asked."""

    place: Loc
    condition: Condition
    phases: tuple[str, ...]


def triggers(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Every contradiction under `triggers`."""
    known, earlier = known_figures(data), list[_Read]()
    for name, entry in items(data.get("triggers")):
        if not isinstance(entry, Mapping):
            continue
        place: Loc = ("triggers", name)
        yield from _form(entry, place)
        phases = _phases(at(entry, "during"))
        yield from _shares(phases, data, place)
        yield from _channels(entry, data, place)
        yield from _no_phase_before(entry, data, place)
        for found in _conditions(entry, place, known):
            if isinstance(found, Contradiction):
                yield found
                continue
            where, condition = found
            read = _Read(where, condition, phases)
            yield from _never(read, data)
            yield from _again(read, earlier)
            earlier.append(read)
        yield from _rising(entry, place, known)


def _form(entry: Mapping[str, Any], place: Loc) -> Iterator[Contradiction]:
    given = [word for word in ("when", "wanted", "zones") if entry.get(word)]
    if len(given) != 1:
        yield Contradiction(place, "needs either `when`, `wanted` or `zones`, and one of them only")
        return
    zoned = given == ["zones"]
    if zoned and entry.get("figure") is None:
        yield Contradiction((*place, "zones"), "needs `figure`, the one that they are of")
    if zoned and entry.get("then") is not None:
        yield Contradiction((*place, "then"), "each zone has its own `then`", (*place, "zones"))
    if not zoned and entry.get("then") is None:
        yield Contradiction(place, "needs `then`: what is started")
    for word in ("figure", "at_least"):
        if not zoned and entry.get(word) is not None:
            yield Contradiction((*place, word), f"belongs to zones; a condition says it itself, under `{given[0]}`")


def _conditions(
    entry: Mapping[str, Any], place: Loc, known: Mapping[str, Known]
) -> Iterator[Contradiction | tuple[Loc, Condition]]:
    for word, sense in (("when", Sense.ALARM), ("wanted", Sense.WANTED)):
        text, where = entry.get(word), (*place, word)
        if not isinstance(text, str):
            continue
        try:
            condition = parse(str(text), known)
        except ConditionError as error:
            yield Contradiction(where, error.brief)
            continue
        if condition.sense is not sense:
            other, means = ("wanted", "wanted") if word == "when" else ("when", "wrong")
            yield Contradiction(where, f"says what is {means}: write it under `{other}`")
            continue
        yield where, condition
    for number, text in _zones(entry):
        where = (*place, "zones", number)
        try:
            yield where, parse(text, known)
        except ConditionError as error:
            yield Contradiction(where, error.reason)


def _zones(entry: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    figure, zones, at_least = entry.get("figure"), entry.get("zones"), entry.get("at_least")
    for number, zone in enumerate(zones if isinstance(zones, (list, tuple)) else ()):
        above, lasts = at(zone, "above"), seconds_of(at(zone, "for"), 0.0)
        if isinstance(figure, str) and isinstance(above, (str, int, float)) and lasts is not None:
            yield number, zone_text(str(figure), str(above), lasts, None if at_least is None else str(at_least))


def _rising(entry: Mapping[str, Any], place: Loc, known: Mapping[str, Known]) -> Iterator[Contradiction]:
    limits: list[tuple[int, float]] = []
    for number, text in _zones(entry):
        try:
            clause = parse(text, known).clauses[0]
        except ConditionError:
            return
        if isinstance(clause, Limit):
            limits.append((number, clause.bound.plus.in_unit(clause.figure.known.unit)))
    for (first, lower), (second, higher) in pairwise(limits):
        if higher <= lower:
            here, other = (*place, "zones", second), (*place, "zones", first)
            yield Contradiction(here, "must lie above the zone before it", other)


def _phases(during: object) -> tuple[str, ...]:
    if isinstance(during, (list, tuple)) and during and all(isinstance(one, str) for one in during):
        return tuple(map(str, during))
    return FROM_FIRST_SHARE


def _shares(phases: tuple[str, ...], data: Mapping[str, Any], place: Loc) -> Iterator[Contradiction]:
    known = _soaks(data)
    for number, phase in enumerate(phases):
        if phase.startswith("shift-") and phase not in known:
            reason = f"there is no such share; the phases are {', '.join(known)}"
            yield Contradiction((*place, "during", number), reason, ("shift", "shares"))


def _soaks(data: Mapping[str, Any]) -> dict[str, float]:
    """How long each phase from the first share on lasts at least, by name."""
    shares, soak = at(data, "shift", "shares"), at(data, "shift", "soak")
    numbers = [_number(one) for one in (shares if isinstance(shares, (list, tuple)) else SHARES)]
    if at(data, "shift", "strategy") == "immediate":
        numbers = [100.0]
    several = soak if isinstance(soak, (list, tuple)) else [soak] * len(numbers)
    each = [seconds_of(one, SOAK) or 0.0 for one in several] + [SOAK] * len(numbers)
    soaks = {f"shift-{share:g}": long for share, long in zip(numbers, each, strict=False) if share is not None}
    return {**soaks, "bake": seconds_of(at(data, "bake", "soak"), BAKE) or 0.0}


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _never(read: _Read, data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """A trigger that can't come to a verdict is worse than none: people rely on it."""
    condition, place = read.condition, read.place
    compared = any(not isinstance(one, Growth) and one.bound.reference == LEGACY for one in condition.clauses)
    if compared and set(read.phases) <= WHOLE_ON_GREEN:
        reason = "can never be judged: blue has no traffic in these phases, so compare with baseline"
        yield Contradiction(place, reason, (*place[:2], "during"))
    soaks = _soaks(data)
    known = [
        phase for phase in soaks if any(phase == one or (one == "shift" and phase != "bake") for one in read.phases)
    ]
    needs = max((condition.lasts, *(one.over for one in condition.clauses if isinstance(one, Growth))))
    lasts = sum(soaks[phase] for phase in known)
    if known and all(one == "shift" or one in soaks for one in read.phases) and needs > lasts:
        reason = f"can never be judged: it needs {needs:g} s, and the phases in which it is asked last {lasts:g} s"
        yield Contradiction(place, reason, ("shift", "soak"))
    if _empty(condition):
        yield Contradiction(place, "can never be so: its parts exclude each other")
    for name in condition.needs_baseline:
        if name in empty_before(data):
            yield Contradiction(place, f"{name} {NO_BASELINE}", ("metrics", "figures", name))


def _empty(condition: Condition) -> bool:
    """Whether fixed bounds of one figure leave no value between them."""
    above, below = dict[str, tuple[float, bool]](), dict[str, tuple[float, bool]]()
    for clause in condition.clauses:
        if not isinstance(clause, Limit) or clause.bound.reference:
            continue
        name, value = clause.figure.name, clause.bound.plus.in_unit(clause.figure.known.unit)
        if clause.sign in (">", ">=", "="):
            above[name] = max(above.get(name, (-inf, False)), (value, clause.sign == ">"))
        if clause.sign in ("<", "<=", "="):
            below[name] = min(below.get(name, (inf, True)), (value, clause.sign != "<"))
    return any(
        above[name][0] > below[name][0] or (above[name][0] == below[name][0] and (above[name][1] or not below[name][1]))
        for name in above.keys() & below.keys()
    )


def _again(read: _Read, earlier: list[_Read]) -> Iterator[Contradiction]:
    for other in earlier:
        if other.condition == read.condition and _meet(other.phases, read.phases):
            yield Contradiction(read.place, "is the same condition in the same phase", other.place)
            return


def _meet(some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    def same(one: str, other: str) -> bool:
        return one == other or (one == "shift" and other.startswith("shift-"))

    return any(same(one, other) or same(other, one) for one in some for other in others)


def _channels(entry: Mapping[str, Any], data: Mapping[str, Any], place: Loc) -> Iterator[Contradiction]:
    known = [name for name, _ in items(at(data, "notify", "channels"))]
    named = entry.get("channels")
    for number, channel in enumerate(named if isinstance(named, (list, tuple)) else ()):
        if isinstance(channel, str) and str(channel) not in known:
            near = did_you_mean(str(channel), known)
            yield Contradiction((*place, "channels", number), f"no channel under notify.channels has this name{near}")


def _no_phase_before(entry: Mapping[str, Any], data: Mapping[str, Any], place: Loc) -> Iterator[Contradiction]:
    if at(data, "shift", "strategy") != "immediate":
        return
    zones = entry.get("zones")
    actions: list[tuple[Loc, object]] = [((*place, "then"), entry.get("then"))]
    actions += [
        ((*place, "zones", number, "then"), at(zone, "then"))
        for number, zone in enumerate(zones if isinstance(zones, (list, tuple)) else ())
    ]
    for where, action in actions:
        if isinstance(action, str) and action.endswith("previous-phase"):
            reason = "all traffic moves at once, so there is no share before: write rollback"
            yield Contradiction(where, reason, ("shift", "strategy"))
