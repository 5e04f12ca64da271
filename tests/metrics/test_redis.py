"""Redis: a real server for what INFO says, a misbehaving one for what it does not."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from odd_server import OddServer, closes, hangs, trickles

from cutover.core.clock import Deadline
from cutover.core.series import Gap, Reading, Span
from cutover.metrics.presets import REDIS
from cutover.metrics.redis import RedisFigures
from cutover.world.processes import free_port

PASSWORD = "s3cret-s3cret"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = shutil.which("redis-server")
    assert program, "there is no redis-server: apt-get install redis-server, or invoke test, which does"
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--save", "",
               "--dir", str(folder), "--maxmemory", "100mb"]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 20
        while read(port, "uptime_in_seconds").gap is not None:
            assert time.monotonic() < end, Path(folder, "log").read_text()
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def read(port: int, query: str, *, password: str | None = PASSWORD, seconds: float = 5.0) -> Reading:
    now = time.time()
    source = RedisFigures(lambda: f"127.0.0.1:{port}", f"127.0.0.1:{port}", password=lambda: password or "")
    if password is None:
        source = RedisFigures(lambda: f"127.0.0.1:{port}", f"127.0.0.1:{port}")
    return source.read(query, Span(now - 60, now, 15.0), Deadline.after(seconds))


def asked(port: int, *words: str) -> str:
    done = subprocess.run(["redis-cli", "-p", str(port), "-a", PASSWORD, "--no-auth-warning", *words],
                          check=True, capture_output=True, text=True, timeout=10)  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("name", sorted(set(REDIS) - {"hit-rate"}))
def test_every_preset_has_a_number(server: int, name: str) -> None:
    seen = read(server, REDIS[name].query)
    assert seen.gap is None, seen
    assert seen.newest is not None and seen.newest.value >= 0


def test_the_hit_rate_of_no_reads_is_no_number_and_then_a_share(server: int) -> None:
    asked(server, "CONFIG", "RESETSTAT")
    assert read(server, REDIS["hit-rate"].query).gap is Gap.NOT_A_NUMBER
    for words in (("SET", "a", "1"), ("GET", "a"), ("GET", "b"), ("GET", "a"), ("GET", "a")):
        asked(server, *words)
    found = read(server, REDIS["hit-rate"].query).newest
    assert found is not None and found.value == 75


def test_no_limit_is_said(server: int) -> None:
    asked(server, "CONFIG", "SET", "maxmemory", "0")
    try:
        seen = read(server, REDIS["memory-used"].query)
    finally:
        asked(server, "CONFIG", "SET", "maxmemory", "100mb")
    assert (seen.gap, seen.samples) == (Gap.NOT_A_NUMBER, ())
    assert "maxmemory is 0" in seen.seen


def test_a_wrong_password_or_none_is_said_without_it(server: int) -> None:
    for password in ("wrong-pass", None):
        seen = read(server, "connected_clients", password=password)
        assert seen.gap is Gap.UNREACHABLE
        assert "WRONGPASS" in seen.seen or "NOAUTH" in seen.seen
        assert "wrong-pass" not in seen.seen


def test_a_field_that_there_is_not_has_its_nearest_name(server: int) -> None:
    assert "connected_client (did you mean connected_clients?)" in read(server, "connected_client").seen


def test_what_is_printed_can_be_pasted(server: int) -> None:
    source = RedisFigures(lambda: "", f"127.0.0.1:{server}", password=lambda: PASSWORD, password_shell='"$P"')
    done = subprocess.run(["bash", "-c", source.shell("connected_clients")], env={"P": PASSWORD, "PATH": "/usr/bin:/bin"},
                          check=True, capture_output=True, text=True, timeout=10)  # fmt: skip
    assert "connected_clients:" in done.stdout


def raw(data: bytes) -> Callable[[OddServer, socket.socket], None]:
    return lambda server, peer: peer.sendall(data)


ODD: dict[str, tuple[Any, str]] = {
    "hangs": (hangs, "no whole answer within"),
    "trickles": (trickles, "its answer is not one of Redis"),
    "says nothing": (closes, "closed the connection without an answer"),
    "cut short": (raw(b"$100\r\nused_memory:1\r\n"), "the answer was cut short"),
    "another protocol": (raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "its answer is not one of Redis"),
    "endless": (raw(b"$99999999999\r\n"), "its answer is not one of Redis"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_answer_is_a_reading(name: str, odd: Callable[..., OddServer]) -> None:
    behave, said = ODD[name]
    seen = read(odd(behave).port, "used_memory", password=None, seconds=0.5)
    assert seen.gap is Gap.UNREACHABLE
    assert said in seen.seen


def test_a_trickling_body_ends_with_its_time(odd: Callable[..., OddServer]) -> None:
    def slow(server: OddServer, peer: socket.socket) -> None:
        peer.sendall(b"$1000\r\n")
        while not server.over.wait(0.05):
            peer.sendall(b"x")

    assert "no whole answer within" in read(odd(slow).port, "used_memory", password=None, seconds=0.5).seen
