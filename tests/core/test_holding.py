"""What a cutover says that was done long ago: whether it still stands, and what to type where it does not."""

import pytest
from toy_plan import END, plan, world
from toy_world import FENCED, OPEN

from cutover.core.errors import Unexpected
from cutover.core.holding import still_holds

BACK = "invoke rollback --env toy"


def test_what_was_done_and_still_stands_is_no_news() -> None:
    w = world()
    w.values.update(END)
    still_holds(plan(w), BACK)


def test_writes_that_somebody_moved_back_are_told_with_the_command_that_ends_it() -> None:
    w = world()
    w.values.update(END, blue=OPEN, green=FENCED)
    with pytest.raises(Unexpected, match=r'switchover is now \["open","fenced"\].*Nothing was touched') as stopped:
        still_holds(plan(w), BACK)
    assert stopped.value.next_command == BACK
