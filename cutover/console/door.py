"""The console's socket, and the connections through it: each request has its time, and nobody holds up the others."""

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from cutover.console.gatehouse import HEADERS, NO_STORE
from cutover.core.errors import Refused

HEAD = 16 * 1024  # bytes of a request's line and headers
CONNECTIONS = 600
KERNEL_BUFFER = 64 * 1024  # bytes of a response that the kernel holds for a client; Linux doubles it


@dataclass(frozen=True)
class Patience:
    """How long is waited, in seconds."""

    request: float = 10.0
    """For a whole request, from its first byte on."""
    taken: float = 20.0
    """For a client to take what this process has for it."""
    acknowledged: float = 20.0
    """For a client to take what the kernel has for it, where that can be asked for (Linux)."""
    keep_alive: int = 5
    """For another request on the same connection."""
    end: int = 1
    """For connections to close at the end."""


def bound(port: int, patience: Patience) -> socket.socket:
    """A socket on 127.0.0.1; port 0 is any free one. Raises Refused where the port is taken."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Both are inherited by every connection.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Linux: the kernel itself ends a connection whose other end does not take what was sent, a closed window included.
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(patience.acknowledged * 1000))
        found.bind(("127.0.0.1", port))
    except OSError as error:
        found.close()
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
        raise Refused(f"port {port} of 127.0.0.1 {why}", next_command="give --port another one, or none") from error
    return found


class Door(H11Protocol):
    """uvicorn's protocol with deadlines of our own: it has none for headers and bodies that never end, nor for who never reads."""

    patience: ClassVar[Patience] = Patience()
    _asking: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself
        super().connection_made(transport)
        # What the kernel does not take is noticed at once, not after 64 KiB.
        transport.set_write_buffer_limits(high=0)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
            return
        self._asking = self.loop.call_later(self.patience.request, transport.abort)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            _cancelled(self._asking)
            self._asking = None
        elif self._asking is None and not self.transport.is_closing():
            self._asking = self.loop.call_later(self.patience.request, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP at all does not come as far as the gatehouse."""
        body = f"{msg}\n".encode()
        lines = [b"HTTP/1.1 400 Bad Request", b"content-type: text/plain; charset=utf-8", b"connection: close"]
        lines += [b"content-length: %d" % len(body), *(name + b": " + value for name, value in (*HEADERS, NO_STORE))]
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        # close() would wait for ever until the rest is taken; abort() gives the socket and its memory back.
        self._taking = self._taking or self.loop.call_later(self.patience.taken, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        _cancelled(self._taking)
        self._taking = None

    def connection_lost(self, exc: Exception | None) -> None:
        _cancelled(self._asking)
        _cancelled(self._taking)
        super().connection_lost(exc)


def _cancelled(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


class Server(uvicorn.Server):
    """A server that leaves signals alone, calls `started` and `ending` in its loop, and ends within two seconds or so."""

    def __init__(
        self, config: uvicorn.Config, begun: Callable[[], None], ending: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(config)
        self._begun, self._ending = begun, ending

    @contextmanager
    def capture_signals(self) -> Iterator[None]:  # whoever starts us ends us
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._begun()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._ending()
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            if isinstance(connection, Door):
                connection.transport.abort()
        await asyncio.sleep(0)  # their ends are told in the next turn


def configured(app: ASGIApp, patience: Patience) -> uvicorn.Config:
    """uvicorn with what is needed of it and nothing else."""
    logging.getLogger("uvicorn.error").setLevel(
        logging.CRITICAL
    )  # what strangers send is no news at an operator's terminal
    door = type("Door", (Door,), {"patience": patience})
    return uvicorn.Config(
        cast("uvicorn._types.ASGIApplication", app),
        http=cast(type[asyncio.Protocol], door),
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # nobody's word is taken for whence a request comes
        server_header=False,
        timeout_keep_alive=patience.keep_alive,
        timeout_graceful_shutdown=patience.end,
        h11_max_incomplete_event_size=HEAD,
    )
