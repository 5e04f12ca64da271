"""Whether two answers are the same, and in words that show no values where they are not."""

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from re import Pattern, compile
from typing import Any

DEEPEST = 100
MOST = 200_000  # comparisons of two values
NAME: Pattern[str] = compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}\Z")
_PLAIN = (str, bytes, bytearray, Enum, date, time, timedelta)


class TooMuch(Exception):
    """The answers are too deep or too large to be compared."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparator: None where legacy's and candidate's answers are the same, else where they differ first, and how.

    Numbers are the same within `relative` of the larger or within `absolute`; two NaN are, when `nan` says so; a bool is no
    number. Lists and tuples are one kind, and with `ordered=False` their order does not count. Arrays and their like (whatever
    has `shape` and `tolist`) are the same when shapes and elements are; a scalar of theirs is its `item()`. Dataclasses and other
    objects without `__eq__` of their own are compared by type name and fields, everything else by `==`.

    Paths name a key only if it looks like a name, because a key may be a person's address; values are shown by type and size,
    or as `show` writes them. Raises TooMuch beyond 100 levels or 200,000 comparisons.
    """

    relative: float = 1e-9
    absolute: float = 0.0
    nan: bool = True
    ordered: bool = True
    show: Callable[[Any], str] | None = None

    def __call__(self, legacy: Any, candidate: Any) -> str | None:
        return _Comparing(self).difference(legacy, candidate, "$", 0)


class _Comparing:
    def __init__(self, how: Comparison) -> None:
        self._how, self._left = how, MOST

    def difference(self, one: Any, other: Any, path: str, depth: int) -> str | None:
        self._left -= 1
        if self._left < 0 or depth > DEEPEST:
            raise TooMuch(f"beyond {DEEPEST} levels" if self._left >= 0 else f"beyond {MOST} comparisons")
        one, other = _plain(one), _plain(other)
        if _number(one) and _number(other):
            return None if self._near(one, other) else self._differ(one, other, path, _distance(one, other))
        if _array(one) and _array(other):
            if tuple(one.shape) != tuple(other.shape):
                return f"{path}: shape {tuple(one.shape)} ≠ {tuple(other.shape)}"
            return self.difference(one.tolist(), other.tolist(), path, depth + 1)
        if _sequence(one) and _sequence(other):
            return self._sequences(one, other, path, depth)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            return self._mappings(one, other, path, depth)
        if isinstance(one, AbstractSet) and isinstance(other, AbstractSet):
            return self._unordered([*(one - other)], [*(other - one)], f"{path}{{}}", depth)
        if one is other:
            return None
        if _by_fields(one) and _by_fields(other):
            if type(one).__name__ != type(other).__name__:
                return self._differ(one, other, path)
            return self._mappings(_fields(one), _fields(other), path, depth)
        if isinstance(one, (str, bytes)) and type(one) is type(other) and one != other:
            return self._differ(one, other, path, f"from position {_position(one, other)}")
        return (
            None
            if isinstance(one, bool) is isinstance(other, bool) and bool(one == other)
            else self._differ(one, other, path)
        )

    def _near(self, one: Any, other: Any) -> bool:
        if one != one or other != other:  # noqa: PLR0124  NaN
            return self._how.nan and one != one and other != other  # noqa: PLR0124
        if one == other:
            return True
        if isinstance(one, complex) or isinstance(other, complex):
            far, large = abs(one - other), max(abs(one), abs(other))
            return bool(far <= max(self._how.relative * large, self._how.absolute) and math.isfinite(large))
        if isinstance(one, float) and isinstance(other, float):
            return math.isclose(one, other, rel_tol=self._how.relative, abs_tol=self._how.absolute)
        if _infinite(one) or _infinite(other):
            return False
        left, right = Fraction(one), Fraction(other)  # exact: no overflow, and Decimal meets float
        largest = max(abs(left), abs(right))
        return abs(left - right) <= max(Fraction(self._how.relative) * largest, Fraction(self._how.absolute))

    def _sequences(self, one: Sequence[Any], other: Sequence[Any], path: str, depth: int) -> str | None:
        if not self._how.ordered:
            return self._unordered(list(one), list(other), f"{path}[]", depth)
        if len(one) != len(other):
            return f"{path}: length {len(one)} ≠ {len(other)}"
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            if words := self.difference(left, right, f"{path}[{number}]", depth + 1):
                return words
        return None

    def _mappings(self, one: Mapping[Any, Any], other: Mapping[Any, Any], path: str, depth: int) -> str | None:
        for keys, word in ((one.keys() - other.keys(), "candidate"), (other.keys() - one.keys(), "legacy")):
            if keys:
                named = sorted(_step(key) for key in keys)
                return f"{path}: {word} lacks {len(keys)}: {', '.join(named[:5])}"
        for key, left in one.items():
            if words := self.difference(left, other[key], f"{path}{_step(key)}", depth + 1):
                return words
        return None

    def _unordered(self, one: list[Any], other: list[Any], path: str, depth: int) -> str | None:
        """Pairs them up; with tolerances a first fit is not enough, so pairs are parted again where that helps (Kuhn 1955)."""
        if len(one) != len(other):
            return f"{path}: {len(one)} elements ≠ {len(other)}"
        partner: dict[int, int] = {}
        fits: dict[tuple[int, int], bool] = {}

        def fit(left: int, right: int) -> bool:
            if (left, right) not in fits:
                fits[left, right] = self.difference(one[left], other[right], path, depth + 1) is None
            return fits[left, right]

        def paired(first: int) -> bool:
            reached: dict[int, int] = {}
            waiting = [first]
            while waiting:
                left = waiting.pop()
                for right in range(len(other)):
                    if right in reached or not fit(left, right):
                        continue
                    reached[right] = left
                    if right in partner:
                        waiting.append(partner[right])
                        continue
                    while True:  # free: everyone on the way here moves on by one
                        left = reached[right]
                        before = next((taken for taken, by in partner.items() if by == left), None)
                        partner[right] = left
                        if before is None:
                            return True
                        del partner[before]
                        right = before
            return False

        alone = sum(not paired(left) for left in range(len(one)))
        return f"{path}: {alone} of {len(one)} elements have no equal" if alone else None

    def _differ(self, one: Any, other: Any, path: str, how: str = "") -> str:
        show = self._how.show or _size
        words = f"{path}: {show(one)} ≠ {show(other)}"
        return f"{words}, {how}" if how else words


