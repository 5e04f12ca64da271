"""The check's four verdicts, what it says, and that a person and another machine come to the same."""

import math
import os
import re
import subprocess
from collections.abc import Callable

import pytest

from cutover.core.gate import Finding, Verdict
from cutover.core.series import Gap
from cutover.metrics.bets import Margin
from cutover.metrics.compared import Counted
from cutover.metrics.family import Family
from cutover.metrics.green_no_worse import GreenNoWorse
from cutover.metrics.tally import Histogram, Tally

EDGES = (0.1, 0.2, 0.3, 0.4, 0.5)


def steady(per_second: float, rate: float, later: float | None = None, after: float = math.inf) -> Counted:
    """A side with these figures, and from `after` on with another error rate."""

    def counted(since: float, until: float) -> Tally:
        worse = max(0.0, until - max(since, after))
        requests = round(per_second * (until - since))
        usual = per_second * (until - since - worse) * rate
        return Tally(requests, round(usual + per_second * worse * (later if later is not None else rate)))

    return counted


def check(blue: Counted, green: Counted, now: float = 600.0, **more: object) -> GreenNoWorse:
    return GreenNoWorse(blue=blue, green=green, since=lambda: 0.0, now=lambda: now, alpha=0.001, **more)  # type: ignore[arg-type]


def test_the_same_rate_passes_and_says_its_counts() -> None:
    found = check(steady(95, 0.01), steady(5, 0.01)).look()
    assert found.verdict is Verdict.PASS
    assert "green 30 errors of 3000 (1.00%), blue 570 errors of 57000 (1.00%), allowed 2.10%" in found.seen


def test_five_points_more_fail_and_say_since_when() -> None:
    found = check(steady(95, 0.01), steady(5, 0.06)).look()
    assert found.verdict is Verdict.FAIL and "worst in the last" in found.seen and found.hint
    assert found.data["green"] == [3000, 180]


def test_a_fault_after_hours_of_health_is_not_outvoted() -> None:
    green = steady(50, 0.01, later=0.06, after=7200)
    assert check(steady(950, 0.01), green, 7200).look().verdict is Verdict.PASS
    found = check(steady(950, 0.01), green, 7260).look()
    assert found.verdict is Verdict.FAIL and re.search(r"worst in the last (60|75|90) s", found.seen)


def test_an_incident_of_both_sides_passes() -> None:
    found = check(steady(950, 0.01, later=0.4, after=570), steady(50, 0.01, later=0.4, after=570)).look()
    assert found.verdict is Verdict.PASS and found.data["green"] == [30_000, 885]


def test_few_requests_wait_and_say_how_many_more() -> None:
    found = check(steady(9.5, 0.01), steady(0.5, 0.01), 100).look()
    assert found.verdict is Verdict.INSUFFICIENT
    assert (said := re.search(r"([\d,]+) more requests on green needed", found.seen))
    assert 100 < int(said[1].replace(",", "")) < 5000


def test_nothing_on_green_waits() -> None:
    found = check(steady(10, 0.01), steady(0, 0)).look()
    assert found.verdict is Verdict.INSUFFICIENT and "no requests on green yet" in found.seen


@pytest.mark.parametrize("gap", list(Gap))
def test_a_side_that_is_not_seen_is_blind(gap: Gap) -> None:
    for sides in ((steady(1, 0), lambda *_: gap), (lambda *_: gap, steady(1, 0))):
        found = check(*sides).look()
        assert found.verdict is Verdict.BLIND and gap.value in found.seen


def test_before_the_phase_it_waits() -> None:
    one = GreenNoWorse(blue=steady(1, 0), green=steady(1, 0), since=lambda: None, alpha=0.01)
    assert one.look().verdict is Verdict.INSUFFICIENT


def test_new_errors_fail_where_blue_has_none() -> None:
    assert check(steady(95, 0.0), steady(5, 0.04)).look().verdict is Verdict.FAIL
    assert check(steady(95, 0.0), steady(5, 0.005)).look().verdict is Verdict.PASS


def test_without_blue_the_baseline_stands_for_it() -> None:
    nobody = steady(0, 0)
    found = check(nobody, steady(100, 0.01)).look()
    assert found.verdict is Verdict.INSUFFICIENT and "nothing to compare with" in found.seen
    known = Tally(100_000, 1000)
    assert check(nobody, steady(100, 0.01), baseline=known).look().verdict is Verdict.PASS
    failed = check(nobody, steady(100, 0.06), baseline=known).look()
    assert failed.verdict is Verdict.FAIL and "baseline 1000 errors of 100000" in failed.seen
    # A baseline of few requests is less certain, so that more is allowed beside it.
    assert check(nobody, steady(100, 0.06), baseline=Tally(100, 1)).look().verdict is not Verdict.FAIL
    assert check(nobody, steady(100, 0.06), baseline=known, spared=4000).look().verdict is not Verdict.FAIL


