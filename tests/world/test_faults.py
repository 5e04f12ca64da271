"""Faults that are put into a shop: what an operator may write, what adds up, and how evenly a share falls."""

from __future__ import annotations

from pathlib import Path

import pytest

from cutover.world import faults
from cutover.world.faults import Faults, Share, amount
from cutover.world.processes import WorldError


@pytest.mark.parametrize(
    ("fault", "text", "size"),
    [("errors", "12%", 12.0), ("payments", "0.5 %", 0.5), ("latency", "150ms", 0.15), ("latency", "2s", 2.0), ("leak", "20MB/s", 20e6)],
)  # fmt: skip
def test_sizes_as_they_are_written(fault: str, text: str, size: float) -> None:
    assert amount(fault, text) == pytest.approx(size)


@pytest.mark.parametrize(
    ("fault", "text", "why"),
    [
        ("errors", "12", "--errors wants a number with %, such as 12%, not '12'"),
        ("errors", "-1%", "not '-1%'"),
        ("errors", "120%", "--errors is at most 100%, not 120%"),
        ("latency", "150", "--latency wants a number with ms or s, such as 150ms, not '150'"),
        ("leak", "20MB", "--leak wants a number with MB/s or kB/s, such as 20MB/s, not '20MB'"),
    ],
)
def test_what_is_no_size_is_refused_with_an_example(fault: str, text: str, why: str) -> None:
    with pytest.raises(WorldError) as refused:
        amount(fault, text)
    assert why in refused.value.message


def test_faults_add_up_until_they_are_healed(tmp_path: Path) -> None:
    assert faults.read(tmp_path, "shop-v2") == Faults()
    faults.inject(tmp_path, "shop-v2", {"errors": 7.0})
    found = faults.inject(tmp_path, "shop-v2", {"leak": 1e6, "silent": True})
    assert found == faults.read(tmp_path, "shop-v2")
    assert str(found) == "7 % errors, 1 MB/s leaked, no metrics"
    assert found.leaked(found.since + 3) == 3e6
    assert found.leaked(found.since - 3) == 0, "a clock that was set back gives no memory back"
    assert faults.read(tmp_path, "shop-v1") == Faults(), "the other side is well"
    for _ in range(2):
        faults.heal(tmp_path, "shop-v2")
        assert faults.read(tmp_path, "shop-v2") == Faults()


@pytest.mark.parametrize("percent", [0, 0.5, 7, 12, 33.3, 100])
def test_a_share_falls_evenly(percent: float) -> None:
    share = Share()
    hit = [share.falls_on(percent) for _ in range(1000)]
    for first in range(0, 800, 50):
        assert sum(hit[first : first + 200]) == pytest.approx(2 * percent, abs=1)


def test_a_side_that_there_is_not() -> None:
    with pytest.raises(WorldError, match="--side is blue or green, not 'red'"):
        faults.shop_of("red")
