"""Small HTTP and SMTP servers of our own that answer as they are told, also badly."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Mapping[str, str], bytes]
OK: Answer = (200, {}, b"ok")


@dataclass
class Got:
    path: str
    headers: Mapping[str, str]
    body: bytes


class Web:
    """Answers each POST with the next of `answers`, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.got: list[Got] = []
        left = list(answers or (OK,))
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                web.got.append(Got(self.path, dict(self.headers), body))
                status, headers, text = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/T0TOPSECRET"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class Raw:
    """Takes connections and does with each what `behave` does; `stop` is set when the test is over."""

    def __init__(self, behave: Callable[[socket.socket, threading.Event], None]) -> None:
        self.stop = threading.Event()
        self.taken = 0
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/T0TOPSECRET"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                self.taken += 1
                self._threads.append(threading.Thread(target=self._serve, args=(peer,), daemon=True))
                self._threads[-1].start()

    def _serve(self, peer: socket.socket) -> None:
        with peer, suppress(OSError):
            self._behave(peer, self.stop)

    def close(self) -> None:
        self.stop.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._thread, *self._threads):
            thread.join(5)


def hanging(peer: socket.socket, stop: threading.Event) -> None:
    """Takes everything and never answers."""
    peer.recv(65536)
    stop.wait(60)


def trickling(peer: socket.socket, stop: threading.Event) -> None:
    """Begins to answer, a byte at a time, for ever: in the headers."""
    peer.recv(65536)
    peer.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not stop.wait(0.05):
        peer.sendall(b"a")


def trickling_body(peer: socket.socket, stop: threading.Event) -> None:
    """The same in the body."""
    peer.recv(65536)
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not stop.wait(0.05):
        peer.sendall(b"a")


def closing(peer: socket.socket, stop: threading.Event) -> None:
    """Takes the request and hangs up."""
    peer.recv(65536)


def trickling_mail(peer: socket.socket, stop: threading.Event) -> None:
    """A mail server that never ends its first line."""
    while not stop.wait(0.05):
        peer.sendall(b"2")


@dataclass
class Letter:
    sender: str
    to: list[str] = field(default_factory=list)
    data: bytes = b""
    user: str = ""
    secure: bool = False


class Smtp:
    """A mail server (RFC 5321) with STARTTLS (RFC 3207) or TLS from the start, and AUTH PLAIN; `refuse` maps a command to its answer."""

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        *,
        from_the_start: bool = False,
        refuse: Mapping[str, str] | None = None,
    ) -> None:
        self.letters: list[Letter] = []
        self.commands: list[str] = []
        smtp = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    smtp._talk(self, tls, from_the_start, refuse or {})

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = False  # its end waits for the talks, so that nothing is left open

            def get_request(self) -> tuple[Any, Any]:
                peer, address = super().get_request()
                if tls is not None and from_the_start:
                    peer = tls.wrap_socket(peer, server_side=True)
                return peer, address

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that goes away is no news."""

        self._server = Server(("127.0.0.1", 0), Session)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def _talk(self, session: Any, tls: ssl.SSLContext | None, from_the_start: bool, refuse: Mapping[str, str]) -> None:
        import base64

        stream, secure, user = session.request, from_the_start, ""
        reader = stream.makefile("rb")
        letter = Letter("")

        def say(line: str) -> None:
            stream.sendall(line.encode() + b"\r\n")

        try:
            say("220 here")
            while line := reader.readline():
                words = line.decode().rstrip("\r\n")
                verb = words.split(" ")[0].split(":")[0].upper()
                self.commands.append(verb)
                if verb in refuse:
                    say(refuse[verb])
                elif verb == "EHLO":
                    offers = ["here"] + (["AUTH PLAIN"] if secure else ["STARTTLS"] if tls else [])
                    for number, offer in enumerate(offers):
                        say(f"250{' ' if number == len(offers) - 1 else '-'}{offer}")
                elif verb == "STARTTLS" and tls is not None:
                    say("220 go")
                    reader.close()
                    stream = tls.wrap_socket(stream, server_side=True)
                    reader, secure = stream.makefile("rb"), True
                elif verb == "AUTH":
                    _, user, password = base64.b64decode(words.split(" ")[2]).decode().split("\0")
                    say("235 in" if password == "p4ss-secret" else "535 5.7.8 no p4ss-secret")
                elif verb == "MAIL":
                    letter = Letter(words, user=user, secure=secure)
                    say("250 ok")
                elif verb == "RCPT":
                    letter.to.append(words)
                    say("250 ok")
                elif verb == "DATA":
                    say("354 go")
                    while (part := reader.readline()) not in (b".\r\n", b""):
                        letter.data += part
                    self.letters.append(letter)
                    say("250 taken")
                elif verb == "QUIT":
                    say("221 bye")
                    break
                else:
                    say("250 ok")
        finally:
            reader.close()
            if stream is not session.request:
                stream.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
