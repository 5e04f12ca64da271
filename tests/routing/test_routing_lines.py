"""Seconds that are added up by several processes, in whatever order."""

import math
from functools import reduce
from operator import add
from random import Random

from counted import side, snapshot
from hypothesis import given
from hypothesis import strategies as st

from cutover.routing.counted_lines import GRAIN, exact, parsed_lines, written_lines


@given(st.lists(st.floats(0, 1e8), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_a_sum_is_the_same_in_every_order(seconds: list[float], chance: Random) -> None:
    def summed(found: list[float]) -> float:
        parts = [exact(snapshot(legacy=side([one]))) for one in found]
        return reduce(add, parts).legacy.response_time.seconds

    shuffled = list(seconds)
    chance.shuffle(shuffled)
    assert summed(seconds) == summed(shuffled)
    assert abs(summed(seconds) - math.fsum(seconds)) <= GRAIN * len(seconds)


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_larger_sum_stays_larger(one: float, other: float) -> None:
    less, more = (exact(snapshot(legacy=side([x]))).legacy.response_time.seconds for x in sorted([one, other]))
    assert less <= more


@given(st.lists(st.floats(0, 1e6), max_size=5), st.sampled_from(["0", "0.01", "33.33", "100"]))
def test_there_and_back(times: list[float], share: str) -> None:
    found = [snapshot(legacy=side(times), share=share, mismatches=2), snapshot("other")]
    lines = parsed_lines(written_lines({"names": ["1-a"]}, found))
    assert list(lines.snapshots.values()) == [exact(one) for one in found]
    assert lines.names == {"1-a"}
