"""`invoke console` as it is typed: links, rights, Enter, Ctrl-C, and what it refuses."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from cli.shell import Shell

from cutover.core.lease import Lease
from cutover.state.sqlite import SqliteState

LINK = re.compile(r"(http://127\.0\.0\.1:(\d+))/#(\S+)  (.+) \((.+)\)")
OWN = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Served:
    """A console that runs; `keyboard` is the terminal that it reads from."""

    process: subprocess.Popen[str]
    keyboard: int

    def link(self) -> tuple[str, str, str, str]:
        """The next link that it prints: address, token, name and rights."""
        assert self.process.stdout is not None and self.process.stderr is not None
        line = self.process.stdout.readline()
        found = LINK.fullmatch(line.strip())
        assert found is not None, line + self.process.stderr.read()
        return found[1], found[3], found[4], found[5]

    def ended(self, number: signal.Signals) -> str:
        """Ends it by a signal; what it said."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode == 0 and "Traceback" not in said and "Warning" not in said, said
        return said


@contextmanager
def console(shell: Shell, *args: str) -> Iterator[Served]:
    keyboard, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-W", "always", "-m", "invoke", "console", *args],
        cwd=shell.folder,
        env=shell.variables({"CUTOVER_WHO": "anna@desk", "PYTHONASYNCIODEBUG": "0"}),
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Served(process, keyboard)
    finally:
        process.kill()
        process.communicate(timeout=60)
        os.close(keyboard)
        os.close(terminal)


def logged_in(address: str, token: str) -> requests.Session:
    browser = requests.Session()
    browser.trust_env = False
    answer = browser.post(f"{address}/session", json={"token": token}, headers=OWN, timeout=20)
    assert answer.status_code == 204, answer.text
    return browser


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_serves_the_journal_and_ends_by_a_signal_though_streams_are_open(
    shell: Shell, number: signal.Signals
) -> None:
    state = SqliteState(shell.home / "prod.sqlite")
    lease: Lease = state.acquire(who="anna@desk", operation="cutover")
    state.append(
        "run-1",
        "leg-started",
        {"direction": "forward", "plan": "cutover", "digest": "0", "reason": "<script>hit()</script>"},
        lease,
    )
    with console(shell, "--env", "prod") as served:
        address, token, name, rights = served.link()
        assert (name, rights) == ("anna@desk", "approver, operator")
        with logged_in(address, token) as browser:
            page = browser.get(address, timeout=20).text
            assert "&lt;script&gt;hit()" in page and "<script>hit()" not in page and "run-1" in page
            with browser.get(f"{address}/events?after=0", stream=True, timeout=20) as stream:
                found = stream.iter_lines()
                assert any(b"leg-started" in line for line in found)
                state.append("run-1", "phase-entered", {"phase": "prepare"}, lease)
                assert any(b"phase-entered" in line for line in found)
                said = served.ended(number)
        assert "console of prod" in said
    state.close()
    assert [path.name for path in shell.home.iterdir()] == ["prod.sqlite"]


def test_without_a_run_nothing_is_made(shell: Shell) -> None:
    with console(shell, "--env", "prod") as served:
        address, token, *_ = served.link()
        with logged_in(address, token) as browser:
            assert "no run" in browser.get(address, timeout=20).text
        served.ended(signal.SIGINT)
    assert not shell.home.exists() or not list(shell.home.iterdir())


def test_enter_prints_new_links_for_everybody(shell: Shell) -> None:
    words = "console:\n  people: {anna: [operator], bert: [approver, viewer]}\n"
    file = shell.folder / "environments" / "prod.yaml"
    file.write_text(file.read_text() + words)
    with console(shell, "--env", "prod", "--invite", "bert@desk", "--invite", "mallory") as served:
        first = [served.link() for _ in range(3)]
        wanted = [("anna@desk", "operator"), ("bert@desk", "approver"), ("mallory", "viewer")]
        assert [one[2:] for one in first] == wanted
        os.write(served.keyboard, b"\n")
        again = [served.link() for _ in range(3)]
        assert [one[2:] for one in again] == wanted
        tokens = {one[1] for one in first + again}
        assert len(tokens) == 6
        for address, token, *_ in first + again:
            logged_in(address, token).close()
        os.write(served.keyboard, b"\x04")  # Ctrl-D: nobody types any more, and it goes on
        assert requests.get(first[0][0], timeout=20).status_code == 200
        served.ended(signal.SIGINT)


def test_read_only_is_for_everybody(shell: Shell) -> None:
    with console(shell, "--env", "prod", "--read-only", "--invite", "bert") as served:
        assert [served.link()[3] for _ in range(2)] == ["viewer", "viewer"]


def test_a_port_that_is_taken_is_refused(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = shell.invoke("console", "--env", "prod", "--port", str(port)).ended(5)
        assert f"port {port} of 127.0.0.1 is taken" in said.err and "--port" in said.err and not said.out


def test_what_cannot_be_is_refused_before_anything_is_opened(shell: Shell) -> None:
    assert "--port must be" in shell.invoke("console", "--env", "prod", "--port", "70000").ended(3).err
    assert "--invite wants a name" in shell.invoke("console", "--env", "prod", "--invite", "a\nb").ended(3).err
    assert "--env is needed" in shell.invoke("console").ended(3).err


def test_the_port_is_the_environments(shell: Shell, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = shell.folder / "environments" / "prod.yaml"
    file.write_text(file.read_text() + f"console: {{port: {port}}}\n")
    with console(shell, "--env", "prod") as served:
        assert served.link()[0] == f"http://127.0.0.1:{port}"
