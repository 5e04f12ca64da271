"""An estimate of what a time cost: prices of what runs, and of what was used."""

import pytest

from cutover.core.series import Gap, Reading, Sample
from cutover.metrics.spending import estimated

STEADY = Reading(tuple(Sample(float(at), 200.0 + at % 2) for at in range(10)))


def test_what_runs_is_paid_by_the_hour_and_what_is_used_by_the_million() -> None:
    seen = estimated(1800, {"database": 2.0}, {"requests": (STEADY, 0.75)})
    assert seen.parts == {"database": 1.0, "requests": pytest.approx(200.5 * 1800 / 1e6 * 0.75)}
    assert seen.amount == pytest.approx(1.270675)
    assert not seen.unknown
    assert seen.an_hour == pytest.approx(2 * seen.amount)


@pytest.mark.parametrize("gap", Gap)
def test_what_cannot_be_read_is_unknown_and_not_free(gap: Gap) -> None:
    seen = estimated(3600, {"database": 2.0}, {"requests": (Reading(STEADY.samples, gap, "why"), 0.75)})
    assert (seen.amount, seen.unknown) == (2.0, {"requests": f"{gap.value}: why"})
