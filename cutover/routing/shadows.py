"""Makes the dual runs of one router: the caller gets the chosen side's answer, and the other side works in its shadow."""

import functools
import random
import threading
import time
from typing import TYPE_CHECKING, Any

from cutover.routing import telling
from cutover.routing.counts import CANDIDATE, LEGACY, Shard
from cutover.routing.dual_runs import DualRun, Outcome, difference
from cutover.routing.workers import TooLong, Workers

if TYPE_CHECKING:
    from cutover.routing.router import Router

clock = time.perf_counter
REST = 60.0
"""Seconds without dual runs after a copying that alone took longer than the budget: it cannot be broken off."""


class Skipped(Exception):
    """This dual run is not made, or not finished."""


class Run:
    """One dual run. `first` says whether the other side goes first; None: both at the same time."""

    __slots__ = ("_lock", "args", "began", "first", "kwargs", "other", "outcomes")

    def __init__(self, other: int, args: Any, kwargs: Any, first: bool | None) -> None:
        self.other, self.args, self.kwargs, self.first = other, args, kwargs, first
        self.began = clock()
        self.outcomes: dict[int, Outcome] = {}
        self._lock = threading.Lock()

    def arrived(self, side: int, outcome: Outcome) -> bool:
        """Whether both have: true for one of them, which has them compared."""
        with self._lock:
            self.outcomes[side] = outcome
            return len(self.outcomes) == 2


