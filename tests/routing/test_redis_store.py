"""Flags in a real Redis: the contract, a server that is gone, comes back or hangs, and what people write by hand."""

import time
from collections.abc import Callable, Iterator

import flag_store_contract
import pytest
from flag_store_faults import a_mistake_keeps_no_other_back, closed, survives_kills, unavailable
from links import Link
from redis_server import PASSWORD, Server

from cutover.routing import Flag, Flags, Store, open_store
from cutover.routing.redis_store import RedisStore


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("redis"))
    yield made
    made.kill()


@pytest.fixture
def server(_server: Server) -> Server:
    with _server.client() as client:
        client.flushall()
    return _server


@pytest.fixture
def opened(server: Server) -> Iterator[Callable[..., RedisStore]]:
    stores: list[Store] = []

    def make(url: str = server.url, **more: float) -> RedisStore:
        stores.append(RedisStore(url, **more))  # type: ignore[arg-type]
        return stores[-1]  # type: ignore[return-value]

    yield make
    for one in stores:
        closed(one)


def test_contract(opened: Callable[..., RedisStore]) -> None:
    flag_store_contract.holds(opened)


@pytest.mark.slow
def test_a_writer_killed_in_the_middle(server: Server) -> None:
    survives_kills(server.url, times=2)


def test_a_change_is_told_and_not_waited_for(opened: Callable[..., RedisStore]) -> None:
    store, other = opened(), opened()
    flags = Flags(store, every=60)
    try:
        other.put(Flag(name="a", enabled=True, share=50), 0)  # type: ignore[arg-type]
        end = time.monotonic() + 20
        while flags.standing("a").share != 50:
            assert time.monotonic() < end, "only the next look, a minute later, would see it"
    finally:
        flags.close()
        other.put(Flag(name="a"), 1)  # ends the wait of its thread


def test_what_a_person_writes_is_seen_and_not_written_over(opened: Callable[..., RedisStore], server: Server) -> None:
    store = opened()
    store.put(Flag(name="well"), 0)
    before = store.mark()
    with server.client() as client:
        client.hset("cutover:flags", "broken", b"\xff{")
    assert store.mark() != before
    a_mistake_keeps_no_other_back(store)


@pytest.mark.parametrize("odd", ["", "{}", '{"share": "x"}', "7.555", '{"version": -1}'])
def test_odd_content(opened: Callable[..., RedisStore], server: Server, odd: str) -> None:
    with server.client() as client:
        client.hset("cutover:flags", "odd", odd)
    store = opened()
    found = store.all()["odd"]
    expected = found.version if isinstance(found, Flag) else 0
    assert store.put(Flag(name="odd"), expected).version == expected + 1


def test_a_server_that_is_gone_and_comes_back(opened: Callable[..., RedisStore], server: Server) -> None:
    store = opened(patience=2.0)
    stored = store.put(Flag(name="a"), 0)
    server.kill()
    try:
        unavailable(store, "redis:127.0.0.1")
    finally:
        server.start()
    assert dict(store.all()) == {"a": stored}, "what was reported as written outlives a crash of the server"
    assert store.put(Flag(name="a"), 1).version == 2
    store.wait(store.mark(), 0.05)


def test_a_link_that_swallows_ends_with_its_time(opened: Callable[..., RedisStore], server: Server) -> None:
    link = Link(server.port)
    store = opened(server.url.replace(str(server.port), str(link.port)), patience=0.5)
    try:
        store.put(Flag(name="a"), 0)
        link.swallowing = True
        began = time.monotonic()
        unavailable(store, "redis:127.0.0.1")
        assert time.monotonic() - began < 30
    finally:
        link.close()


def test_a_wrong_password_is_said_without_it(server: Server) -> None:
    store = open_store(server.url.replace(PASSWORD, "wr0ng-wr0ng"))
    unavailable(store, "invalid username-password pair|WRONGPASS")
    closed(store)


def test_another_kind_of_key_is_no_hash(opened: Callable[..., RedisStore], server: Server) -> None:
    with server.client() as client:
        client.set("cutover:flags", "1")
    unavailable(opened(), "WRONGTYPE")
