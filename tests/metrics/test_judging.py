"""What conditions say of figures that are well, that are not, and that are not there."""

from math import inf, nan

import pytest
from series import NOW, Written, course, green, judge, steady

from cutover.core.gate import Verdict
from cutover.core.series import Gap, Reading, Sample

PASS, FAIL, INSUFFICIENT, BLIND = Verdict.PASS, Verdict.FAIL, Verdict.INSUFFICIENT, Verdict.BLIND


def both(name: str, on_green: float, on_blue: float) -> Written:
    return Written({(name, "green"): steady(on_green), (name, "blue"): steady(on_blue)})


@pytest.mark.parametrize(
    ("text", "figures", "verdict", "seen"),
    [
        ("error_rate > 5%", green(error_rate=steady(7)), FAIL, "error_rate on green is 7% (> 5%) at 13:46:40 UTC"),
        ("error_rate > 5%", green(error_rate=steady(5)), PASS, "error_rate on green is 5% (not > 5%)"),
        ("error_rate >= 5%", green(error_rate=steady(5)), FAIL, "(>= 5%)"),
        ("error_rate > 5% for 5m", green(error_rate=steady(7)), FAIL, "7% (> 5%) at all 21 samples since 13:41:40 UTC"),
        ("p95 > 2s", green(p95=steady(2100)), FAIL, "p95 on green is 2100ms (> 2s)"),
        ("p95 > 2s", green(p95=steady(1900)), PASS, "1900ms (not > 2s)"),
        ("memory > 1.5GB", green(memory=steady(1600)), FAIL, "1600MB"),
        ("requests < 60/m", green(requests=steady(0.5)), FAIL, "0.5/s (< 60/m)"),
        ("payment_errors > 0", green(payment_errors=steady(0)), PASS, "payment_errors on green is 0 (not > 0)"),
        ("payment_errors ≠ 0", green(payment_errors=steady(2)), FAIL, "is 2 (!= 0)"),
        ("kpi < 100", green(kpi=steady(90)), FAIL, "90 orders (< 100)"),
        ("blue_connections = 0", Written({("blue_connections", "blue"): steady(0)}), FAIL, "on blue is 0 (= 0)"),
        ("p95 > legacy + 100ms", both("p95", 380, 250), FAIL, "380ms (> 350ms = legacy 250ms + 100ms)"),
        ("p95 > blue + 0.1s for 5m", both("p95", 340, 250), PASS, "340ms (not > 350ms = legacy 250ms + 0.1s)"),
        ("p95 > 1.5 x legacy - 25ms", both("p95", 351, 250), FAIL, "(> 350ms = 1.5 x legacy 250ms - 25ms)"),
        ("error_rate > 2 x legacy", both("error_rate", 0, 0), PASS, "0% (not > 0% = 2 x legacy 0%)"),
        ("error_rate > 2 x legacy", both("error_rate", 3, 0), INSUFFICIENT, "legacy is 0%, and a multiple of it bounds nothing"),
        ("error_rate > legacy + 1%", both("error_rate", 3, 0), FAIL, "3% (> 1% = legacy 0% + 1%)"),
        ("error_rate > 5% and p95 > 1s", green(error_rate=steady(6), p95=steady(1500)), FAIL, "6% (> 5%) at 13:46:40 UTC; p95"),
        ("error_rate > 5% and p95 > 1s", green(error_rate=steady(6), p95=steady(900)), PASS, "p95 on green is 900ms (not > 1s)"),
        ("error_rate > 5% and p95 > 1s", green(error_rate=steady(1)), INSUFFICIENT, "p95 on green: no data: no samples"),
    ],
)  # fmt: skip
def test_a_bound(text: str, figures: Written, verdict: Verdict, seen: str) -> None:
    found = judge(text, figures)
    assert found.verdict is verdict and seen in found.seen and "\n" not in found.seen, found


def test_what_was_never_there_is_not_seen_and_too_few_are_only_too_few() -> None:
    never = Reading(gap=Gap.NEVER_THERE, seen="nothing since 2026-01-31 10:00:00 UTC")
    for text in ("payment_errors > 0", "memory grows > 10%/h", "error_rate > 5% for 5m at least 200 hits"):
        name = text.split()[0]
        found = judge(text, Written({(name, "green"): never, ("hits", "green"): steady(100)}))
        assert (found.verdict, found.seen) == (
            BLIND,
            f"{name} on green: never there: nothing since 2026-01-31 10:00:00 UTC",
        )
    text = "error_rate > 5% for 5m at least 200 hits"
    assert judge(text, green(error_rate=steady(7), hits=never)).verdict is BLIND
    assert judge(text, green(error_rate=steady(7), hits=steady(0))).verdict is INSUFFICIENT
    assert judge(text, green(error_rate=steady(7))).verdict is INSUFFICIENT
    assert (
        judge("p95 > legacy + 100ms", Written({("p95", "green"): steady(1), ("p95", "blue"): never})).verdict is BLIND
    )


