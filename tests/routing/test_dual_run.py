"""Dual runs: compared and counted, and whatever the other side or the comparator do, the caller notices nothing."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from cutover.routing import Flag, Flags, MemoryStore, Router, StormCap, dual_run
from cutover.routing.snapshot import Snapshot

NEVER = StormCap(failures=10**9)


def router(share: int, legacy: Any, candidate: Any, name: str = "a", **options: Any) -> Any:
    flags = Flags(MemoryStore(Flag(name=name, enabled=True, share=Decimal(share), version=1)), environ={})
    dual = {"sample": 1.0, "budget": 60.0, **options.pop("dual", {})}
    return Router(
        name,
        legacy=legacy,
        candidate=candidate,
        key=lambda one: 1,
        flags=flags,
        storm=NEVER,
        dual_run=dual_run(**dual),
        **options,
    )


def counted(routing: Any, holds: Callable[[Snapshot], bool]) -> Snapshot:
    """The snapshot, once it shows what is waited for: the other side works in its own thread."""
    until = time.monotonic() + 60
    while True:
        seen: Snapshot = routing.snapshot()
        if holds(seen):
            return seen
        assert time.monotonic() < until, seen
        time.sleep(0.005)


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """Lets hang what waits for it, until the test is over."""
    found = threading.Event()
    yield found
    found.set()


@pytest.mark.parametrize("concurrently", [True, False])
@pytest.mark.parametrize(("share", "answer"), [(0, "old"), (100, "new")])
def test_the_caller_gets_what_the_flag_says_and_both_are_compared(concurrently: bool, share: int, answer: str) -> None:
    routing = router(share, lambda one: "old", lambda one: "new", dual={"concurrently": concurrently, "threads": 20})
    assert [routing(number) for number in range(10)] == [answer] * 10
    seen = counted(routing, lambda seen: seen.compared + seen.skipped == 10)
    assert seen.mismatches == seen.compared > 0
    assert seen.legacy.requests + seen.candidate.requests == 20 and seen.skipped == 0
    assert (seen.legacy.shadows, seen.candidate.shadows) == ((0, 10) if share == 0 else (10, 0))


def test_the_same_answers_are_no_mismatch_and_what_differs_is_told_without_values(
    caplog: pytest.LogCaptureFixture,
) -> None:
    routing = router(
        0, lambda one: {"name": one}, lambda one: {"name": "Mia Meier" if one == "Mia Muster" else one}, "told"
    )
    with caplog.at_level(logging.WARNING, "cutover.routing"):
        routing("Ben")
        counted(routing, lambda seen: seen.compared == 1)
        routing("Mia Muster")
        seen = counted(routing, lambda seen: seen.compared == 2)
    assert seen.mismatches == 1
    assert "$.name: str of 10 ≠ str of 9, from position 5" in caplog.text and "Mia" not in caplog.text


def test_nothing_but_the_sample_is_run_twice() -> None:
    calls: list[int] = []
    routing = router(0, lambda one: one, calls.append, dual={"sample": 0.0})
    assert [routing(number) for number in range(1000)] == list(range(1000))
    assert not calls and routing.snapshot().compared == 0


@pytest.mark.parametrize("concurrently", [True, False])
def test_a_hanging_other_side_costs_the_caller_no_more_than_the_budget(concurrently: bool, go: threading.Event) -> None:
    routing = router(
        0, lambda one: "old", lambda one: go.wait(), dual={"budget": 0.01, "threads": 2, "concurrently": concurrently}
    )
    assert [routing(number) for number in range(20)] == ["old"] * 20
    seen = counted(routing, lambda seen: seen.hanging == 2)
    assert (seen.compared, seen.skipped) == (0, 18)
    go.set()
    seen = counted(routing, lambda seen: seen.hanging == 0)
    assert (seen.compared, seen.skipped) == (0, 20), "what comes late is not compared"


@pytest.mark.parametrize("kind", [LookupError, SystemExit, KeyboardInterrupt])
def test_what_the_other_side_raises_stays_there(kind: type[BaseException]) -> None:
    def fails(one: int) -> str:
        raise kind

    routing = router(0, lambda one: "old", fails)
    assert routing(1) == "old"
    seen = counted(routing, lambda seen: seen.compared + seen.skipped == 1)
    assert seen.mismatches == seen.candidate.errors == int(issubclass(kind, Exception))
    assert seen.candidate.fallbacks == 0


def test_two_exceptions_of_one_type_are_the_same() -> None:
    def fails(one: int) -> str:
        raise LookupError(one)

    routing = router(0, fails, fails)
    with pytest.raises(LookupError):
        routing(1)
    seen = counted(routing, lambda seen: seen.compared == 1)
    assert (seen.mismatches, seen.legacy.errors, seen.candidate.errors) == (0, 1, 1)


def test_a_comparator_that_raises_or_is_slow_is_counted_and_not_noticed(go: threading.Event) -> None:
    def raises(one: object, other: object) -> bool:
        raise ZeroDivisionError

    routing = router(0, lambda one: 1, lambda one: 1, dual={"comparator": raises})
    assert routing(1) == 1
    assert counted(routing, lambda seen: seen.uncomparable == 1).compared == 0

    def waits(one: object, other: object) -> bool:
        began = time.monotonic()  # what hangs is counted from the call, the budget from here
        while not (go.is_set() and time.monotonic() - began > 0.2):
            go.wait(0.01)
        return True

    slow = router(0, lambda one: 1, lambda one: 1, dual={"comparator": waits, "budget": 0.2})
    assert slow(1) == 1
    counted(slow, lambda seen: seen.hanging == 1)
    go.set()
    assert counted(slow, lambda seen: seen.uncomparable == 1).compared == 0


@pytest.mark.parametrize(
    ("verdict", "mismatches"),
    [(True, 0), (None, 0), (False, 1), ("", 1), ("they differ in the price", 1), (0, 1), (1, 0)],
)
def test_what_a_comparator_may_say(verdict: object, mismatches: int) -> None:
    routing = router(0, lambda one: 1, lambda one: 2, dual={"comparator": lambda one, other: verdict})
    routing(1)
    assert counted(routing, lambda seen: seen.compared == 1).mismatches == mismatches


@pytest.mark.parametrize("concurrently", [True, False])
def test_neither_side_sees_what_the_other_does_to_its_arguments(concurrently: bool) -> None:
    def empties(basket: list[int]) -> int:
        total = sum(basket)
        basket.clear()
        return total

    for _ in range(10):  # in either order
        routing = router(0, sum, empties, dual={"concurrently": concurrently})
        basket = [1, 2, 3]
        assert routing(basket) == 6 and basket == [1, 2, 3]
        assert counted(routing, lambda seen: seen.compared == 1).mismatches == 0


def test_what_the_caller_does_to_its_answer_afterwards_is_no_mismatch() -> None:
    went = threading.Event()

    def waits(one: int) -> list[int]:
        went.wait()
        return [one]

    routing = router(0, lambda one: [one], waits)
    routing(1).clear()
    went.set()
    assert counted(routing, lambda seen: seen.compared == 1).mismatches == 0


def test_what_cannot_be_copied_is_skipped_and_shared_only_when_asked() -> None:
    routing = router(0, lambda one: "old", lambda one: "new")
    assert routing(threading.Lock()) == "old" and routing(iter(()) for _ in ()) == "old"
    assert (routing.snapshot().skipped, routing.snapshot().candidate.requests) == (2, 0)

    answers = router(0, lambda one: threading.Lock(), lambda one: 1)
    answers(1)
    assert counted(answers, lambda seen: seen.skipped == 1).compared == 0

    shared = router(0, id, id, dual={"copier": None})
    shared(threading.Lock())
    assert counted(shared, lambda seen: seen.compared == 1).mismatches == 0


def test_a_copying_that_outlasts_the_budget_is_not_tried_again_soon() -> None:
    copies = []

    def copier(value: object) -> object:
        copies.append(value)
        until = time.thread_time() + 0.002
        while time.thread_time() < until:
            pass
        return value

    routing = router(0, lambda one: 1, lambda one: 1, dual={"copier": copier, "budget": 0.001})
    for _ in range(10):
        routing(1)
    assert routing.snapshot().skipped >= 9 and len(copies) <= 2


def test_where_legacy_stood_in_there_is_nothing_to_compare() -> None:
    def fails(one: int) -> str:
        raise LookupError

    routing = router(100, lambda one: "old", fails)
    assert routing(1) == "old"
    seen = counted(routing, lambda seen: seen.skipped == 1 and seen.legacy.requests == 2)
    assert (seen.compared, seen.candidate.fallbacks, seen.candidate.shadows) == (0, 1, 0)


@pytest.mark.parametrize(
    ("sample", "budget"), [(-0.1, 1), (1.1, 1), (float("nan"), 1), (0.5, 0), (0.5, float("nan")), (0.5, float("inf"))]
)
def test_a_sample_or_a_budget_that_is_none_is_refused(sample: float, budget: float) -> None:
    with pytest.raises(ValueError, match="no dual run"):
        dual_run(sample=sample, budget=budget)


@pytest.mark.parametrize("concurrently", [True, False])
def test_coroutines_are_run_both_and_compared(concurrently: bool) -> None:
    async def old(one: int) -> int:
        await asyncio.sleep(0)
        return one

    async def new(one: int) -> int:
        await asyncio.sleep(0)
        return one + one % 2

    async def work() -> None:
        routing = router(0, old, new, dual={"concurrently": concurrently, "threads": 20})
        assert [await routing(number) for number in range(10)] == list(range(10))
        until = time.monotonic() + 60
        while (seen := routing.snapshot()).compared + seen.skipped < 10 and time.monotonic() < until:
            await asyncio.sleep(0.005)
        assert (seen.compared, seen.mismatches, seen.candidate.shadows) == (10, 5, 10)

    asyncio.run(work(), debug=True)


@pytest.mark.parametrize("concurrently", [True, False])
def test_a_hanging_coroutine_is_left_alone(concurrently: bool) -> None:
    async def old(one: int) -> str:
        return "old"

    async def hangs(one: int) -> str:
        await asyncio.Event().wait()
        return "late"

    async def work() -> None:
        routing = router(0, old, hangs, dual={"concurrently": concurrently, "budget": 0.01, "threads": 2})
        assert [await routing(number) for number in range(10)] == ["old"] * 10
        until = time.monotonic() + 60
        while ((seen := routing.snapshot()).hanging or seen.skipped < 10) and time.monotonic() < until:
            await asyncio.sleep(0.005)
        assert (seen.compared, seen.skipped, seen.hanging) == (0, 10, 0)

    asyncio.run(work(), debug=True)


def test_a_failing_other_coroutine_stays_unnoticed() -> None:
    async def old(one: int) -> str:
        return "old"

    async def fails(one: int) -> str:
        raise LookupError

    async def work() -> None:
        routing = router(0, old, fails)
        assert await routing(1) == "old"
        until = time.monotonic() + 60
        while not (seen := routing.snapshot()).compared and time.monotonic() < until:
            await asyncio.sleep(0.005)
        assert (seen.mismatches, seen.candidate.errors, seen.candidate.fallbacks) == (1, 1, 0)

    asyncio.run(work(), debug=True)
