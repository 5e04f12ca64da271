"""The shortest schedule that still fails: parts are left out one by one, for as long as that changes nothing."""

from collections.abc import Callable

from cutover.simulation.shape import schedule_of
from cutover.simulation.simulator import Engine, Result, simulate


def shrunk(failing: Result, engine: Engine | None = None) -> Result:
    """The result of the shortest schedule that violates something, by leaving out parts of `failing`'s."""
    again: Callable[[frozenset[str]], Result] = lambda without: simulate(
        failing.schedule.seed, without=without, engine=engine
    )
    smaller = True
    while smaller:
        smaller = False
        for part in failing.schedule.parts():
            without = failing.schedule.without | {part}
            if without == failing.schedule.without or _same(failing, without):
                continue
            result = again(without)
            if result.violation:
                failing, smaller = result, True
    return failing


def _same(failing: Result, without: frozenset[str]) -> bool:
    """Whether leaving out what is not there leaves the schedule as it was."""
    mine, other = failing.schedule, schedule_of(failing.schedule.seed, without)
    return (mine.shape, mine.faults, mine.verbs) == (other.shape, other.faults, other.verbs)


def command(result: Result) -> str:
    """What repeats the schedule."""
    without = f" --without {','.join(sorted(result.schedule.without))}" if result.schedule.without else ""
    return f"invoke simulate --seed {result.schedule.seed}{without}"