@pytest.mark.parametrize(
    ("text", "now", "baseline", "verdict", "seen"),
    [
        ("p99 > 2 x baseline for 10m", 900.0, 400.0, FAIL, "(> 800ms = 2 x baseline 400ms) at all 41 samples"),
        ("p99 > 2 x baseline for 10m", 700.0, 400.0, PASS, "not > 800ms"),
        ("p99 > 2 x baseline", 700.0, None, INSUFFICIENT, "no baseline was recorded"),
        ("p99 > 2 x baseline", 700.0, 0.0, INSUFFICIENT, "baseline is 0ms, and a multiple of it bounds nothing"),
        ("p99 > 2 x baseline", 0.0, 0.0, PASS, "0ms (not > 0ms"),
        ("p99 > baseline + 50ms", 60.0, 0.0, FAIL, "60ms (> 50ms"),
        ("kpi within 5% of baseline", 100.0, 104.0, PASS, "100 orders (not outside 5% of baseline 104 orders)"),
        ("kpi within 5% of baseline", 100.0, 110.0, FAIL, "100 orders (outside 5% of baseline 110 orders)"),
        ("kpi outside 5% of baseline", 100.0, 90.0, FAIL, "(outside 5% of baseline 90 orders)"),
        ("kpi within 5% of baseline", 100.0, 0.0, INSUFFICIENT, "baseline is 0, of which there are no percent"),
        ("kpi within 5% of baseline", 0.0, 0.0, PASS, "0 orders"),
        ("kpi within 5% of baseline", -100.0, -104.0, PASS, "-100 orders"),
    ],
)
def test_a_baseline(text: str, now: float, baseline: float | None, verdict: Verdict, seen: str) -> None:
    name = text.split()[0]
    figures = Written({(name, "green"): steady(now)}, {} if baseline is None else {name: baseline})
    found = judge(text, figures)
    assert found.verdict is verdict and seen in found.seen, found


@pytest.mark.parametrize(
    "text", ["error_rate > 5%", "error_rate > 5% for 5m", "error_rate < 5% for 5m", "error_rate grows > 1%/h"]
)
@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        ((), INSUFFICIENT),
        (Reading(), INSUFFICIENT),
        (Reading.unreachable("no answer in 5 s"), BLIND),
        (Reading(tuple(steady(9)), Gap.STALE, "the newest sample is 300 s old"), BLIND),
        (Reading(tuple(steady(9)), Gap.PARTIAL, "2 of 20 samples"), INSUFFICIENT),
        (Reading(tuple(steady(1)), Gap.PARTIAL, "2 of 20 samples"), INSUFFICIENT),
        (Reading(tuple(steady(9)), Gap.NOT_A_NUMBER, "the newest sample is nan"), INSUFFICIENT),
        ([Sample(NOW - 15 * n, nan) for n in range(500)], INSUFFICIENT),
        ([Sample(NOW - 15 * n, inf) for n in range(500)], INSUFFICIENT),
        (steady(1, until=NOW - 75), BLIND),
        (steady(1, seconds=60), INSUFFICIENT),
    ],
)  # fmt: skip
def test_what_proves_nothing_is_never_well_and_never_fires(text: str, reading: object, verdict: Verdict) -> None:
    if text == "error_rate > 5%" and reading == steady(1, seconds=60):
        verdict = PASS  # one minute is all that it looks at
    found = judge(text, green(error_rate=reading))  # type: ignore[arg-type]
    assert found.verdict is verdict and found.seen, found


def test_each_sample_of_the_time_counts() -> None:
    text = "error_rate > 5% for 5m"
    for ago, verdict in ((0, PASS), (150, PASS), (300, PASS), (315, FAIL)):
        found = judge(text, green(error_rate=course(lambda left, ago=ago: 1.0 if left == ago else 9.0)))  # type: ignore[misc]
        assert found.verdict is verdict, (ago, found)
    assert "since 13:44:25 UTC, 2m of 5m" not in found.seen
    found = judge(text, green(error_rate=course(lambda left: 9.0 if left <= 120 else 1.0)))
    assert found.verdict is PASS and found.seen.endswith("9% (> 5%) since 13:44:40 UTC, 2m of 5m")


def test_a_stretch_without_samples_is_neither_true_nor_well() -> None:
    whole = steady(9)
    text = "error_rate > 5% for 5m"
    holed = [one for one in whole if not 90 <= NOW - one.at <= 150]
    found = judge(text, green(error_rate=holed))
    assert found.verdict is INSUFFICIENT and "nothing was measured from 13:43:55 to 13:45:25" in found.seen
    one_missed = [one for one in whole if NOW - one.at != 90]
    assert judge(text, green(error_rate=one_missed)).verdict is FAIL
    begun = [one for one in whole if NOW - one.at <= 270]
    found = judge(text, green(error_rate=begun))
    assert found.verdict is INSUFFICIENT and "measured since 13:42:10 only, 270s of 5m" in found.seen
    blue_holed = Written({("p95", "green"): steady(900), ("p95", "blue"): holed})
    assert judge("p95 > legacy + 1ms for 5m", blue_holed).verdict is INSUFFICIENT


