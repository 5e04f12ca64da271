"""A condition as PromQL over recorded figures: the same bounds as the program's own verdict, from the same object."""

from collections.abc import Iterator
from dataclasses import dataclass

from cutover.metrics.bounds import LEGACY
from cutover.metrics.clauses import COVERED, Around, AtLeast, Clause, Growth, Limit
from cutover.metrics.conditions import Condition
from cutover.metrics.figures import BLUE, Figure
from cutover.metrics.units import PERCENT, RATES, TIMES, number

FIGURE, BASELINE = "cutover:figure", "cutover:baseline"
_MATCHED = "on (environment)"
_SIGNS = {"=": "=="}


@dataclass(frozen=True)
class Promql:
    """PromQL of one environment; each figure is a recorded series of its own, `cutover:figure{environment, figure, side}`.

    A growth is fitted by least squares (Prometheus, deriv), where the program's own verdict takes the median of the slopes.
    """

    environment: str

    def expression(self, condition: Condition) -> str:
        """What has results while the condition is wrong; its `for` is the rule's own."""
        parts = [part for clause in condition.clauses for part in self._clause(clause)]
        if condition.enough:
            parts += self._enough(condition.enough, condition.lasts, condition.sides)
        return f" and {_MATCHED} ".join(parts)

    def series(self, name: str, side: str) -> str:
        """The selector of a recorded figure."""
        return f'{FIGURE}{{environment="{self.environment}",figure="{name}",side="{side}"}}'

    def baseline(self, name: str) -> str:
        """The selector of a figure's recorded baseline."""
        return f'{BASELINE}{{environment="{self.environment}",figure="{name}"}}'

    def _clause(self, clause: Clause) -> Iterator[str]:
        value = self.series(clause.figure.name, clause.figure.side)
        if isinstance(clause, Growth):
            yield from self._growth(clause, value)
        elif isinstance(clause, Around):
            reference, part = self._reference(clause), number(clause.percent / 100)
            yield f"abs({value} - {_MATCHED} {reference}) > {_MATCHED} abs({reference}) * {part}"
            yield f"{reference} != 0"
        else:
            yield from self._limit(clause, value)

    def _limit(self, clause: Limit, value: str) -> Iterator[str]:
        sign, bound = _SIGNS.get(clause.sign, clause.sign), clause.bound
        plus = bound.plus.in_unit(clause.figure.known.unit)
        if not bound.reference:
            yield f"{value} {sign} {number(plus)}"
        else:
            reference = self._reference(clause)
            times = "" if bound.factor == 1 else f"{number(bound.factor)} * "
            more = "" if not plus else f" {'-' if plus < 0 else '+'} {number(abs(plus))}"
            yield f"{value} {sign} {_MATCHED} {times}{reference}{more}"
            if bound.factor != 1:
                yield f"{reference} > 0"  # a multiple of nothing bounds nothing
        if clause.sign == "!=":
            yield f"{value} == {value}"  # NaN is unlike every number, also unlike itself

    def _reference(self, clause: Limit | Around) -> str:
        if clause.bound.reference == LEGACY:
            return self.series(clause.figure.name, BLUE)
        return self.baseline(clause.figure.name)

    def _growth(self, clause: Growth, value: str) -> Iterator[str]:
        over, unit, sign = duration(clause.over), clause.figure.known.unit, _SIGNS.get(clause.sign, clause.sign)
        slope = f"deriv({value}[{over}])"
        if clause.much.unit == PERCENT and unit != PERCENT:
            start = f"(avg_over_time({value}[{over}]) - {slope} * {number(clause.over / 2)})"
            yield f"{number(100 * TIMES[clause.per])} * {slope} / {start} {sign} {number(clause.much.value)}"
            yield f"{start} > 0"
        else:
            yield f"{number(TIMES[clause.per])} * {slope} {sign} {number(clause.much.in_unit(unit))}"
        # Half a window has a slope, too, and a process that has just begun grows.
        yield f"count_over_time({value}[{over}]) >= {number(int(COVERED * clause.over / clause.figure.known.step))}"

    def _enough(self, enough: AtLeast, lasts: float, sides: tuple[str, ...]) -> Iterator[str]:
        within, figure = duration(enough.within or lasts), enough.figure
        for side in sides:
            counted = f"sum_over_time({self.series(figure.name, side)}[{within}])"
            each = _each(figure)
            yield f"{counted}{'' if each == 1 else f' * {number(each)}'} >= {number(enough.count)}"


def _each(figure: Figure) -> float:
    """What one sample counts for."""
    return RATES[figure.known.unit] * figure.known.step if figure.known.unit in RATES else 1.0


def duration(seconds: float) -> str:
    """A duration as Prometheus reads it: whole numbers of one unit."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= TIMES[unit] and seconds % TIMES[unit] == 0:
            return f"{seconds / TIMES[unit]:.0f}{unit}"
    return f"{max(1, round(seconds * 1000))}ms"
