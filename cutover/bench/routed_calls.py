"""What a decision and a routed call cost, beside a plain call, UnleashClient and OpenFeature in the same rounds."""

import asyncio
import itertools
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from cutover.bench.batches import over, timed
from cutover.bench.figures import BenchFailed, Limit, Line, NotMeasured, Reference, Spread
from cutover.bench.other_flags import OTHERS
from cutover.routing import Events, FileStore, Flag, Flags, MemoryStore, Router, dual_run

PLAIN = "plain call"
BATCH = 500
_numbers = itertools.count(1_000_000)


def fresh() -> Sequence[str]:
    """Keys that were never seen."""
    return [f"user-{next(_numbers)}" for _ in range(BATCH)]


def known() -> Sequence[str]:
    """Always the same key."""
    return ["user-123456"] * BATCH


def numbers() -> Sequence[int]:
    """Keys that are ints and were never seen."""
    return [next(_numbers) for _ in range(BATCH)]


def legacy(key: object) -> object:
    return key


def candidate(key: object) -> object:
    return key


def own_key(key: object) -> object:
    return key


async def awaited(key: object) -> object:
    return key


def at(share: object, store: Any = None, every: float | None = None) -> Flags:
    """Flags with one, in memory or in a store that is given it."""
    flag = Flag(name="suggestions", enabled=True, share=Decimal(str(share)), version=1)
    if store is None:
        return Flags(MemoryStore(flag), environ={})
    store.put(flag, 0)
    return Flags(store, every=every, environ={})


def router(flags: Flags, **options: Any) -> Any:
    return Router("suggestions", legacy=legacy, candidate=candidate, key=own_key, flags=flags, **options)


def decisions(rounds: int) -> Iterator[Line]:
    """A decision for a key, with the others in the same rounds."""
    with ExitStack() as open_ones:
        missing, others = [], {}
        for name, opened in OTHERS.items():
            try:
                others[name] = open_ones.enter_context(opened())
            except NotMeasured as error:
                missing.append(Reference(f"{name} not measured: {error.message}"))
        half = router(at(50))
        for words, arguments in (("a key never seen", fresh), ("a known key", known), ("a number never seen", numbers)):
            asked: dict[str, Callable[[Any], object]] = {"ours": half.decide, PLAIN: legacy}
            if arguments is not numbers:
                asked |= others
            found = timed(asked, arguments, rounds)
            references = [Reference(name, Spread.of(found[name], "µs")) for name in asked if name != "ours"]
            yield Line(
                f"decision, {words}", Spread.of(found["ours"], "µs"), [*references, *missing], [Limit("median", 1)]
            )


def overheads(rounds: int) -> Iterator[Line]:
    """What a routed call costs more than a plain one."""
    with tempfile.TemporaryDirectory() as folder:
        dual = dual_run(sample=0.0)
        events = Events(os.devnull, most=10**9)
        asked = {
            "routed, 50 %": router(at(50)),
            "routed, 0 %": router(at(0)),
            "routed, 100 %": router(at(100)),
            "routed, flags in a file": router(at(50, FileStore(Path(folder) / "flags.json"))),
            "routed, file looked at by every call": router(at(50, FileStore(Path(folder) / "each.json"), every=0.0)),
            "routed with dual runs, not sampled": router(at(50), dual_run=dual),
            "routed with events": router(at(50), events=events),
        }
        found = timed({PLAIN: legacy, **asked}, fresh, rounds)
        events.flush(60)
        plain = Reference(PLAIN, Spread.of(found[PLAIN], "µs"))
        for name in asked:
            limits = (
                [Limit("median", 3 if "dual" in name else 2.5)]
                if "events" not in name and "every call" not in name
                else []
            )
            yield Line(f"{name}: more than a plain call", over(found[name], found[PLAIN]), [plain], limits)
        yield from _within_a_budget(rounds)
        yield _awaited(rounds)


