"""What every source keeps: its deadline holds, trouble is a reading, nothing is written, and nothing of it is left behind."""

import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from odd_server import OddServer, closes, hangs, trickles
from real_prometheus import Scraped

from cutover.aws.metric_source import CloudWatchFigures
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.errors import Unreachable
from cutover.core.series import Gap, Reading, Source, Span
from cutover.machine.metric_source import CommandFigures
from cutover.metrics.json_lines import JsonLines
from cutover.metrics.kept import Kept
from cutover.metrics.probe import Probe
from cutover.metrics.prometheus import Prometheus
from cutover.metrics.redis import RedisFigures
from cutover.postgres.metric_source import SqlFigures
from cutover.postgres.session import Database
from cutover.world.processes import free_port

CLOUDWATCH = "r\nr = Sum AWS/Lambda Invocations FunctionName=shop"
Make = Callable[[int], Source]

# Each against a port of this machine, with a query that it can read.
REMOTE: dict[str, tuple[Make, str]] = {
    "prometheus": (lambda port: Prometheus(lambda: f"http://127.0.0.1:{port}", "x"), "up"),
    "prometheus over TLS": (lambda port: Prometheus(lambda: f"https://127.0.0.1:{port}", "x"), "up"),
    "cloudwatch": (lambda port: CloudWatchFigures(Aws("eu-west-1")), CLOUDWATCH),
    "postgres": (lambda port: SqlFigures(Database("blue", "X", lambda: f"postgresql://x@127.0.0.1:{port}/x")), "SELECT 1"),
    "redis": (lambda port: RedisFigures(lambda: f"127.0.0.1:{port}", "x"), "used_memory"),
    "probe": (lambda port: Probe(lambda: f"http://127.0.0.1:{port}", "x"), "latency /health"),
    "command": (lambda port: CommandFigures(), "exec 3<>/dev/tcp/127.0.0.1/{port}; echo GET >&3; cat <&3; sleep 60"),
    "kept": (lambda port: Kept(Probe(lambda: f"http://127.0.0.1:{port}", "x"), Path("/nonexistent")), "status /"),
}  # fmt: skip


def _missing(*_: Any) -> str:
    raise Unreachable("this secret cannot be found")


@pytest.fixture(autouse=True)
def _at_this_port(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def left_behind() -> Iterator[None]:
    """No thread and no socket stays that was not there before; those that come and go are somebody else's.

    A garbage collector's delay is waited for.
    """
    before = _threads(), _sockets()
    yield
    threads, sockets = _threads() - before[0], _sockets() - before[1]
    end = time.monotonic() + 10
    while threads or sockets:
        assert time.monotonic() < end, f"left behind: {threads}, sockets {sockets}"
        gc.collect()  # a connection that failed belongs to its error
        time.sleep(0.05)
        threads &= _threads()
        sockets &= _sockets()


def _threads() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if one.name != "postgres-watchdog"}


def _sockets() -> set[str]:
    """The kernel's name of each, which no later one has."""
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
    return {one for one in found if one.startswith("socket:")}


def asked(name: str, port: int, seconds: float) -> Reading:
    make, query = REMOTE[name]
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
    try:
        now = time.time()
        span = Span(now - 600, now, 15.0)
        return make(port).read(query.replace("{port}", str(port)), span, Deadline.after(seconds))
    finally:
        del os.environ["AWS_ENDPOINT_URL"]


@pytest.mark.parametrize("behave", [hangs, trickles, closes], ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", REMOTE)
def test_whoever_is_asked_misbehaves_and_it_is_a_reading_in_time(
    name: str, behave: Any, odd: Callable[..., OddServer], left_behind: None
) -> None:
    if name == "cloudwatch" and behave is trickles:
        behave = hangs  # botocore's timeout begins anew with every byte; Figures gives up in its place
    server = odd(behave)
    begun = time.monotonic()
    try:
        seen = asked(name, server.port, 0.5)
    finally:
        took = time.monotonic() - begun
        server.close()
    assert seen.gap is Gap.UNREACHABLE or (name == "kept" and behave is not hangs), seen
    assert seen.seen and "\n" not in seen.seen.strip()
    assert took < 8.0, f"{took:.1f} s, with a deadline of 0.5 s"


@pytest.mark.parametrize("name", sorted(set(REMOTE) - {"command"}))
def test_nobody_is_there_and_it_is_a_reading(name: str, left_behind: None) -> None:
    seen = asked(name, free_port(), 2.0)
    assert seen.gap is Gap.UNREACHABLE
    assert seen.seen


@pytest.mark.parametrize("name", REMOTE)
def test_what_a_person_types_is_one_command_without_a_password(name: str) -> None:
    make, query = REMOTE[name]
    shell = make(1).shell(query)
    assert shell.strip() and "\x00" not in shell


SECRETS: dict[str, Callable[[], Source]] = {
    "prometheus": lambda: Prometheus(lambda: "http://127.0.0.1:1", "x", _missing),
    "prometheus address": lambda: Prometheus(_missing, "x"),
    "redis": lambda: RedisFigures(lambda: "127.0.0.1:1", "x", None, _missing),
    "redis address": lambda: RedisFigures(_missing, "x"),
    "probe": lambda: Probe(_missing, "x"),
    "postgres": lambda: SqlFigures(Database("blue", "X", _missing)),
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_cannot_be_found_is_a_reading(name: str) -> None:
    query = "latency /" if name == "probe" else "1"
    seen = SECRETS[name]().read(query, Span(0, 60, 15), Deadline.after(2))
    assert seen.gap is Gap.UNREACHABLE
    assert "this secret cannot be found" in seen.seen


def test_the_probe_alone_says_that_nobody_answers_as_a_figure(odd: Callable[..., OddServer]) -> None:
    now = time.time()
    probe = Probe(lambda: odd(closes).url, "x")
    seen = probe.read("failed /health", Span(now - 60, now, 15), Deadline.after(5))
    assert (seen.gap, seen.newest and seen.newest.value) == (None, 1.0)


def test_all_of_them_are_sources(scraped: Scraped, tmp_path: Path) -> None:
    sources: list[Source] = [scraped.source, JsonLines(str(tmp_path)), *(make(1) for make, _ in REMOTE.values())]
    assert all(callable(source.read) and callable(source.shell) for source in sources)
    assert JsonLines(str(tmp_path)).read("count", Span(0, 60, 15), Deadline.after(5)).gap is Gap.UNREACHABLE


def test_a_port_that_never_answers_at_all(left_behind: None) -> None:
    """A connection that nobody takes: the backlog is full, and the handshake of TCP itself hangs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        begun = time.monotonic()
        seen = asked("prometheus", listener.getsockname()[1], 1.0)
        assert seen.gap is Gap.UNREACHABLE
        assert time.monotonic() - begun < 5
        for filler in fillers:
            filler.close()
