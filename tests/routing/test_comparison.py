"""What counts as the same, and that no value is told where it is not."""

import dataclasses
import math
import random
from array import array
from collections import OrderedDict, deque, namedtuple
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cutover.routing import Comparison
from cutover.routing.comparing import TooMuch

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no finding
Point = namedtuple("Point", "x y")
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.decimals(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4) | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@dataclasses.dataclass
class Offer:
    price: float
    label: str = "a"
    seen: int = dataclasses.field(default=0, compare=False)


class Plain:
    def __init__(self, price: float) -> None:
        self.price = price


class Colour(Enum):
    RED = 1
    BLUE = 2


class Array:
    """What array libraries have in common."""

    def __init__(self, *rows: list[float]) -> None:
        self.rows = [*rows]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), len(self.rows[0])) if self.rows else (0,)

    def tolist(self) -> list[list[float]]:
        return self.rows

    def __eq__(self, other: object) -> Any:
        return Array()  # as array libraries do

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")


class Scalar:
    dtype, shape = "float64", ()

    def __init__(self, value: float) -> None:
        self.value = value

    def item(self) -> float:
        return self.value


SAME = [
    (1.0, 1.0 + 1e-12),
    (1, 1.0),
    (Decimal("0.1"), 0.1),
    (Fraction(1, 3), 1 / 3),
    (10**400, 10**400),
    (math.nan, math.nan),
    (math.inf, math.inf),
    (1 + 1j, 1 + 1j + 1e-12),
    ([1, 2], (1, 2)),
    (deque([1]), [1]),
    (Point(1, 2), (1, 2.0)),
    ({"a": [1.0]}, OrderedDict(a=[1.0 + 1e-12])),
    ({1, 2, 3}, frozenset({3, 2, 1})),
    ({1.0}, {1.0 + 1e-12}),
    (Offer(1.0, seen=1), Offer(1.0 + 1e-12, seen=2)),
    (Plain(1.0), Plain(1.0 + 1e-12)),
    (Array([1.0, 2.0]), Array([1.0, 2.0 + 1e-12])),
    (Scalar(1.0), 1.0),
    (array("d", [1.0]), array("d", [1.0])),
    (Colour.RED, Colour.RED),
    (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
    (b"a", bytearray(b"a")),
    (None, None),
]
DIFFERENT: list[tuple[Any, Any, str]] = [
    (1.0, 1.1, "$: float ≠ float, off by 0.091 of the larger"),
    (1, True, "$: int ≠ True"),
    (0, False, "$: int ≠ False"),
    (0, None, "$: int ≠ None"),
    (math.nan, 1.0, "$: float ≠ float"),
    (math.inf, -math.inf, "$: float ≠ float"),
    (10**400, 10**400 * 2, "$: int ≠ int"),
    (10**400, math.inf, "$: int ≠ float"),
    ("secret-1", "secret-2", "$: str of 8 ≠ str of 8, from position 7"),
    ("a", b"a", "$: str of 1 ≠ bytes of 1"),
    ([1, 2], [1, 3], "$[1]: int ≠ int"),
    ([1, 2], [1], "$: length 2 ≠ 1"),
    ({"user": {"age": 1}}, {"user": {"age": 2}}, "$.user.age: int ≠ int"),
    ({"mia@example.org": 1}, {"mia@example.org": 2}, "$[str of 15]: int ≠ int"),
    ({"a": 1, "b": 2}, {"a": 1}, "$: candidate lacks 1: .b"),
    ({"a": 1}, {"a": 1, "x y": 2}, "$: legacy lacks 1: [str of 3]"),
    ({1, 2}, {1, 3}, "$: 1 of 1 elements have no equal"),
    ({1, 2}, {1}, "$: 1 elements ≠ 0"),
    (Offer(1.0), Offer(2.0), "$.price: float ≠ float"),
    (Offer(1.0), Plain(1.0), "$: Offer ≠ Plain"),
    (Plain(1.0), Plain(2.0), "$.price: float ≠ float"),
    (Array([1.0, 2.0]), Array([1.0], [2.0]), "$: shape (1, 2) ≠ (2, 1)"),
    (Array([1.0]), Array([2.0]), "$[0][0]: float ≠ float"),
    (Colour.RED, Colour.BLUE, "$: Colour ≠ Colour"),
    ([1], {"a": 1}, "$: list of 1 ≠ dict of 1"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same(one: object, other: object) -> None:
    assert Comparison()(one, other) is None and Comparison()(other, one) is None


@pytest.mark.parametrize(("one", "other", "words"), DIFFERENT)
def test_different(one: object, other: object, words: str) -> None:
    found = Comparison()(one, other)
    assert found is not None and found.replace("${}", "$").startswith(words)


@patient
@given(VALUES)
def test_everything_is_the_same_as_itself(value: object) -> None:
    assert Comparison()(value, value) is None


@patient
@given(VALUES, VALUES)
def test_which_side_comes_first_does_not_matter(one: object, other: object) -> None:
    assert (Comparison()(one, other) is None) is (Comparison()(other, one) is None)


@patient
@given(st.lists(VALUES, max_size=8), st.randoms(use_true_random=False))
def test_without_order_any_order_is_the_same(values: list[object], dice: random.Random) -> None:
    mixed = list(values)
    dice.shuffle(mixed)
    assert Comparison(ordered=False)(values, mixed) is None


def test_without_order_the_pairs_are_found_that_tolerance_allows() -> None:
    """The first fit would pair 1.0 with 1.05, and leave 1.1 and 0.95 alone."""
    near = Comparison(ordered=False, relative=0, absolute=0.1)
    assert near([1.0, 1.1], [1.05, 0.95]) is None
    assert near([1.0, 1.1, 1.2], [1.15, 1.25, 1.05]) is None
    assert near([1.0, 1.1], [1.05, 0.85]) == "$[]: 1 of 2 elements have no equal"


def test_tolerances_are_wide_or_narrow_as_asked() -> None:
    assert Comparison(relative=0.1)(100, 91) is None
    assert Comparison(relative=0.0)(1.0, math.nextafter(1.0, 2)) is not None
    assert Comparison(absolute=0.5)(Decimal("0.0"), Decimal("0.5")) is None
    assert Comparison(nan=False)(math.nan, math.nan) is not None


def test_values_are_shown_only_as_the_service_says() -> None:
    words = Comparison(show=lambda value: f"<{value % 10}>")({"n": 123}, {"n": 456})
    assert words is not None and words.startswith("$.n: <3> ≠ <6>")
    hidden = Comparison()({"name": "Mia Muster", "n": 4711}, {"name": "Mia Meier", "n": 4711})
    assert hidden is not None and "Mu" not in hidden and "Me" not in hidden


def test_too_deep_and_too_large_is_told_and_not_survived_by_luck() -> None:
    loop: list[Any] = []
    loop.append(loop)
    other: list[Any] = []
    other.append(other)
    with pytest.raises(TooMuch, match="levels"):
        Comparison()(loop, other)
    with pytest.raises(TooMuch, match="comparisons"):
        Comparison()([0] * 300_000, [0] * 300_000)
