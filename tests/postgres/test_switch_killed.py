"""kill -9 at every named point of the switch, under load, in a process of its own; then finished, or undone, by another."""

import os
import signal
import time
from collections.abc import Iterator

import pytest
from load import load, writing
from mortal import Dying
from moves import PLAIN, blue_switch, until
from pairs import Pair

from cutover.core.clock import Deadline
from cutover.postgres.session import QueryFailed
from cutover.postgres.sides import BEFORE, COMMITTED, SWITCHED, Sides, read_sides
from cutover.postgres.switch import Switch

LEFT = {point: BEFORE for point in Switch.kill_points} | {
    "switch: committed": COMMITTED,
    "switch: open, not committed": COMMITTED,
    "switch: opened": SWITCHED,
    "switch: clients directed": SWITCHED,
    "switch: old sessions sent away": SWITCHED,
}


@pytest.fixture(scope="module")
def dying(pair: Pair) -> Iterator[Dying]:
    found = Dying(pair)
    yield found
    found.close()


def swapped(sides: Sides) -> Sides:
    return Sides(sides.green, sides.blue)


@pytest.mark.parametrize("end", ["finished", "undone"])
def test_killed_everywhere_under_load(prepared: Pair, dying: Dying, end: str) -> None:
    with load(prepared) as writers:
        for point in Switch.kill_points:
            _, how = dying.run("blue", "green", point)
            assert how == "killed", point
            assert read_sides(prepared.blue, prepared.green) == LEFT[point], point
            if end == "finished":
                blue_switch(prepared.blue, prepared.green)
                assert read_sides(prepared.blue, prepared.green) == SWITCHED, point
                writing(writers)
                killed_on_the_way_back(prepared, dying, point)
            blue_switch(prepared.green, prepared.blue)
            assert read_sides(prepared.blue, prepared.green) == BEFORE, point


def killed_on_the_way_back(pair: Pair, dying: Dying, point: str) -> None:
    _, how = dying.run("green", "blue", point)
    assert how == "killed", point
    assert swapped(read_sides(pair.blue, pair.green)) == LEFT[point], point


def test_the_dead_man_ends_a_fence_whose_process_stands_still(prepared: Pair, dying: Dying) -> None:
    with load(prepared, writers=1) as writers:
        pid, how = dying.run("blue", "green", "stop:switch: fenced, not committed", dead_man=1.0)
        assert how == "stopped"
        began = time.monotonic()
        try:
            writing(writers)
            assert time.monotonic() - began < 3.0
            assert read_sides(prepared.blue, prepared.green) == BEFORE
        finally:
            os.kill(pid, signal.SIGCONT)
        assert dying.told() == (pid, "1")  # its late COMMIT was refused, and it said so
        assert read_sides(prepared.blue, prepared.green) == BEFORE
        writing(writers)


@pytest.mark.parametrize("point", ["switch: committed", "switch: open, not committed", "switch: opened"])
def test_an_operator_who_wakes_up_opens_nothing(prepared: Pair, dying: Dying, point: str) -> None:
    """One stands still past the commit point; another takes over and goes back to blue; then the first one goes on."""
    token = prepared.sql("blue", "SELECT hi FROM cutover.fencing")[0][0]
    with load(prepared) as writers:
        pid, how = dying.run("blue", "green", f"stop:{point}", dead_man=1.0, token=token + 1)
        assert how == "stopped"
        try:
            taken_over(prepared, token + 2)
            assert read_sides(prepared.blue, prepared.green) == BEFORE
            serving = prepared.sql("blue", "SELECT pid, backend_start FROM pg_stat_activity WHERE usename = 'shop'")
            writing(writers)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert dying.told()[0] == pid
        assert read_sides(prepared.blue, prepared.green) == BEFORE
        still = prepared.sql("blue", "SELECT pid, backend_start FROM pg_stat_activity WHERE usename = 'shop'")
        assert set(serving) <= set(still), "who wakes up must not send the clients of the serving side away"
        writing(writers)


def taken_over(pair: Pair, token: int) -> None:
    """Back to blue with a newer token, again and again as the engine does while the stopped one holds its locks."""

    def gone_back() -> bool:
        try:
            Switch.one(pair.green, pair.blue, PLAIN, lambda: token).run(Deadline.after(20.0))
        except QueryFailed:
            return False
        return True

    until(gone_back, 30.0, "the way back to blue")
