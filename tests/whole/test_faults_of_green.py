"""Things that go wrong at green while it has traffic: each starts what the environment says, as its customers saw it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from whole.alertmanager import alerting
from whole.commands import Done
from whole.stage import Stage

from cutover.bench.watched_run import CUSTOMERS, NAME, WatchedRun
from cutover.core.journal import Entry
from cutover.world import world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass
class Watched(WatchedRun):
    """A run on the stage of these tests."""

    stage: Stage

    def customers_were_well_again(self, *, within: float) -> None:
        """The last request that failed, by the customers' own ledger, came soon after the fault; and no write is lost."""
        lines = self.stage.ledger.lines(self.injected, time.time())
        failed = [float(line["ack"]) for line in lines if line["ack"] >= self.injected and not line["ok"]]
        last = max(failed, default=self.injected) - self.injected
        assert last < within, f"customers saw failures for {last:.1f} s after the fault"
        side = "green" if self.stage.sides() == ("fenced", "open") else "blue"
        assert self.stage.nothing_lost(self.began, side).failed_writes == 0


Begin = Callable[..., Watched]


@pytest.fixture
def begin(stage: Stage) -> Iterator[Begin]:
    """Begins a run that stays at half of the traffic for so many seconds."""
    world.up(stage.home, watched=True, hooks=True)
    world.load(stage.home, CUSTOMERS)
    begun: list[Watched] = []

    def run(soak: float, **changes: Any) -> Watched:
        begun.append(Watched.begun(stage, soak, world={"hooks": True, "watched": True}, **changes))
        return begun[-1]

    yield run
    for one in begun:
        one.healed()
        stage.back_on_blue()
    world.load(stage.home, 20)


def stands(run: Watched, guard: str) -> Entry:
    return run.until("standing", guard=f"trigger-{guard}")


def rolled_back(run: Watched, guard: str) -> Done:
    """The way back was begun by this trigger and no other, and blue serves."""
    done = run.ended(6)
    assert done.json["outcome"] == "rolled-back", str(done)
    assert f"guard trigger-{guard}: " in done.err, str(done)
    assert run.stage.sides() == ("open", "fenced")
    assert run.stage.weights().get("shop-green", 0) == 0
    quiet = {name: done.json[name] for name in ("lost_writes", "duplicated_writes")}
    assert quiet == {"lost_writes": 0, "duplicated_writes": 0}, str(done)
    return done


def green_was_compared_and_checked(run: Watched) -> None:
    """The share was passed on with a verdict by counts, and each checkpoint since the switch has its report and verdict."""
    compared = run.until("passed", gate="compared-50").data
    assert min(compared["data"]["green"][0], compared["data"]["blue"][0]) >= 100, compared
    assert "person" not in compared["seen"] and "evidence" in compared["seen"], compared
    run.until("checkpoint", moment=15)
    every = [one.data for one in run.stage.entries(NAME) if one.kind == "checkpoint" and one.at >= run.began]
    # A busy machine may have looked at the first one only when the second was due: then that is said.
    assert sorted(moment for taken in every for moment in (taken["moment"], *taken["missed"])) == [5, 15]
    for taken in every:
        report = Path(run.stage.home, "world", NAME, "checkpoints", Path(taken["file"]).name)
        assert hashlib.sha256(report.read_bytes()).hexdigest() == taken["sha256"]
        found = json.loads(report.read_text(encoding="utf-8"))
        assert (found["verdict"], found["decision"]) == (taken["verdict"], taken["decision"])
        verdicts = {one["name"]: one["verdict"] for one in found["checks"]}
        assert verdicts == dict(taken["verdicts"]) and verdicts["way-back"] == verdicts["audit-trail"] == "pass", found
    standing = run.stage.run("status", "--env", NAME, "--json").ended(0).json["environments"][0]["checkpoints"]
    assert (standing["taken"], standing["last"]["moment"], standing["next"]) == (len(every), 15, None)


