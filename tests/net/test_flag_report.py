"""Every instance is asked which share it goes by."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cutover.core.flag import Flag
from cutover.core.gate import Verdict
from cutover.core.share import Share
from cutover.net.flag_report import ShareReported

Instance = Callable[..., str]


@pytest.fixture
def instance() -> Iterator[Instance]:
    """`instance(body, status)` → the address of a server that answers so."""
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def make(body: str, status: int = 200) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}/flags"

    yield make
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join(5)


def check(*urls: str, key: str | None = "green") -> ShareReported:
    return ShareReported(wanted=Share.of(10), flag=Flag(key), urls=lambda: urls, shown=urls)


def test_all_of_them_go_by_it(instance: Instance) -> None:
    urls = [instance(json.dumps({"green": 10, "salt": 1})), instance('{"green": 10.00}')]
    finding = check(*urls).look()
    assert (finding.verdict, finding.seen) == (Verdict.PASS, "2 of 2 instances go by 10 %")
    shown = subprocess.run(["bash", "-c", check(*urls).shell()], check=True, timeout=30, capture_output=True, text=True)
    assert shown.stdout.split() == ["10", "%", "10.0", "%"]


@pytest.mark.parametrize(
    ("body", "status", "seen"),
    [
        ('{"green": 5}', 200, "5 %"),
        ("{}", 200, "the flag has no key green"),
        ("down", 503, "answers 503"),
        ("x" * 70_000, 200, "its answer is too long, or too slow"),
    ],
)
def test_one_that_does_not_is_named(instance: Instance, body: str, status: int, seen: str) -> None:
    odd = instance(body, status)
    finding = check(instance('{"green": 10}'), odd).look()
    assert (finding.verdict, finding.seen) == (
        Verdict.INSUFFICIENT,
        f"1 of 2 instances go by 10 %; {odd}: {seen}",
    )


def test_one_that_is_gone_is_not_taken_for_well() -> None:
    finding = check("http://127.0.0.1:1/flags", key=None).look()
    assert finding.verdict is Verdict.INSUFFICIENT and "does not answer (ConnectionError)" in finding.seen
