"""Seeds: nothing is violated, the same seed is the same run, and what fails becomes short."""

import pytest
from test_mutants import MUTANTS

from cutover.simulation.counting import counted, told
from cutover.simulation.shrinking import command, shrunk
from cutover.simulation.simulator import simulate

SEEDS, PARTS = 2000, 4


@pytest.mark.slow  # `invoke simulate --seeds 100000` for the rest
@pytest.mark.parametrize("part", range(PARTS))
def test_every_seed_holds(part: int) -> None:
    count = counted(range(part, SEEDS, PARTS), print)
    assert not count.failing, "\n".join(count.lines())
    assert count.seeds == SEEDS // PARTS and len(count.outcomes) > 12


def test_a_seed_is_the_same_run_every_time() -> None:
    first, second = [[simulate(seed) for seed in range(30)] for _ in range(2)]
    assert first == second and len({result.digest for result in first}) == 30


def test_what_fails_is_made_short_and_repeated_by_its_command() -> None:
    engine = MUTANTS["captures the position before the fence"]
    failing = next(result for result in (simulate(seed, engine=engine) for seed in range(1000)) if result.violation)
    short = shrunk(failing, engine)
    again = simulate(short.schedule.seed, without=short.schedule.without, engine=engine)
    assert again == short and again.violation
    assert len(short.schedule.faults) <= 1 and command(short) in told(short)[0]