class Runs:
    """The dual runs of one router; it is told nothing of what goes wrong in them."""

    def __init__(self, router: "Router[..., Any]", dual: DualRun) -> None:
        self._router, self._dual = router, dual
        self._workers = Workers(f"{router.name}-dual", dual.threads)
        self._late: set[Any] = set()
        self._tasks: set[Any] = set()
        self._resting = 0.0

    def hanging(self) -> int:
        """How many calls of the other side run for longer than their budget."""
        return self._workers.hanging(self._dual.budget) + len(self._late)

    def sync(self, chosen: bool, shard: Shard, args: Any, kwargs: Any) -> Any:
        """The answer of the chosen side, as without the dual run."""
        run = self._run(chosen, shard, args, kwargs)
        if run and run.first is not False:
            self._start(run, shard)
        fell: list[str] = []
        try:
            answer = self._router.answered(chosen, shard, args, kwargs, fell)
        except Exception as error:
            self._answered(run, Outcome(raised=error), fell, shard)
            raise
        self._answered(run, Outcome(answer), fell, shard)
        if run and run.first is False:
            self._start(run, shard)
        return answer

    async def coroutine(self, chosen: bool, shard: Shard, args: Any, kwargs: Any) -> Any:
        """The answer of the chosen side, as without the dual run."""
        run = self._run(chosen, shard, args, kwargs)
        if run and run.first is not False:
            await self._start_task(run, shard)
        fell: list[str] = []
        try:
            answer = await self._router.answered(chosen, shard, args, kwargs, fell)
        except Exception as error:
            self._answered(run, Outcome(raised=error), fell, shard)
            raise
        self._answered(run, Outcome(answer), fell, shard)
        if run and run.first is False:
            await self._start_task(run, shard)
        return answer

    def _run(self, chosen: bool, shard: Shard, args: Any, kwargs: Any) -> Run | None:
        """The dual run, with copied arguments; None when there is to be none, which is then counted."""
        other = LEGACY if chosen else CANDIDATE
        try:
            if clock() < self._resting or (other == CANDIDATE and not self._router.storm.calm):
                raise Skipped
            args, kwargs = self._copied((args, kwargs))
        except Skipped:
            shard.skipped += 1
            return None
        return Run(other, args, kwargs, None if self._dual.concurrently else random.random() < 0.5)

    def _copied(self, value: Any) -> Any:
        if self._dual.copier is None:
            return value
        began = time.thread_time()  # a thread that had to wait for its turn copies no slower
        try:
            return self._dual.copier(value)
        except Exception as error:  # a lock, a socket, a generator, a class that copies itself in its own way
            telling.warn(f"{self._router.name}: dual run", f"skipped, no copy can be had: {type(error).__name__}")
            raise Skipped from error
        finally:
            if time.thread_time() - began > self._dual.budget:
                self._resting = clock() + REST
                telling.warn(f"{self._router.name}: dual run", f"copying outlasted the budget; none for {REST:g} s")

    def _answered(self, run: Run | None, outcome: Outcome, fell: list[str], shard: Shard) -> None:
        """The caller's side has ended; its answer is copied before the caller may change it."""
        if run is None:
            return
        try:
            if fell:  # legacy stood in: there is nothing of the candidate to compare
                raise Skipped
            arrived = Outcome(self._copied(outcome.answer), outcome.raised)
            if run.arrived(1 - run.other, arrived) and not self._workers.begin(functools.partial(self._compare, run)):
                raise Skipped
        except Skipped:
            shard.skipped += 1

    def _start(self, run: Run, shard: Shard) -> None:
        """Begins the other side; one that goes first or last is waited for, no longer than the budget."""
        run.began = clock()
        call = self._workers.begin(functools.partial(self._shadow, run))
        if call is None:
            shard.skipped += 1
        elif run.first is not None:
            call.ended.acquire(timeout=self._dual.budget)

    def _shadow(self, run: Run) -> None:
        """In a thread of the workers."""
        function = self._router.sides[run.other]
        shard, began = self._router.counts.shard_here(), clock()
        try:
            outcome = Outcome(function(*run.args, **run.kwargs))
        except Exception as error:  # noqa: BLE001  that is what is to be found out
            outcome = Outcome(raised=error)
        except BaseException:
            shard.skipped += 1
            raise
        took = clock() - began
        self._count(run, shard, took, outcome)
        if clock() - run.began > self._dual.budget:
            shard.skipped += 1
        elif run.arrived(run.other, outcome):
            self._compare(run)

    async def _start_task(self, run: Run, shard: Shard) -> None:
        """As `_start`, with a task."""
        import asyncio

        if len(self._tasks) + len(self._late) >= self._dual.threads:
            shard.skipped += 1
            return
        task = asyncio.ensure_future(self._shadow_task(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if run.first is not None:
            await asyncio.wait((task,))

    async def _shadow_task(self, run: Run) -> None:
        from cutover.routing.coroutines import within

        function: Any = self._router.sides[run.other]
        shard, began = self._router.counts.shard_here(), clock()
        try:
            outcome = Outcome(await within(function(*run.args, **run.kwargs), self._dual.budget, self._late))
        except Exception as error:  # noqa: BLE001  that is what is to be found out
            outcome = Outcome(raised=error)
        except BaseException:
            shard.skipped += 1
            raise
        late = isinstance(outcome.raised, TooLong)
        self._count(run, shard, clock() - began, Outcome() if late else outcome)
        compared = not late and run.arrived(run.other, outcome)
        if late or (compared and not self._workers.begin(functools.partial(self._compare, run))):
            shard.skipped += 1

    def _count(self, run: Run, shard: Shard, took: float, outcome: Outcome) -> None:
        tally = shard.side(run.other)
        tally.took(took)
        tally.shadows += 1
        if outcome.raised is not None and not isinstance(outcome.raised, self._router.expected):
            tally.errors += 1
            if run.other == CANDIDATE:
                self._router.storm.failed()

    def _compare(self, run: Run) -> None:
        """In a thread of the workers."""
        name, budget = self._router.name, self._dual.budget
        shard, began = self._router.counts.shard_here(), clock()
        try:
            words = difference(self._dual.comparator, run.outcomes[LEGACY], run.outcomes[CANDIDATE])
        except Exception as error:  # noqa: BLE001  a comparator is other people's code
            shard.uncomparable += 1
            telling.warn(f"{name}: comparator", f"raised {type(error).__name__}", error)
            return
        if clock() - began > budget:
            shard.uncomparable += 1
            telling.warn(f"{name}: comparator", f"took longer than {budget} s")
            return
        if words is not None:
            telling.warn(f"{name}: mismatch", words)
            self._router.tell("mismatch", clock() - began, "both", words)
            shard.mismatches += 1
        shard.compared += 1
