"""An application for gunicorn: each request is routed by its path, /metrics is the exporter of all workers."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cutover.routing import Flag, Flags, MemoryStore, Router
from cutover.routing.exporter import Exporter
from cutover.routing.worker_files import WorkerFolder

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


def broken(path: str) -> str:
    raise LookupError(path)


def same(path: str) -> str:
    return path


router = Router(
    "search",
    legacy=lambda path: path,
    candidate=broken,
    key=same,
    flags=Flags(MemoryStore(Flag(name="search", enabled=True, share="50"))),  # type: ignore[arg-type]
)
# Longer than the test: what counts here is that each worker writes when it ends.
exporter = Exporter(WorkerFolder(os.environ["COUNTS"], every=float(os.environ["EVERY"])))


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/metrics":
        return exporter.wsgi(environ, start_response)
    body = router(environ["PATH_INFO"]).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Worker", str(os.getpid()))])
    return [body]
