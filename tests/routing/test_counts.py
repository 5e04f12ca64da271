"""Counting without locks: nothing is lost when threads end, a count overflows or a time is odd."""

import math
import threading
from decimal import Decimal

import pytest

from cutover.routing.counts import CANDIDATE, LEGACY, Counts, Tally
from cutover.routing.histogram import BINS, bin_of


@pytest.mark.parametrize(
    "seconds", [0.0, -1.0, 1e-6, 1.0000001e-6, 1e-3, 0.5, 209.0, 210.0, 211.0, 1e9, math.inf, math.nan]
)
def test_a_time_lies_in_its_bin(seconds: float) -> None:
    tally = Tally()
    tally.took(seconds)
    assert tally.read().response_time.counts == {bin_of(seconds): 1}


def test_every_edge_lies_in_its_bin() -> None:
    for number in range(BINS):
        tally = Tally()
        edge = 1e-6 * math.exp(number * 0.04)
        for seconds in (edge, math.nextafter(edge, 0), math.nextafter(edge, math.inf)):
            tally.took(seconds)
        assert tally.read().requests == 3


def test_more_than_four_thousand_million_of_one_time_are_counted() -> None:
    tally = Tally()
    tally.bins[bin_of(0.1)] = 2**32 - 2
    for _ in range(3):
        tally.took(0.1)
    assert tally.read().requests == 2**32 + 1
    counts = Counts()
    counts.shard().sides[LEGACY] = tally
    assert counts.requests(LEGACY) == 2**32 + 1 and counts.requests(CANDIDATE) == 0


def test_a_thread_that_ended_leaves_its_shard_to_the_next() -> None:
    counts = Counts()

    def work() -> None:
        counts.shard_here().side(LEGACY).took(0.1)

    for _ in range(20):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(counts._shards) == 1
    assert counts.snapshot("a", Decimal(0)).legacy.requests == 20
