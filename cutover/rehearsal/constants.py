"""A number in place of a figure that the twin has not: one that every checklist and every trigger takes for well."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cutover.environment.checklist import quantity
from cutover.metrics.bounds import Unbounded
from cutover.metrics.clauses import Growth
from cutover.metrics.conditions import Condition
from cutover.metrics.rule import Rule
from cutover.metrics.units import RATES


def constant(lines: Sequence[Mapping[str, Any]], rules: Iterable[Rule], name: str, unit: str) -> str | None:
    """The number as it is written, for a figure with these lines of checklists and these triggers; None where there is none."""
    conditions = [rule.condition for rule in rules]
    if lines:
        written = allowed(lines[0], unit)
        return written if _well(float(written), conditions, name) else None
    found = (one for one in _candidates(conditions, name) if _well(one, conditions, name))
    value = next(found, None)
    return None if value is None else f"{value:g}"


def allowed(line: Mapping[str, Any], unit: str = "") -> str:
    """The number at the line's bound, in that unit where there is one; 0 for a line without one."""
    bound = line.get("at_least") or line.get("at_most")
    if bound is None:
        return "0"
    read = quantity(str(bound))
    return f"{read.in_unit(unit) if unit else read.value:g}"


def _candidates(conditions: Sequence[Condition], name: str) -> Iterator[float]:
    yield from (0.0, 1.0)
    for condition in conditions:
        for clause in condition.clauses:
            if clause.figure.name == name and not isinstance(clause, Growth):
                bound = clause.bound.plus.in_unit(clause.figure.known.unit)
                yield from (bound, bound / 2, bound * 2)
        if condition.enough is not None and condition.enough.figure.name == name:
            yield condition.enough.count


def _well(value: float, conditions: Sequence[Condition], name: str) -> bool:
    """Whether no clause about the figure is so where both sides and the past have this value, and enough is counted."""
    for condition in conditions:
        for clause in condition.clauses:
            if clause.figure.name != name:
                continue
            if isinstance(clause, Growth):
                if value <= 0:  # nothing has no percent
                    return False
                continue
            try:
                if clause.so(value, value if clause.bound.reference else None):
                    return False
            except Unbounded:
                return False
        enough = condition.enough
        if enough is not None and enough.figure.name == name:
            seconds = enough.within or condition.lasts
            if value * RATES.get(enough.figure.known.unit, 1.0) * seconds < enough.count:
                return False
    return True
