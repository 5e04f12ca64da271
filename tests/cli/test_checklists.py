"""The two checklists as tables: what was asked, who has signed what with which words, and what is still open."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli.shell import Shell

from cutover.app import App, open_environment
from cutover.cli.checklist import _states
from cutover.cli.preflight import _readiness, table
from cutover.cli.signing import signatures
from cutover.core.errors import Unreachable
from cutover.core.journal import Journal
from cutover.core.plan import Phase
from cutover.core.step import Command, Step
from cutover.runs import Conductor

WORDS = """\
name: listed
description: With two lists
owners: {decision: head of operations, database: database on-call, traffic: c, application: d}
database: {name: shop, blue: env:BLUE, green: env:GREEN}
hostnames:
  shop:
    host: shop.example.com
    carrier: {kind: alb, load_balancer: shop, blue: shop-blue, green: shop-green}
readiness:
  tests: {command: "touch ran; echo 12 passed"}
  told: {attest: decision}
checklist:
  logs: {command: "echo 3 errors >&2; exit 1"}
  queue: {attest: decision}
approvals:
  go: {before: window, roles: [decision, database], different_people: true}
  sign-off: {before: end, roles: [decision]}
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "listed.yaml").write_text(WORDS)
    found = open_environment("listed")
    yield found
    found.close()


@contextmanager
def run(app: App, direction: str = "forward") -> Iterator[Journal]:
    with Conductor(app).leased("cutover") as state:
        journal = Journal(state, app.lease[-1], "r1")
        journal.append("leg-started", direction=direction, plan="cutover", digest=app.plan.digest())
        yield journal


def asks(journal: Journal, gate: str) -> None:
    journal.append("waiting", gate=gate, verdict="insufficient", seen="waits", asks=True)


def says(app: App, kind: str, gate: str, role: str, who: str, comment: str = "") -> dict[str, Any]:
    at = 4_102_444_800.0  # 2100-01-01: later than the question
    word = {"who": who, "at": at, "gate": gate, "role": role, "comment": comment}
    state = app.state()
    try:
        state.wish("r1", kind, word)
    finally:
        state.close()
    return word


def test_before_a_run_nobody_has_signed_anything_and_nothing_is_made(app: App, tmp_path: Path) -> None:
    row = signatures(app).row("attested-queue")
    assert (row["verdict"], row["seen"]) == ("to sign", "by decision (head of operations), when a run asks for it")
    assert row["missing"] == ["decision"] and not (tmp_path / "home").exists()


def test_who_has_signed_when_and_with_which_words_is_shown(app: App) -> None:
    with run(app) as journal:
        asks(journal, "go")
        assert "invoke approve --env listed --gate go" in signatures(app).row("go")["seen"]
        says(app, "approve", "go", "decision", "ann", "errors are as ever")
        half = signatures(app).row("go")
        assert half["verdict"] == "to sign" and half["missing"] == ["database"]
        assert "waits for database (database on-call)" in half["seen"]
        assert "signed: ann for decision on 2100-01-01 00:00 UTC: errors are as ever" in half["seen"]
        says(app, "reject", "go", "database", "bob", "lag grows")
        said_no = signatures(app).row("go")
        assert (said_no["verdict"], said_no["seen"]) == ("said no", "bob says no for database: lag grows")
        signed = [says(app, "approve", "go", "database", "bob")]
        journal.append("passed", gate="go", seen="signed", data={"signed": signed}, undoes=[])
    row = signatures(app).row("go")
    assert (row["verdict"], row["missing"]) == ("signed", [])
    assert row["signed"] == [{"who": "bob", "role": "database", "at": 4_102_444_800.0, "comment": ""}]


def test_what_was_signed_in_a_run_that_was_taken_back_does_not_count(app: App) -> None:
    with run(app) as journal:
        journal.append("passed", gate="attested-queue", seen="signed", data={"signed": []}, undoes=[])
    assert signatures(app).row("attested-queue")["verdict"] == "signed"
    with run(app, "back") as journal:
        journal.append("leg-ended", outcome="rolled-back", cleared=["attested-queue"])
    assert signatures(app).row("attested-queue")["verdict"] == "to sign"


