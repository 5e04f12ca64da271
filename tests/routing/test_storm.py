"""A candidate that fails too often is spared, and one call at a time finds out whether it is well again."""

import threading
from decimal import Decimal
from typing import Any

import pytest
from routers import by_number, old, router

from cutover.routing import Flag, Flags, MemoryStore, Router, StormCap


def test_a_storm_of_failures_spares_the_candidate_and_one_call_tries_it() -> None:
    calls = []
    well = False

    def candidate(number: int) -> str:
        calls.append(number)
        if not well:
            raise LookupError
        return f"new {number}"

    now = 0.0
    stormy = router(candidate=candidate, storm=StormCap(failures=5, pause=10.0, window=100.0, longest=15.0))
    stormy.storm._clock = lambda: now
    assert [stormy(number) for number in range(50)] == [f"old {number}" for number in range(50)]
    assert len(calls) == 5 and stormy.snapshot().candidate.spared == 45
    now = 9.9
    stormy(50)
    assert len(calls) == 5
    now = 10.1
    stormy(51), stormy(52)
    assert len(calls) == 6, "one tries it"
    now = 24.9
    stormy(53)
    assert len(calls) == 6, "and then it is left alone for longer"
    now, well = 25.2, True
    assert [stormy(54), stormy(55)] == ["new 54", "new 55"]


def test_few_failures_among_many_are_no_storm() -> None:
    def candidate(number: int) -> str:
        if number % 20 == 0:
            raise LookupError
        return "new"

    mixed = router(candidate=candidate, storm=StormCap(failures=5, rate=0.1, window=1e9))
    for number in range(1, 1000):
        mixed(number)
    assert mixed.snapshot().candidate.spared == 0


def test_a_call_that_tries_it_and_is_broken_off_lets_the_next_one_try() -> None:
    raised: list[type[BaseException]] = [LookupError]

    def candidate(number: int) -> str:
        raise raised[0]

    now = 0.0
    stormy = router(candidate=candidate, storm=StormCap(failures=1, pause=1.0))
    stormy.storm._clock = lambda: now
    stormy(1)
    now, raised[0] = 2.0, KeyboardInterrupt
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            stormy(2)


@pytest.mark.parametrize(
    "wrong", [{"failures": 0}, {"rate": 0.0}, {"rate": 1.1}, {"window": 0.0}, {"pause": 0.0}, {"pause": 40.0}]
)
def test_a_cap_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no cap"):
        StormCap(**wrong)


def test_every_call_is_answered_and_accounted_for_whatever_happens() -> None:
    """Eight threads, a share that moves, a candidate that fails in fits, a cap that opens and closes."""
    store = MemoryStore(Flag(name="a", version=1))
    flags = Flags(store, every=0.0, environ={})

    def candidate(number: int, *, more: int = 0) -> str:
        if number // 50 % 2:
            raise LookupError
        return "new"

    storm = StormCap(failures=3, pause=1e-4, longest=1e-3)
    routing = Router("a", legacy=old, candidate=candidate, key=by_number, flags=flags, storm=storm)
    answers: list[str] = []

    def work() -> None:
        answers.extend(routing(number) for number in range(400))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for version in range(1, 40):
        store.put(Flag(name="a", enabled=True, share=Decimal(version * 37 % 101)), version)
    for thread in threads:
        thread.join()
    seen = routing.snapshot()
    by_new = seen.candidate.requests - seen.candidate.errors
    assert len(answers) == 3200 == seen.legacy.requests + by_new
    assert answers.count("new") == by_new
    assert seen.candidate.fallbacks == seen.candidate.errors + seen.candidate.spared
    assert (seen.legacy.errors, seen.odd_keys, seen.skipped) == (0, 0, 0)
