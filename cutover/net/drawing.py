"""Draws taken side by side until there are enough or the time is over."""

import itertools
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from cutover.core.clock import Deadline
from cutover.core.errors import Unreachable
from cutover.core.witness import Tally

AT_ONCE = 4


class NoDraw(Exception):
    """One draw told nothing; the text says why."""


def drawn(draw: Callable[[int], str], draws: int, deadline: Deadline) -> Tally:
    """`draws` times `draw(number)`, each of which answers `blue`, `green`, or what else it was.

    Raises Unreachable when no draw told anything, with the last reason.
    """
    numbers = itertools.count()
    sides: Counter[str] = Counter()
    lost: list[str] = []

    def some() -> None:
        for number in numbers:
            if number >= draws or (deadline.expired and number):
                return
            try:
                sides[draw(number)] += 1
            except NoDraw as error:
                lost.append(str(error))
                if len(lost) > 2 * AT_ONCE and not sides:
                    return

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="draw") as pool:
        for one in [pool.submit(some) for _ in range(min(AT_ONCE, draws))]:
            one.result()
    blue, green = sides.pop("blue", 0), sides.pop("green", 0)
    if not (blue or green or sides):
        raise Unreachable(f"nothing was answered: {lost[-1] if lost else 'no draw was made in time'}")
    other = sides.total() + len(lost)
    remark = f"such as {next(iter(sides))}" if sides else lost[-1] if lost else ""
    return Tally(blue, green, other, remark)
