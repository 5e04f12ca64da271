"""Telling people, typed at the command line: the test message, its proof, and no word of a secret."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from cli.shell import Shell

from cutover.notify.proof import proofs
from cutover.state.sqlite import SqliteState

SECRET = "T0TOPSECRET"


class Server:
    def __init__(self, status: int) -> None:
        self.got: list[dict[str, Any]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/hook/{SECRET}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    found = Server(200), Server(404)
    yield found
    for server in found:
        server.close()


def telling(shell: Shell, *channels: str) -> None:
    path = shell.folder / "environments" / "staging.yaml"
    words = "".join(f"    {channel}\n" for channel in channels)
    rest = path.read_text(encoding="utf-8").partition("\nnotify:")[0]
    path.write_text(f"{rest}\nnotify:\n  channels:\n{words}", encoding="utf-8")


def test_a_test_message_goes_to_every_channel_and_leaves_a_proof(shell: Shell, servers: tuple[Server, Server]) -> None:
    well, ill = servers
    for name, server in (("well", well), ("ill", ill)):
        (shell.folder / name).write_text(server.url, encoding="utf-8")
    telling(
        shell,
        'good: {kind: slack, webhook: "file:well"}',
        'bad: {kind: webhook, url: "file:ill"}',
        'unset: {kind: webhook, url: "env:NOBODY_SET_IT"}',
    )
    said = shell.invoke("notify.test", "--env", "staging", "--json").ended(1)
    assert json.loads(said.out)["channels"] == {
        "good": {"delivered": True, "error": ""},
        "bad": {"delivered": False, "error": "answered 404"},
        "unset": {"delivered": False, "error": "env:NOBODY_SET_IT: this environment variable is not set"},
    }
    assert SECRET not in said.out + said.err
    assert "a test message" in well.got[0]["text"] and ill.got[0]["event"] == "test"
    (file,) = shell.home.rglob("staging.sqlite")
    state = SqliteState(file)
    try:
        kept = proofs(state)
        assert state.entries() == []
    finally:
        state.close()
    assert {name: bool(proof["error"]) for name, proof in kept.items()} == {"good": False, "bad": True, "unset": True}
    assert "no run" in shell.invoke("status", "--env", "staging").ended(0).out


def test_a_dry_run_sends_nothing(shell: Shell, servers: tuple[Server, Server]) -> None:
    (shell.folder / "well").write_text(servers[0].url, encoding="utf-8")
    telling(shell, 'good: {kind: slack, webhook: "file:well"}')
    said = shell.invoke("notify.test", "--env", "staging", "--dry-run").ended(0)
    assert "not sent in a dry-run to: good" in said.err and servers[0].got == []
    assert not shell.home.exists()


def test_without_channels_there_is_nobody_to_tell(shell: Shell) -> None:
    assert "names nobody to tell" in shell.invoke("notify.test", "--env", "local").ended(3).err
    assert "names nobody to tell" in shell.invoke("acknowledge", "--env", "local").ended(3).err


def tomorrow() -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(time.time() + 86_400))


def test_planned_maintenance_is_announced_and_sent_again_to_who_has_not_heard(
    shell: Shell, servers: tuple[Server, Server]
) -> None:
    well, ill = servers
    for name, server in (("well", well), ("ill", ill)):
        (shell.folder / name).write_text(server.url, encoding="utf-8")
    telling(shell, 'good: {kind: slack, webhook: "file:well"}', 'bad: {kind: webhook, url: "file:ill"}')
    when = tomorrow()
    dry = shell.invoke("notify.announce", "--env", "staging", "--when", when, "--dry-run").ended(0)
    assert "not sent in a dry-run to: good, bad" in dry.err and not well.got and not shell.home.exists()
    assert f"For users: We plan a short maintenance for {when}." in dry.out
    said = shell.invoke("notify.announce", "--env", "staging", "--when", when).ended(1)
    assert "✓ good" in said.out and "✗ bad                      answered 404" in said.out and when in said.out
    assert SECRET not in said.out + said.err and "invoke notify.send --env staging" in said.err
    (shell.folder / "ill").write_text(well.url, encoding="utf-8")
    assert "everybody was told" in shell.invoke("notify.send", "--env", "staging").ended(0).err
    again = shell.invoke("notify.announce", "--env", "staging", "--when", when).ended(0)
    assert again.out.count("has it already") == 2
    assert [("event" in one, "planned" in json.dumps(one)) for one in well.got] == [(False, True), (True, True)]


def test_an_announcement_that_nobody_wants_or_for_no_time_to_come_is_refused(shell: Shell) -> None:
    telling(shell, 'good: {kind: slack, webhook: "file:well"}')
    path = shell.folder / "environments" / "staging.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "  routes: [{to: [good], least: critical}]\n", encoding="utf-8")
    said = shell.invoke("notify.announce", "--env", "staging", "--when", tomorrow()).ended(3)
    assert "no channel wants `announced`" in said.err
    past = shell.invoke("notify.announce", "--env", "staging", "--when", "2020-01-01 02:00 UTC").ended(3)
    assert "lies in the past" in past.err and not shell.home.exists()
    assert "--when cannot be read" in shell.invoke("notify.announce", "--env", "staging").ended(3).err
