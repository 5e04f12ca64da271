"""Flask: the key is the session's user, testers may ask for a side, and the exporter is mounted beside the application."""

from collections.abc import Collection
from contextlib import ExitStack

from flask import Flask, Response, g, jsonify, request, session
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from cutover.routing.examples.suggestions import by_index, by_scan
from cutover.routing.exporter import Exporter
from cutover.routing.flags import Flags
from cutover.routing.request_scope import HEADER, RequestRouter, request_scope


def scope_requests(app: Flask, testers: Collection[str]) -> None:
    """Tells routers for whom each request is; `testers` are the users whose header is heeded."""

    @app.before_request
    def begin() -> None:
        user = session.get("user")
        g.cutover = ExitStack()
        g.asked = g.cutover.enter_context(
            request_scope(user, request.headers.get(HEADER), allowed=user is not None and user in testers)
        ).sides

    @app.after_request
    def never_cached(response: Response) -> Response:
        if g.get("asked"):
            response.headers["Cache-Control"] = "no-store"  # or a cache would give a tester's answer to everybody
        return response

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        if (begun := g.pop("cutover", None)) is not None:
            begun.close()


def create_app(flags: Flags, exporter: Exporter, secret: str, testers: Collection[str] = ()) -> Flask:
    """The service. Let nobody outside reach /metrics: the proxy in front is where that is said."""
    app = Flask(__name__)
    app.secret_key = secret
    scope_requests(app, testers)
    suggest = RequestRouter("suggestions", legacy=by_scan, candidate=by_index, flags=flags)

    @app.post("/sign-in/<user>")
    def sign_in(user: str) -> Response:
        session["user"] = user
        return jsonify(user=user)

    @app.get("/suggestions")
    def suggestions() -> Response:
        return jsonify(suggest(request.args.get("q", "")))

    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/metrics": exporter.wsgi})  # type: ignore[method-assign]
    return app
