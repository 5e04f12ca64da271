"""One HTTP exchange that ends by its deadline, whatever the other side does."""

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from cutover.core.clock import Deadline

LARGEST = 32 << 20  # bytes of an answer; a query that gives more asks for too much


class NoAnswer(Exception):
    """There is no whole answer; the message says why, in one line."""


@dataclass(frozen=True)
class Answer:
    """A whole answer, whatever its status."""

    status: int
    body: bytes


def fetched(url: str, deadline: Deadline, headers: Mapping[str, str], *, ca: str | None = None) -> Answer:
    """GET of `url`; `ca` is a file of certificates to trust in place of the system's. Raises NoAnswer."""
    return exchanged("GET", url, deadline, headers, ca=ca)


def exchanged(
    method: str,
    url: str,
    deadline: Deadline,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    ca: str | None = None,
) -> Answer:
    """One request without proxies, cookies and redirects. Raises NoAnswer, after which nobody knows what was done.

    A timeout of the socket alone begins anew with every byte, so a timer shuts the socket down.
    """
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if deadline.expired:
        raise NoAnswer("no time is left")
    seconds = deadline.remaining()
    try:
        connection = _Connection(parts.scheme, parts.hostname or "", parts.port, deadline, ca)
    except (ValueError, OSError) as error:
        raise NoAnswer(f"{type(error).__name__}: {error}") from None
    timer = threading.Timer(seconds, connection.end)
    timer.daemon = True
    timer.start()
    try:
        connection.request(method, path, body, {"User-Agent": "cutover", "Connection": "close", **headers})
        response = connection.getresponse()
        found = response.read(LARGEST + 1)
        answer = Answer(response.status, found)
        lacking = 0 if len(found) > LARGEST else response.length  # a read with a limit does not say what it lacks
    except (OSError, http.client.HTTPException, ValueError) as error:
        if connection.ended or isinstance(error, TimeoutError):
            raise NoAnswer(f"no whole answer within {seconds:.3g} s") from None
        # Those of headers show them, which may be a token; a certificate that does not fit is a ValueError, too.
        if isinstance(error, http.client.InvalidURL) or not isinstance(error, (OSError, http.client.HTTPException)):
            raise NoAnswer("its address or a header holds a character that cannot be sent") from None
        raise NoAnswer(brief(error)) from None
    finally:
        timer.cancel()
        timer.join()
        connection.close()
    if connection.ended:  # what was cut off looks like a whole answer where no length was promised
        raise NoAnswer(f"no whole answer within {seconds:.3g} s")
    if lacking:
        raise NoAnswer(f"the answer was cut short by {lacking} bytes")
    if len(found) > LARGEST:
        raise NoAnswer(f"the answer is larger than {LARGEST >> 20} MB")
    return answer


def brief(error: BaseException) -> str:
    """An error in one line that can be shown."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())
    return text[:300] or type(error).__name__


class _Connection(http.client.HTTPConnection):
    """A connection whose socket can be shut down from its first moment on, in the handshake too."""

    def __init__(self, scheme: str, host: str, port: int | None, deadline: Deadline, ca: str | None) -> None:
        if scheme not in ("http", "https") or not host:
            raise ValueError("wants a URL with http or https and a host")
        default = 443 if scheme == "https" else 80
        super().__init__(host, port or default)
        self.default_port = default
        self.ended = False
        self._open: socket.socket | None = None
        self._deadline = deadline
        self._context = ssl.create_default_context(cafile=ca) if scheme == "https" else None

    def connect(self) -> None:
        # Each of several addresses has its own timeout; the sum must not pass the deadline.
        error: OSError | None = None
        for family, kind, protocol, _, place in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
            opened = socket.socket(family, kind, protocol)
            opened.settimeout(max(0.001, self._deadline.remaining()))
            try:
                opened.connect(place)
            except OSError as refused:
                opened.close()
                error = refused
                continue
            self.sock = opened
            break
        else:
            raise error or OSError(f"{self.host} has no address")
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            if self.ended:  # between the two sockets there is none that could be shut down
                raise TimeoutError
            self.sock.do_handshake()
        self._open = self.sock  # which the connection forgets as soon as the response has begun

    def end(self) -> None:
        self.ended = True
        with suppress(OSError):
            if (found := self._open or self.sock) is not None:
                socket.socket.shutdown(found, socket.SHUT_RDWR)
