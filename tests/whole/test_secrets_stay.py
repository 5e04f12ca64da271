"""A whole cutover and its way back with planted secrets that servers say back: no output, file, command line or child has one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import boto3
import pytest
from badinput.canaries import AWS, PERCENT, SECRETS, leaked, repeating
from console_typed import console_on
from whole.stage import Stage

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

OURS = (b"-m\0invoke\0", b"/invoke\0", b"cutover.supervision\0", b"cutover.cli.main\0")
"""Our own programs: they read the secrets of the environment that they were started with."""
WANTED = (b"pytest\0", b"pg_dump\0", b"bash\0")
WORDS: dict[str, Any] = {
    "world": None,
    "database": {
        "name": "shop",
        "blue": "env:CANARY_BLUE",
        "green": "env:CANARY_GREEN",
        "blue_from_green": "env:CANARY_BLUE",
        "green_from_blue": "env:CANARY_GREEN",
        "copy_timeout": "5m",
        "backup": {"kind": "dump", "before": True},
    },
    "readiness": {
        "own": {"command": 'echo "with $TOKEN"; echo "$TOKEN" >&2', "variables": {"TOKEN": "env:COMMAND_TOKEN"}},
        "bare": {"command": 'test -z "${COMMAND_TOKEN:-}${CANARY_BLUE:-}${SLACK:-}"'},
    },
    "metrics": {
        "sources": {
            "own": {"kind": "command", "variables": {"TOKEN": "env:COMMAND_TOKEN"}},
        },
        "figures": {
            "queue": {"source": "own", "query": 'echo "$TOKEN" >&2; echo 1', "unit": "count", "side": "green"},
        },
    },
    "triggers": {"queue": {"when": "queue > 5", "then": "notify"}},
    "notify": {
        "patience": "2s",
        "flush": "3s",
        "channels": {
            "chat": {"kind": "slack", "webhook": "env:SLACK"},
            "hook": {"kind": "webhook", "url": "env:HOOK", "secret": "ssm:/canary/signing"},
        },
    },
}
REFUSED: dict[str, Any] = {
    "sources": {
        "prom": {"kind": "prometheus", "url": "http://127.0.0.1:{http}", "token": "env:PROMETHEUS"},
        "cache": {"kind": "redis", "blue": "127.0.0.1:{redis}", "green": "127.0.0.1:{redis}", "password": "env:REDIS"},
    },
    "figures": {
        "errors": {"source": "prom", "query": "up", "unit": "count", "side": "green"},
        "memory": {"source": "cache", "query": "used_memory", "unit": "bytes"},
    },
}
"""Figures whose servers say the secret back; with them no run would begin."""
NAMED = ("COMMAND_TOKEN", "SLACK", "HOOK")
COMMANDS = (
    ("notify.test",), ("plan",), ("preflight", "--json"), ("metrics",), ("cutover", "--yes", "--json"), ("status", "--json"), ("checkpoint",),
    ("rollback", "--yes", "--json", "--reason", "a test"), ("history", "--json"), ("report",), ("runbook",), ("validate",),
)  # fmt: skip


class Children:
    """Every process that a command starts, as anybody on the machine may list it: its command line, and what it was given."""

    def __init__(self, seen: Path) -> None:
        self._seen = seen
        """Made when a bash was seen: a command waits for it, or it might be over between two looks."""
        self.lines: set[bytes] = set()
        self.given: dict[bytes, bytes] = {}
        self._over = threading.Event()

    @contextmanager
    def seen_of(self, pid: int) -> Iterator[None]:
        thread = threading.Thread(target=self._look_on, args=(pid,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(timeout=20)
            self._over.clear()

    def _look_on(self, pid: int) -> None:
        while not self._over.wait(0.01):
            self._look(pid)

    def _look(self, pid: int) -> None:
        with suppress(OSError, ValueError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            self.lines.add(line)
            if not any(one in line for one in OURS):
                self.given[line] = Path(f"/proc/{pid}/environ").read_bytes()
            if line.startswith(b"bash\0"):
                self._seen.touch()
            for task in Path(f"/proc/{pid}/task").iterdir():
                for child in (task / "children").read_text().split():
                    self._look(int(child))


def variables(stage: Stage, http: int) -> dict[str, str]:
    """The secrets under the names of the environment; both databases take any password."""
    known = stage.world_variables()
    blue, green = (urlsplit(known[f"SHOP_{side}_DSN"]) for side in ("BLUE", "GREEN"))
    password = SECRETS["GREEN"].partition("password=")[2].split()[0]
    planted = {name: value.replace("{http}", str(http)) for name, value in SECRETS.items()}
    return {
        **known,
        **{name: planted[name] for name in NAMED},
        **AWS,
        "CANARY_BLUE": f"postgresql://{blue.username}:{quote(PERCENT, safe='')}@127.0.0.1:{blue.port}/shop",
        "CANARY_GREEN": f"host=127.0.0.1 port={green.port} dbname=shop user={green.username} password={password}",
    }


def filled(words: Any, **ports: int) -> Any:
    if isinstance(words, dict):
        return {key: filled(value, **ports) for key, value in words.items()}
    return (
        words.format(**ports) if isinstance(words, str) and "{http}" in words or words == "127.0.0.1:{redis}" else words
    )


def on_the_console(page: Page, stage: Stage, given: dict[str, str], name: str) -> bytes:
    """What the console shows of the run that stands on green, and what it answers when asked for lines."""
    with console_on(page, stage.repository, stage.variables(given), name):
        page.locator("#head .state", has_text="green serves").wait_for(timeout=60_000.0)
        asked = page.evaluate("fetch('/lines?before=100000').then(answer => answer.text())")
        shown = page.content()
    assert "canary" in shown and "figure" in asked + shown, "nothing was shown"
    return f"{shown}{asked}".encode()


def test_no_secret_comes_out_of_a_whole_cutover(stage: Stage, page: Page) -> None:
    seen = stage.root / "seen"
    children = Children(seen)
    with repeating(posts=200) as (http, redis, heard):
        waits = {"command": f"until [ -e {seen} ]; do :; done"}  # without a child, which would have what bash was given
        name = stage.environment("canary", **{**WORDS, "readiness": {**WORDS["readiness"], "seen": waits}})
        refused = {"metrics": filled(REFUSED, http=http, redis=redis), "triggers": None}
        stage.environment("refused", **{**WORDS, **refused})
        given = {**variables(stage, http), "CUTOVER_HOME": str(stage.root / "canaries")}
        boto3.client(
            "ssm",
            region_name="us-east-1",
            endpoint_url=given["AWS_ENDPOINT_URL"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        ).put_parameter(Name="/canary/signing", Value=SECRETS["HOOK_SECRET"], Type="SecureString", Overwrite=True)
        for command in COMMANDS:
            env, more = (
                (name, {}) if command[0] != "metrics" else ("refused", {n: SECRETS[n] for n in ("PROMETHEUS", "REDIS")})
            )
            running = stage.start(command[0], "--env", env, *command[1:], env=given | more)
            with children.seen_of(running.pid):
                done = running.done()
            assert done.code in (0, 1 if command[0] in ("metrics", "checkpoint") else 0), str(done)
            assert not leaked((done.out + done.err).encode()), done.args
            if command[0] == "checkpoint":
                assert not leaked(on_the_console(page, stage, given, name))
        stage.supervisors_gone()
    told = " ".join(heard)
    for secret in ("PROMETHEUS", "REDIS"):
        assert SECRETS[secret] in told, "no server was told: the test is blind"
    assert "/services/canary-Slack-4" in told and "/hook/canary-Hook-6" in told
    for wanted in WANTED:
        assert any(wanted in line for line in children.lines), f"{wanted!r} was never seen"
    for line in children.lines:
        assert not leaked(line), line
    for line, environment in children.given.items():
        variables_of = dict(one.split(b"=", 1) for one in environment.split(b"\0") if b"=" in one)
        declared = {b"TOKEN"} if b"bash\0" in line else set()
        for variable, value in variables_of.items():
            if variable in declared or os.fsdecode(variable) in AWS:
                continue
            assert not leaked(value), (line, variable)
    folders = (stage.root / "canaries", stage.repository, stage.root / "commands")
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        assert not leaked(path.read_bytes()), path