def test_the_preflight_runs_the_lines_of_before_and_shows_who_has_to_sign(app: App, tmp_path: Path) -> None:
    dry = _readiness(app, dry=True)
    assert [(one["check"], one["result"]) for one in dry] == [
        ("tests", "not run"),
        ("told", "to sign"),
        ("go", "to sign"),
    ]
    assert table(dry[0]) == [f"  – {'tests':<24} not run in dry-run"] and not (tmp_path / "ran").exists()
    asked = _readiness(app, dry=False)
    assert (asked[0]["result"], asked[0]["seen"]) == ("passed", "12 passed") and (tmp_path / "ran").exists()
    assert table(asked[1])[0].startswith("  ☐ told")


def test_the_checklist_says_what_failed_and_what_is_still_to_be_signed(shell: Shell) -> None:
    (shell.folder / "environments" / "listed.yaml").write_text(WORDS)
    said = shell.invoke("checklist", "--env", "listed").ended(1)
    assert "✗ logs                         the command ended with 1: 3 errors" in said.out
    assert "☐ queue" in said.out and "still to be signed: queue, sign-off" in said.out
    dry = shell.invoke("checklist", "--env", "listed", "--dry-run").ended(0)
    assert "– logs                         not run in dry-run" in dry.out


def test_the_plan_shows_what_is_watched_in_the_words_of_the_runbook(shell: Shell) -> None:
    said = json.loads(shell.invoke("plan", "--env", "local-watched", "--json").ended(0).out)
    guards = {one["guard"]: one for one in said["guards"]}
    assert guards["one-writer"]["says"].startswith("if it fails: the run freezes where it is")
    triggers = [one for name, one in guards.items() if name.startswith("trigger-")]
    assert triggers and all(one["says"].startswith("When ") and one["during"] for one in triggers)
    shown = shell.invoke("plan", "--env", "local-watched").ended(0).out
    assert "watched all the time" in shown and triggers[0]["says"] in shown


@dataclass(frozen=True, kw_only=True)
class Moved(Step[str]):
    """Something that shows what it shows."""

    shows: str
    resource: str = "thing"

    def observe(self) -> str:
        if self.shows == "gone":
            raise Unreachable(f"{self.name} does not answer")
        return self.shows

    def commands(self, target: str) -> Sequence[Command]:
        return ()

    def check_shell(self) -> str:
        return f"show {self.name}"


def test_what_the_run_has_moved_has_to_show_its_end_and_nothing_else_is_asked(app: App) -> None:
    def moved(name: str, shows: str, resource: str = "", before: str = "old", after: str = "new") -> Moved:
        return Moved(name=name, before=before, after=after, shows=shows, resource=resource or name)

    half = moved("half", "new", "share", after="middle")
    cut = (half, moved("whole", "new", "share", before="middle"), moved("odd", "old"), moved("silent", "gone"))
    ended = (moved("mark", "new"), moved("later", "new"))
    plans = [replace(app.plan, phases=(Phase(name="p", owner="traffic", items=items),)) for items in (cut, ended)]
    app = replace(app, plan=plans[0], finish=plans[1])
    view = SimpleNamespace(state="open", position=SimpleNamespace(done=("half", "whole", "odd", "silent", "mark")))
    shown = [(one["line"], one["verdict"], one["seen"]) for one in _states(app, view)]
    assert shown == [
        ("whole", "pass", "new"),
        ("odd", "fail", "old, wanted new"),
        ("silent", "blind", "silent does not answer, wanted new"),
        ("mark", "pass", "new"),
    ]
    view.state = "finished"  # what was kept for the way back went with it
    assert [one["line"] for one in _states(app, view)] == ["mark"]
    assert _states(app, None) == [] and _states(app, SimpleNamespace(state="decommissioned")) == []
