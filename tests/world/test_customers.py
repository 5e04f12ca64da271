"""The customers of the local world: how they find a host, what they repeat, and what they note."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from aiohttp import web

from cutover.world import sites
from cutover.world.customer_dns import NotFound, Resolver, servers
from cutover.world.customers import Customers, Outcome, open_session

HOST = "api.shop.test"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """Answers the two questions of a customer; a silent one answers nothing."""

    ttl: int = 60
    silent: bool = False
    asked: list[str] = field(default_factory=list)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        question = dns.message.from_wire(data)
        name, kind = question.question[0].name, question.question[0].rdtype
        self.asked.append(f"{name} {dns.rdatatype.to_text(kind)}")
        answer = dns.message.make_response(question)
        if kind == dns.rdatatype.A and name.to_text() == f"{HOST}.":
            answer.answer.append(dns.rrset.from_text(name, self.ttl, "IN", "CNAME", "lb.elb.test."))
            answer.answer.append(dns.rrset.from_text("lb.elb.test.", self.ttl, "IN", "A", "127.0.0.1"))
        elif kind == dns.rdatatype.SRV and name.to_text() == "_http._tcp.lb.elb.test.":
            answer.answer.append(dns.rrset.from_text(name, self.ttl, "IN", "SRV", "0 0 8080 lb.elb.test."))
        if not self.silent:
            self._transport.sendto(answer.to_wire(), addr)

    async def listen(self) -> tuple[str, int]:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        address: tuple[str, int] = transport.get_extra_info("sockname")
        return address

    def close(self) -> None:
        self._transport.close()


@pytest.mark.parametrize(("ttl", "questions"), [(60, 2), (0, 6)])
def test_an_answer_is_kept_for_its_ttl_and_no_longer(ttl: int, questions: int) -> None:
    async def run() -> None:
        name_server = NameServer(ttl)
        resolver = Resolver([await name_server.listen()])
        for _ in range(3):
            assert await resolver.base_url(HOST) == "http://127.0.0.1:8080"
        assert len(name_server.asked) == questions
        name_server.close()

    asyncio.run(run())


def test_the_next_name_server_is_asked_when_one_is_silent_and_an_unknown_name_is_an_error() -> None:
    async def run() -> None:
        silent, good = NameServer(silent=True), NameServer()
        resolver = Resolver([await silent.listen(), await good.listen()])
        assert await resolver.base_url(HOST) == "http://127.0.0.1:8080"
        assert len(silent.asked) == 2 and len(good.asked) == 2
        good_only = Resolver([resolver.servers[1]])
        with pytest.raises(NotFound, match="no address"):
            await good_only.base_url("nowhere.shop.test")
        silent.close()
        good.close()

    asyncio.run(run())


def test_name_servers_are_read_from_a_list() -> None:
    assert servers("127.0.0.1:53, 127.0.0.2:5353") == [("127.0.0.1", 53), ("127.0.0.2", 5353)]


@dataclass
class Fixed(Resolver):
    """Leads every host to one URL."""

    url: str = ""

    async def base_url(self, host: str) -> str:
        return self.url


def shop_at(handler: Handler, kind: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Makes one request to a shop that is `handler`; answers the ledger line and the bodies that the shop saw."""
    bodies: list[dict[str, Any]] = []

    async def noted(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json() if request.can_read_body else {})
        assert request.headers["Host"] == HOST
        return await handler(request)

    async def run() -> Outcome:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", noted)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        resolver = Fixed([], url=f"http://127.0.0.1:{runner.addresses[0][1]}")
        async with open_session() as session:
            customers = Customers(session, [resolver], io.StringIO(), [site.host for site in sites.DEFAULT])
            outcome = Outcome(kind, HOST, "5f0c1a52-7a7b-4d3c-9d55-0d5b9e4c2a10" if kind == "write" else None)
            await (customers._write if kind == "write" else customers._read)(outcome, resolver)
        await runner.cleanup()
        return outcome

    line: dict[str, Any] = json.loads(asyncio.run(run()).line())
    return line, bodies


def answers(*statuses: int, headers: dict[str, str] | None = None) -> Handler:
    """A shop that answers with these statuses in turn; 0 hangs up instead."""
    left = list(statuses)

    async def handler(request: web.Request) -> web.StreamResponse:
        status = left.pop(0)
        if status == 0:
            assert request.transport is not None
            request.transport.close()
            raise asyncio.CancelledError
        return web.json_response({}, status=status, headers={"x-shop-version": "v2", **(headers or {})})

    return handler


def test_a_write_is_repeated_with_its_key_until_it_is_acknowledged_and_counts_as_slow() -> None:
    began = time.monotonic()
    line, bodies = shop_at(answers(503, 502, 0, 201, headers={"Retry-After": "60"}), "write")
    assert (line["ok"], line["slow"], line["tries"], line["status"], line["error"]) == (True, True, 4, 201, None)
    assert {body["idempotency_key"] for body in bodies} == {line["key"]} and len(bodies) == 4
    assert time.monotonic() - began < 5, "Retry-After is honoured, but only up to 0.2 s"
    assert line["ack"] - line["at"] > 0.4


def test_a_write_that_is_known_already_is_acknowledged() -> None:
    line, _ = shop_at(answers(200), "write")
    assert (line["ok"], line["slow"], line["version"]) == (True, False, "v2")


def test_a_write_that_is_refused_for_good_is_a_failure() -> None:
    line, bodies = shop_at(answers(422), "write")
    assert (line["ok"], line["status"], len(bodies)) == (False, 422, 1)


@pytest.mark.parametrize("status", [503, 404, 0])
def test_a_read_is_never_repeated(status: int) -> None:
    line, bodies = shop_at(answers(status), "read")
    assert (line["ok"], line["slow"], line["tries"], line["status"]) == (False, False, 1, status)
    assert line["error"] is not None
    assert len(bodies) == 1


def test_a_read_that_is_answered_is_well() -> None:
    line, _ = shop_at(answers(200), "read")
    assert (line["ok"], line["kind"], line["key"], line["error"]) == (True, "read", None, None)
