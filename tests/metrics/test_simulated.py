"""A small simulation of fixed seeds, and that its short cuts and its Mann-Whitney are what they say.

The rates of BENCH.md come from 2,000 runs; these few bound them only as far as the exact interval says.
"""

import math
import statistics
from random import Random
from xml.etree import ElementTree

import pytest

from cutover.bench.draws import beta, binomial, multinomial, poisson
from cutover.bench.mann_whitney import greater, shift, u_statistic
from cutover.bench.other_judges import Argo, FixedThreshold, Flagger, Kayenta
from cutover.bench.our_judge import Sequential
from cutover.bench.simulated_cutover import HEALTHY, Fault, Phase, Service, Weather, buckets, factor_for
from cutover.bench.verdict_table import again_rows, aligned, delay_rows, healthy_rows, markdown, plot
from cutover.bench.verdicts import FIVE_POINTS, NAMES, Faulty, Found, Rollbacks, found, healthy, taken_again
from cutover.core.binomial import at_most
from cutover.core.gate import Verdict
from cutover.metrics.family import part_of_pass
from cutover.metrics.green_no_worse import GreenNoWorse
from cutover.metrics.tally import Tally


def test_healthy_cutovers_are_left_alone() -> None:
    """15 of 15. Were one in four taken back, that would be seen in 98 of 100 such tests."""
    ours, *others = healthy(15, 20261126, lambda said: None)
    assert (ours.runs, ours.back) == (15, 0), ours.said
    assert at_most(0, 15, 0.25) < 0.02
    assert sum(other.back for other in others) > 15  # the same traffic is not easy


def test_however_often_a_share_is_taken_its_passes_have_no_more_than_its_alpha() -> None:
    parts = [part_of_pass(number) for number in range(1, 60)]
    assert parts[:3] == pytest.approx([0.8, 0.1, 0.05]) and parts == sorted(parts, reverse=True)
    assert sum(parts) == pytest.approx(1.0) and sum(parts) <= 1.0
    with pytest.raises(ValueError, match="counted from 1"):
        part_of_pass(0)


def test_a_further_pass_asks_for_more_evidence_and_says_which_it_was() -> None:
    def check(number: int) -> GreenNoWorse:
        blue, green = Tally(1000, 10), Tally(1000, 80)
        return GreenNoWorse(
            blue=lambda *_: blue, green=lambda *_: green, since=lambda: 0.0, now=lambda: 10.0, alpha=0.005,
            passes=lambda: number,
        )  # fmt: skip

    found = {number: check(number).look() for number in (1, 2, 40)}
    assert [one.data["pass"] for one in found.values()] == [1, 2, 40]
    assert [one.data["alpha"][0] for one in found.values()] == pytest.approx([0.004, 0.0005, 0.001 * 0.5**39])
    assert found[1].verdict is Verdict.FAIL and found[40].verdict is not Verdict.FAIL


def test_taken_again_is_counted_by_run() -> None:
    ours, anew = taken_again(4, 11, passes=(2,))
    assert (ours.passes, ours.runs, ours.back) == (2, 4, 0) and anew.back <= 4
    assert again_rows([ours])[1][:4] == ("2", "ours: each pass has its part", "4", "0")


def test_five_points_are_found_within_a_minute_at_fifty_requests_a_second_on_green() -> None:
    """40 of 40. Were fewer than nine in ten found, that would be seen in 98 of 100 such tests."""
    (ours,) = found(Faulty(FIVE_POINTS, Service(1000, 0.01), 0.05), 40, 7, NAMES[:1], slow=False)
    assert ours.within(60) == 1 and at_most(0, 40, 0.1) < 0.02


@pytest.mark.parametrize("fault", [HEALTHY, Fault("more", more=0.03), Fault("longer", longer=0.25)])
def test_where_the_check_is_not_asked_it_would_not_have_failed(fault: Fault) -> None:
    dice = Random(fault.name)
    phase, service = Phase(0.5, 0.0), Service(40, 0.01, incidents=6.0)
    phase.grow(dice, Weather(dice, service, 600), service, fault, 600, slow=True)
    ticks = range(6, phase.ticks + 1, 6)
    quick, slow = ([Sequential(every_look=every).asked(phase, tick) for tick in ticks] for every in (False, True))
    assert quick == slow and any(slow) is (fault is not HEALTHY)


