"""The router of coroutine functions: the same rules, with tasks instead of threads."""

import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from cutover.routing.counts import CANDIDATE, LEGACY, Shard
from cutover.routing.router import Router, Spared
from cutover.routing.workers import TooLong

if TYPE_CHECKING:
    import asyncio

P = ParamSpec("P")
T = TypeVar("T")
clock = time.perf_counter


class AsyncRouter(Router[P, Coroutine[Any, Any, T]], Generic[P, T]):
    """What `Router` makes of coroutine functions.

    With a `budget` the candidate runs in a task of its own. A late one is cancelled and not waited for, because it may not
    heed that; at most `threads` of those are borne before the candidate is spared. Where the caller is cancelled, so is the candidate.
    """

    __slots__ = ("_late", "_most")

    def __init__(self, name: str, *, threads: int = 8, **options: Any) -> None:
        super().__init__(name, threads=threads, **options)
        self._most = threads
        self._late: set[asyncio.Future[T]] = set()

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        began = clock()
        try:
            shard: Shard = self.counts.local.shard
        except AttributeError:  # the first call in this thread
            shard = self.counts.shard()
        chosen = self._chosen(began, shard, args, kwargs)
        if self._runs is not None and self._dice() < self._sample:
            return await self._runs.coroutine(chosen, shard, args, kwargs)  # type: ignore[no-any-return]
        if chosen:
            return await self._awaited_candidate(began, shard, args, kwargs)
        # _awaited_legacy, written out: a coroutine less for each request
        tally = shard.sides[LEGACY] or shard.side(LEGACY)
        try:
            answer = await self._legacy(*args, **kwargs)
        except Exception as raised:
            self._legacy_raised(raised, tally, clock() - began)
            raise
        took = clock() - began
        tally.took(took)
        if self._events is not None:
            self.tell("success", took, "legacy")
        return answer

    async def _awaited_legacy(
        self, began: float, shard: Shard, args: Any, kwargs: Any, why: str = "", error: str = ""
    ) -> T:
        tally = shard.sides[LEGACY] or shard.side(LEGACY)
        try:
            answer = await self._legacy(*args, **kwargs)
        except Exception as raised:
            self._legacy_raised(raised, tally, clock() - began)
            raise
        took = clock() - began
        tally.took(took)
        if self._events is not None:
            self.tell("fallback" if why else "success", took, "legacy", why, error)
        return answer

    async def _awaited_candidate(
        self, began: float, shard: Shard, args: Any, kwargs: Any, fell: list[str] | None = None
    ) -> T:
        tally = shard.sides[CANDIDATE] or shard.side(CANDIDATE)
        tried = False
        try:
            if not self.storm.calm:
                tried = self._try()
            if self._guarded:
                answer = await self._awaited_within(args, kwargs)
            else:
                answer = await self._candidate(*args, **kwargs)
        except Exception as raised:
            why = self._candidate_raised(raised, tally, clock() - began, tried)
            if not why:
                raise
            error = type(raised).__name__
        except BaseException:
            if tried:
                self.storm.left()
            raise
        else:
            self._candidate_answered(tally, clock() - began, tried)
            return answer
        if fell is not None:
            fell.append(why)
        return await self._awaited_legacy(clock(), shard, args, kwargs, why, error)

    async def _awaited_within(self, args: Any, kwargs: Any) -> T:
        args, kwargs = self._isolated(args, kwargs)
        if self._budget is None:
            return await self._candidate(*args, **kwargs)
        if len(self._late) >= self._most:
            raise Spared("too many late ones have not ended")
        return await within(self._candidate(*args, **kwargs), self._budget, self._late)

    async def answered(self, chosen: bool, shard: Shard, args: Any, kwargs: Any, fell: list[str]) -> T:
        """As of a plain router, awaited."""
        if chosen:
            return await self._awaited_candidate(clock(), shard, args, kwargs, fell)
        return await self._awaited_legacy(clock(), shard, args, kwargs)

    def _hanging(self) -> int:
        return len(self._late)


async def within(coroutine: Coroutine[Any, Any, T], seconds: float, late: "set[asyncio.Future[T]]") -> T:
    """The answer, or what was raised; TooLong after so many seconds, with the task cancelled and kept in `late` until it ends."""
    import asyncio

    task = asyncio.ensure_future(coroutine)
    try:
        ended, _ = await asyncio.wait((task,), timeout=seconds)
    except BaseException:
        _leave(task, late)
        raise
    if not ended:
        _leave(task, late)
        raise TooLong
    return task.result()


def _leave(task: "asyncio.Future[T]", late: "set[asyncio.Future[T]]") -> None:
    late.add(task)

    def over(ended: "asyncio.Future[T]") -> None:
        late.discard(ended)
        if not ended.cancelled():
            ended.exception()  # asked for once, or the loop complains that nobody did

    task.add_done_callback(over)
    task.cancel()
