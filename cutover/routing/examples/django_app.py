"""Django: the key is the session's user, testers may ask for a side, and the exporter is a view.

A whole service in one module, with sessions in signed cookies; in yours, `scope_requests` goes into MIDDLEWARE after
SessionMiddleware (and AuthenticationMiddleware: then the key is `request.user.pk`, and `request.user.is_staff` may ask).
"""

import os
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.utils.decorators import sync_and_async_middleware

from cutover.routing.examples.suggestions import by_index, by_scan
from cutover.routing.exporter import Exporter
from cutover.routing.flags import Flags
from cutover.routing.request_scope import HEADER, RequestRouter, Scope, request_scope
from cutover.routing.usual import usual_flags
from cutover.routing.worker_files import WorkerFolder

Answer = HttpResponseBase


@sync_and_async_middleware
def scope_requests(
    get_response: Callable[[HttpRequest], Answer] | Callable[[HttpRequest], Awaitable[Answer]],
) -> Callable[[HttpRequest], Answer] | Callable[[HttpRequest], Awaitable[Answer]]:
    """Tells routers for whom each request is; CUTOVER_TESTERS are the users whose header is heeded."""

    def told(request: HttpRequest) -> tuple[object, str | None, bool]:
        user = request.session.get("user")
        return user, request.headers.get(HEADER), user is not None and user in settings.CUTOVER_TESTERS

    def never_cached(response: Answer, scope: Scope) -> Answer:
        if scope.sides:
            response.headers["Cache-Control"] = "no-store"  # or a cache would give a tester's answer to everybody
        return response

    if iscoroutinefunction(get_response):

        async def served_later(request: HttpRequest) -> Answer:
            key, header, allowed = told(request)
            with request_scope(key, header, allowed=allowed) as scope:
                return never_cached(await get_response(request), scope)

        return served_later

    def served(request: HttpRequest) -> Answer:
        key, header, allowed = told(request)
        with request_scope(key, header, allowed=allowed) as scope:
            return never_cached(get_response(request), scope)  # type: ignore[arg-type]  # as was just seen

    return served


if not settings.configured:
    settings.configure(
        SECRET_KEY=os.environ.get("SECRET_KEY") or os.urandom(32).hex(),
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=["django.contrib.sessions"],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", f"{__name__}.scope_requests"],
        CUTOVER_TESTERS=frozenset(filter(None, os.environ.get("CUTOVER_TESTERS", "").split(","))),
    )
    django.setup()

flags: Flags = usual_flags()
folder = os.environ.get("CUTOVER_COUNTS")
exporter = Exporter(WorkerFolder(folder) if folder else None, flags=flags)
suggest = RequestRouter("suggestions", legacy=by_scan, candidate=by_index, flags=flags)


def sign_in(request: HttpRequest, user: str) -> HttpResponse:
    request.session["user"] = user
    return JsonResponse({"user": user})


def suggestions(request: HttpRequest) -> HttpResponse:
    return JsonResponse(suggest(request.GET.get("q", "")), safe=False)


async def suggestions_later(request: HttpRequest) -> HttpResponse:
    return JsonResponse(suggest(request.GET.get("q", "")), safe=False)


def metrics(request: HttpRequest) -> HttpResponse:
    """Let nobody outside reach this: the proxy in front is where that is said."""
    status, headers, body = exporter.answer(request.method or "GET")
    return HttpResponse(body, status=int(status.split()[0]), headers=dict(headers))


urlpatterns = [
    path("sign-in/<str:user>", sign_in),
    path("suggestions", suggestions),
    path("suggestions-later", suggestions_later),
    path("metrics", metrics),
]
application = get_wsgi_application()
