"""`finish` removes the way back for good, so it has a world of its own; two databases go there, back, and there for good."""

from __future__ import annotations

import json
import tempfile
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from whole.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BOTH = ("shop", "hooks")


@pytest.fixture
def own_stage() -> Iterator[Stage]:
    stage = Stage(Path(tempfile.mkdtemp(prefix="cutover-stage-")))
    try:
        stage.set_up()
        yield stage
    finally:
        stage.close()
        assert not stage.processes()


@dataclass(eq=False)
class Events(threading.Thread):
    """Sends payment events, which the shop keeps in its second database; `acknowledged` are those that were answered."""

    url: str
    acknowledged: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(name="events", daemon=True)

    def run(self) -> None:
        while not self.over.wait(0.02):
            event = str(uuid.uuid4())
            body = json.dumps({"event_id": event, "type": "payment"}).encode()
            request = urllib.request.Request(f"{self.url}/webhooks/payment", body, {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    answer.read()
            except OSError as error:
                self.failed.append(str(error))
            else:
                self.acknowledged.append(event)


@pytest.fixture
def events(own_stage: Stage) -> Iterator[Events]:
    sender = Events(own_stage.world_variables()["SHOP_BLUE_URL"])
    sender.start()
    yield sender
    sender.over.set()
    sender.join(timeout=30.0)


def all_events_are_on(stage: Stage, side: str, events: Events) -> None:
    sent = list(events.acknowledged)
    question = "SELECT event_id::text FROM public.webhooks"
    there = [event for (event,) in stage.ask(side, question, database="hooks")]
    assert sent and not set(sent) - set(there), f"{len(set(sent) - set(there))} of {len(sent)} events are lost"
    assert len(there) == len(set(there)) and not events.failed, events.failed[:3]


def test_two_databases_there_and_back_and_after_finish_there_is_no_way_back(own_stage: Stage, events: Events) -> None:
    stage = own_stage
    stage.environment("bare", base="local-databases", smoke=None, checklist=None)
    first = stage.cutover("bare").ended(0)
    assert {stage.sides(database) for database in BOTH} == {("fenced", "open")}
    switched = [e for e in stage.entries("bare") if e.kind == "converged" and e.data["step"] == "switchover"]
    assert set(switched[-1].data["evidence"]["databases"]) == set(BOTH)
    all_events_are_on(stage, "green", events)
    stage.rollback("bare").ended(0)
    assert {stage.sides(database) for database in BOTH} == {("open", "fenced")}
    all_events_are_on(stage, "blue", events)
    stage.nothing_lost(first.began, "blue")

    done = stage.cutover("bare").ended(0)
    equal = stage.run("validate", "--env", "bare", "--json").ended(0).json
    assert equal["status"] == "equal" and set(equal["databases"]) == set(BOTH)
    finished = stage.run("finish", "--env", "bare", "--yes", "--json").ended(0)
    assert finished.json["outcome"] == "done"
    assert finished.json["lost_writes"] == 0
    assert stage.state("bare") == "finished"
    for side in ("blue", "green"):
        assert stage.ask(side, "SELECT count(*) FROM pg_subscription") == [(0,)]  # of the whole server
        assert stage.ask(side, "SELECT count(*) FROM pg_replication_slots") == [(0,)]
    assert stage.writable() == ["green"]
    refused = stage.rollback("bare").ended(5)
    assert "finish" in refused.err, str(refused)
    assert stage.run("finish", "--env", "bare", "--yes", "--json").ended(0).json["outcome"] == "nothing"
    assert "finished" in stage.cutover("bare").ended(5).err
    assert stage.writable() == ["green"]
    stage.nothing_lost(done.began, "green")
    all_events_are_on(stage, "green", events)
    blue_ends(stage)
    stage.nothing_lost(done.began, "green")
    all_events_are_on(stage, "green", events)


def blue_ends(stage: Stage) -> None:
    """Not before its retention is over, not while somebody is there, and each resource only when it is confirmed."""
    early = stage.run("decommission", "--env", "bare", "--yes").ended(5)
    assert "blue may not go before" in early.err, str(early)
    words = {"retention": 0, "quiet": "300ms", "resources": [{"kind": "target-group", "name": "shop-blue"}]}
    stage.environment("bare", base="local-databases", smoke=None, checklist=None, decommission=words)
    waits = stage.run("decommission", "--env", "bare", "--yes").ended(8)
    assert "invoke decommission --env bare --confirm target-group:shop-blue" in waits.err, str(waits)
    kept = stage.home / "world" / "bare"
    assert {path.name for path in kept.glob("*.dump")} == {"bare-shop-final.dump", "bare-hooks-final.dump"}
    archive = json.loads((kept / "archive.json").read_text())["content"]
    assert archive["record_of_blue"] and {entry["kind"] for entry in archive["journal"]} > {"leg-ended", "converged"}
    assert [record["SetIdentifier"] for record in stage.records() if "api" in record["Name"]] == ["green"]
    wrong = stage.run("decommission", "--env", "bare", "--yes", "--confirm", "target-group:shop-green").ended(3)
    assert "did you mean target-group:shop-blue?" in wrong.err
    confirmed = ("--confirm", "target-group:shop-blue")
    done = stage.run("decommission", "--env", "bare", "--yes", "--json", *confirmed).ended(0)
    assert done.json["outcome"] == "done" and stage.state("bare") == "decommissioned"
    assert stage.run("decommission", "--env", "bare", "--yes", "--json").ended(0).json["outcome"] == "nothing"
    assert "finish" in stage.rollback("bare").ended(5).err
