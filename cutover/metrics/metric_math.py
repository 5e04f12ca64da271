"""A condition as CloudWatch's metric math: 1 where it is wrong, 0 where it is not, nothing where there are no data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil

from cutover.metrics.bounds import LEGACY
from cutover.metrics.clauses import Around, AtLeast, Clause, Growth, Limit
from cutover.metrics.conditions import Condition
from cutover.metrics.figures import BLUE
from cutover.metrics.units import RATES, lasting, number

SIGNS = {"=": "=="}
LONGEST = 86_400  # seconds that an alarm may look back with periods below an hour (CloudWatch user guide, "Evaluating an alarm")
MINUTE = 60


class Unsayable(Exception):
    """CloudWatch has no words for the condition; the text says which."""


@dataclass(frozen=True)
class MetricMath:
    """A condition over series that are called FIGURE_SIDE; the periods are `period` seconds long.

    `at least N` is asked of each period in proportion: metric math has no window that moves. So an alarm that fires has had
    enough, and one may stay silent where the requests came unevenly. Raises Unsayable where it is made.
    """

    condition: Condition
    baselines: Mapping[str, float]

    @property
    def period(self) -> int:
        """The longest of its figures', in whole minutes."""
        return max(ceil(figure.known.step / MINUTE) * MINUTE for figure in self.condition.figures)

    @property
    def periods(self) -> int:
        """How many periods one after the other it has to be wrong for."""
        count = max(1, ceil(self.condition.lasts / self.period))
        if count * self.period > LONGEST:
            raise Unsayable(f"CloudWatch looks back a day, not {lasting(self.condition.lasts)}")
        return count

    def expression(self) -> str:
        """The metric math."""
        parts = [part for clause in self.condition.clauses for part in self._clause(clause)]
        if self.condition.enough:
            parts += self._enough(self.condition.enough)
        return f"IF({' AND '.join(f'({part})' for part in parts)}, 1, 0)"

    def _clause(self, clause: Clause) -> Iterator[str]:
        value = series(clause.figure.name, clause.figure.side)
        if isinstance(clause, Growth):
            raise Unsayable("CloudWatch's metric math fits no line through a growth")
        if isinstance(clause, Around):
            reference = self._reference(clause)
            yield f"ABS({value} - {reference}) > ABS({reference}) * {number(clause.percent / 100)}"
            yield f"{reference} != 0"
        else:
            yield from self._limit(clause, value)

    def _limit(self, clause: Limit, value: str) -> Iterator[str]:
        sign, bound = SIGNS.get(clause.sign, clause.sign), clause.bound
        plus = bound.plus.in_unit(clause.figure.known.unit)
        if not bound.reference:
            yield f"{value} {sign} {number(plus)}"
            return
        reference = self._reference(clause)
        times = "" if bound.factor == 1 else f"{number(bound.factor)} * "
        more = "" if not plus else f" {'-' if plus < 0 else '+'} {number(abs(plus))}"
        yield f"{value} {sign} {times}{reference}{more}"
        if bound.factor != 1:
            yield f"{reference} > 0"  # a multiple of nothing bounds nothing

    def _reference(self, clause: Limit | Around) -> str:
        name = clause.figure.name
        if clause.bound.reference == LEGACY:
            return series(name, BLUE)
        if name not in self.baselines:
            raise Unsayable(f"no baseline of {name} is recorded yet")
        value = number(self.baselines[name])
        return f"({value})" if value.startswith("-") else value

    def _enough(self, enough: AtLeast) -> Iterator[str]:
        known = enough.figure.known
        each = RATES[known.unit] * self.period if known.unit in RATES else 1.0
        within = max(enough.within or self.condition.lasts, self.period)
        for side in self.condition.sides:
            counted = series(enough.figure.name, side) + ("" if each == 1 else f" * {number(each)}")
            yield f"{counted} >= {number(enough.count * self.period / within)}"


def series(name: str, side: str) -> str:
    """The id of a figure's series."""
    return f"{name}_{side}"
