"""What /metrics answers: a callable for WSGI and one for ASGI, to be mounted where the application likes."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

from cutover.routing import telling
from cutover.routing.adding_up import Busy
from cutover.routing.exposition import CONTENT_TYPE, exposition
from cutover.routing.flags import Flags
from cutover.routing.router import snapshots
from cutover.routing.worker_files import WorkerFolder

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

PROCESSES = "cutover.processes"
UNREADABLE = "cutover.unreadable_files"
AGE = "cutover.flags_age_seconds"
Message = MutableMapping[str, Any]


class Exporter:
    """The routers of this process, or with a `folder` of all processes that write it; never raises into the server.

    `flags` adds how old the flags are that this process goes by. Who may ask is for the application to say: shares and error
    counts are nobody else's business. Where the folder cannot be read within two seconds the answer is 503. A file in it that
    cannot be read is named in a comment and in the log, and counted in cutover_unreadable_files.
    """

    def __init__(self, folder: WorkerFolder | None = None, *, flags: Flags | None = None) -> None:
        self._folder, self._flags = folder, flags

    def text(self) -> str:
        """The exposition; raises Busy."""
        gauges: dict[str, tuple[str, float]] = {}
        if self._flags is not None:
            age = self._flags.age()
            words = "Seconds since the store of flags last answered this process; +Inf: never."
            gauges[AGE] = (words, float("inf") if age is None else age)
        if self._folder is None:
            return exposition(snapshots(), gauges=gauges)
        found = self._folder.collect()
        gauges[PROCESSES] = ("Living processes whose counts are in here.", found.processes)
        gauges[UNREADABLE] = ("Files of processes that cannot be read, and are not counted.", len(found.broken))
        remarks = [f"{name}: {why}" for name, why in found.broken.items()]
        for remark in remarks:
            telling.warn("counts", remark)
        return exposition(found.snapshots, gone=found.gone, gauges=gauges, remarks=remarks)

    def wsgi(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """A WSGI application (PEP 3333)."""
        method = str(environ.get("REQUEST_METHOD", "GET"))
        status, headers, body = self.answer(method)
        start_response(status, headers)
        return [body]

    async def asgi(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """An ASGI application (ASGI 3.0) for servers that run on asyncio; files are read in another thread."""
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["type"] != "http":
            await send({"type": f"{scope['type']}.close", "code": 1003})
            return
        from asyncio import to_thread

        status, headers, body = await to_thread(self.answer, scope["method"])
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": int(status.split()[0]), "headers": encoded})
        await send({"type": "http.response.body", "body": body})

    def answer(self, method: str) -> tuple[str, list[tuple[str, str]], bytes]:
        """Status line, headers and body, for frameworks that mount neither; never raises."""
        kind = "text/plain; charset=utf-8"
        status, text = "405 Method Not Allowed", "GET and HEAD only\n"
        more = [("Allow", "GET, HEAD")]
        if method in ("GET", "HEAD"):
            try:
                status, text, more, kind = "200 OK", self.text(), [], CONTENT_TYPE
            except Busy as busy:
                status, text, more = "503 Service Unavailable", f"{busy}\n", [("Retry-After", "1")]
            except Exception as error:  # noqa: BLE001  a scrape is no reason for an outage
                telling.warn("metrics", f"cannot be read: {type(error).__name__}", error)
                status, text, more = "500 Internal Server Error", f"{type(error).__name__}\n", []
        body = text.encode()
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"), *more]
        return status, headers, b"" if method == "HEAD" else body
