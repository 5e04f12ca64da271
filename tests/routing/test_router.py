"""A router never makes trouble for its caller: legacy answers where the candidate does not, within its budget."""

import asyncio
import contextvars
import copy
import functools
import logging
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from routers import Hang, at, by_number, fails, new, old, router

from cutover.routing import Flag, Flags, MemoryStore, Router, dual_run, routed, snapshots


@pytest.fixture
def hang() -> Iterator[Hang]:
    found = Hang()
    yield found
    found.go.set()


def test_the_flag_decides() -> None:
    half = router(50)
    answers = {number: half(number, more=1) for number in range(100)}
    assert set(answers.values()) == {f"{'new' if half.decide(number) else 'old'} {number + 1}" for number in range(100)}
    assert {answer[:3] for answer in answers.values()} == {"old", "new"}
    seen = half.snapshot()
    assert seen.legacy.requests + seen.candidate.requests == 100
    assert seen.candidate.requests == sum(answer[:3] == "new" for answer in answers.values())
    assert (seen.candidate.errors, seen.candidate.fallbacks, seen.share) == (0, 0, Decimal(50))


def test_where_the_candidate_fails_legacy_answers_and_it_is_counted() -> None:
    failing = router(candidate=fails)
    assert [failing(number) for number in range(3)] == ["old 0", "old 1", "old 2"]
    seen = failing.snapshot()
    assert (seen.candidate.requests, seen.candidate.errors, seen.candidate.fallbacks, seen.candidate.spared) == (
        3,
        3,
        3,
        0,
    )
    assert (seen.legacy.requests, seen.legacy.errors) == (3, 0)
    assert seen.candidate.fallback_rate == seen.candidate.error_rate == 1.0


def test_what_legacy_raises_reaches_the_caller_as_it_is() -> None:
    for share in (0, 100):
        failing = router(share, candidate=fails, legacy=fails)
        with pytest.raises(LookupError) as raised:
            failing(7)
        assert raised.value.args == (7,) and raised.value.__context__ is None
        assert failing.snapshot().legacy.errors == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("budget", [None, 60.0])
def test_what_is_no_exception_passes(kind: type[BaseException], budget: float | None) -> None:
    def stops(number: int) -> str:
        raise kind

    stopped = router(candidate=stops, budget=budget)
    with pytest.raises(kind):
        stopped(1)
    assert stopped.snapshot().candidate.fallbacks == 0


def test_an_expected_exception_is_an_answer() -> None:
    for share in (0, 100):
        expecting = router(share, candidate=fails, legacy=fails, expected=(KeyError, LookupError))
        with pytest.raises(LookupError):
            expecting(1)
        seen = expecting.snapshot()
        assert (seen.candidate.errors, seen.legacy.errors, seen.candidate.fallbacks) == (0, 0, 0)
        assert seen.candidate.requests + seen.legacy.requests == 1


@pytest.mark.parametrize("key", [lambda number: 1.5, lambda number: 1 / 0, lambda: "too few arguments"])
def test_a_key_that_cannot_be_had_goes_to_legacy(key: Callable[..., object]) -> None:
    odd = router(50, key=key)
    assert odd(1) == "old 1" and odd.snapshot().odd_keys == 1
    assert router(100, key=key)(1) == "new 1", "at 100 % nobody asks for a key"


def test_a_wrong_call_is_told_by_legacy() -> None:
    with pytest.raises(TypeError, match="number"):
        router(50)()


def test_a_hanging_candidate_costs_its_budget_and_then_nothing(hang: Hang) -> None:
    bounded = router(candidate=hang, budget=0.01, threads=2)
    threads = threading.active_count()
    assert [bounded(number) for number in range(20)] == [f"old {number}" for number in range(20)]
    seen = bounded.snapshot()
    assert threading.active_count() - threads <= 2
    assert (seen.candidate.timeouts, seen.candidate.spared, seen.candidate.fallbacks) == (2, 18, 20)
    assert seen.hanging == 2
    hang.go.set()
    until = time.monotonic() + 60
    while bounded.snapshot().hanging and time.monotonic() < until:
        time.sleep(0.005)
    assert bounded.snapshot().hanging == 0 and hang.calls == 2


def test_within_its_budget_the_candidate_answers_with_the_callers_context() -> None:
    user = contextvars.ContextVar[str]("user")
    user.set("mia")
    bounded = router(candidate=lambda number: f"{user.get()} in {threading.current_thread().name}", budget=60.0)
    assert {bounded(number) for number in range(5)} == {"mia in cutover-a"}
    assert bounded.snapshot().candidate.requests == 5


def test_a_late_failure_disturbs_nobody(hang: Hang) -> None:
    def fails_late(number: int) -> str:
        hang(number)
        if number == 1:
            raise SystemExit
        return "new"

    late = router(candidate=fails_late, budget=0.01, threads=1)
    assert late(1) == "old 1"
    hang.go.set()
    until = time.monotonic() + 60
    while late.snapshot().hanging and time.monotonic() < until:
        time.sleep(0.005)
    assert hang.calls == 1
    assert late(2) in ("new", "old 2"), "the thread is there again, though perhaps a moment later than its budget"


def test_isolated_the_candidate_cannot_change_what_legacy_gets() -> None:
    def spoils(basket: list[int]) -> int:
        basket.clear()
        raise LookupError

    basket = [1, 2, 3]
    isolated = router(candidate=spoils, legacy=sum, isolate=True)
    assert isolated(basket) == 6 and basket == [1, 2, 3]
    assert isolated(each for each in basket) == 6, "what cannot be copied is legacy's alone"
    assert isolated.snapshot().candidate.spared == 1


