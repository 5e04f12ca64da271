"""What a figure is held against: a fixed value, blue's at the same time, or what was recorded before the cutover."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cutover.metrics.units import Quantity, number, shown

LEGACY, BASELINE = "legacy", "baseline"
OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
}
SPOKEN = {
    ">": "above",
    ">=": "at or above",
    "<": "below",
    "<=": "at or below",
    "=": "exactly",
    "!=": "anything but",
}
NOTHING = Quantity(0.0)
ABSOLUTE = "state an absolute bound as well"


class Unbounded(Exception):
    """The reference gives no bound; the text says why."""


@dataclass(frozen=True)
class Bound:
    """`factor` times the reference, and `plus` beside it; without a reference `plus` alone."""

    plus: Quantity = NOTHING
    reference: str = ""
    factor: float = 1.0

    def __str__(self) -> str:
        if not self.reference:
            return str(self.plus)
        times = "" if self.factor == 1 else f"{number(self.factor)} x "
        if not self.plus.value:
            return f"{times}{self.reference}"
        sign = "-" if self.plus.value < 0 else "+"
        return f"{times}{self.reference} {sign} {number(abs(self.plus.value))}{self.plus.unit}"

    def value(self, unit: str, reference: float | None) -> float:
        """The bound in the figure's unit."""
        plus = self.plus.in_unit(unit)
        return plus if reference is None else self.factor * reference + plus

    def broken(self, sign: str, value: float, unit: str, reference: float | None) -> bool:
        """Whether `value` stands to the bound as `sign` says; raises Unbounded where a multiple of nothing is no bound."""
        if reference is not None and self.factor != 1 and reference <= 0:
            if reference == value == 0 and not self.plus.value:
                return False  # nothing is not more than any multiple of nothing
            raise Unbounded(f"{self.reference} is {shown(reference, unit)}, and a multiple of it bounds nothing")
        return OPERATORS[sign](value, self.value(unit, reference))

    def told(self, sign: str, unit: str, reference: float | None) -> str:
        """The bound with its figures: `> 350ms = legacy 250ms + 100ms`."""
        if reference is None:
            return f"{sign} {self}"
        known = str(self).replace(self.reference, f"{self.reference} {shown(reference, unit)}")
        return f"{sign} {shown(self.value(unit, reference), unit)} = {known}"

    def words(self) -> str:
        """The bound in words."""
        if not self.reference:
            return str(self.plus)
        whose = "blue's at the same time" if self.reference == LEGACY else "its baseline from before the cutover"
        times = "" if self.factor == 1 else f"{number(self.factor)} times "
        if not self.plus.value:
            return f"{times}{whose}"
        sign = "minus" if self.plus.value < 0 else "plus"
        return f"{times}{whose} {sign} {number(abs(self.plus.value))}{self.plus.unit}"
