"""Who looks at a console while a run is walked: many event streams, an open page, and a client that never reads."""

import re
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from cutover.bench.figures import BenchFailed
from cutover.bench.served_console import ServedConsole

STREAMS = 200
PAGE_ASKS = 5.0  # seconds, as charts.js
SETTLED = 60.0  # seconds within which every stream has its first panels
UNREAD = 15.0  # seconds; after 20 the console gives up a client that takes nothing
TURN = 0.2  # seconds
PIECE = 256 * 1024  # bytes
TAIL = 64  # bytes in which a line's number may be cut in two
IDS = re.compile(rb"\nid: (\d+)\n")


@dataclass
class Received:
    """What one stream has brought: whether it was `greeted` with panels, and the number of the newest line, 0 for none."""

    newest: int = 0
    greeted: bool = False
    tail: bytes = b""

    def take(self, data: bytes) -> None:
        """Some more of it, cut off anywhere."""
        seen = self.tail + data
        self.greeted = self.greeted or b"event: panels" in seen
        if found := IDS.findall(seen):
            self.newest = max(self.newest, int(found[-1]))
        self.tail = seen[-TAIL:]


@dataclass
class Onlookers:
    """All of them, in threads of this process."""

    console: ServedConsole
    streams: dict[socket.socket, Received]
    """Those that are read: the page's own and `many` more."""
    lost: int = 0
    """Streams that the console has ended."""
    trouble: str = ""
    """Why the page was not answered."""
    _turn: threading.Condition = field(default_factory=threading.Condition)
    _closed: threading.Event = field(default_factory=threading.Event)

    def settled(self) -> None:
        """Waits until every stream has its first panels; raises BenchFailed."""
        with self._turn:
            if not self._turn.wait_for(lambda: all(one.greeted for one in self.streams.values()), SETTLED):
                missing = sum(not one.greeted for one in self.streams.values())
                raise BenchFailed(f"{missing} of {len(self.streams)} streams have no panels after {SETTLED:g} s")

    def have(self, seq: int, within: float) -> float:
        """When (monotonic seconds) every stream had the line of this number; raises BenchFailed."""
        with self._turn:
            if not self._turn.wait_for(lambda: all(one.newest >= seq for one in self.streams.values()), within):
                missing = sum(one.newest < seq for one in self.streams.values())
                raise BenchFailed(f"{missing} of {len(self.streams)} streams lack line {seq} after {within:g} s")
            return time.monotonic()

    def still_there(self) -> None:
        """Raises BenchFailed where the console has ended one of those that read, or did not answer the page."""
        if self.lost or self.trouble:
            raise BenchFailed(
                f"{self.lost} of {len(self.streams)} streams were ended by the console {self.trouble}".strip()
            )

    # --- their threads -----------------------------------------------------------------------------------------

    def read(self) -> None:
        """Reads every stream until closed, but for one, which is opened anew before the console ends it."""
        watched = selectors.DefaultSelector()
        for connection in self.streams:
            watched.register(connection, selectors.EVENT_READ)
        unread, opened = _asked(self.console, unread=True), time.monotonic()
        while not self._closed.is_set():
            for key, _ in watched.select(TURN):
                if isinstance(key.fileobj, socket.socket) and not self._taken(key.fileobj):
                    watched.unregister(key.fileobj)
            if time.monotonic() - opened > UNREAD:
                unread.close()
                unread, opened = _asked(self.console, unread=True), time.monotonic()
        unread.close()
        watched.close()

    def _taken(self, connection: socket.socket) -> bool:
        """Takes what is there; False where the console has ended the stream."""
        try:
            data = connection.recv(PIECE)
        except OSError:
            data = b""
        with self._turn:
            self.streams[connection].take(data)
            self.lost += not data
            self._turn.notify_all()
        return bool(data)

    def page(self) -> None:
        """Asks what an open page asks by itself, until closed."""
        while not self._closed.wait(PAGE_ASKS):
            try:
                self.console.get("/curves")
            except (BenchFailed, requests.RequestException) as error:
                self.trouble = str(error)


@contextmanager
def onlookers(console: ServedConsole, many: int = STREAMS) -> Iterator[Onlookers]:
    """Opens a page, `many` streams besides its own, and one that is never read; they are there when this begins."""
    console.get("/")
    console.get("/curves")
    found = Onlookers(console, {_asked(console): Received() for _ in range(many + 1)})
    threads = [threading.Thread(target=one, daemon=True) for one in (found.read, found.page)]
    for thread in threads:
        thread.start()
    try:
        found.settled()
        yield found
        found.still_there()
    finally:
        found._closed.set()
        for thread in threads:
            thread.join(timeout=60.0)
        for connection in found.streams:
            connection.close()


def _asked(console: ServedConsole, *, unread: bool = False) -> socket.socket:
    """A connection that has asked for the stream."""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if unread:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30.0)
    connection.connect(("127.0.0.1", console.port))
    host = f"127.0.0.1:{console.port}"
    connection.sendall(f"GET /events HTTP/1.1\r\nHost: {host}\r\nCookie: {console.cookie}\r\n\r\n".encode())
    connection.setblocking(False)
    return connection
