"""What was counted: quantiles within the stated error, sums over processes, and JSON there and back."""

import json
import math
import random
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cutover.routing.flag import FlagWrong
from cutover.routing.histogram import BINS, ERROR, LONGEST, SHORTEST, Histogram, bin_of, upper
from cutover.routing.snapshot import Side, Snapshot

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no finding
TIMES = st.lists(st.floats(SHORTEST, LONGEST), min_size=1, max_size=200)


def counted(times: list[float]) -> Histogram:
    counts: dict[int, int] = {}
    for one in times:
        counts[bin_of(one)] = counts.get(bin_of(one), 0) + 1
    return Histogram(counts, math.fsum(times))


@patient
@given(TIMES, st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_within_the_stated_error(times: list[float], q: float) -> None:
    found = counted(times).quantile(q)
    true = sorted(times)[max(1, math.ceil(Fraction(q) * len(times))) - 1]
    assert found is not None
    assert abs(found - true) <= (ERROR + 1e-9) * true


@patient
@given(TIMES, TIMES)
def test_two_histograms_add_up_to_the_one_of_all(one: list[float], other: list[float]) -> None:
    both = counted(one) + counted(other)
    assert both.counts == counted(one + other).counts
    assert both.total == len(one) + len(other)


@patient
@given(st.integers(1, BINS - 2))
def test_a_bin_ends_where_the_next_begins(number: int) -> None:
    assert bin_of(upper(number) * (1 - 1e-9)) == number
    assert bin_of(upper(number) * (1 + 1e-9)) == number + 1


@pytest.mark.parametrize("odd", [0.0, -1.0, math.nan, -math.inf])
def test_a_clock_that_went_back_is_counted_as_no_time(odd: float) -> None:
    assert bin_of(odd) == 0


def test_what_takes_for_ever_lies_in_the_last_bin() -> None:
    assert bin_of(math.inf) == bin_of(1e9) == BINS - 1 and LONGEST > 200


def test_nothing_counted_has_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None and Side().error_rate is None and Side().fallback_rate is None
    with pytest.raises(ValueError, match="no quantile"):
        Histogram().quantile(95)


def snapshot(**changed: object) -> Snapshot:
    dice = random.Random(1)
    times = counted([dice.lognormvariate(-4, 1) for _ in range(500)])
    candidate = Side(requests=500, errors=5, timeouts=2, fallbacks=9, spared=4, response_time=times)
    known: dict[str, object] = {
        "flag": "a", "share": Decimal("12.5"), "began_at": 1.5, "taken_at": 9.0, "candidate": candidate, "odd_keys": 1,
        "compared": 7, "mismatches": 2, "skipped": 3, "uncomparable": 4,
    }  # fmt: skip
    return Snapshot(**{**known, **changed})  # type: ignore[arg-type]


def test_a_snapshot_survives_json() -> None:
    one = snapshot()
    assert Snapshot.parse(json.dumps(one.document(), allow_nan=False)) == one


def test_snapshots_of_two_processes_add_up() -> None:
    one, other = snapshot(), snapshot(share=Decimal(5), began_at=0.5, taken_at=20.0)
    both = one + other
    assert (both.candidate.requests, both.candidate.spared, both.mismatches, both.odd_keys) == (1000, 8, 4, 2)
    assert (both.share, both.began_at, both.taken_at) == (Decimal(5), 0.5, 20.0)
    assert both.candidate.response_time.quantile(0.95) == one.candidate.response_time.quantile(0.95)
    assert both.candidate.error_rate == 0.01 and both.candidate.fallback_rate == 18 / 1008
    with pytest.raises(ValueError, match="two flags"):
        one + snapshot(flag="b")


@pytest.mark.parametrize(
    "text", ["{}", "[]", "1", '{"schema": "other/1"}', '{"schema": "cutover.routing/1", "flag": "a"}']
)
def test_what_is_no_snapshot_is_refused(text: str) -> None:
    with pytest.raises(FlagWrong, match="snapshot"):
        Snapshot.parse(text)