def generator(number: int) -> Iterator[int]:
    yield number


async def coroutine(number: int) -> int:
    return number


async def stream(number: int) -> Any:
    yield number


class Generating:
    def __call__(self, number: int) -> Iterator[int]:
        yield number


@pytest.mark.parametrize("function", [generator, stream, functools.partial(generator, 1), Generating()])
def test_generators_are_refused_when_the_router_is_made(function: Any) -> None:
    with pytest.raises(TypeError, match="candidate is a generator"):
        router(candidate=function)
    with pytest.raises(TypeError, match="legacy is a generator"):
        router(legacy=function)


def test_two_kinds_and_wrong_values_are_refused() -> None:
    with pytest.raises(TypeError, match="legacy is a plain function and candidate a coroutine function"):
        router(candidate=coroutine)
    with pytest.raises(TypeError, match="cannot be called"):
        router(candidate=7)
    with pytest.raises(TypeError, match="key cannot be called"):
        router(key="id")
    for budget in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="no budget"):
            router(budget=budget)
    with pytest.raises(ValueError, match="at least 1"):
        router(threads=0)
    for expected in ([LookupError], LookupError, (KeyboardInterrupt,), ("LookupError",)):
        with pytest.raises(TypeError, match="no tuple of exception classes"):
            router(expected=expected)
    for word in ("storm", "events"):
        with pytest.raises(TypeError, match=f"{word} is a int"):
            router(**{word: 7})
    with pytest.raises(TypeError, match="storm is a NoneType"):
        router(storm=None)
    with pytest.raises(TypeError, match="functions"):
        dual_run(copier=7)  # type: ignore[arg-type]


def test_events_that_cannot_be_put_disturb_nobody() -> None:
    class Broken:
        def put(self, *about: object, **more: object) -> None:
            raise OSError

    assert router(events=Broken())(1) == "new 1"


def test_as_a_decorator_it_looks_like_the_function() -> None:
    decorated = routed("a", candidate=new, key=by_number, flags=at(100))(old)
    assert (getattr(decorated, "__name__", ""), decorated.__doc__) == ("old", "What the old one says.")
    assert decorated(3, more=1) == "new 4"


@routed("a", candidate=repr, key=str, flags=at(100))
def decorated(one: object) -> str:
    return str(one)


def test_it_is_handed_to_another_process_by_its_name_and_copied_as_itself() -> None:
    assert pickle.loads(pickle.dumps(decorated)) is decorated
    assert copy.deepcopy(decorated) is decorated
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(router())


def test_a_coroutine_out_of_a_plain_function_is_told(caplog: pytest.LogCaptureFixture) -> None:
    flags = Flags(MemoryStore(), environ={"CUTOVER_FLAG_LAZY": "true"})
    made: Any = Router
    lazy = made("lazy", legacy=lambda one: coroutine(one), candidate=lambda one: coroutine(one), key=id, flags=flags)
    with caplog.at_level(logging.WARNING, "cutover.routing"):
        assert asyncio.run(lazy(7)) == 7
    assert "returned a coroutine: what fails in it is not seen" in caplog.text


def test_as_a_method_it_gets_its_instance() -> None:
    class Shop:
        def __init__(self, name: str) -> None:
            self.name = name

        def new_price(self, item: int) -> str:
            return f"new {self.name} {item}"

        @routed("a", candidate=new_price, key=lambda self, item: item, flags=at(100))
        def price(self, item: int) -> str:
            return f"old {self.name} {item}"

    assert Shop("corner").price(5) == "new corner 5"


def test_each_thread_counts_by_itself_and_nothing_is_lost() -> None:
    half = router(50)
    ready = threading.Barrier(8)

    def work() -> None:
        ready.wait()
        for number in range(500):
            half(number)

    for _ in range(2):  # threads that ended leave what they counted
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    seen = half.snapshot()
    assert seen.legacy.requests + seen.candidate.requests == 8000
    assert len(half.counts._shards) <= 9


def test_all_routers_of_a_flag_are_told_together() -> None:
    one, other = router(100), router(100)
    one(1), other(2)
    found = [snapshot for snapshot in snapshots() if snapshot.flag == "a"]
    assert len(found) == 1 and found[0].candidate.requests >= 2


def test_a_change_of_the_share_holds_for_the_next_call() -> None:
    store = MemoryStore(Flag(name="a", enabled=True, share=Decimal(100), version=1))
    routing = Router("a", legacy=old, candidate=new, key=by_number, flags=Flags(store, every=0.0, environ={}))
    seen = [routing(1)]
    store.put(Flag(name="a"), 1)
    seen.append(routing(1))
    assert seen == ["new 1", "old 1"]


def test_another_salt_puts_other_keys_first() -> None:
    chosen = []
    for salt in ("", "2027"):
        flags = at(10, salt=salt)
        one = Router("a", legacy=old, candidate=new, key=by_number, flags=flags)
        chosen.append({number for number in range(1000) if one(number).startswith("new")})
    assert all(50 < len(keys) < 150 for keys in chosen) and len(chosen[0] & chosen[1]) < 50


def test_marks_of_the_function_stay_and_change_nothing_of_the_router() -> None:
    def marked(number: int, *, more: int = 0) -> str:
        return "old"

    marked.__dict__.update(csrf_exempt=True, name="another", counts=None, storm=None)
    one = router(0, legacy=marked)
    assert one.csrf_exempt and one.name == "a" and one(1) == "old" and one.snapshot().legacy.requests == 1
    made = router(0, legacy=str, candidate=repr)
    assert made(1) == "1" and not hasattr(made, "upper")
