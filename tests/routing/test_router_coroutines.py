"""The same rules for coroutine functions: a late candidate is cancelled, and a cancelled caller is obeyed."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest

from cutover.routing import Flag, Flags, MemoryStore, Router, StormCap

NEVER = StormCap(failures=10**9)


async def old(number: int) -> str:
    await asyncio.sleep(0)
    return f"old {number}"


async def new(number: int) -> str:
    await asyncio.sleep(0)
    return f"new {number}"


async def fails(number: int) -> str:
    await asyncio.sleep(0)
    raise LookupError(number)


def router(share: int = 100, candidate: Any = new, legacy: Any = old, **options: Any) -> Any:
    flags = Flags(MemoryStore(Flag(name="a", enabled=True, share=Decimal(share), version=1)), environ={})
    options.setdefault("storm", NEVER)
    return Router("a", legacy=legacy, candidate=candidate, key=lambda number: number, flags=flags, **options)


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs it to its end, in debug mode, where what was never awaited or asked for is told."""
    asyncio.run(work(), debug=True)


def test_the_flag_decides() -> None:
    async def work() -> None:
        half = router(50)
        answers = {number: await half(number) for number in range(50)}
        assert all(
            answer == f"{'new' if half.decide(number) else 'old'} {number}" for number, answer in answers.items()
        )
        assert {answer[:3] for answer in answers.values()} == {"old", "new"}

    run(work)


@pytest.mark.parametrize("budget", [None, 60.0])
def test_where_the_candidate_fails_legacy_answers(budget: float | None) -> None:
    async def work() -> None:
        failing = router(candidate=fails, budget=budget)
        assert await failing(1) == "old 1"
        seen = failing.snapshot()
        assert (seen.candidate.errors, seen.candidate.fallbacks, seen.legacy.requests) == (1, 1, 1)
        with pytest.raises(LookupError) as raised:
            await router(candidate=fails, legacy=fails, budget=budget)(7)
        assert raised.value.args == (7,) and raised.value.__context__ is None

    run(work)


def test_frameworks_see_a_coroutine_function() -> None:
    assert inspect.iscoroutinefunction(router().__call__)
    assert not inspect.iscoroutinefunction(Router.__call__)
    assert list(inspect.signature(router()).parameters) == ["number"]


def test_a_late_candidate_is_cancelled_and_legacy_answers() -> None:
    async def work() -> None:
        cancelled = asyncio.Event()

        async def hangs(number: int) -> str:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise
            return "late"

        late = router(candidate=hangs, budget=0.01)
        assert await late(1) == "old 1"
        await cancelled.wait()
        seen = late.snapshot()
        assert (seen.candidate.timeouts, seen.candidate.errors, seen.candidate.fallbacks) == (1, 1, 1)
        while late.snapshot().hanging:
            await asyncio.sleep(0)

    run(work)


def test_one_that_does_not_heed_cancelling_holds_nobody_and_is_bounded() -> None:
    async def work() -> None:
        go, calls = asyncio.Event(), 0

        async def stubborn(number: int) -> str:
            nonlocal calls
            calls += 1
            while not go.is_set():
                try:
                    await go.wait()
                except asyncio.CancelledError:
                    continue
            raise LookupError("late, and nobody asks")

        late = router(candidate=stubborn, budget=0.01, threads=2)
        assert [await late(number) for number in range(10)] == [f"old {number}" for number in range(10)]
        seen = late.snapshot()
        assert (calls, seen.hanging, seen.candidate.timeouts, seen.candidate.spared) == (2, 2, 2, 8)
        go.set()
        while late.snapshot().hanging:
            await asyncio.sleep(0)

    run(work)


@pytest.mark.parametrize("budget", [None, 60.0])
def test_a_cancelled_caller_cancels_the_candidate_and_legacy_is_not_asked(budget: float | None) -> None:
    async def work() -> None:
        began, cancelled = asyncio.Event(), asyncio.Event()

        async def hangs(number: int) -> str:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return "late"

        routing = router(candidate=hangs, budget=budget)
        caller = asyncio.ensure_future(routing(1))
        await began.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await cancelled.wait()
        assert routing.snapshot().legacy.requests == routing.snapshot().candidate.errors == 0

    run(work)


@pytest.mark.parametrize("budget", [None, 60.0])
def test_what_is_no_exception_passes(budget: float | None) -> None:
    async def stops(number: int) -> str:
        raise asyncio.CancelledError

    async def work() -> None:
        with pytest.raises(asyncio.CancelledError):
            await router(candidate=stops, budget=budget)(1)

    run(work)


def test_a_storm_spares_the_candidate() -> None:
    async def work() -> None:
        stormy = router(candidate=fails, storm=StormCap(failures=3, pause=30.0))
        for number in range(10):
            assert await stormy(number) == f"old {number}"
        assert stormy.snapshot().candidate.spared == 7

    run(work)


def test_many_at_once() -> None:
    async def work() -> None:
        half = router(50, budget=60.0)
        answers = await asyncio.gather(*(half(number) for number in range(200)))
        assert [answer[4:] for answer in answers] == [str(number) for number in range(200)]
        seen = half.snapshot()
        assert seen.legacy.requests + seen.candidate.requests == 200 and seen.candidate.fallbacks == 0

    run(work)