def phase_of(minutes: list[tuple[int, int]]) -> Phase:
    """Green's (requests, errors) of each minute, in its first tick; blue without errors."""
    phase = Phase(0.5, 0.0)
    for requests, errors in minutes:
        for tick in range(12):
            m, y = phase.green[-1]
            phase.green.append((m + requests * (not tick), y + errors * (not tick)))
            phase.blue.append((phase.blue[-1][0] + 100 * (not tick), 0))
    return phase


def ended(judge: FixedThreshold | Flagger | Argo | Kayenta, phase: Phase) -> int | None:
    return next((tick // 12 for tick in range(1, phase.ticks + 1) if judge.asked(phase, tick)), None)


def test_the_others_decide_as_they_are_known_to() -> None:
    bad, well, none = (100, 6), (100, 0), (0, 0)
    assert ended(FixedThreshold(), phase_of([bad] * 6)) == 5
    assert ended(FixedThreshold(), phase_of([none] * 6)) is None
    assert ended(Flagger(), phase_of([bad, well] * 6)) == 9  # failed checks do not decay
    assert ended(Flagger(), phase_of([none] * 6)) == 5  # no values are failures
    assert ended(Argo(), phase_of([well, bad, well])) == 2
    assert ended(Argo(), phase_of([none] * 6)) == 5
    assert ended(Kayenta(), phase_of([bad] * 20)) == 10
    assert ended(Kayenta(), phase_of([well] * 20)) is None


def test_mann_whitney_is_its_definition() -> None:
    dice = Random(3)
    for _ in range(50):
        ours, others = ([dice.randrange(12) for _ in range(dice.randrange(5, 15))] for _ in range(2))
        pairs = [(a > b) + (a == b) / 2 for a in ours for b in others]
        assert u_statistic(ours, others) == sum(pairs)
        found = shift(ours, others, 0.98)
        assert found.estimate == statistics.median(a - b for a in ours for b in others)
        assert found.low <= found.estimate <= found.high
        moved = shift([one + 5 for one in ours], others, 0.98)
        assert (moved.low, moved.high) == (found.low + 5, found.high + 5)
        turned = shift(others, ours, 0.98)
        assert (turned.low, turned.high) == (-found.high, -found.low)
    assert greater([1, 1], [1, 1]) == 1
    # By hand: U = 25, its mean 12.5, its variance 25 * 11 / 12; z = 12 / 4.787 = 2.507.
    assert greater([6, 7, 8, 9, 10], [1, 2, 3, 4, 5]) == pytest.approx(0.006093, abs=1e-5)


@pytest.mark.parametrize("mean", [0.3, 8.0, 40.0, 900.0])
def test_draws_have_their_mean_and_spread(mean: float) -> None:
    dice, count = Random(5), 4000
    for drawn, variance in (
        ([poisson(dice, mean) for _ in range(count)], mean),
        ([binomial(dice, 1000, mean / 1000) for _ in range(count)], mean * (1 - mean / 1000)),
    ):
        assert statistics.mean(drawn) == pytest.approx(mean, abs=5 * math.sqrt(variance / count))
        assert statistics.variance(drawn) == pytest.approx(variance, rel=0.15)
    assert sum(multinomial(dice, 77, (0.2, 0.5, 0.3))) == 77
    assert statistics.mean(beta(dice, 0.1, 0.05) for _ in range(count)) == pytest.approx(0.1, abs=0.01)


def test_a_longer_tail_is_as_long_as_was_asked() -> None:
    assert factor_for(0.15) == pytest.approx(1.52, abs=0.1)
    assert sum(buckets(1.5, 0.1)) == pytest.approx(1)
    assert sum(buckets(1.0, 0.15)[:2]) == pytest.approx(0, abs=1e-9)


def test_the_tables_and_the_plot_show_every_method() -> None:
    counted = [Rollbacks(name, 200, number * 30, 100, number) for number, name in enumerate(NAMES)]
    delays = [Found("five <points>", name, [10.0, 50.0, math.inf], 1) for name in NAMES]
    rows = delay_rows(delays)
    assert rows[1] == ("five <points>", NAMES[0], "4", "50 s", "never", "50.0%", "50.0%", "1")
    assert aligned(rows).count("\n") == markdown(rows).count("\n") - 1 == len(NAMES)
    assert healthy_rows(counted)[2][3].startswith("15.00% (10.3")
    drawn = ElementTree.fromstring(plot(counted, delays, "a note & more"))
    said = [one.text or "" for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert all(said.count(name) == 1 and said.count(f"{name} (50 s)") == 1 for name in NAMES)
    assert "a note & more" in said and any(one.startswith("seconds since the fault began") for one in said)