def test_slow_is_sent_back_a_leak_holds_errors_are_investigated_and_many_go_back(begin: Begin) -> None:
    run = begin(600)
    run.at_half()
    run.goes_wrong(latency=0.15)
    done = run.ended(8)
    assert "guard trigger-slower-than-blue: p95 on green" in done.err, str(done)
    assert run.stage.weights() == {"shop-blue": 100, "shop-green": 0}
    assert run.stage.sides() == ("fenced", "open"), "the writes stay where they are: only visitors were sent back"
    run.customers_were_well_again(within=1)

    run.healed()
    # Who goes on while the figures of the last seconds are still slow is sent back for them.
    run.stage.eventually(lambda: "fail" not in run.verdicts().values(), "figures without the fault", 60)
    run.goes_on()
    run.until("hold-begun", gate="soak-50")
    with alerting(run.stage) as alerts:
        assert {rule["type"] for group in alerts.groups() for rule in group["rules"]} == {"recording", "alerting"}
        run.stage.eventually(lambda: "firing" not in alerts.states().values(), "no alert while all is well", 60)
        run.goes_wrong(leak=20e6)
        stands(run, "leak")
        assert run.stage.weights() == {"shop-blue": 50, "shop-green": 50}
        alerts.fires("leak")
        alerts.hears(alerts.chat, "told: leak (critical)")
        alerts.hears(alerts.pager, '"event_action":"trigger"', "leak")
        alerts.hears(alerts.managers, "told: leak (critical)")
        run.healed()
        alerts.resolves("leak")
        run.goes_on("--reason", "deployed without the leak")
        run.until("standing-ended", guard="trigger-leak", outcome="borne")

        run.goes_wrong(errors=7)
        investigated = stands(run, "errors-1").data
        assert (investigated["seconds"], investigated["then"]) == (30, "rollback")
        assert run.running.process.poll() is None
        alerts.fires("errors-1")
        run.goes_wrong(errors=12)
        rolled_back(run, "errors-2")
        run.customers_were_well_again(within=60)
        alerts.hears(alerts.pager, '"event_action":"resolve"', "leak")
    assert alerts.groups() == []


def test_a_run_that_waits_for_a_person_is_watched_all_the_same(begin: Begin) -> None:
    approvals = {"go": {"before": "shift-100", "roles": ["decision"]}}
    payments = {"when": "payment_errors > 0", "then": "rollback"}
    run = begin(1, approvals=approvals, triggers={"payments": payments})
    run.until("waiting", gate="go")
    green_was_compared_and_checked(run)
    run.goes_wrong(payments=5)
    done = rolled_back(run, "payments")
    (record,) = Path(run.stage.repository, "runbooks", NAME, "incidents").glob(f"*-{done.json['run']}.json")
    kept = {(one["figure"], one["side"]): one for one in json.loads(record.read_text(encoding="utf-8"))["figures"]}
    assert kept["payment_errors", "green"]["max"] > 0 and len(kept["p95", "blue"]["samples"]) > 20, kept
    assert "payment_errors of green: min" in record.with_suffix(".md").read_text(encoding="utf-8").replace("\\", "")
    run.customers_were_well_again(within=60)


def test_what_cannot_be_seen_waits_a_wrong_row_freezes_and_a_crash_goes_back(begin: Begin) -> None:
    run = begin(600)
    run.at_half()
    # Nobody comes: that is no proof of health, and no fault either.
    world.load(run.stage.home, 0)
    run.stage.eventually(lambda: "insufficient" in run.verdicts().values(), "too little to judge", 60)
    assert "fail" not in run.verdicts().values()
    world.load(run.stage.home, CUSTOMERS)
    run.at_half()

    run.goes_wrong(silent=True)
    stands(run, "errors-2")
    assert run.stage.weights() == {"shop-blue": 50, "shop-green": 50}
    run.healed()
    run.goes_on("--reason", "the metrics answer again")
    run.until("standing-ended", guard="trigger-errors-2", outcome="borne")

    run.injected = time.time()
    run.stage.run("world.fault", "--corrupt").ended(0)
    frozen = run.ended(8)
    assert "freeze: guard trigger-integrity: wrong_payments on green is 1" in frozen.err, str(frozen)
    assert run.stage.sides() == ("fenced", "open")
    assert run.stage.weights() == {"shop-blue": 50, "shop-green": 50}
    run.healed()
    run.goes_on()
    run.until("hold-begun", gate="soak-50")

    run.injected = time.time()
    run.stage.run("world.fault", "--crash").ended(0)
    rolled_back(run, "down")
    run.customers_were_well_again(within=60)
