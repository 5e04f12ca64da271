"""The console as a whole: its socket, its sessions, its pages, and how it begins and ends."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cutover.console.deeds import Deeds
from cutover.console.door import Patience, Server, bound, configured
from cutover.console.gatehouse import Gatehouse, Hosts
from cutover.console.pages import HERE, Pages
from cutover.console.sessions import Person, Sessions
from cutover.console.shown import Acts, Shown
from cutover.console.stream import BEAT, Changes, Streams


def nothing(*_: str) -> None:
    """Hears it, or does it."""


@dataclass
class Console:
    """One console. `open` binds its socket, so that links can be printed; `serve` runs until `end`, which any thread may call."""

    shown: Shown
    acts: Acts
    sessions: Sessions = field(default_factory=Sessions)
    proxied: Iterable[str] = ()
    """Names under which a proxy serves it by https."""
    heard: Callable[[str], None] = nothing
    """Told what nobody foresaw, in one line."""
    begun: Callable[[], None] = nothing
    """Called in the server's loop when it answers."""
    patience: Patience = field(default_factory=Patience)
    beat: float = BEAT
    port: int = field(default=0, init=False)
    streams: Streams = field(init=False, repr=False)
    _socket: socket.socket = field(init=False, repr=False)
    _server: Server = field(init=False, repr=False)
    _changes: Changes = field(default_factory=Changes, init=False, repr=False)
    _deeds: Deeds = field(init=False, repr=False)

    def open(self, port: int = 0) -> int:
        """Binds 127.0.0.1 and returns the port, 0 being any free one; raises Refused where it is taken."""
        self._socket = bound(port, self.patience)
        self.port = self._socket.getsockname()[1]
        self._deeds = Deeds(self.acts, self.shown.environment, self.heard)
        hosts = Hosts.of(self.port, self.proxied)
        gate = Gatehouse(self._app(hosts), self.sessions, hosts, self.heard)
        self._server = Server(configured(gate, self.patience), self._started, self._ended)
        return self.port

    def link(self, person: Person) -> str:
        """An address that lets this person in once; the token is in the fragment, which no browser sends or passes on."""
        return f"http://127.0.0.1:{self.port}/#{self.sessions.invite(person)}"

    def serve(self) -> None:
        """Answers until `end`; streams that are open, and clients that never read, hold that up for a second at most."""
        self.shown.on_change(self._changes.tell)
        asyncio.run(self._server.serve([self._socket]))

    def end(self) -> None:
        """Lets `serve` end; what a button has started is waited for."""
        self._server.should_exit = True

    def _started(self) -> None:
        self._changes.start()
        self.begun()

    async def _ended(self) -> None:
        self._changes.close()
        for verb in self._deeds.under_way():
            self.heard(f"waits for what was asked for: {verb}")
        await self._deeds.ended()

    def _app(self, hosts: Hosts) -> Starlette:
        self.streams = Streams(self.shown, self.sessions, self._changes, self.beat)
        pages = Pages(self.shown, self.acts, self.sessions, self._changes, self._deeds, hosts.cookie)
        app = Starlette(
            routes=[
                Route("/", pages.page),
                Route("/session", pages.whose, methods=["GET"]),
                Route("/session", pages.log_in, methods=["POST"]),
                Route("/session/end", pages.log_out, methods=["POST"]),
                Route("/events", self.streams.answer),
                Route("/lines", pages.lines),
                Route("/curves", pages.curves),
                Route("/do/{verb}", pages.do, methods=["POST"]),
                Mount("/static", StaticFiles(directory=HERE / "static")),
            ]
        )
        app.router.redirect_slashes = False
        return app