def latencies(per_second: float, seconds: Callable[[int], float], edges: tuple[float, ...] = EDGES) -> Counted:
    def counted(since: float, until: float) -> Tally:
        requests = round(per_second * (until - since))
        return Tally(requests, 0, Histogram.of([seconds(one) for one in range(requests)], edges))

    return counted


def test_latencies_beyond_what_is_allowed_fail() -> None:
    usual, slower = (lambda one: 0.05 + one % 20 / 100), (lambda one: 0.25 + one % 20 / 100)
    blue = latencies(19, usual)
    assert check(blue, latencies(2, usual), 300, slower=0.1).look().verdict is not Verdict.FAIL
    found = check(blue, latencies(2, slower), 300, slower=0.1).look()
    assert found.verdict is Verdict.FAIL and "p95 green ≤ 0.5 s, blue ≤ 0.3 s, allowed 0.1 s more" in found.seen
    assert check(blue, latencies(2, slower), 300).look().verdict is not Verdict.FAIL
    assert check(blue, latencies(2, slower), 300, slower=0.3).look().verdict is not Verdict.FAIL


def test_latencies_that_are_not_there_or_of_other_buckets_are_blind() -> None:
    one = latencies(2, lambda one: 0.1)
    for other in (steady(2, 0), latencies(2, lambda one: 0.1, (0.1, 0.2))):
        assert check(one, other, slower=0.1).look().verdict is Verdict.BLIND


def test_a_second_look_elsewhere_says_the_same() -> None:
    def look() -> Finding:
        return check(steady(95, 0.01), steady(5, 0.03), slower=None).look()

    assert look() == look()


@pytest.mark.parametrize("baseline", [None, Tally(50_000, 400)])
@pytest.mark.parametrize("together", [1.0, 3.0])
def test_a_person_comes_to_the_same(baseline: Tally | None, together: float) -> None:
    """Looked at within the first seconds the evidence is that of the phase's begin alone, as the shell has it."""
    one = check(steady(190, 0.01), steady(10, 0.2), 14.0, baseline=baseline, together=together)
    found = one.look()
    (blue_requests, blue_errors), (requests, errors) = found.data["blue"], found.data["green"]
    environ = {"BLUE_REQUESTS": blue_requests, "BLUE_ERRORS": blue_errors, "GREEN_REQUESTS": requests,
               "GREEN_ERRORS": errors}  # fmt: skip
    said = subprocess.run(
        ["bash", "-euc", one.shell()],
        env={"PATH": os.environ["PATH"], **{name: str(value) for name, value in environ.items()}},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (numbers := re.match(r"log evidence (\S+), proof from (\S+) on: green is (.*)", said))
    assert float(numbers[1]) == pytest.approx(found.data["log_evidence"][0], abs=1e-3)
    assert float(numbers[2]) == pytest.approx(found.data["log_threshold"], abs=1e-5)
    assert (numbers[3] == "worse") is (found.verdict is Verdict.FAIL)


def test_a_person_without_the_counts_is_told_what_to_set() -> None:
    done = subprocess.run(
        ["bash", "-euc", check(steady(1, 0), steady(1, 0)).shell()], capture_output=True, text=True, check=False
    )
    assert done.returncode and "requests on blue since the phase began" in done.stderr


def test_a_family_is_spent_once() -> None:
    family = Family(tests=3, phases=5)
    assert family.each * 15 == pytest.approx(0.01)
    rules = check(steady(1, 0), steady(1, 0), slower=0.1).rules()
    assert sum(rule.alpha for rule in rules) == pytest.approx(0.001)
    for wrong in ({"tests": 0, "phases": 1}, {"tests": 1, "phases": 1, "alpha": 1.0}):
        with pytest.raises(ValueError, match="a family has"):
            Family(**wrong)


def test_what_cannot_be_compared_is_refused() -> None:
    for wrong in ({"worth": 0.005}, {"together": 0.5}, {"spared": -1}, {"slower": -0.1}):
        with pytest.raises(ValueError, match=r"lies (above|between)"):
            check(steady(1, 0), steady(1, 0), **wrong)
    assert Margin().allowed(0.0) == 0.01
