"""Watching as processes: told to end and begun again, killed while people are told, an incident taken on, and checkpoints shown."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.shell import Shell
from cli.waiting_run import GATE, NAME, RUN, WaitingRun
from notify.web import Web

from cutover.runs import Conductor


@pytest.fixture
def waiting(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[WaitingRun]:
    monkeypatch.setenv("CUTOVER_HOME", str(shell.home))
    run = WaitingRun(shell)
    yield run
    run.close()


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.close()


def told(run: WaitingRun, web: Web) -> str:
    """The words of an environment that tells this server."""
    (run.shell.folder / "hook").write_text(web.url, encoding="utf-8")
    return 'notify: {channels: {hook: {kind: webhook, url: "file:hook"}}, routes: [{to: [hook], least: detail}]}\n'


def keys(web: Web) -> Counter[str]:
    return Counter(str(json.loads(got.body)["key"]) for got in web.got)


def test_a_watch_that_is_told_to_end_is_gone_on_with(waiting: WaitingRun) -> None:
    waiting.begin()
    first = waiting.watch()
    asked = waiting.eventually(lambda: waiting.entries("waiting", gate=GATE), "the question")[0]
    assert f"run {RUN} went forward, under way" in waiting.shell.invoke("status", "--env", NAME).ended(0).out
    code, said = waiting.ended(first, signal.SIGTERM)
    assert code == 143 and f"invoke resume --env {NAME}" in said and "Traceback" not in said, said
    assert "held by" not in waiting.shell.invoke("status", "--env", NAME).ended(0).out
    ended = len(waiting.entries("leg-ended", outcome="interrupted"))

    second = waiting.watch()
    waiting.eventually(
        lambda: waiting.entries("leg-started")[1:] or waiting.entries("leg-resumed"), "the second process"
    )
    waiting.shell.invoke("approve", "--env", NAME, "--role", "decision", "--comment", "lag is 0").ended(0)
    passed = waiting.eventually(lambda: waiting.entries("passed", gate=GATE), "its yes")[0]
    assert waiting.entries("waiting", gate=GATE)[0].at == asked.at, "it waits since the first question"
    waiting.eventually(lambda: waiting.entries("converged", step="traffic-shop-50"), "the next share")
    assert waiting.flag.read_text().strip() == "50" and {one.run for one in waiting.entries()} == {RUN}
    code, said = waiting.ended(second, signal.SIGTERM)
    assert code == 143 and passed.seq > asked.seq, said
    assert len(waiting.entries("leg-ended", outcome="interrupted")) == ended + 1


def test_going_on_with_what_stands_still_wants_its_reason(waiting: WaitingRun) -> None:
    waiting.begin()
    with Conductor(waiting.opened()).leased("cutover") as state:
        lease = state.holder()
        assert lease is not None
        standing = {"guard": "trigger-errors", "seen": "7 %", "seconds": None, "then": "hold"}
        state.append(RUN, "standing", standing, lease)
        said = waiting.shell.invoke("resume", "--env", NAME).ended(4)
        assert "which stands still for trigger-errors" in said.err and "unlock" not in said.err
        assert f"next: invoke resume --env {NAME} --reason '…'" in said.err
        heard = waiting.shell.invoke("resume", "--env", NAME, "--reason", "it was a probe").ended(0)
        assert ("resume", "it was a probe") in [(kind, word.get("reason")) for kind, word in state.wishes(RUN)], heard


def test_a_kill_loses_no_message_and_shifts_nothing_twice(waiting: WaitingRun, web: Web) -> None:
    waiting.begin(told(waiting, web))
    first = waiting.watch({"CUTOVER_KILL_AT": "after command traffic-shop-50:0"})
    waiting.eventually(lambda: waiting.entries("waiting", gate=GATE), "it to be at work")
    waiting.shell.invoke("approve", "--env", NAME, "--role", "decision", "--gate", GATE).ended(0)
    waiting.eventually(lambda: first.poll() is not None, "its death")
    assert first.returncode == -signal.SIGKILL
    second = waiting.watch()
    waiting.eventually(lambda: waiting.entries("waiting", gate="soak-50"), "the soak")
    waiting.ended(second, signal.SIGTERM)

    assert waiting.flag.read_text().strip() == "50"
    assert len(waiting.entries("converged", step="traffic-shop-50")) == 1
    assert len(waiting.entries("intent", step="traffic-shop-50")) == 2
    due = json.loads(waiting.shell.invoke("status", "--env", NAME, "--json").ended(0).out)
    if due["environments"][0]["notices"]["due"]:
        waiting.shell.invoke("notify.send", "--env", NAME).ended(0)
    found = keys(web)
    by_event = {str(json.loads(got.body)["key"]): json.loads(got.body)["event"] for got in web.got}
    assert {"phase", "interrupted"} <= set(by_event.values())
    wanted = {f"{NAME}/{RUN}/{one.seq}" for one in waiting.entries("phase-entered")}
    assert wanted <= set(found), (wanted, found)
    assert max(found.values()) <= 2, "at least once, and again only where nobody knows whether it arrived"


def test_what_is_critical_is_taken_on_once_and_the_channels_hear_of_it(waiting: WaitingRun, web: Web) -> None:
    waiting.begin(told(waiting, web))
    assert "nothing critical is open" in waiting.shell.invoke("acknowledge", "--env", NAME).ended(0).err
    app = waiting.opened()
    with Conductor(app).leased("cutover") as state:
        data = {"guard": "trigger-errors", "seen": "7 %", "seconds": None, "then": "hold"}
        state.append(RUN, "standing", data, app.lease[-1])
    app.close()
    shown = waiting.shell.invoke("status", "--env", NAME).ended(0).out
    assert "critical and open: " in shown and f"invoke acknowledge --env {NAME}" in shown
    dry = waiting.shell.invoke("--dry", "acknowledge", "--env", NAME).ended(0).err
    assert "would acknowledge" in dry and web.got == []
    said = waiting.shell.invoke("acknowledge", "--env", NAME).ended(0).err
    assert "is yours; nobody else is woken" in said
    (message,) = (json.loads(got.body) for got in web.got)
    assert message["event"] == "acknowledged" and message["incident"] in said
    assert Path(waiting.shell.folder / "hook").read_text().rsplit("/", 1)[1] not in said + shown


def test_status_shows_the_last_checkpoint_with_its_decision_and_when_the_next_is_due(waiting: WaitingRun) -> None:
    waiting.begin("checkpoints: {at: [1h, 8h], every: [], warning: hold}\n")
    (switched,) = waiting.entries("converged", step="switchover")
    app = waiting.opened()
    with Conductor(app).leased("cutover") as state:
        told = {
            "moment": 3600.0,
            "missed": [],
            "late": 0.0,
            "switched": switched.at,
            "file": "there.json",
            "sha256": "",
        }
        found = {"verdict": "insufficient", "decision": "warning", "seen": "checkpoint 1 h after the switch: p95 off"}
        state.append(RUN, "checkpoint", {**told, **found, "verdicts": {"triggers": "insufficient"}}, app.lease[-1])
    app.close()
    shown = waiting.shell.invoke("status", "--env", NAME).ended(0).out
    assert "checkpoint 1 h after the switch: p95 off (warning → hold; " in shown and "report: there.json" in shown
    assert "the next checkpoint, 8 h after the switch, is due " in shown
    assert f"nobody watches, so by hand: invoke checkpoint --env {NAME}" in shown


def test_a_word_from_another_terminal_goes_back_one_phase(waiting: WaitingRun) -> None:
    waiting.begin()
    watching = waiting.watch()
    waiting.eventually(lambda: waiting.entries("waiting", gate=GATE), "the question")
    waiting.shell.invoke("approve", "--env", NAME, "--role", "decision").ended(0)
    waiting.eventually(lambda: waiting.entries("waiting", gate="soak-50"), "the soak")
    shell = waiting.shell
    wrongly = shell.invoke("rollback", "--env", NAME, "--previous-phase", "--to", "window", "--reason", "x").ended(3)
    assert "give neither --to" in wrongly.err
    asked = shell.invoke("rollback", "--env", NAME, "--ask", "--previous-phase", "--reason", "slow pages").ended(0)
    assert "was asked" in asked.err
    waiting.eventually(lambda: waiting.entries("leg-ended", outcome="undone"), "the way back")
    (back,) = waiting.entries("leg-started", direction="back")
    assert "slow pages" in back.data["reason"] and back.data["to"] == "shift-10"
    assert waiting.flag.read_text().strip() == "10"
    waiting.ended(watching, signal.SIGTERM)
