"""What comes over the network: answers of name servers and of Prometheus, requests to the console."""

import asyncio
import functools
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from cutover.console.deeds import Deeds
from cutover.console.gatehouse import SECURITY, Gatehouse, Hosts
from cutover.console.server import Console
from cutover.console.sessions import Person, Role, Sessions
from cutover.console.shown import Line
from cutover.core.clock import Deadline
from cutover.core.gate import Finding
from cutover.core.series import Reading, Span
from cutover.metrics.exchange import Answer
from cutover.metrics.prometheus import Prometheus, Unread
from cutover.metrics.redis import RedisFigures
from cutover.net.dns import TtlVisible
from cutover.net.dns_chain import LeadsHere

NAME = "api.shop.test"
QUESTION = b"\x03api\x04shop\x04test\x00\x00\x05\x00\x01"
SPAN = Span(1_779_999_940.0, 1_780_000_000.0, 15.0)
ANSWER = (
    b"\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00" + QUESTION + b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x10"
)


class _NameServer:
    """Answers every question, over UDP and TCP, with its own number and then `said`."""

    def __init__(self) -> None:
        self.said = b""
        self._tcp, self._udp = _both_on_one_port()
        self.address = f"127.0.0.1:{self._udp.getsockname()[1]}"
        for serve in (self._over_udp, self._over_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def _over_udp(self) -> None:
        while True:
            wire, peer = self._udp.recvfrom(4096)
            self._udp.sendto(wire[:2] + self.said[:4000], peer)

    def _over_tcp(self) -> None:
        while True:
            connection, _ = self._tcp.accept()
            with connection:
                wire = connection.recv(4096)
                said = (wire[2:4] + self.said)[:65_535]
                connection.sendall(len(said).to_bytes(2, "big") + said)


def _both_on_one_port() -> tuple[socket.socket, socket.socket]:
    while True:
        tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
        else:
            return tcp, udp


@functools.cache
def _name_server() -> _NameServer:
    return _NameServer()


def dns_answer(data: bytes) -> None:
    """A name server's whole answer but for its number, which is the question's; nothing but a finding comes of it."""
    server = _name_server()
    server.said = data
    ttl = TtlVisible(zone="shop.test", record=NAME, servers=lambda: [server.address], record_type="CNAME", wanted=60)
    chain = LeadsHere(host="shop.test", above=((NAME, 60),), servers=lambda: [server.address])
    for check in (ttl, chain):
        found = check.look()
        assert isinstance(found, Finding) and "\n" not in found.seen


@dataclass(frozen=True)
class _Said(Prometheus):
    """A server that answers with these bytes."""

    body: bytes = b""

    def asked(self, path: str, deadline: Deadline, *, method: str = "GET") -> Answer:
        return Answer(200, self.body)


def prometheus_answer(data: bytes) -> None:
    """The body of an answer to a query."""
    server = _Said(url=lambda: "http://127.0.0.1", url_shell="", body=data)
    found = server.read("up", SPAN, Deadline.after(5.0))
    assert isinstance(found, Reading) and "\n" not in found.seen
    try:
        server.counters("up", SPAN.since, SPAN.until, Deadline.after(5.0))
    except Unread as error:
        assert "\n" not in str(error)


@functools.cache
def _stream_server() -> tuple[list[bytes], int]:
    """Says what stands in the list to whoever connects, and closes."""
    said, opened = [b""], socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = opened.accept()
            with connection:
                connection.recv(64)
                connection.sendall(said[0])

    threading.Thread(target=serve, daemon=True).start()
    return said, opened.getsockname()[1]


def redis_answer(data: bytes) -> None:
    """What a server that may be Redis answers to INFO."""
    said, port = _stream_server()
    said[0] = data
    address = f"127.0.0.1:{port}"
    found = RedisFigures(lambda: address, address).read("used_memory / maxmemory", SPAN, Deadline.after(5.0))
    assert isinstance(found, Reading) and "\n" not in found.seen


class _Page:
    environment = "shop"

    def page(self) -> Mapping[str, Any]:
        return {}

    def panels(self) -> Mapping[str, tuple[int, str]]:
        return {"state": (1, "<p>open</p>")}

    def newest(self) -> int:
        return 2

    def lines(self, *, after: int | None = None, before: int | None = None, most: int = 200) -> Sequence[Line]:
        return [Line(1, "<li>1</li>"), Line(2, "<li>2</li>")]

    def curves(self) -> Mapping[str, Any]:
        return {}

    def on_change(self, call: Callable[[], None]) -> None:
        pass


@dataclass
class _Buttons:
    needs: Mapping[str, Role] = field(default_factory=lambda: {"hold": Role.OPERATOR, "approve": Role.APPROVER})

    def do(self, verb: str, who: str, words: Mapping[str, str]) -> str:
        said = " ".join(f"{name}={word}" for name, word in words.items())
        assert said.isprintable()
        return said


@dataclass
class _Desk:
    """The console's whole application without its socket, with a person who is logged in."""

    heard: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        sessions, hosts = Sessions(), Hosts.of(8000)
        console = Console(_Page(), _Buttons(), sessions)
        console._deeds = Deeds(console.acts, "shop", self.heard.append)
        self.gate = Gatehouse(console._app(hosts), sessions, hosts, self.heard.append)
        value, session = sessions.enter(sessions.invite(Person("anna", frozenset({Role.OPERATOR}))))
        self.own = [
            (b"cookie", f"{hosts.cookie}={value}".encode()),
            (b"x-cutover-token", session.token.encode()),
            (b"sec-fetch-site", b"same-origin"),
            (b"content-type", b"application/json"),
        ]
        self.loop = asyncio.new_event_loop()

    def asked(self, scope: dict[str, Any], body: bytes) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        given = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return given.pop() if given else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        self.loop.run_until_complete(asyncio.wait_for(self.gate(scope, receive, send), 20.0))
        return sent


@functools.cache
def _desk() -> _Desk:
    return _Desk()


def console_request(data: bytes) -> None:
    """A request as it comes out of h11: `METHOD PATH`, lines of headers, an empty line, a body; the first byte: whose it is."""
    desk = _desk()
    head, _, body = data[1:].partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, target = first.partition(b" ")
    path, _, query = target.partition(b"?")
    headers = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    if data[:1] and data[0] % 4:
        headers += [(b"host", b"127.0.0.1:8000"), *(desk.own if data[0] % 4 > 1 else [])]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "asgi": {"version": "3.0"},
        "method": method.decode("latin-1").upper() or "GET",
        "path": unquote("/" + path.decode("latin-1").lstrip("/")),
        "raw_path": path,
        "query_string": query,
        "headers": headers,
    }
    sent = desk.asked(scope, body)
    assert not desk.heard, desk.heard.pop()
    begun = [message for message in sent if message["type"] == "http.response.start"]
    assert len(begun) == 1 and begun[0]["status"] < 500, begun
    there = {name.lower() for name, _ in begun[0]["headers"]}
    assert {name.encode() for name in SECURITY} <= there
