"""The bets are fair at worst, on every path, and say what they should at the ends."""

import math
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.metrics import bets
from cutover.metrics.bets import STAKES, Margin, log_evidence, log_evidence_against, rate_at_most, share_at_most
from cutover.metrics.onsets import onsets
from cutover.metrics.tally import Tally

MARGINS = [Margin(), Margin(0.0, 0.0), Margin(0.05, 25.0)]
EVENTS = ("blue well", "blue failed", "green well", "green failed")


def won(path: tuple[str, ...], share: float, margin: Margin) -> float:
    counts = [path.count(event) for event in EVENTS]
    blue, green = Tally(counts[0] + counts[1], counts[1]), Tally(counts[2] + counts[3], counts[3])
    return math.exp(log_evidence(blue, green, share, margin))


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_on_every_short_path_the_next_request_wins_nothing_on_average(share: float, margin: Margin) -> None:
    """The supermartingale itself, exactly: all paths of four requests, and all rates that blue may have at the next one."""
    for path in product(EVENTS, repeat=4):
        before = won(path, share, margin)
        for rate in (0.0, 0.003, 0.1, 0.5):
            worst = margin.allowed(rate)
            for green in (0.0, rate, worst):
                chances = ((1 - share) * (1 - rate), (1 - share) * rate, share * (1 - green), share * green)
                after = sum(
                    chance * won((*path, event), share, margin) for chance, event in zip(chances, EVENTS, strict=True)
                )
                assert after <= before * (1 + 1e-12)
            # At the edge of what is allowed every bet that is laid is exactly fair.
            assert after == pytest.approx(before, rel=1e-9)


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_the_chance_of_ever_reaching_the_threshold_is_bounded_exactly(share: float) -> None:
    """Every path of thirty requests with its probability, blue's rate changing in between: an incident that both share."""
    rates = [0.1] * 10 + [0.9] * 10 + [0.0] * 10
    margin, alpha = Margin(0.0, 0.0), 0.4
    alive, reached = {(0, 0, 0, 0): 1.0}, 0.0
    for rate in rates:
        chances = ((1 - share) * (1 - rate), (1 - share) * rate, share * (1 - rate), share * rate)
        after: dict[tuple[int, int, int, int], float] = {}
        for (a, b, c, d), chance in alive.items():
            nexts = ((a + 1, b, c, d), (a, b + 1, c, d), (a, b, c + 1, d), (a, b, c, d + 1))
            for now, one in zip(nexts, chances, strict=True):
                after[now] = after.get(now, 0.0) + chance * one
        alive = {}
        for counts, chance in after.items():
            blue, green = Tally(counts[0] + counts[1], counts[1]), Tally(counts[2] + counts[3], counts[3])
            if log_evidence(blue, green, share, margin) >= -math.log(alpha):
                reached += chance
            else:
                alive[counts] = chance
    assert 0 < reached <= alpha
    assert reached + sum(alive.values()) == pytest.approx(1)


def test_against_a_limit_no_path_wins_on_average() -> None:
    for requests in range(6):
        for errors in range(requests + 1):
            before = math.exp(log_evidence_against(0.1, Tally(requests, errors)))
            after = 0.1 * math.exp(log_evidence_against(0.1, Tally(requests + 1, errors + 1))) + 0.9 * math.exp(
                log_evidence_against(0.1, Tally(requests + 1, errors))
            )
            assert after == pytest.approx(before, rel=1e-9)


def test_requests_that_fail_together_win_nothing_on_average() -> None:
    """Threes of one client that all fail or none: fair with together = 3, a gain for the bettor without."""
    margin, share, rate = Margin(0.0, 0.0), 0.5, 0.1

    def mean(together: float) -> float:
        outcomes = (
            ((1 - share) * (1 - rate), Tally(3, 0), Tally(0, 0)),
            ((1 - share) * rate, Tally(3, 3), Tally(0, 0)),
            (share * (1 - rate), Tally(0, 0), Tally(3, 0)),
            (share * rate, Tally(0, 0), Tally(3, 3)),
        )
        return sum(
            chance * math.exp(log_evidence(blue, green, share, margin, together)) for chance, blue, green in outcomes
        )

    nothing = math.exp(log_evidence(Tally(0, 0), Tally(0, 0), share, margin))
    assert mean(3.0) == pytest.approx(nothing, rel=1e-9)
    assert mean(1.0) > nothing


counts = st.integers(0, 5000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))).map(lambda one: Tally(*one))
shares = st.integers(1, 99).map(lambda percent: percent / 100)


@given(counts, counts, shares)
def test_an_error_more_on_green_is_more_evidence_and_one_on_blue_less(blue: Tally, green: Tally, share: float) -> None:
    said = log_evidence(blue, green, share, Margin())
    if green.errors < green.requests:
        assert log_evidence(blue, Tally(green.requests, green.errors + 1), share, Margin()) >= said
    if blue.errors < blue.requests:
        assert log_evidence(Tally(blue.requests, blue.errors + 1), green, share, Margin()) <= said


