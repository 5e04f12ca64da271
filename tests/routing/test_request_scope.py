"""What a request tells the routers: its key, and a side for testers; in threads, tasks and beside each other."""

import asyncio
from contextvars import copy_context
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.routing import Flag, Flags, MemoryStore, bucket_of
from cutover.routing.request_scope import LONGEST, RequestRouter, request_scope, wanted

HALF = Flags(MemoryStore(Flag(name="search", enabled=True, share=50)))  # type: ignore[arg-type]


def ask() -> str:
    return "legacy"


def ask_new() -> str:
    return "candidate"


@pytest.fixture
def router() -> RequestRouter[[], str]:
    return RequestRouter("search", legacy=ask, candidate=ask_new, flags=HALF)


def user(*, candidate: bool) -> str:
    return next(str(n) for n in range(1000) if (bucket_of("search", str(n)) < 5000) == candidate)


@given(st.text())
def test_any_header_can_be_read(header: str) -> None:
    assert set(wanted(header).values()) <= {True, False}


@pytest.mark.parametrize(
    ("header", "sides"),
    [
        ("search=candidate", {"search": True}),
        (" search = legacy , checkout=candidate", {"search": False, "checkout": True}),
        ("search", {}),
        ("search=green,=candidate,,", {}),
        ("x" * LONGEST + "=candidate", {}),
    ],
)
def test_a_header_names_flags_and_sides(header: str, sides: dict[str, bool]) -> None:
    assert dict(wanted(header)) == sides


def test_the_key_is_that_of_the_innermost_scope(router: RequestRouter[[], str]) -> None:
    with request_scope(user(candidate=True)):
        assert router() == "candidate"
        with request_scope(user(candidate=False)):
            assert router() == "legacy"
        assert router() == "candidate"
    assert router() == "legacy"


def test_a_scope_ends_with_an_error_too(router: RequestRouter[[], str]) -> None:
    with pytest.raises(LookupError), request_scope(user(candidate=True)):
        raise LookupError
    assert router() == "legacy"


def test_nobody_but_a_tester_is_heeded(router: RequestRouter[[], str]) -> None:
    with request_scope(None, "search=candidate"):
        assert router() == "legacy"
    with request_scope(None, "search=candidate", allowed=True) as scope:
        assert router() == "candidate" and dict(scope.sides) == {"search": True}
    with request_scope(user(candidate=True), "search=legacy", allowed=True):
        assert router() == "legacy"


def test_requests_side_by_side_do_not_see_each_other(router: RequestRouter[[], str]) -> None:
    async def serve(candidate: bool) -> tuple[bool, set[str]]:
        with request_scope(user(candidate=candidate)):
            found = set()
            for _ in range(20):
                found.add(router())
                await asyncio.sleep(0)
            return candidate, found

    async def serve_all() -> list[tuple[bool, set[str]]]:
        return await asyncio.gather(*(serve(bool(n % 2)) for n in range(10)))

    for candidate, found in asyncio.run(serve_all()):
        assert found == {"candidate" if candidate else "legacy"}


def test_a_thread_has_the_scope_that_it_is_given(router: RequestRouter[[], str]) -> None:
    found: list[str] = []
    with request_scope(user(candidate=True)):
        context = copy_context()
        threads = [Thread(target=lambda: context.run(lambda: found.append(router()))), Thread(target=lambda: found.append(router()))]  # fmt: skip
        for thread in threads:
            thread.start()
            thread.join()
    assert found == ["candidate", "legacy"]


def test_a_testers_candidate_may_fail_as_everybodys(router: RequestRouter[[], str]) -> None:
    def broken() -> str:
        raise LookupError

    routed = RequestRouter("search", legacy=ask, candidate=broken, flags=HALF)
    with request_scope(None, "search=candidate", allowed=True):
        assert routed() == "legacy"


def test_marks_on_the_legacy_function_stand_in_nobodys_way() -> None:
    def marked() -> str:
        return "legacy"

    marked.router = marked.name = "a mark of another library"  # type: ignore[attr-defined]
    with request_scope(user(candidate=True)):
        assert RequestRouter("search", legacy=marked, candidate=ask_new, flags=HALF)() == "candidate"