def _within_a_budget(rounds: int) -> Iterator[Line]:
    routed = router(at(100), budget=60.0, threads=1)
    found = timed({PLAIN: legacy, "ours": routed}, lambda: fresh()[:100], rounds)
    if routed.snapshot().candidate.fallbacks:
        raise BenchFailed("a candidate with a minute of time was not waited for")
    plain = Reference(PLAIN, Spread.of(found[PLAIN], "µs"))
    yield Line("routed with a budget, in a thread: more than a plain call", over(found["ours"], found[PLAIN]), [plain])


def _awaited(rounds: int) -> Line:
    routed: Any = Router("suggestions", legacy=awaited, candidate=awaited, key=own_key, flags=at(50))

    async def batch(call: Any) -> float:
        best = float("inf")
        for _ in range(5):
            keys = fresh()
            began = time.perf_counter()
            for key in keys:
                await call(key)
            best = min(best, (time.perf_counter() - began) / BATCH * 1e6)
        return best

    async def work() -> tuple[list[float], list[float]]:
        pairs = [(await batch(routed), await batch(awaited)) for _ in range(rounds)]
        return [one for one, _ in pairs], [other for _, other in pairs]

    ours, plain = asyncio.run(work())
    reference = Reference("plain await", Spread.of(plain, "µs"))
    return Line("routed coroutine: more than a plain await", over(ours, plain), [reference], [Limit("median", 2.5)])


def eight_threads(rounds: int, calls: int) -> Iterator[Line]:
    """What a call costs when eight threads call one router, beside one thread: they share one interpreter, and no lock."""
    routed = router(at(50))
    columns: list[list[float]] = [[], [], [], []]
    for _ in range(rounds):
        for column, (call, number) in zip(columns, ((routed, 8), (routed, 1), (legacy, 8), (legacy, 1)), strict=True):
            column.append(_threaded(call, number, calls))
    ours, alone, plain, plain_alone = columns
    seen = routed.snapshot()
    if seen.legacy.requests + seen.candidate.requests != rounds * calls * 2:
        raise BenchFailed("calls were not counted, or twice")
    references = [
        Reference("1 thread", Spread.of(alone, "µs")),
        Reference("8 threads, plain call", Spread.of(plain, "µs")),
    ]
    references.append(Reference("1 thread, plain call", Spread.of(plain_alone, "µs")))
    yield Line("8 threads, each call", Spread.of(ours, "µs"), references, [Limit("1 thread", 1.5)])


def _threaded(call: Callable[[Any], object], number: int, calls: int) -> float:
    """Microseconds for each of `calls` calls, when so many threads share them."""
    keys, ready = [f"user-{one}" for one in range(calls // number)], threading.Barrier(number + 1)

    def work() -> None:
        ready.wait()
        for key in keys:
            call(key)

    started = [threading.Thread(target=work) for _ in range(number)]
    for thread in started:
        thread.start()
    ready.wait()
    began = time.perf_counter()
    for thread in started:
        thread.join()
    return (time.perf_counter() - began) / calls * 1e6


def visible(rounds: int) -> Iterator[Line]:
    """How long after a change was written to the file a request is the first to follow it."""
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore(Path(folder) / "flags.json")
        routed = router(at(0, store))
        flag, took = store.all()["suggestions"], []
        for number in range(rounds):
            if not isinstance(flag, Flag):
                raise BenchFailed(f"the flag cannot be read: {flag}")
            share = 100 if number % 2 == 0 else 0
            flag = store.put(flag.at(share, reason="bench", author="bench", now=datetime.now(UTC)), flag.version)
            began = time.perf_counter()
            while routed.decide("one") is not bool(share):
                if time.perf_counter() - began > 60:
                    raise BenchFailed("a change of the file was not followed within a minute")
            took.append((time.perf_counter() - began) * 1000)
    yield Line(
        "a changed file is followed", Spread.of(took), limits=[Limit("median", 6)], seen="looked at every 5 ms at most"
    )
