"""What every request passes: for whom it is, whose page made it, how large it is; and the headers of every response."""

import hmac
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cutover.console.sessions import Session, Sessions
from cutover.core.hidden import hidden_bytes

LARGEST = 64 * 1024  # bytes of a body
LOGIN, STATIC = "/session", "/static/"
TOKEN_HEADER = b"x-cutover-token"
# Content Security Policy Level 3: nothing is allowed but what is named, so nothing inline, no plugin, frame, form or base.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
HEADERS = tuple((name.encode(), value.encode()) for name, value in SECURITY.items())
NO_STORE, BY_ETAG = (b"cache-control", b"no-store"), (b"cache-control", b"no-cache")


@dataclass(frozen=True)
class Hosts:
    """The names under which the console is asked: this machine's on its port, and those of a proxy, which speaks https."""

    port: int
    proxied: frozenset[str] = frozenset()

    @classmethod
    def of(cls, port: int, proxied: Iterable[str] = ()) -> "Hosts":
        return cls(port, frozenset(name.lower() for name in proxied))

    @property
    def cookie(self) -> str:
        """The cookie's name: a browser sends cookies to every port of a host."""
        return f"cutover-console-{self.port}"

    def origin(self, host: str) -> str | None:
        """The origin of a page under this Host header; None for a name that is not ours (a rebound DNS name, for one)."""
        if host in {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]")}:
            return f"http://{host}"
        return f"https://{host}" if host in self.proxied else None


class _Refusal(Exception):
    def __init__(self, status: int, reason: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers


@dataclass(frozen=True)
class Gatehouse:
    """ASGI middleware, the outermost one; what it lets through has its `session`, or None, in scope["state"]."""

    app: ASGIApp
    sessions: Sessions
    hosts: Hosts
    heard: Callable[[str], None]
    """Told what nobody foresaw, in one line."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # neither lifespan nor websockets
            raise RuntimeError(f"{scope['type']} is not served")
        answer = _Answer(send, scope["path"])
        try:
            await self._through(scope, receive, answer)
        except _Refusal as refused:
            await answer.text(refused.status, refused.reason, refused.headers)
        except Exception as error:
            self.heard(f"{scope['method']} {scope['path']!r} failed: {described(error)}")
            if answer.begun:
                raise  # half a response is cut off, so that nobody takes it for a whole one
            await answer.text(500, "the console failed; the terminal that it runs at says with what")

    async def _through(self, scope: Scope, receive: Receive, send: "_Answer") -> None:
        headers = _Headers(scope["headers"])
        origin = self._host(headers)
        body = await self._body(scope["method"], headers, receive)
        if body is None:
            return  # gone before it had asked
        session = self._session(headers)
        if scope["method"] == "POST":
            _same_origin(headers, origin)
            _with_token(headers, session, login=scope["path"] == LOGIN)
        else:
            _not_embedded(headers, scope["path"])
        scope["state"] = {"session": session, "secure": origin.startswith("https:")}
        await self.app(scope, _replayed(body, receive), send)

    def _host(self, headers: "_Headers") -> str:
        origin = self.hosts.origin(headers.only(b"host").lower())
        if origin is None:
            reason = (
                f"this console answers to 127.0.0.1:{self.hosts.port}: a port that is forwarded has to be the same one here "
                "and there, and a proxy's names stand under console.hosts"
            )
            raise _Refusal(421, reason)
        return origin

    async def _body(self, method: str, headers: "_Headers", receive: Receive) -> bytes | None:
        if method not in ("GET", "HEAD", "POST"):
            raise _Refusal(405, "GET, HEAD and POST are all there is", ((b"allow", b"GET, HEAD, POST"),))
        length = headers.only(b"content-length")
        if method != "POST" and (length not in ("", "0") or headers.only(b"transfer-encoding")):
            raise _Refusal(400, "only POST has a body")
        if length.isdecimal() and (len(length) > 18 or int(length) > LARGEST):
            raise _Refusal(413, f"at most {LARGEST} bytes")
        body = b""
        while method == "POST":  # of a GET nothing is read: its stream ends when this says that the client is gone
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > LARGEST:
                raise _Refusal(413, f"at most {LARGEST} bytes")
            if not message.get("more_body", False):
                break
        return body

    def _session(self, headers: "_Headers") -> Session | None:
        values = [cookie_parser(line).get(self.hosts.cookie) for line in headers.all(b"cookie")]
        found = [session for value in values if value for session in [self.sessions.find(value)] if session is not None]
        return found[0] if found else None


def _same_origin(headers: "_Headers", origin: str) -> None:
    """Fetch Metadata (W3C), which no page can forge; browsers without it send the Origin of every POST."""
    site, origins = headers.only(b"sec-fetch-site"), headers.all(b"origin")
    if site not in ("", "same-origin") or not (site or origins) or any(one != origin for one in origins):
        raise _Refusal(403, "this was not asked by the console's own page")
    if headers.only(b"content-type").partition(";")[0].strip().lower() != "application/json":
        raise _Refusal(415, "wants application/json")


def _not_embedded(headers: "_Headers", path: str) -> None:
    """Other pages may lead here; what they fetch or embed, even without being able to read it, is refused."""
    led_here = path == "/" and headers.only(b"sec-fetch-mode") == "navigate"
    if headers.only(b"sec-fetch-site") in ("cross-site", "same-site") and not led_here:
        raise _Refusal(403, "this was not asked by the console's own page")


def _with_token(headers: "_Headers", session: Session | None, *, login: bool) -> None:
    if login:
        return
    if session is None:
        raise _Refusal(401, "nobody is logged in; a new link is printed at the console's terminal")
    given = headers.only(TOKEN_HEADER)
    if not hmac.compare_digest(given.encode("latin-1"), session.token.encode()):
        raise _Refusal(403, "the page is older than the session; load it again")


class _Headers:
    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._raw = tuple(raw)

    def all(self, name: bytes) -> list[str]:
        return [value.decode("latin-1") for key, value in self._raw if key == name]

    def only(self, name: bytes) -> str:
        """The value, empty where there is none; said twice it is refused, because two readers may read two values."""
        found = self.all(name)
        if len(found) > 1:
            raise _Refusal(400, "a header was sent twice")
        return found[0] if found else ""


class _Answer:
    """Sends on what the application answers, with the headers that every response has."""

    def __init__(self, send: Send, path: str) -> None:
        self._send = send
        self._headers = (*HEADERS, BY_ETAG if path.startswith(STATIC) else NO_STORE)
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            ours = {name for name, _ in self._headers}
            theirs = [pair for pair in message.get("headers", ()) if pair[0].lower() not in ours]
            message = {**message, "headers": [*theirs, *self._headers]}
        if body := message.get("body"):
            message = {**message, "body": hidden_bytes(body)}
        await self._send(message)

    async def text(self, status: int, text: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        body = (text + "\n").encode()
        fixed = ((b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()))
        await self({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
        await self({"type": "http.response.body", "body": body})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body that was read already, and then what comes after it: that the client is gone."""
    given: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return given.pop() if given else await receive()

    return replay


def described(error: BaseException) -> str:
    """An error's kind and place; its words may hold what nobody should read at a terminal."""
    frames = traceback.extract_tb(error.__traceback__)
    return type(error).__name__ + "".join(f" at {frame.filename}:{frame.lineno}" for frame in frames[-1:])
