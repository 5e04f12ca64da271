"""FastAPI: the key is the user of the session's cookie, testers show a token to ask for a side, and the exporter is mounted."""

import hmac
from collections.abc import Sequence

from fastapi import FastAPI, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.sessions import SessionMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cutover.routing.examples.suggestions import by_index, by_scan
from cutover.routing.exporter import Exporter
from cutover.routing.flags import Flags
from cutover.routing.request_scope import HEADER, RequestRouter, request_scope

TOKEN = "X-Tester-Token"


class ScopeRequests:
    """Tells routers for whom each request is; inside SessionMiddleware. Without a `token` no header is heeded."""

    def __init__(self, app: ASGIApp, token: str = "") -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        shown = headers.get(TOKEN, "").encode()
        allowed = bool(self._token) and hmac.compare_digest(shown, self._token)
        with request_scope(scope["session"].get("user"), headers.get(HEADER), allowed=allowed) as told:

            async def sent(message: Message) -> None:
                if told.sides and message["type"] == "http.response.start":
                    # A cache would give a tester's answer to everybody.
                    MutableHeaders(scope=message)["Cache-Control"] = "no-store"
                await send(message)

            await self._app(scope, receive, sent)


async def by_scan_slowly(question: str) -> Sequence[str]:
    return by_scan(question)


async def by_index_slowly(question: str) -> Sequence[str]:
    return by_index(question)


def create_app(flags: Flags, exporter: Exporter, secret: str, token: str = "") -> FastAPI:
    """The service. Let nobody outside reach /metrics: the proxy in front is where that is said."""
    app = FastAPI()
    app.add_middleware(ScopeRequests, token=token)
    app.add_middleware(SessionMiddleware, secret_key=secret)  # added last, so it comes first
    suggest = RequestRouter("suggestions", legacy=by_scan_slowly, candidate=by_index_slowly, flags=flags, budget=1.0)
    suggest_plainly = RequestRouter("plain-suggestions", legacy=by_scan, candidate=by_index, flags=flags)

    @app.post("/sign-in/{user}")
    async def sign_in(user: str, request: Request) -> dict[str, str]:
        request.session["user"] = user
        return {"user": user}

    @app.get("/suggestions")
    async def suggestions(q: str = "") -> Sequence[str]:
        return await suggest(q)

    @app.get("/plain-suggestions")
    def plain_suggestions(q: str = "") -> Sequence[str]:  # in a thread of its own, which the scope follows
        return suggest_plainly(q)

    app.mount("/metrics", exporter.asgi)
    return app
