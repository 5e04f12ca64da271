"""Replayed looks know nothing that came later, and what they would have done is held against what was."""

from collections.abc import Mapping

import pytest

from cutover.core.gate import Verdict
from cutover.core.series import Gap, Reading, Sample, Span
from cutover.metrics.backtest import Incident, Past, backtest, replay, rollbacks


def judge(readings: Mapping[str, Reading], at: float) -> Verdict:
    reading = readings["errors"]
    if reading.gap:
        return Verdict.BLIND
    assert all(one.at <= at - 15 for one in reading.samples), "it saw what was not there yet"
    assert reading.newest is not None
    return Verdict.FAIL if reading.newest.value > 5 else Verdict.PASS


def past(values: Mapping[int, float]) -> Past:
    return Past(tuple(Sample(at, value) for at, value in sorted(values.items())), step=15.0, delay=15.0)


VALUES = {at: 1.0 for at in range(0, 86_400, 15) if not 40_000 <= at < 41_000}  # and a hole of a thousand seconds
VALUES |= {at: 9.0 for at in range(10_005, 10_200, 15)}  # an incident
VALUES |= {at: 7.0 for at in range(60_000, 60_030, 15)}  # and nothing


def test_a_day_is_replayed() -> None:
    said = replay(judge, {"errors": past(VALUES)}, Span(300, 86_100, 15), window=300)
    assert len(said) == (86_100 - 300) // 15 + 1
    found = backtest(said, [Incident("database", 10_000, 10_400), Incident("slow", 30_000, 30_100)])
    assert found.delays == {"database": 20, "slow": None}
    assert found.false == (60_015,)
    assert 40 < found.looks[Verdict.BLIND] < 80
    assert "1 of 2, median 20 s" in str(found) and "1 (7.0 a week)" in str(found) and "not found" in str(found)


def test_what_is_late_missing_or_old_is_a_gap() -> None:
    one = past({at: 1.0 for at in range(0, 600, 15)})
    assert one.known(600, 300).gap is None
    assert one.known(700, 300).gap is Gap.STALE
    assert one.known(2000, 300).gap is Gap.NO_DATA
    assert past({0: 1.0, 585: 1.0}).known(600, 300).gap is Gap.PARTIAL


def test_one_trouble_is_one_rollback() -> None:
    fail, well = Verdict.FAIL, Verdict.PASS
    said = [(0.0, fail), (10.0, fail), (20.0, well), (30.0, fail), (4000.0, fail), (4010.0, well), (4020.0, fail)]
    assert list(rollbacks(said)) == [0.0, 4020.0]
    assert list(rollbacks(said, rest=0)) == [0.0, 30.0, 4020.0]
    assert not list(rollbacks([(0.0, Verdict.BLIND), (1.0, Verdict.INSUFFICIENT)]))


def test_nothing_to_look_at_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than two looks"):
        backtest([], [])
    with pytest.raises(ValueError, match="ends before it begins"):
        Incident("x", 2, 1)
