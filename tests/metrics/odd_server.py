"""A web server that misbehaves as it is told: it hangs, trickles, refuses, or answers what it is given."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

LONGEST = 20.0  # seconds after which a trickling answer would be whole


class OddServer:
    """Each connection is handed to `behave`, which has read the request; closing ends them all."""

    def __init__(self, behave: "Callable[[OddServer, socket.socket], None]") -> None:
        self.requests: list[str] = []
        self.over = threading.Event()
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        if self.over.is_set():
            return
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._talk, args=(peer,)))
                self._threads[-1].start()

    def _talk(self, peer: socket.socket) -> None:
        with suppress(OSError), peer:
            peer.settimeout(LONGEST)
            self.requests.append(peer.recv(65_536).decode("latin-1"))
            self._behave(self, peer)


def hangs(server: OddServer, peer: socket.socket) -> None:
    server.over.wait(LONGEST)


def trickles(server: OddServer, peer: socket.socket) -> None:
    end = time.monotonic() + LONGEST
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while time.monotonic() < end and not server.over.wait(0.05):
        peer.sendall(b" ")


def trickles_headers(server: OddServer, peer: socket.socket) -> None:
    end = time.monotonic() + LONGEST
    peer.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while time.monotonic() < end and not server.over.wait(0.05):
        peer.sendall(b"x")


def closes(server: OddServer, peer: socket.socket) -> None:
    """Says nothing."""


def cut_short(server: OddServer, peer: socket.socket) -> None:
    peer.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"status": "succ')


def answers(body: str, status: int = 200, more: str = "") -> "Callable[[OddServer, socket.socket], None]":
    """A behaviour that answers just this."""

    def behave(server: OddServer, peer: socket.socket) -> None:
        data = body.encode()
        peer.sendall(f"HTTP/1.1 {status} X\r\n{more}Content-Length: {len(data)}\r\n\r\n".encode() + data)

    return behave
