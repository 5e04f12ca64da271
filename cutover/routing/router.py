"""A router: a flag decides for each key which implementation answers, and legacy answers where the candidate does not."""

import functools
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import AsyncGeneratorType, CoroutineType, GeneratorType, MethodType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from cutover.routing import telling
from cutover.routing.counts import CANDIDATE, LEGACY, Counts, Shard, Tally
from cutover.routing.flag import BUCKETS
from cutover.routing.flags import Flags
from cutover.routing.keys import bucket
from cutover.routing.sides import are_coroutines, are_in_order
from cutover.routing.snapshot import Snapshot
from cutover.routing.storm import Storm, StormCap
from cutover.routing.usual import usual_flags
from cutover.routing.workers import TooLong, Workers

if TYPE_CHECKING:
    from cutover.routing.dual_runs import DualRun
    from cutover.routing.events import Events
    from cutover.routing.shadows import Runs

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
clock = time.perf_counter
LAZY = frozenset({CoroutineType, GeneratorType, AsyncGeneratorType})
_routers: "weakref.WeakSet[Router[..., Any]]" = weakref.WeakSet()


class Spared(Exception):
    """The candidate was not asked; the text says why."""


class Router(Generic[P, R]):
    """Calls `legacy` or `candidate`, whichever the flag `name` gives the key of these arguments to.

    Where the candidate raises an Exception, runs out of its `budget` or is spared, legacy answers, and the caller sees no
    error; what is no Exception (KeyboardInterrupt, CancelledError) passes. At 0 % and 100 % no key is asked for. A key that cannot
    be had or hashed goes to legacy. Both functions are then called with the same arguments: the candidate must bear being broken
    off, and leave them as they are, or get deep copies (`isolate`).

    - `key`: called with the arguments; gives text, bytes, an int, a UUID, or None for nobody
    - `flags`: where the flag stands; else what CUTOVER_FLAGS names (`usual_flags`)
    - `budget`: seconds for the candidate. A plain function then runs in one of `threads` daemon threads (with the caller's
      context variables, without its thread-locals): give as many as requests come at once, because when none is free the
      candidate is spared. Those that hang are thereby bounded
    - `expected`: exceptions that are answers, from either side: they pass, and are no errors
    - `storm`: when a candidate that fails too often is spared; `events`: where each call is told; `dual_run`: see there

    Raises TypeError for generators and for sides of two kinds, ValueError for a budget that is none.
    """

    # Read many times for each call, and found quickest there; the dictionary is for what the function is called.
    __slots__ = (
        "__dict__", "__weakref__", "_budget", "_candidate", "_cell", "_dice", "_events", "_flags", "_guarded", "_isolate",
        "_key", "_legacy", "_runs", "_sample", "_workers", "counts", "expected", "name", "sides", "storm",
    )  # fmt: skip

    def __new__(cls, name: str, *, legacy: Callable[P, R], candidate: Callable[P, R], **options: Any) -> "Router[P, R]":
        if cls is Router and are_coroutines(name, legacy, candidate):
            from cutover.routing.coroutines import AsyncRouter

            return object.__new__(AsyncRouter)  # type: ignore[arg-type]  # R is a coroutine, as was just seen
        return object.__new__(cls)

    def __init__(
        self,
        name: str,
        *,
        legacy: Callable[P, R],
        candidate: Callable[P, R],
        key: Callable[P, object],
        flags: Flags | None = None,
        budget: float | None = None,
        threads: int = 8,
        expected: tuple[type[Exception], ...] = (),
        isolate: bool = False,
        storm: StormCap = StormCap(),  # noqa: B008  frozen
        events: "Events | None" = None,
        dual_run: "DualRun | None" = None,
    ) -> None:
        are_in_order(name, key=key, budget=budget, expected=expected, flags=flags, storm=storm, events=events)
        self.name = name
        self.sides = (legacy, candidate)
        self._legacy, self._candidate, self._key = legacy, candidate, key
        self._flags = flags if flags is not None else usual_flags()
        self._cell = self._flags.cell(name)
        self.counts = Counts()
        self._budget, self.expected, self._isolate, self._events = budget, expected, isolate, events
        self._guarded = isolate or budget is not None
        self._workers = Workers(name, threads)
        self.storm = Storm(name, storm, functools.partial(self.counts.requests, CANDIDATE))
        self._runs: Runs | None = None
        if dual_run is not None:
            import random

            from cutover.routing import shadows

            self._runs, self._sample, self._dice = shadows.Runs(self, dual_run), dual_run.sample, random.random
        # Marks that frameworks leave on a function stay; of a class that is called they would be its methods.
        functools.update_wrapper(self, legacy, updated=() if isinstance(legacy, type) else functools.WRAPPER_UPDATES)
        _routers.add(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        began = clock()
        try:
            shard: Shard = self.counts.local.shard
        except AttributeError:  # the first call in this thread
            shard = self.counts.shard()
        chosen = self._chosen(began, shard, args, kwargs)
        if self._runs is not None and self._dice() < self._sample:
            return self._runs.sync(chosen, shard, args, kwargs)  # type: ignore[no-any-return]
        if chosen:
            return self._by_candidate(began, shard, args, kwargs)
        return self._by_legacy(began, shard, args, kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """As a method: routed with the instance as the first argument."""
        return self if instance is None else MethodType(self, instance)

    def answered(self, chosen: bool, shard: Shard, args: Any, kwargs: Any, fell: list[str]) -> Any:
        """What the chosen side answers; `fell` is told why, where legacy stands in for the candidate."""
        if chosen:
            return self._by_candidate(clock(), shard, args, kwargs, fell)
        return self._by_legacy(clock(), shard, args, kwargs)

    def __reduce__(self) -> str:
        """As functions are: by its name in its module, for where it decorates one; a copy is the router itself."""
        return str(getattr(self, "__qualname__", self.name))

    def decide(self, key: object) -> bool:
        """Whether the flag gives this key to the candidate now; raises OddKey. Counts nothing."""
        now = clock()
        if now >= self._flags.due:
            self._flags.look(now)
        buckets, salted = self._cell.now
        return bucket(salted, key) < buckets

    def snapshot(self) -> Snapshot:
        """What this router has counted in this process."""
        hanging = self._hanging() + (self._runs.hanging() if self._runs else 0)
        return replace(self.counts.snapshot(self.name, self._flags.standing(self.name).share), hanging=hanging)

    def _hanging(self) -> int:
        return self._workers.hanging(self._budget) if self._budget else 0

    def _chosen(self, began: float, shard: Shard, args: Any, kwargs: Any) -> bool:
        if began >= self._flags.due:
            self._flags.look(began)
        buckets, salted = self._cell.now
        if not 0 < buckets < BUCKETS:
            return buckets > 0
        try:
            return bucket(salted, self._key(*args, **kwargs)) < buckets
        except Exception as error:  # noqa: BLE001  whatever the key is, somebody wants an answer
            shard.odd_keys += 1
            telling.warn(
                f"{self.name}: key", f"legacy answers where no key can be had: {type(error).__name__}: {error}"
            )
            return False

    def _by_legacy(self, began: float, shard: Shard, args: Any, kwargs: Any, why: str = "", error: str = "") -> R:
        tally = shard.sides[LEGACY] or shard.side(LEGACY)
        try:
            answer = self._legacy(*args, **kwargs)
        except Exception as raised:
            self._legacy_raised(raised, tally, clock() - began)
            raise
        took = clock() - began
        tally.took(took)
        if self._events is not None:
            self.tell("fallback" if why else "success", took, "legacy", why, error)
        return answer

    def _by_candidate(self, began: float, shard: Shard, args: Any, kwargs: Any, fell: list[str] | None = None) -> R:
        """`fell` is told why, when legacy answers."""
        tally = shard.sides[CANDIDATE] or shard.side(CANDIDATE)
        tried = False
        try:
            if not self.storm.calm:
                tried = self._try()
            answer = self._candidate(*args, **kwargs) if not self._guarded else self._within(args, kwargs)
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
            if type(answer) in LAZY:
                telling.warn(
                    f"{self.name}: lazy",
                    f"the candidate returned a {type(answer).__name__}: what fails in it is not seen",
                )
            return answer
        if fell is not None:
            fell.append(why)
        return self._by_legacy(clock(), shard, args, kwargs, why, error)

    def _within(self, args: Any, kwargs: Any) -> R:
        """The candidate with copies of the arguments, or within its budget, or both."""
        args, kwargs = self._isolated(args, kwargs)
        if self._budget is None:
            return self._candidate(*args, **kwargs)
        call = self._workers.begin(functools.partial(self._candidate, *args, **kwargs))
        if call is None:
            raise Spared("no thread is free")
        return call.wait(self._budget)  # type: ignore[no-any-return]

    def _isolated(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        if not self._isolate:
            return args, kwargs
        from copy import deepcopy

        try:
            return deepcopy((args, kwargs))
        except Exception as error:
            raise Spared(f"arguments cannot be copied: {type(error).__name__}") from error

    def _try(self) -> bool:
        if not self.storm.asks():
            raise Spared("it fails too often")
        return True

    def _legacy_raised(self, error: Exception, tally: Tally, took: float) -> None:
        tally.took(took)
        if not isinstance(error, self.expected):
            tally.errors += 1
        if self._events is not None:
            outcome = "success" if isinstance(error, self.expected) else "failure"
            self.tell(outcome, took, "legacy", "", type(error).__name__)

    def _candidate_answered(self, tally: Tally, took: float, tried: bool) -> None:
        tally.took(took)
        if tried:
            self.storm.passed()
        if self._events is not None:
            self.tell("success", took, "candidate")

    def _candidate_raised(self, error: Exception, tally: Tally, took: float, tried: bool) -> str:
        """Why legacy answers: error, timeout or spared; empty when what was raised is the answer."""
        if isinstance(error, self.expected):
            self._candidate_answered(tally, took, tried)
            return ""
        tally.fallbacks += 1
        if isinstance(error, Spared):
            tally.spared += 1
            if tried:
                self.storm.left()
            return "spared"
        tally.took(took)
        tally.errors += 1
        late = isinstance(error, TooLong)
        tally.timeouts += late
        self.storm.failed(tried)
        words = f"the candidate did not answer within {self._budget} s" if late else "the candidate raised"
        telling.warn(self.name, f"{words}; legacy answers", None if late else error)
        return "timeout" if late else "error"

    def tell(self, outcome: str, took: float, side: str, why: str = "", error: str = "") -> None:
        if self._events is not None:
            more = {word: value for word, value in (("why", why), ("error", error)) if value}
            flag = self._cell.flag
            share, version = self._cell.now[0] / 100, flag.version if flag else 0
            try:
                self._events.put(self.name, outcome, took, side=side, share=share, version=version, **more)
            except Exception as raised:  # noqa: BLE001  somebody else's events are no reason to fail
                telling.warn(f"{self.name}: events", f"one could not be put: {type(raised).__name__}")


def routed(
    name: str, *, candidate: Callable[P, R], key: Callable[P, object], **options: Any
) -> Callable[[Callable[P, R]], Router[P, R]]:
    """A decorator of the legacy function: `@routed("suggestions", candidate=new_one, key=lambda user: user.id)`."""
    return lambda legacy: Router(name, legacy=legacy, candidate=candidate, key=key, **options)


def snapshots() -> Sequence[Snapshot]:
    """What all routers of this process have counted, by flag; several routers of one flag are added up."""
    found: dict[str, Snapshot] = {}
    for router in list(_routers):
        one = router.snapshot()
        found[one.flag] = found[one.flag] + one if one.flag in found else one
    return [found[name] for name in sorted(found)]
