"""Spans of time in the twin: what conditions look back over, shortened by one factor, with what is counted in them."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from cutover.core.plain import span
from cutover.metrics.clauses import Clause, Growth
from cutover.metrics.conditions import Condition
from cutover.metrics.figures import Asked
from cutover.metrics.rule import Rule
from cutover.metrics.units import Quantity, lasting
from cutover.rehearsal.words import TIME, Words

LONGEST = 30.0
LEAST = 10.0
"""In seconds: what the longest span becomes, and what none becomes shorter than."""
GROWN = 10  # samples of which a growth is made, as conditions want it
IN_ALL = 300.0  # seconds in which a zone counts where it does not say


@dataclass(frozen=True)
class Shorter:
    """Divides spans by `factor`; 1 leaves them as they are. No more than `often` a second are wanted of what is counted in them."""

    factor: float = 1.0
    often: float = math.inf

    @classmethod
    def so_that_fit(cls, rules: Iterable[Rule], often: float = math.inf) -> "Shorter":
        """By so much that the longest span of these rules is LONGEST."""
        longest = max((seconds for rule in rules for seconds in _spans(rule.condition)), default=0.0)
        return cls(max(1.0, longest / LONGEST), often)

    def span(self, seconds: float, least: float = LEAST) -> float:
        """One span; one that is short already stays."""
        if self.factor == 1.0 or seconds <= least:
            return seconds
        return round(max(least, seconds / self.factor), 3)

    def count(self, count: float, seconds: float) -> float:
        """As many for each second as `count` in that span are, but for `often`, and one at least."""
        shorter = self.span(seconds)
        most = math.floor(self.often * shorter) if math.isfinite(self.often) else math.inf
        return max(1.0, min(math.ceil(count * shorter / seconds - 1e-9), most))

    def condition(self, condition: Condition) -> Condition:
        """The same figures, bounds and signs over shorter spans; a growth is as much over its whole span as it was."""
        enough = condition.enough
        if enough is not None:
            within = enough.within or condition.lasts
            shorter = None if enough.within is None else self.span(enough.within)
            enough = replace(enough, count=self.count(enough.count, within), within=shorter)
        return Condition(tuple(map(self._clause, condition.clauses)), self.span(condition.lasts), enough)

    def _clause(self, clause: Clause) -> Clause:
        if not isinstance(clause, Growth):
            return clause
        over = self.span(clause.over, max(LEAST, GROWN * clause.figure.known.step))
        much = Quantity(clause.much.value * clause.over / over, clause.much.unit)
        return replace(clause, over=over, much=much)


def _spans(condition: Condition) -> Iterator[float]:
    yield condition.lasts
    yield from (one.over for one in condition.clauses if isinstance(one, Growth))
    if condition.enough is not None and condition.enough.within:
        yield condition.enough.within


def shorten(words: Words, rules: Iterable[Rule], shorter: Shorter) -> None:
    """Rewrites the spans of every trigger; `rules` are read with the figures as they are in the twin."""
    found = {rule.name: rule for rule in rules}
    for name, trigger in (words.at("triggers") or {}).items():
        place = ("triggers", name)
        for word in ("when", "wanted"):
            if word in trigger:
                _rewritten(words, (*place, word), found[name].condition, shorter)
        zones = trigger.get("zones") or ()
        for number, zone in enumerate(zones):
            if zone.get("for"):
                words.put((*place, "zones", number, "for"), shorter.span(zone["for"]), TIME)
        if zones and "at_least" in trigger:
            _enough(words, place, found[f"{name}-1"].condition, shorter)
    if shorter.factor > 1:
        told = span(round(shorter.factor * LONGEST))
        words.leave_out(
            "the triggers' spans",
            f"the longest, {told}, is {span(LONGEST)} in the twin, and the others are shorter alike, none below {span(LEAST)}; "
            "a growth is as much over its span, and no more are counted for each second than there, or than its few customers "
            "make at the smallest share",
        )


def _rewritten(words: Words, place: tuple[str, ...], condition: Condition, shorter: Shorter) -> None:
    shortened = shorter.condition(condition)
    if shortened != condition:
        words.put(place, str(shortened), TIME)


def _enough(words: Words, place: tuple[str, ...], condition: Condition, shorter: Shorter) -> None:
    enough = condition.enough
    assert enough is not None
    within = enough.within or condition.lasts or IN_ALL
    counted = replace(enough, count=shorter.count(enough.count, within), within=shorter.span(within))
    if counted != replace(enough, within=within):
        words.put(
            (*place, "at_least"), f"{counted.count:.0f} {counted.figure.name} in {lasting(counted.within or 0)}", TIME
        )


def longest_look(rules: Iterable[Rule]) -> float:
    """How many seconds the farthest look of these rules goes back, with all that is read beyond its span."""
    asked: Iterator[Asked] = (one for rule in rules for one in rule.condition.spans(0.0))
    return max((one.span.until - one.span.since for one in asked), default=0.0)
