"""The exact binomial test: against values of scipy 1.x, by its properties, and by its false alarms."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.core.binomial import absent_below, at_least, at_most, bounds, draws_for, interval, p_value

# scipy.stats.binom.cdf(k, n, p), binom.sf(k - 1, n, p)
TAILS = [
    (7, 20, 0.5, 0.13158798217773438, 0.9423408508300781),
    (0, 299, 0.01, 0.049536256637662465, 1.0),
    (15, 100, 0.1, 0.9601094728889165, 0.07257296526488073),
    (120, 1000, 0.1, 0.98274276947338, 0.021996144965794422),
    (3, 300, 0.5, 2.209215277629956e-84, 1.0),
]
# scipy.stats.binomtest(k, n).proportion_ci(1 - alpha, "exact")
INTERVALS = [
    (7, 20, 0.05, 0.1539092047845412, 0.5921885345328283),
    (0, 299, 0.05, 0.0, 0.012261595907536983),
    (15, 100, 0.05, 0.08645438564164859, 0.2353075001486212),
    (120, 1000, 0.001, 0.08864083796022768, 0.1571934412640628),
    (3, 300, 0.001, 0.0005005583878332233, 0.0456085671279682),
]

counts = st.integers(1, 2000).flatmap(lambda draws: st.tuples(st.integers(0, draws), st.just(draws)))
chances = st.integers(0, 10_000).map(lambda hundredths: hundredths / 10_000)


@pytest.mark.parametrize(("seen", "draws", "chance", "below", "above"), TAILS)
def test_tails_are_scipys(seen: int, draws: int, chance: float, below: float, above: float) -> None:
    assert at_most(seen, draws, chance) == pytest.approx(below, rel=1e-9)
    assert at_least(seen, draws, chance) == pytest.approx(above, rel=1e-9)


def test_tails_of_many_draws_are_scipys() -> None:
    assert at_least(10_501, 100_000, 0.1) == pytest.approx(8.07987468155677e-08, rel=1e-6)
    assert at_most(499_000, 1_000_000, 0.5) == pytest.approx(0.0228041499326948, rel=1e-6)


@pytest.mark.parametrize(("seen", "draws", "alpha", "low", "high"), INTERVALS)
def test_intervals_are_scipys(seen: int, draws: int, alpha: float, low: float, high: float) -> None:
    assert interval(seen, draws, alpha) == pytest.approx((low, high), rel=1e-7)


@given(counts, chances)
def test_both_tails_share_what_was_seen(count: tuple[int, int], chance: float) -> None:
    seen, draws = count
    once = 1.0 if chance in (0, 1) else math.comb(draws, seen) if draws < 50 else None
    both = at_most(seen, draws, chance) + at_least(seen, draws, chance)
    if chance in (0, 1):
        assert both == (2.0 if seen == draws * chance else 1.0)
    elif once is not None:
        assert both == pytest.approx(1 + once * chance**seen * (1 - chance) ** (draws - seen), abs=1e-9)
    assert 0 <= at_most(seen, draws, chance) <= 1


@given(counts, chances, st.sampled_from([0.05, 0.001, 0.0001]))
def test_bounds_interval_and_p_value_say_the_same(count: tuple[int, int], chance: float, alpha: float) -> None:
    seen, draws = count
    p = p_value(seen, draws, chance, chance)
    if abs(p - alpha) < 1e-9:
        return
    low, high = bounds(draws, chance, chance, alpha)
    assert (low <= seen <= high) is (p >= alpha)
    least, most = interval(seen, draws, alpha)
    assert (least - 1e-9 <= chance <= most + 1e-9) is (p >= alpha)


@given(counts, chances, chances)
def test_a_band_is_doubted_no_more_than_each_share_in_it(count: tuple[int, int], one: float, other: float) -> None:
    seen, draws = count
    least, most = sorted((one, other))
    band = p_value(seen, draws, least, most)
    assert band >= max(p_value(seen, draws, share, share) for share in (least, (least + most) / 2, most)) - 1e-12


def test_nothing_and_everything_are_exact() -> None:
    assert p_value(0, 500, 0, 0) == p_value(500, 500, 1, 1) == 1
    assert p_value(1, 500, 0, 0) == p_value(499, 500, 1, 1) == 0
    assert bounds(500, 0, 0, 0.001) == (0, 0)
    assert bounds(500, 1, 1, 0.001) == (500, 500)


@pytest.mark.parametrize(("percent", "draws"), [(1, 9508), (5, 1825), (10, 865), (90, 865), (50, 97)])
def test_draws_for_a_fifth_either_way(percent: int, draws: int) -> None:
    assert draws_for(percent / 100, 0.2) == draws


def test_an_absent_side_is_bounded_by_three_over_n() -> None:
    assert draws_for(1.0, 0.2) == draws_for(0.0, 0.2) == 299
    assert absent_below(299) == pytest.approx(0.01, rel=0.01)
    assert absent_below(3000) == pytest.approx(3 / 3000, rel=0.01)
    assert absent_below(0) == 1


def test_false_alarms_of_ten_thousand_healthy_cutovers_stay_below_alpha() -> None:
    """A cutover is looked at twelve times (three shares, two hostnames, two witnesses), each at a twelfth of alpha."""
    dice, alpha, cutovers, draws = random.Random(20260712), 0.05, 10_000, 300
    looks = [(share, bounds(draws, share, share, alpha / 12)) for share in (0.05, 0.1, 0.5) for _ in range(4)]
    alarmed: set[int] = set()
    for share, (low, high) in looks:
        weights = [math.comb(draws, k) * share**k * (1 - share) ** (draws - k) for k in range(draws + 1)]
        drawn = dice.choices(range(draws + 1), weights, k=cutovers)
        alarmed |= {number for number, seen in enumerate(drawn) if not low <= seen <= high}
    assert 0 < len(alarmed) <= cutovers * alpha


def test_a_wrong_share_is_noticed() -> None:
    """What the size of the sample is for: green at half of what was asked is hardly ever missed, a side left out never."""
    draws = draws_for(0.1, 0.2)
    low, _ = bounds(draws, 0.1, 0.1, 0.0001)
    assert at_most(low - 1, draws, 0.05) > 0.8
    assert at_most(low - 1, draws, 0.0) == 1
