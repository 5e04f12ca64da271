"""What is answered to a page's requests; it shows and passes on, and knows nothing about a cutover itself."""

import json
import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from cutover.console.deeds import Deeds
from cutover.console.sessions import SESSION_LIFE, NotLetIn, Role, Session, Sessions, TooManyTries
from cutover.console.shown import Acts, Line, Shown
from cutover.console.stream import PAGE, Changes

HERE = Path(__file__).parent
_NUMBER = re.compile(r"[0-9]{1,18}")

Answer = Callable[Concatenate["Pages", Session, Request, ...], Awaitable[Response]]


def _logged_in(answer: Answer) -> Callable[["Pages", Request], Awaitable[Response]]:
    """Only for who has a session."""

    @wraps(answer)
    async def answered(self: "Pages", request: Request) -> Response:
        session: Session | None = request.state.session
        return await answer(self, session, request) if session is not None else _nobody()

    return answered


def _nobody() -> Response:
    return PlainTextResponse("nobody is logged in; a new link is printed at the console's terminal\n", 401)


@dataclass
class Pages:
    """The endpoints but for the stream; `cookie` is the name of the session's."""

    shown: Shown
    acts: Acts
    sessions: Sessions
    changes: Changes
    deeds: Deeds
    cookie: str
    _templates: Environment = field(init=False)

    def __post_init__(self) -> None:
        loader = FileSystemLoader(HERE / "templates")
        self._templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)

    async def page(self, request: Request) -> Response:
        """The page, or the one that reads a link's fragment."""
        session: Session | None = request.state.session
        if session is None:
            return HTMLResponse(self._templates.get_template("login.html.j2").render())
        self.sessions.used(session)
        lines = self.shown.lines(most=PAGE)
        values = {
            "environment": self.shown.environment,
            "person": session.person.name,
            "roles": sorted(role.value for role in {*session.person.roles, Role.VIEWER}),
            "may": sorted(verb for verb, role in self.acts.needs.items() if session.person.may(role)),
            "token": session.token,
            "newest": lines[-1].seq if lines else 0,
            "lines": [Markup(line.html) for line in lines],
            "panels": {name: Markup(html) for name, (_, html) in self.shown.panels().items()},
        }
        return HTMLResponse(self._templates.get_template("page.html.j2").render({**self.shown.page(), **values}))

    async def log_in(self, request: Request) -> Response:
        """{token} → a cookie; a session that the browser had before ends."""
        token = _field(await request.body(), "token")
        if token is None:
            return PlainTextResponse("wants {token}\n", 400)
        try:
            value, _ = self.sessions.enter(token)
        except NotLetIn:
            return PlainTextResponse("this link was used, is older than ten minutes, or is none\n", 403)
        except TooManyTries as error:
            return PlainTextResponse(f"{error}\n", 429, {"retry-after": str(math.ceil(error.seconds))})
        if (before := request.state.session) is not None:
            self._end(before)
        response = Response(status_code=204)
        response.set_cookie(
            self.cookie,
            value,
            max_age=int(SESSION_LIFE),
            path="/",
            secure=request.state.secure,
            httponly=True,
            samesite="strict",
        )
        return response

    @_logged_in
    async def log_out(self, session: Session, request: Request) -> Response:
        """Ends the session and the streams that it has open."""
        self._end(session)
        response = Response(status_code=204)
        response.delete_cookie(self.cookie, path="/", secure=request.state.secure, httponly=True, samesite="strict")
        return response

    def _end(self, session: Session) -> None:
        self.sessions.end(session)
        self.changes.wake()

    async def whose(self, request: Request) -> Response:
        """{person}, null for nobody: an EventSource does not tell its page that it was answered 401."""
        session: Session | None = request.state.session
        return JSONResponse({"person": session.person.name if session is not None else None})

    @_logged_in
    async def lines(self, session: Session, request: Request) -> Response:
        """Older lines: the last ones before a seq."""
        before = request.query_params.get("before", "")
        if not _NUMBER.fullmatch(before):
            return PlainTextResponse("`before` is the seq of a line\n", 400)
        self.sessions.used(session)
        return JSONResponse({"lines": [_plain(line) for line in self.shown.lines(before=int(before), most=PAGE)]})

    @_logged_in
    async def curves(self, session: Session, request: Request) -> Response:
        """What the charts draw."""
        return JSONResponse(dict(self.shown.curves()))

    @_logged_in
    async def do(self, session: Session, request: Request) -> Response:
        """{environment, reason, once, …} → {said}, or {error, next}."""
        self.sessions.used(session)
        outcome = await self.deeds.do(request.path_params["verb"], session.person, await request.body())
        return JSONResponse(dict(outcome.words), outcome.status)


def _plain(line: Line) -> dict[str, Any]:
    return {"seq": line.seq, "html": line.html}


def _field(body: bytes, name: str) -> str | None:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return None
    found = read.get(name) if isinstance(read, dict) else None
    return found if isinstance(found, str) else None
