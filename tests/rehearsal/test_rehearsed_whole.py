"""One small environment rehearsed by the command: its plan forward, back from every phase, and forward again, in a world of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from invoke.context import Context
from invoke.exceptions import Exit
from left_over import belonging_to

from cutover.app import open_environment
from cutover.cli.rehearsing import rehearse
from cutover.rehearsal_wanted import lacking

REPOSITORY = Path(__file__).parents[2]
WORDS = """\
name: small
description: A small system
rehearsal: required
aws: {region: us-east-1, account: "210987654321", profile: real}
owners: {decision: a, database: b, traffic: c, application: d}
database: {name: shop, blue: "secretsmanager:small/blue", green: "secretsmanager:small/green"}
hostnames:
  shop:
    host: shop.small.example.com
    carrier: {kind: alb, load_balancer: small, listener_port: 8443, blue: old, green: new, drain: {window: 5m}}
shift: {strategy: immediate, soak: 30m}
bake: {soak: 24h}
approvals:
  go: {before: window, roles: [decision, database], different_people: true}
"""
SCHEMA = """\
CREATE SCHEMA notes;
CREATE TABLE notes.note (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, said text NOT NULL, at timestamptz DEFAULT now());
"""


@dataclass(frozen=True)
class Place:
    """A repository folder with the small environment."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def started(self, *args: str) -> "subprocess.Popen[str]":
        kept = ("AWS_", "PG", "SHOP_", "CUTOVER_", "PYTEST_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(kept)}
        return subprocess.Popen(
            [sys.executable, "-m", "cutover.cli.main", "rehearse", "--env", "small", *args],
            cwd=self.folder,
            env={**clean, "CUTOVER_HOME": str(self.home), "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "small.yaml").write_text(WORDS, encoding="utf-8")
    (tmp_path / "schema.sql").write_text(SCHEMA, encoding="utf-8")
    shutil.copytree(REPOSITORY / "smoke", tmp_path / "smoke", ignore=shutil.ignore_patterns("__pycache__"))
    found = Place(tmp_path)
    yield found
    assert belonging_to(tmp_path) == []


@pytest.mark.slow
@pytest.mark.timeout(700)
def test_a_small_environment_is_rehearsed_whole(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    done = place.started("--schema", "schema.sql", "--scale", "50", "--faults", "11", "--json")
    out, err = done.communicate(timeout=680)
    assert done.returncode == 0, f"{err}\n{out[-3000:]}"
    record = json.loads((place.folder / "runbooks" / "small" / "rehearsal.json").read_text())
    assert record["outcome"] == "succeeded" and record["never_undone"] == []
    ways = [(leg["direction"], leg["phase"]) for leg in record["legs"]]
    there_and_back = [
        (way, phase) for phase in ("bake", "shift-100", "window", "prepare") for way in ("forward", "back")
    ]
    assert [one for one in ways[:-2] if one[1] != "shift-100"] == [
        one for one in there_and_back if one[1] != "shift-100"
    ]
    assert ways[-2:] == [("forward", "bake"), ("back", "bake")], "faults begin where blue serves"
    assert [leg["everything"] for leg in record["legs"] if leg["phase"] == "prepare"] == [False, True]
    _measured(record)
    (under,) = record["faults"]
    assert (under["faults"], under["problems"]) == (["ctrl-c@back-commit"], [])
    assert under["outcome"] == "interrupted, then 1 command" and under["typed"] == "rollback 130 → resume 0"
    assert record["answered"]["go"] >= 6, "two roles in each leg that came so far"
    page = (place.folder / "runbooks" / "small" / "rehearsal.md").read_text()
    assert record["plan_digest"] in page and "secretsmanager:small/blue" in page
    assert not (place.home / "rehearsal" / "small").exists(), "the twin is gone"
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("CUTOVER_HOME", str(place.home))
    assert lacking(open_environment("small", read_only=True)) == ""


def _measured(record: dict[str, Any]) -> None:
    switch = record["steps"]["switchover"]
    assert switch["forward"] > 0 and switch["back"] > 0 and switch["legs_forward"] >= 3
    assert record["write_pause_ms"]["forward"]["count"] >= 3 and record["write_pause_ms"]["back"]["worst"] > 0
    assert record["rollback_seconds"].keys() >= {"prepare", "window", "bake"}
    assert (record["lost"], record["doubled"]) == (0, 0)
    orders, rows = (int(part.split()[0]) for part in record["promised"].split(", "))
    assert orders > 100 and rows > 10, record["promised"]


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_an_interrupted_rehearsal_leaves_nothing_and_writes_no_record(place: Place) -> None:
    running = place.started()
    twin = place.home / "rehearsal" / "small" / "home" / "world" / "world.json"
    end = time.monotonic() + 120
    while not (twin.exists() and '"phase": "up"' in twin.read_text()):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < end
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "interrupted" in err and "Traceback" not in err
    assert not (place.home / "rehearsal" / "small").exists()
    assert not (place.folder / "runbooks").exists()


def typed(place: Place, monkeypatch: pytest.MonkeyPatch, **flags: Any) -> int:
    """The command in this process; its exit code."""
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("CUTOVER_HOME", str(place.home))
    try:
        rehearse(Context(), env="small", **flags)
    except Exit as ended:
        return int(ended.code)
    return 0


def test_a_dry_run_says_what_is_another_word_there_and_starts_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(place, monkeypatch, dry_run=True) == 0
    said = capsys.readouterr().out
    assert "database.blue: secretsmanager:small/blue → env:SHOP_BLUE_DSN" in said
    assert "time     hostnames.shop.carrier.drain.window: 300.0 → 2.0" in said
    assert "TLS at the listeners" in said
    assert not place.home.exists()


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"scale": 0}, "--scale is from 1"),
        ({"schema": "no.sql"}, "no.sql cannot be read"),
        ({"schema": "schema.sql", "from_": "blue"}, "give one of them"),
        ({"from_": "blue"}, "a rehearsal resolves no secret"),
        ({"faults": "some"}, "--faults is `all`, or seeds such as 7 or 7,8,9"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_started(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: dict[str, Any],
    reason: str,
) -> None:
    assert typed(place, monkeypatch, **flags) == 3
    assert reason in capsys.readouterr().err
    assert not place.home.exists()
