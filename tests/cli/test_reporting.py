"""Reports, history and audits as they are typed, of a run that waits and of a journal that somebody meddled with."""

from __future__ import annotations

import json
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.shell import Shell
from cli.waiting_run import NAME, RUN, WaitingRun

MEASURED = """\
ledger: {folder}/ledger.jsonl
metrics:
  sources:
    access: {{kind: json-lines, blue: {folder}/blue.jsonl, green: {folder}/green.jsonl}}
    gone: {{kind: prometheus, url: 'http://127.0.0.1:9'}}
  figures:
    errors: {{source: access, query: 'share where status >= 500', unit: "%", step: 1s}}
    requests: {{source: access, query: rate, unit: /s, step: 1s}}
    orders: {{source: gone, query: orders, unit: /s, side: green}}
triggers:
  errors: {{when: errors > 5%, then: rollback}}
"""


@pytest.fixture
def waiting(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[WaitingRun]:
    monkeypatch.setenv("CUTOVER_HOME", str(shell.home))
    run = WaitingRun(shell)
    yield run
    run.close()


def measured(folder: Path) -> str:
    """The words of what is measured, and some seconds of it around now."""
    now = time.time()
    times = [now - 20 + n / 10 for n in range(200)]
    for side in ("blue", "green"):
        rows = [{"time": at, "status": 500 if n % 50 == 0 else 200} for n, at in enumerate(times)]
        (folder / f"{side}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    usual = {"kind": "write", "host": "h", "status": 201, "tries": 1, "ok": True, "slow": False, "error": None}
    noted = [{"at": at, "ack": at + 0.01, "key": str(n), "version": "v", **usual} for n, at in enumerate(times)]
    (folder / "ledger.jsonl").write_text("".join(json.dumps(row) + "\n" for row in noted))
    return MEASURED.format(folder=folder)


def test_a_report_is_written_and_shown_and_says_what_is_missing(waiting: WaitingRun) -> None:
    shell = waiting.shell
    waiting.begin(measured(shell.folder), guarded=True)
    said = shell.invoke("report", "--env", NAME).ended(0)
    paths = [shell.folder / line for line in said.out.splitlines()]
    assert [path.name for path in paths] == ["report.html", "report.md", "report.json"]
    assert {path.resolve().parent for path in paths} == {(shell.home / "reports" / NAME / RUN).resolve()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    document = json.loads(paths[2].read_text())
    assert (document["schema"], document["run"]) == ("cutover.report/1", RUN)
    assert document["outcome"]["title"] == "interrupted"
    by_side = {(one["figure"], one["side"]): one for one in document["figures"]["curves"]}
    assert max(value for _, value in by_side["errors", "green"]["samples"]) > 0
    assert by_side["orders", "green"]["gap"] == "unreachable" and "orders of green: unreachable" in paths[0].read_text()
    assert document["customers"]["requests"] > 50 and document["customers"]["lost_writes"] is None
    assert "Whether acknowledged writes were lost is not known: no `ledger_keys`" in paths[0].read_text()
    (lag,) = document["cost"]["behind"]  # the databases do not answer, and the report is there all the same
    assert lag["trouble"] and document["cost"]["seconds"] > 0
    (trigger,) = document["triggers"]
    assert trigger["clauses"][0]["figure"] == "errors"
    head = waiting.entries()[-1].hash
    assert document["journal"]["head"] == head and f"--head {head}" in paths[1].read_text()

    shown = json.loads(shell.invoke("report", "--env", NAME, "--run", RUN, "--json").ended(0).out)
    assert shown.keys() == document.keys()
    elsewhere = shell.invoke("report", "--env", NAME, "--out", "here/it/is").ended(0)
    assert elsewhere.out.splitlines()[0] == "here/it/is/report.html"


def test_what_cannot_be_reported_is_refused_and_a_dry_run_writes_nothing(waiting: WaitingRun) -> None:
    shell = waiting.shell
    waiting.begin()
    assert "no run r9 of asked" in shell.invoke("report", "--env", NAME, "--run", "r9").ended(5).err
    assert "would write" in shell.invoke("--dry", "report", "--env", NAME).ended(0).err
    assert not (shell.home / "reports").exists()
    (shell.folder / "file").write_text("in the way")
    said = shell.invoke("report", "--env", NAME, "--out", "file").ended(5)
    assert "could not be written" in said.err and "--out FOLDER" in said.err
    assert "no run of staging was recorded" in shell.invoke("report", "--env", "staging").ended(5).err


def test_history_says_how_each_run_came_out_and_its_document_keeps_its_keys(waiting: WaitingRun) -> None:
    shell = waiting.shell
    waiting.begin()
    table = shell.invoke("history", "--env", NAME).ended(0).out
    for word in (RUN, "interrupted", "forward", "rollback", "ann"):
        assert word in table
    (view,) = json.loads(shell.invoke("history", "--env", NAME, "--json").ended(0).out)
    before = {"run", "state", "zone", "began", "finished_at", "last", "direction", "outcome", "reason", "stopped_by"}
    before |= {"phase", "open_intent", "standing", "asked", "done", "head"}
    assert before <= view.keys() and (view["ending"], view["who"]) == ("interrupted", "ann")


def test_an_audit_says_that_a_journal_is_whole_or_where_it_breaks(waiting: WaitingRun) -> None:
    shell = waiting.shell
    waiting.begin()
    entries = waiting.entries()
    head = entries[-1].hash
    whole = shell.invoke("audit", "verify", "--env", NAME).ended(0)
    assert f"{len(entries)} of {len(entries)} entries hold, 1 run" in whole.out and head in whole.out
    assert "give --head HASH" in whole.out
    noted = shell.invoke("audit", "verify", "--env", NAME, "--head", entries[4].hash[:16], "--json").ended(0)
    document = json.loads(noted.out)
    assert (document["whole"], document["noted"]["entry"], document["head"]) == (True, 5, head)
    assert document["runs"] == [
        {"run": RUN, "entries": len(entries), "first": entries[0].at, "last": entries[-1].at, "head": head}
    ]

    meddled(shell, "UPDATE entries SET kind = char(27) || '[31mred' WHERE seq = 7")
    broken = shell.invoke("audit", "verify", "--env", NAME).ended(1)
    assert "BROKEN at entry 7: edited" in broken.out and "run 'r1'" in broken.out and "\\x1b[31mred" in broken.out
    found = json.loads(shell.invoke("audit", "verify", "--env", NAME, "--json").ended(1).out)["broken"]
    assert (found["kind"], found["number"], found["entry"]["at"]) == ("edited", 7, entries[6].at)
    assert "was changed" in shell.invoke("report", "--env", NAME).ended(1).err  # nothing is told from a broken journal

    meddled(shell, "DELETE FROM entries WHERE seq > 5")
    shell.invoke("audit", "verify", "--env", NAME).ended(0)  # a cut tail alone is whole
    cut = shell.invoke("audit", "verify", "--env", NAME, "--head", head).ended(1)
    assert "noted-head-missing" in cut.out and "cut off" in cut.out


def test_an_audit_wants_to_be_asked_rightly(shell: Shell) -> None:
    assert "audit knows verify" in shell.invoke("audit", "prove", "--env", "staging").ended(5).err
    assert "12 or more" in shell.invoke("audit", "verify", "--env", "staging", "--head", "abc").ended(5).err
    assert "nothing was recorded" in shell.invoke("audit", "verify", "--env", "staging").ended(0).err
    nothing = json.loads(shell.invoke("audit", "verify", "--env", "staging", "--json").ended(0).out)
    assert (nothing["schema"], nothing["whole"], nothing["kept"]) == ("cutover.audit/1", True, 0)
    gone = shell.invoke("audit", "verify", "--env", "staging", "--head", "a" * 64).ended(1)
    assert "all of it is gone" in gone.err


def meddled(shell: Shell, sql: str) -> None:
    db = sqlite3.connect(shell.home / f"{NAME}.sqlite")
    triggers = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
    db.executescript("".join(f"DROP TRIGGER {name};" for name in triggers) + sql)
    db.close()