@given(counts, counts, shares, shares)
def test_a_larger_share_is_never_more_evidence(blue: Tally, green: Tally, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert log_evidence(blue, green, more, Margin()) <= log_evidence(blue, green, less, Margin()) + 1e-9


@given(counts, counts)
def test_within_the_margin_nothing_is_won(blue: Tally, green: Tally) -> None:
    if blue.requests and green.rate <= Margin().allowed(blue.rate):
        share = green.requests / (blue.requests + green.requests)
        assert share == 0 or log_evidence(blue, green, share, Margin()) <= 1e-9


def test_two_sides_that_change_places_never_both_look_worse() -> None:
    dice = Random(4)
    for _ in range(200):
        sides = [Tally(n := dice.randrange(1, 3000), dice.randrange(n + 1)) for _ in range(2)]
        said = [
            log_evidence(blue, green, share_at_most(blue.requests, green.requests, 0.01), Margin())
            for blue, green in (sides, sides[::-1])
        ]
        assert min(said) < 1


def test_huge_counts_neither_overflow_nor_lose_their_sign() -> None:
    many = 10**12
    worse = log_evidence(Tally(many, many // 100), Tally(many, many // 50), 0.5, Margin(0.001))
    same = log_evidence(Tally(many, many // 100), Tally(many, many // 100), 0.5, Margin(0.001))
    assert worse > 1e8 and same < -1e4 and math.isfinite(worse) and math.isfinite(same)
    assert share_at_most(many, many, 1e-4) == pytest.approx(0.5, abs=1e-4)


def test_no_errors_on_blue_do_not_hide_new_ones() -> None:
    """spinnaker/kayenta#377: there an all-zero baseline lets new errors pass."""
    said = log_evidence(Tally(19_000, 0), Tally(1000, 40), 0.0575, Margin())
    assert said > 20


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_the_share_is_covered_at_all_looks(share: float) -> None:
    dice, wrong, runs, alpha = Random(11), 0, 400, 0.1
    for _ in range(runs):
        green = 0
        for request in range(1, 301):
            green += dice.random() < share
            if request % 5 == 0 and share_at_most(request - green, green, alpha) < share:
                wrong += 1
                break
    assert wrong <= runs * alpha


def test_the_share_of_nobody_is_unknown() -> None:
    assert share_at_most(0, 100, 0.01) == 1
    assert share_at_most(100, 0, 0.01) < 0.1
    assert log_evidence(Tally(0, 0), Tally(100, 100), 1.0, Margin()) == -math.inf


def test_a_counted_rate_has_the_bound_of_clopper_and_pearson() -> None:
    assert rate_at_most(Tally(299, 0), 0.05) == pytest.approx(1 - 0.05 ** (1 / 299), rel=1e-6)
    assert rate_at_most(Tally(20, 7), 0.025) == pytest.approx(0.5921885345328283, rel=1e-6)  # scipy 1.x
    assert rate_at_most(Tally(5, 5), 0.05) == rate_at_most(Tally(0, 0), 0.05) == 1
    assert rate_at_most(Tally(1000, 10), 0.05, together=4) > rate_at_most(Tally(1000, 10), 0.05)


def test_spared_errors_are_taken_out_once() -> None:
    assert log_evidence_against(0.02, Tally(1000, 60), spared=50) == pytest.approx(
        log_evidence_against(0.02, Tally(1000, 10))
    )
    assert log_evidence_against(1.0, Tally(10, 10)) == -math.inf


@pytest.mark.parametrize("seconds", [10.0, 60.0, 3600.0, 7 * 86_400.0])
def test_the_money_of_all_onsets_is_never_more_than_all(seconds: float) -> None:
    found = list(onsets(100.0, 100.0 + seconds, every=15.0))
    assert found[0].at == 100.0 and len({one.at for one in found}) == len(found) <= 40
    assert sum(math.exp(one.log_part) for one in found) <= 1
    assert all(100.0 <= one.at < 100.0 + seconds for one in found)
    numbers = range(1, 40_320)
    parts = (-math.log(2.0 * (k + 1) * (k + 2) * 2**k) for k in (n.bit_length() - 1 for n in numbers))
    assert 0.5 + sum(map(math.exp, parts)) <= 1


def test_what_cannot_be_a_margin_is_refused() -> None:
    for points, percent in ((1.0, 0.0), (-0.1, 0.0), (0.0, -1.0)):
        with pytest.raises(ValueError, match="a margin is"):
            Margin(points, percent)


def test_growth_is_what_a_request_wins_with_the_best_stake() -> None:
    blue, green, share = 0.01, 0.06, 0.05
    per_request = bets.growth(blue, green, share, Margin())
    m, n = 100_000, 1_900_000
    said = log_evidence(Tally(n, int(n * blue)), Tally(m, int(m * green)), share, Margin())
    assert said == pytest.approx(per_request * m - math.log(len(STAKES)), rel=1e-3)
    assert bets.growth_against(0.02, 0.02) <= 0
