"""Bytes as they go over the wire: requests that no browser makes, and streams that are read event by event."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from shop_floor import Desk


def said(desk: Desk, *pieces: bytes, seconds: float = 20.0) -> bytes:
    """Everything that is answered to these bytes until the server closes the connection."""
    with connected(desk, seconds) as line:
        for piece in pieces:
            line.sendall(piece)
        return rest(line)


def connected(desk: Desk, seconds: float = 20.0) -> socket.socket:
    """A connection on which nothing is waited for longer than this."""
    return socket.create_connection(("127.0.0.1", desk.console.port), seconds)


def rest(line: socket.socket) -> bytes:
    """What still comes until the other end closes, or has thrown the connection away."""
    found = b""
    try:
        while piece := line.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass
    return found


def request(desk: Desk, line: str, *headers: str, body: bytes = b"", host: str | None = None) -> bytes:
    """A request that asks for the connection to be closed after it."""
    name = f"127.0.0.1:{desk.console.port}" if host is None else host
    head = "\r\n".join([line, *([f"Host: {name}"] if name else []), "Connection: close", *headers, "", ""])
    return head.encode("latin-1") + body


def status(answer: bytes) -> int:
    """The status code of an answer, 0 where there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


@dataclass
class Page:
    """An open stream, read as a browser does."""

    line: socket.socket
    events: list[tuple[str, str, Any]] = field(default_factory=list)
    """Kind, id and data of each."""
    head: bytes = b""
    raw: bytes = b""
    """The body so far."""
    _text: bytes = b""
    _kept: bytes = b""

    def read(self) -> bool:
        """One piece more; False at the end."""
        piece = self.line.recv(65_536)
        self._kept += piece
        if not self.head and b"\r\n\r\n" in self._kept:
            self.head, _, self._kept = self._kept.partition(b"\r\n\r\n")
        while self.head and (chunk := self._chunk()) is not None:
            if not chunk:
                return False  # the last one; the connection would be kept for another request
            self.raw += chunk
            *whole, self._text = (self._text + chunk).split(b"\n\n")
            self.events += [event for block in whole for event in _event(block.decode())]
        return bool(piece)

    def _chunk(self) -> bytes | None:
        size, line_end, after = self._kept.partition(b"\r\n")
        if not line_end or len(after) < int(size, 16) + 2:
            return None
        self._kept = after[int(size, 16) + 2 :]
        return after[: int(size, 16)]

    @property
    def seqs(self) -> list[int]:
        """Of the lines that came."""
        return [data["seq"] for kind, _, data in self.events if kind == "lines"]

    def forget_panels(self) -> None:
        """So that a test with large ones stays small."""
        self.events = [event for event in self.events if event[0] != "panels"]
        self.raw = b""

    def until(self, seq: int) -> list[int]:
        """Reads until this line has come."""
        while not self.seqs or self.seqs[-1] < seq:
            assert self.read(), f"the stream ended after {self.seqs[-3:]}: {self.head!r}"
        return self.seqs

    def until_kind(self, kind: str, times: int = 1) -> Any:
        """Reads until so many events of this kind have come; the data of the last one."""
        goes_on = True
        while len(found := [data for name, _, data in self.events if name == kind]) < times:
            assert goes_on, f"the stream ended: {self.head!r} {self.events[-3:]}"
            goes_on = self.read()
        return found[times - 1]

    def ends(self) -> bool:
        """Whether the server closes it; waits for that."""
        try:
            while self.read():
                pass
        except ConnectionResetError:
            pass
        return True


@contextmanager
def listening(
    desk: Desk, cookie: str, query: str = "", *, last: str | None = None, receive: int | None = None
) -> Iterator[Page]:
    """An open event stream; `receive` is the size of its window."""
    line = socket.socket()
    if receive is not None:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    line.settimeout(30)
    with line:
        line.connect(("127.0.0.1", desk.console.port))
        headers = [f"Cookie: {cookie}", *([f"Last-Event-ID: {last}"] if last is not None else [])]
        asked = request(desk, f"GET /events{query} HTTP/1.1", *headers).replace(b"Connection: close\r\n", b"")
        line.sendall(asked)
        yield Page(line)


def cookie_of(browser: Any) -> str:
    """The Cookie header of a logged-in browser."""
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


def _event(block: str) -> Iterator[tuple[str, str, Any]]:
    fields: dict[str, str] = {}
    for line in block.splitlines():
        name, _, value = line.partition(":")
        if name:
            fields[name] = value.removeprefix(" ")
    if "data" in fields:
        yield fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"])
