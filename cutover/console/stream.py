"""The stream of changes to one page. A client is a cursor: what it has not taken is not kept for it, but read again."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from cutover.console.sessions import Session, Sessions
from cutover.console.shown import Line, Shown

MOST, MOST_OF_ONE = 300, 250  # streams at once, and of one session
PAGE = 200  # lines in one piece
JOINED = 32  # pieces that are remembered
BEAT = 15.0  # seconds; proxies close a connection that says nothing for a minute
APART = 0.1  # seconds between two pieces, so that many changes at once make one
OF_EACH = 0.005  # seconds by which each open stream puts them further apart: many who look take nothing from the run
_NUMBER = re.compile(r"[0-9]{1,18}")


class Changes:
    """Wakes every stream when something has changed; `tell` may be called from any thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next = asyncio.Event()
        self._told = False
        self.closed = False
        self.apart = APART

    def start(self) -> None:
        """To be called once, in the server's loop."""
        self._loop = asyncio.get_running_loop()

    def tell(self) -> None:
        """Something has changed."""
        if self._loop is None or self._told or self.closed:
            return
        self._told = True
        try:
            self._loop.call_soon_threadsafe(self._loop.call_later, self.apart, self._wake)
        except RuntimeError:  # the loop ended meanwhile
            self.closed = True

    def wake(self) -> None:
        """Wakes them at once: a session has ended, for example. In the server's loop only."""
        awaited, self._next = self._next, asyncio.Event()
        awaited.set()

    def _wake(self) -> None:
        self._told = False
        self.wake()

    def close(self) -> None:
        """Ends every stream."""
        self.closed = True
        self.wake()

    @property
    def awaited(self) -> asyncio.Event:
        """Set at the next change; taken before reading, so that no change falls in between."""
        return self._next


@dataclass
class Streams:
    """GET /events?after=SEQ: `retry`, `panels` (all at first, then those that changed), and one `lines` event per line.

    The id of an event is the line's seq; Last-Event-ID, which a browser sends when it reconnects, wins over `after`. `anew`
    says that the journal is shorter than what the client has: the page is to be loaded again.
    """

    shown: Shown
    sessions: Sessions
    changes: Changes
    beat: float = BEAT
    most: int = MOST
    open: int = field(default=0, init=False)
    _joined: dict[tuple[asyncio.Event, int, int], tuple[int, bytes]] = field(
        default_factory=dict, init=False, repr=False
    )

    async def answer(self, request: Request) -> Response:
        """The stream, as long as the session and the server last."""
        session: Session | None = request.state.session
        if session is None:
            return PlainTextResponse("nobody is logged in\n", 401)
        after = request.headers.get("last-event-id") or request.query_params.get("after") or str(self.shown.newest())
        if not _NUMBER.fullmatch(after):
            return PlainTextResponse("`after` is the seq of a line\n", 400)
        if self.open >= self.most or session.streams >= MOST_OF_ONE:
            return PlainTextResponse("too many pages are open\n", 503, {"retry-after": "10"})
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return _Counted(self, session, self._events(session, int(after)))

    def opened(self, more: int) -> None:
        """So many more streams are open."""
        self.open += more
        self.changes.apart = APART + OF_EACH * self.open

    async def _events(self, session: Session, cursor: int) -> AsyncIterator[bytes]:
        has: dict[str, int] = {}
        yield b"retry: 1000\n\n"
        while not self.changes.closed and self.sessions.alive(session):
            awaited = self.changes.awaited
            if cursor > self.shown.newest():
                yield b"event: anew\ndata: {}\n\n"
                return
            if piece := self._panels(has):
                yield piece
            if lines := self._lines(cursor):
                cursor, piece = lines
                yield piece
                continue
            try:
                async with asyncio.timeout(self.beat):
                    await awaited.wait()
            except TimeoutError:
                yield b": still here\nevent: beat\ndata: {}\n\n"

    def _panels(self, has: dict[str, int]) -> bytes:
        """The panels that are newer than what the client has, and then it has them."""
        panels = self.shown.panels()
        newer = {name: panel for name, panel in panels.items() if panel[0] > has.get(name, -1)}
        has.update({name: version for name, (version, _) in newer.items()})
        return _panels(tuple((name, html) for name, (_, html) in newer.items())) if newer else b""

    def _lines(self, after: int) -> tuple[int, bytes] | None:
        """The seq of the last of the next lines, and all of them; most clients want the same, which is joined once."""
        newest = self.shown.newest()
        if newest <= after:
            return None
        key = (self.changes.awaited, after, newest)  # the next change may bring another journal
        if key not in self._joined:
            lines = self.shown.lines(after=after, most=PAGE)
            if not lines:
                return None
            if len(self._joined) >= JOINED:
                self._joined.clear()
            self._joined[key] = (lines[-1].seq, b"".join(_line(line) for line in lines))
        return self._joined[key]


class _Counted(StreamingResponse):
    """A stream that is counted as long as it is open."""

    def __init__(self, streams: Streams, session: Session, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"x-accel-buffering": "no"})
        self._streams, self._session = streams, session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams.opened(+1)
        self._session.streams += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.opened(-1)
            self._session.streams -= 1


# Every client gets the same bytes: they are made once.
@lru_cache(maxsize=1024)
def _line(line: Line) -> bytes:
    return f"event: lines\nid: {line.seq}\ndata: {json.dumps({'seq': line.seq, 'html': line.html})}\n\n".encode()


@lru_cache(maxsize=32)
def _panels(newer: tuple[tuple[str, str], ...]) -> bytes:
    return f"event: panels\ndata: {json.dumps(dict(newer))}\n\n".encode()
