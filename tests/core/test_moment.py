"""Whether a person who left a word knew of the question: clocks of two machines say nothing about it."""

import pytest
from toy_plan import plan, world
from toy_world import Ask

from cutover.core.gate import Finding
from cutover.core.moment import Moment, knew


@pytest.mark.parametrize("clock", [-3600.0, 0.0, 3600.0])
def test_the_order_of_the_journal_decides_whatever_the_asking_machine_takes_for_the_time(clock: float) -> None:
    asked = Moment(at=1000.0, seq=7)
    assert knew({"at": 1000.5 + clock, "after": 7}, asked) and knew({"at": 1000.5 + clock, "after": 9}, asked)
    assert not knew({"at": 1000.5 + clock, "after": 6}, asked)


def test_a_word_without_a_place_is_known_by_its_time() -> None:
    asked = Moment(at=1000.0, seq=7)
    assert knew({"at": 1000.0}, asked) and knew({"at": 1001, "after": None}, asked)
    assert not knew({"at": 999.9}, asked) and not knew({}, asked)


def test_a_question_is_placed_where_it_was_first_asked() -> None:
    w = world()
    started = w.run(plan(w, {"preflight": Ask(lambda: Finding.not_yet("waits"))}))
    with pytest.raises(Exception, match="preflight"):
        started.run.forward()
    waiting = [entry for entry in started.run.journal.entries() if entry.kind == "waiting"]
    asked = started.run.journal.position().asked["preflight"]
    assert (asked.at, asked.seq) == (waiting[0].at, waiting[0].seq)
