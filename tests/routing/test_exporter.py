"""The endpoint that is mounted: WSGI judged by the standard library's validator, ASGI by its messages."""

import asyncio
import fcntl
from collections.abc import Iterator, MutableMapping
from io import BytesIO
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from counted import side, snapshot
from test_exposition import read

from cutover.routing import Flag, Flags, MemoryStore, Router
from cutover.routing.exporter import Exporter
from cutover.routing.exposition import CONTENT_TYPE
from cutover.routing.worker_files import WorkerFolder

FLAGS = Flags(MemoryStore(Flag(name="exported", enabled=True, share=100)))  # type: ignore[arg-type]


@pytest.fixture
def router() -> Router[[], int]:
    return Router("exported", legacy=lambda: 1, candidate=lambda: 2, key=lambda: 1, flags=FLAGS)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[WorkerFolder]:
    found = WorkerFolder(tmp_path, read=lambda: [snapshot(legacy=side([0.1]))], every=3600, patience=0.1)
    yield found
    found.close()


def over_wsgi(exporter: Exporter, method: str = "GET") -> tuple[str, dict[str, str], str]:
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "QUERY_STRING": "", "wsgi.input": BytesIO()}
    setup_testing_defaults(environ)
    said: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        said.extend((status, dict(headers)))
        return lambda data: None

    answer = validator(exporter.wsgi)(environ, start)
    try:
        body = b"".join(answer)
    finally:
        answer.close()  # type: ignore[attr-defined]
    return said[0], said[1], body.decode()


def over_asgi(exporter: Exporter, scope: dict[str, Any], *received: str) -> list[MutableMapping[str, Any]]:
    sent: list[MutableMapping[str, Any]] = []
    waiting = iter(received)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": next(waiting)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(exporter.asgi(scope, receive, send))
    return sent


def test_the_routers_of_this_process(router: Router[[], int]) -> None:
    router()
    status, headers, body = over_wsgi(Exporter(flags=FLAGS))
    assert (status, headers["Content-Type"]) == ("200 OK", CONTENT_TYPE)
    assert int(headers["Content-Length"]) == len(body.encode())
    assert read(body)['cutover_requests_total{flag="exported",side="candidate"}'] == 1
    assert 0 <= read(body)["cutover_flags_age_seconds"] < 60


def test_a_folder_of_processes(folder: WorkerFolder) -> None:
    seen = read(over_wsgi(Exporter(folder))[2])
    assert seen['cutover_requests_total{flag="search",side="legacy"}'] == 1
    assert (seen["cutover_processes"], seen["cutover_unreadable_files"]) == (1, 0)


def test_a_broken_file_is_named_in_the_text_and_counted(folder: WorkerFolder, tmp_path: Path) -> None:
    (tmp_path / "7-x.jsonl").write_bytes(b"\xff\n")
    status, _, body = over_wsgi(Exporter(folder))
    assert status == "200 OK" and body.startswith("# cutover: 7-x.jsonl: not UTF-8 text\n")
    assert read(body)["cutover_unreadable_files"] == 1


def test_what_cannot_be_read_in_time_is_503_and_not_a_part(folder: WorkerFolder, tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, headers, body = over_wsgi(Exporter(folder))
    assert (status, headers["Retry-After"]) == ("503 Service Unavailable", "1")
    assert "somebody else has been adding up" in body


def test_trouble_of_our_own_is_500_and_is_not_raised(tmp_path: Path) -> None:
    def read_none() -> Any:
        raise LookupError("secret")

    folder = WorkerFolder(tmp_path, read=read_none, every=3600)
    status, _, body = over_wsgi(Exporter(folder))
    folder.close()
    assert (status, body) == ("500 Internal Server Error", "LookupError\n")


def test_only_get_and_head_are_answered(folder: WorkerFolder) -> None:
    status, headers, body = over_wsgi(Exporter(folder), "HEAD")
    assert (status, body) == ("200 OK", "") and int(headers["Content-Length"]) > 0
    status, headers, _ = over_wsgi(Exporter(folder), "POST")
    assert (status, headers["Allow"]) == ("405 Method Not Allowed", "GET, HEAD")


def test_over_asgi(folder: WorkerFolder) -> None:
    start, body = over_asgi(Exporter(folder), {"type": "http", "method": "GET"})
    assert (start["type"], start["status"]) == ("http.response.start", 200)
    assert dict(start["headers"])[b"content-type"] == CONTENT_TYPE.encode()
    assert read(body["body"].decode())["cutover_processes"] == 1


def test_asgi_alone_in_a_server_starts_and_ends() -> None:
    sent = over_asgi(Exporter(), {"type": "lifespan"}, "lifespan.startup", "lifespan.shutdown")
    assert [one["type"] for one in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert over_asgi(Exporter(), {"type": "websocket"}) == [{"type": "websocket.close", "code": 1003}]


def test_an_age_that_nobody_knows_is_infinite() -> None:
    class Never(MemoryStore):
        def mark(self) -> Any:
            raise OSError

    assert read(Exporter(flags=Flags(Never())).text())["cutover_flags_age_seconds"] == float("inf")
