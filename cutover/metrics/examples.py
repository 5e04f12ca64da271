"""Figures made up so that a condition is wrong, or well: examples for the unit tests of generated alerts.

Each example is judged by the condition itself before it is used, so a test of an alert says whether both agree.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise, product

from cutover.core.gate import Verdict
from cutover.core.series import Reading, Sample, Span
from cutover.metrics.bounds import Unbounded
from cutover.metrics.clauses import Around, Growth, Limit
from cutover.metrics.conditions import Condition
from cutover.metrics.figures import BLUE
from cutover.metrics.units import PERCENT, RATES, TIMES

REFERENCE = 1000.0  # what blue, the baseline, and the beginning of a growth are in an example
AT = 10_000_000.0


@dataclass(frozen=True)
class Course:
    """A value that changes by `slope` each second and is `last` in the end."""

    last: float
    slope: float = 0.0

    def before(self, seconds: float) -> float:
        return self.last - self.slope * seconds


@dataclass(frozen=True)
class Example:
    """Figures by name and side, and baselines by name."""

    courses: Mapping[tuple[str, str], Course]
    baselines: Mapping[str, float]

    def read(self, name: str, side: str, span: Span) -> Reading:
        course = self.courses[name, side]
        count = int((span.until - span.since) / span.step)
        ages = [span.step * (count - n) for n in range(count + 1)]
        return Reading(tuple(Sample(span.until - age, course.before(age)) for age in ages))

    def baseline(self, name: str) -> float | None:
        return self.baselines.get(name)

    def value(self, condition: Condition) -> float:
        """The value that an alert of the condition shows: that of its first clause."""
        first = condition.clauses[0]
        found = condition.judge(self, AT).data["clauses"][0]
        value = float(found["value"])
        return abs(value - REFERENCE) if isinstance(first, Around) else value


def example(condition: Condition, wanted: Verdict) -> Example | None:
    """Figures for which the condition says so; None where none were found."""
    baselines = dict.fromkeys(condition.needs_baseline, REFERENCE)
    fixed = {(one.name, one.side): Course(REFERENCE) for one in condition.spans(AT) if one.side == BLUE}
    if condition.enough:
        needed = _enough(condition)
        fixed |= {(condition.enough.figure.name, side): Course(needed) for side in condition.sides}
    names = dict.fromkeys((one.figure.name, one.figure.side) for one in condition.clauses)
    for courses in product(*(tuple(_courses(condition, name)) for name, _ in names)):
        found = Example({**fixed, **dict(zip(names, courses, strict=True))}, baselines)
        if condition.judge(found, AT).verdict is wanted:
            return found
    return None


def _enough(condition: Condition) -> float:
    """Twice as much in each sample as is needed."""
    if condition.enough is None:
        return 0.0
    figure, within = condition.enough.figure, condition.enough.within or condition.lasts
    each = RATES[figure.known.unit] * figure.known.step if figure.known.unit in RATES else 1.0
    return 2 * condition.enough.count / (each * max(1.0, within / figure.known.step))


def _courses(condition: Condition, name: str) -> Iterator[Course]:
    """Values about each bound of the figure, and growths about each of its speeds."""
    bounds, clauses = [], [one for one in condition.clauses if one.figure.name == name]
    for clause in clauses:
        unit = clause.figure.known.unit
        if isinstance(clause, Growth):
            much = (
                clause.much.value / 100 * REFERENCE
                if clause.much.unit == PERCENT != unit
                else clause.much.in_unit(unit)
            )
            for factor in (0.0, 2.0, 0.5, -2.0):
                slope = factor * much / TIMES[clause.per]
                yield Course(REFERENCE + slope * clause.over, slope)
            continue
        try:
            bounds.append(clause.bound.value(unit, REFERENCE if clause.bound.reference else None))
        except Unbounded:
            continue
        if isinstance(clause, Around):
            bounds += [REFERENCE * (1 + clause.percent / 50), REFERENCE]
    spread = sorted(bounds)
    between = [(one + other) / 2 for one, other in pairwise(spread)]
    for value in (*between, *spread):
        for far in (0.25, -0.25, 0.0):
            yield Course(value + far * (abs(value) or 1.0))


def at_the_bound(condition: Condition) -> Example | None:
    """The single fixed or relative bound hit exactly: `>` is not yet so there, and `>=` is."""
    if len(condition.clauses) != 1 or not isinstance(condition.clauses[0], Limit):
        return None
    clause = condition.clauses[0]
    base = example(condition, Verdict.PASS)
    if base is None:
        return None
    value = clause.bound.value(clause.figure.known.unit, REFERENCE if clause.bound.reference else None)
    return Example({**base.courses, (clause.figure.name, clause.figure.side): Course(value)}, base.baselines)
