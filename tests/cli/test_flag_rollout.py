"""A percentage rollout as it is typed: the local world's routed service under load, 5 → 25 → 50 → 100 %, and the brake."""

from __future__ import annotations

import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from cli.shell import Shell

from cutover.world import faults, suggestions
from cutover.world.customers import Outcome
from cutover.world.ready_file import wait_for

pytestmark = pytest.mark.slow

NAME = "local-flag"


@dataclass
class Callers:
    """Two callers who never stop asking, and their ledger."""

    port: int
    ledger: Path
    failed: list[str] = field(default_factory=list)
    sides: Counter[str] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        self._threads = [threading.Thread(target=self._call, args=(seed,)) for seed in range(2)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(20)

    def ask(self, link: http.client.HTTPConnection, user: int) -> str:
        """Which side answered; the answer is the same from both."""
        link.request("GET", f"/suggestions?user={user}&q=tea")
        answer = link.getresponse()
        body = answer.read()
        assert answer.status == 200, (answer.status, body)
        found = json.loads(body)
        assert found["suggestions"] == ["tea cosy", "tea strainer", "teapot"], found
        return str(found["side"])

    def _call(self, seed: int) -> None:
        dice, link = random.Random(seed), http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with self.ledger.open("a", encoding="utf-8") as ledger:
            while not self._over.wait(0.01):
                outcome = Outcome("read", "suggestions", None, tries=1)
                try:
                    outcome.version = self.ask(link, dice.randrange(10_000))
                    outcome.ok, outcome.status = True, 200
                except (OSError, http.client.HTTPException, AssertionError) as error:
                    outcome.error = repr(error)
                    link.close()
                with self._lock:
                    self.sides[str(outcome.version)] += 1
                    self.failed += [outcome.error] if outcome.error else []
                    ledger.write(outcome.line())
                    ledger.flush()
        link.close()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The service, with its flag at 0."""
    place = tmp_path / "service"
    place.mkdir()
    (place / "flags.json").write_text("{}\n", encoding="utf-8")
    command = [sys.executable, "-m", "cutover.world.suggestions", "--world", str(place)]
    with (place / "log").open("wb") as log:
        variables = {**os.environ, "SHOP_FLAGS": f"file:{place}/flags.json"}
        process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
    try:
        yield int(wait_for(place, suggestions.NAME, seconds=60)["port"])
    finally:
        process.terminate()
        assert process.wait(20) == 0, (place / "log").read_text()


@pytest.fixture
def callers(port: int, tmp_path: Path) -> Iterator[Callers]:
    found = Callers(port, tmp_path / "ledger.jsonl")
    found.begin()
    try:
        yield found
    finally:
        found.end()


def write_environment(shell: Shell, tmp_path: Path, port: int) -> None:
    """The environment as it is committed, on this service instead of the local world's, with shorter soaks."""
    path = shell.folder / "environments" / f"{NAME}.yaml"
    words = yaml.safe_load(path.read_text(encoding="utf-8"))
    del words["world"]
    shown = f"http://127.0.0.1:{port}/snapshot"
    words["flags"][suggestions.FLAG] |= {"store": f"file:{tmp_path}/service/flags.json", "snapshots": [shown]}
    words["flags"][suggestions.FLAG]["criteria"]["at_least"] = 20
    words["hostnames"]["suggestions"]["carrier"]["reported"] = [shown]
    words["ledger"] = str(tmp_path / "ledger.jsonl")
    words["shift"] |= {"soak": 0.5, "limits": {"error_rate": 1, "p95_ms": 5000, "at_least": 5}}
    words["bake"]["soak"] = 0.2
    path.write_text(yaml.safe_dump(words, sort_keys=False), encoding="utf-8")


def test_nobody_sees_an_error_and_the_brake_holds_at_the_next_request(
    shell: Shell, tmp_path: Path, port: int, callers: Callers
) -> None:
    write_environment(shell, tmp_path, port)
    done = shell.invoke("cutover", "--env", NAME, "--yes").ended(0)
    for before, share in ((0, 5), (5, 25), (25, 50), (50, 100)):
        assert f"{before} % → {share} %" in done.err and f"1 of 1 instances go by {share} %" in done.err
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    assert {callers.ask(link, user) for user in range(200)} == {"candidate"}
    assert min(callers.sides["legacy"], callers.sides["candidate"]) > 50, callers.sides

    # The candidate breaks: legacy answers in its place.
    faults.inject(tmp_path / "service", "shop-v2", {"errors": 100})
    end = time.monotonic() + 30
    while callers.ask(link, 1) != "legacy":
        assert time.monotonic() < end
    assert {callers.ask(link, user) for user in range(50)} == {"legacy"}
    faults.heal(tmp_path / "service", "shop-v2")

    refused = shell.invoke("flag.set", "50", "--env", NAME, "--reason", "half of it", "--yes").ended(5)
    assert "carries its share by suggestions" in refused.err
    braked = shell.invoke("flag.rollback", "complaints", "--env", NAME).ended(0)
    assert {callers.ask(link, user) for user in range(200)} == {"legacy"}
    assert "finds it changed" in braked.err and "invoke rollback" in braked.err
    shell.invoke("rollback", "--env", NAME, "--yes", "--reason", "the flag was rolled back").ended(0)
    link.close()
    assert callers.failed == []