def test_sides_are_compared_at_the_same_time() -> None:
    """Both get slower and faster together: green is never 100 ms above blue, although its worst is far above blue's best."""
    wave = course(lambda left: 200 + left % 600)
    shifted = [Sample(one.at + 6, one.value + 90) for one in wave[:-1]]
    assert judge("p95 > legacy + 100ms", Written({("p95", "green"): shifted, ("p95", "blue"): wave})).verdict is PASS
    apart = Written({("p95", "green"): steady(900), ("p95", "blue"): Reading(tuple(steady(1, until=NOW - 4000)))})
    found = judge("p95 > legacy + 100ms", apart)
    assert found.verdict is INSUFFICIENT and "at the same times" in found.seen


@pytest.mark.parametrize(
    ("figure", "rate", "verdict"),
    [("requests", 1.0, FAIL), ("requests", 0.6, INSUFFICIENT), ("hits", 11.0, FAIL), ("hits", 9.0, INSUFFICIENT)],
)
def test_too_few_requests_are_no_verdict(figure: str, rate: float, verdict: Verdict) -> None:
    """20 samples lie in five minutes: 200 requests are 10 in each of them, or 0.67 a second."""
    text = f"error_rate > 5% for 5m at least 200 {figure}"
    found = judge(text, green(error_rate=steady(9), **{figure: steady(rate)}))
    assert found.verdict is verdict, found
    well = judge(text, green(error_rate=steady(1), **{figure: steady(rate)}))
    assert well.verdict is (PASS if verdict is FAIL else INSUFFICIENT)
    if verdict is INSUFFICIENT:
        assert f"180 of 200 {figure} on green in 5m" in found.seen


def test_a_comparison_needs_requests_on_both_sides() -> None:
    figures = both("p95", 900, 100)
    figures.series |= {("requests", "green"): steady(10), ("requests", "blue"): steady(0.01)}
    found = judge("p95 > legacy + 100ms for 5m at least 200 requests", figures)
    assert found.verdict is INSUFFICIENT and "3 of 200 requests on blue in 5m" in found.seen


def test_what_is_not_known_of_the_requests_decides_nothing() -> None:
    figures = green(error_rate=steady(9), requests=Reading.unreachable("refused"))
    assert judge("error_rate > 5% for 5m at least 200 requests", figures).verdict is BLIND


@pytest.mark.parametrize(
    ("text", "per_hour", "verdict"),
    [
        ("memory grows > 10%/h", 0.11, FAIL),
        ("memory grows > 10%/h", 0.09, PASS),
        ("memory grows > 20%/h over 30m", 0.19, PASS),
        ("memory grows > 20%/h over 30m", 0.21, FAIL),
        ("memory grows > 50MB/h", 0.06, FAIL),
        ("memory grows > 50MB/h", 0.04, PASS),
        ("memory grows > 0.1GB/d over 2h", 0.01, FAIL),
    ],
)
def test_growth(text: str, per_hour: float, verdict: Verdict) -> None:
    """1000 MB two hours ago, or at the beginning of the time that is looked at."""
    over = 1800 if "30m" in text else 7200 if "2h" in text else 3600
    climb = course(lambda left: 1000 * (1 + per_hour * (over - left) / 3600), seconds=9000)
    assert judge(text, green(memory=climb)).verdict is verdict


def test_a_restart_or_a_sawtooth_is_no_growth_and_hides_none() -> None:
    for wild in (0.0, 50_000.0):
        flat = course(lambda left, wild=wild: wild if left % 300 < 60 else 1000.0 + left % 7)  # type: ignore[misc]
        assert judge("memory grows > 5%/h", green(memory=flat)).verdict is PASS
        leak = course(lambda left, wild=wild: wild if left % 300 < 60 else 1000 + (3600 - left) / 18)  # type: ignore[misc]
        assert judge("memory grows > 10%/h", green(memory=leak)).verdict is FAIL


def test_growth_of_nothing_has_no_percent() -> None:
    assert judge("memory grows > 10%/h", green(memory=steady(0))).verdict is INSUFFICIENT
    assert judge("memory grows > 10MB/h", green(memory=steady(0))).verdict is PASS
    young = judge("memory grows > 10%/h", green(memory=Reading(tuple(steady(1000, seconds=1800)))))
    assert young.verdict is INSUFFICIENT and "over 30m of 1h" in young.seen


def test_a_late_source_is_judged_by_its_newest_sample() -> None:
    figures = Written({("disk", "green"): steady(90, step=60, until=NOW - 120)})
    assert judge("disk > 80GB for 5m", figures).verdict is FAIL
    figures.series["disk", "green"] = steady(90, step=60, until=NOW - 300)
    assert judge("disk > 80GB for 5m", figures).verdict is BLIND


def test_the_record_has_the_values() -> None:
    found = judge("p95 > legacy + 100ms for 5m", both("p95", 380, 250))
    assert found.data["condition"] == "p95 > legacy + 100ms for 5m"
    (clause,) = found.data["clauses"]
    assert (clause["value"], clause["bound"], clause["reference"]) == (380, 350, 250)
    assert (clause["since"], clause["samples"], clause["unit"], clause["side"]) == (NOW - 300, 21, "ms", "green")
