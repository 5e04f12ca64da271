"""Histograms add up, and never say that something was faster than it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.metrics.tally import Histogram, Tally

EDGES = (0.1, 0.5, 1.0)
samples = st.lists(st.floats(0, 3), max_size=50)


@given(samples, samples)
def test_two_halves_are_the_whole(one: list[float], other: list[float]) -> None:
    assert Histogram.of(one, EDGES) + Histogram.of(other, EDGES) == Histogram.of(one + other, EDGES)


@given(samples.filter(bool), st.sampled_from([0.5, 0.95, 1.0]))
def test_a_quantile_is_at_most_one_bucket_too_high(values: list[float], part: float) -> None:
    said = Histogram.of(values, EDGES).quantile(part)
    true = sorted(values)[max(0, -int(-part * len(values) // 1) - 1)]
    assert said >= true and not any(true <= edge < said for edge in EDGES)


def test_cumulative_buckets_of_prometheus() -> None:
    inf = float("inf")
    assert Histogram.from_cumulative({0.5: 7, 0.1: 3, inf: 9}) == Histogram((0.1, 0.5), (3, 4, 2))
    assert Histogram.from_cumulative({0.1: 3.4, 0.5: 2.9, inf: 9.0}).counts == (3, 0, 6)
    assert Histogram.of([0.1, 0.2], EDGES).above(0.1) == 1
    with pytest.raises(ValueError, match="without an upper edge"):
        Histogram.from_cumulative({0.1: 3})


def test_what_is_no_tally_is_refused() -> None:
    for edges, counts in (((0.1,), (1,)), ((0.2, 0.1), (1, 1, 1)), ((0.1,), (1, -1)), ((), (1,))):
        with pytest.raises(ValueError, match="edges"):
            Histogram(edges, counts)
    with pytest.raises(ValueError, match="3 errors of 2"):
        Tally(2, 3)
    with pytest.raises(ValueError, match="do not add up"):
        Histogram((0.1,), (1, 1)) + Histogram((0.2,), (1, 1))