def _plain(value: Any) -> Any:
    """A scalar of an array library as the number that it is."""
    if not isinstance(value, (int, float, *_PLAIN)) and hasattr(value, "dtype") and getattr(value, "shape", None) == ():
        return value.item()
    return value


def _number(value: Any) -> bool:
    return isinstance(value, (int, float, complex, Decimal, Fraction)) and not isinstance(value, bool)


def _infinite(value: Any) -> bool:
    return isinstance(value, (float, Decimal)) and math.isinf(value)


def _array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "tolist")


def _sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, _PLAIN)


def _by_fields(value: Any) -> bool:
    if isinstance(value, (type, *_PLAIN)):
        return False
    return is_dataclass(value) or (getattr(type(value), "__eq__", None) is object.__eq__ and hasattr(value, "__dict__"))


def _fields(value: Any) -> dict[str, Any]:
    if is_dataclass(value):
        return {one.name: getattr(value, one.name, None) for one in fields(value) if one.compare}
    return dict(vars(value))


def _step(key: Any) -> str:
    if isinstance(key, str) and NAME.match(key):
        return f".{key}"
    return f"[{key}]" if isinstance(key, int) and abs(key) < 1000 else f"[{_size(key)}]"


def _size(value: Any) -> str:
    """A value without what it says: its type, and how long it is."""
    if value is None or isinstance(value, bool):
        return str(value)
    kind = type(value).__name__
    return f"{kind} of {len(value)}" if hasattr(value, "__len__") else kind


def _position(one: Any, other: Any) -> int:
    return next(
        (at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right),
        min(len(one), len(other)),
    )


def _distance(one: Any, other: Any) -> str:
    try:
        largest = max(abs(one), abs(other))
        return f"off by {float(abs(one - other) / largest):.2g} of the larger" if largest else ""
    except (ArithmeticError, TypeError, ValueError):
        return ""
