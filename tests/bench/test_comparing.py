"""The bench of the comparison runs on real servers, and refuses to measure a wrong answer."""

import json

import pytest

from cutover.bench.comparing import DAMAGE, Cost, measure


def test_a_cost_shows_its_median_and_its_spread() -> None:
    assert str(Cost("ours", [1.0, 3.0, 2.0], [0.5, 0.7, 0.6], 44)).split() == [
        "ours",
        "2.00",
        "1.00–3.00",
        "0.60",
        "44",
    ]


@pytest.mark.slow
def test_one_round_of_each() -> None:
    said: list[str] = []
    figures = measure(rows=20_000, rounds=1, say=said.append)
    assert said[-1] == "round 1 is over"
    assert all(len(cost.wall) == len(cost.cpu) == 1 and cost.wall[0] > 0 for cost in figures.costs.values())
    # What a comparison costs the servers is seen, and so is the memory of the process that asked.
    assert all(figures.costs[name].cpu[0] > 0 and figures.costs[name].client_mb > 10 for name in DAMAGE)
    assert set(json.loads(json.dumps(figures.document()))["costs"]) == {"count(*)", "text-cast floor", *DAMAGE}
    assert "against the text-cast floor" in str(figures)
