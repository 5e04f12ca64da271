"""A whole cutover, nothing to do twice, the way back, and a second time: with customers who never stop."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from whole.commands import Done
from whole.poller import Poller
from whole.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KEYS = [
    "schema",
    "outcome",
    "run",
    "plan_digest",
    "phases",
    "write_pause_ms",
    "database_pause_ms",
    "requests",
    "failed_reads",
    "failed_writes",
    "acknowledged_writes",
    "lost_writes",
    "duplicated_writes",
    "rows_validated",
]


def customers_noticed_nothing(done: Done, *, pause_ms: float = 5000) -> None:
    found = done.json
    quiet = {name: found[name] for name in ("failed_reads", "failed_writes", "lost_writes", "duplicated_writes")}
    assert quiet == dict.fromkeys(quiet, 0), str(done)
    assert found["acknowledged_writes"] > 0, str(done)
    assert found["requests"] > 0, str(done)
    assert found["write_pause_ms"] < pause_ms, str(done)
    assert 0 < found["database_pause_ms"] <= found["write_pause_ms"] + 1000, str(done)


def test_forward_again_back_and_forward_again(stage: Stage) -> None:
    with Poller(stage).watching():
        first = stage.cutover("whole").ended(0)
        assert list(first.json) == KEYS
        assert (first.json["schema"], first.json["outcome"]) == ("cutover.result/1", "done")
        assert [phase["name"] for phase in first.json["phases"]] == [
            "prepare",
            "window",
            "shift-50",
            "shift-100",
            "bake",
        ]
        assert first.json["rows_validated"] >= 5000
        customers_noticed_nothing(first)
        assert stage.sides() == ("fenced", "open")
        assert stage.weights() == {"shop-blue": 0, "shop-green": 100}
        assert {r["SetIdentifier"]: r["Weight"] for r in stage.records()} == {"blue": 0, "green": 100}
        assert {r["TTL"] for r in stage.records()} == {2}
        stage.writes_go_on()
        stage.nothing_lost(first.began, "green")

        back = stage.rollback("whole").ended(0)
        assert list(back.json) == [*KEYS, "rollback_seconds"]
        assert back.json["outcome"] == "rolled-back"
        assert back.json["rollback_seconds"] < 30
        customers_noticed_nothing(back)
        assert stage.sides() == ("open", "fenced")
        assert stage.writable() == ["blue"]
        assert stage.weights().get("shop-green", 0) == 0
        assert {r["SetIdentifier"]: r["Weight"] for r in stage.records()} == {"blue": 100, "green": 0}
        stage.writes_go_on()
        stage.nothing_lost(first.began, "blue")

        second = stage.cutover("whole").ended(0)
        customers_noticed_nothing(second)
        assert second.json["run"] != first.json["run"]
        assert stage.writable() == ["green"]
        stage.nothing_lost(first.began, "green")


def test_everything_taken_back_leaves_green_closed_to_applications(stage: Stage) -> None:
    """Applications look for the side that accepts writes by themselves: they must not find green, which nobody fences now."""
    stage.cutover("whole", "--until", "prepare").ended(0)
    stage.rollback("whole", "--everything").ended(0)
    assert stage.sides() == ("unprepared", "unprepared")
    ports = {side: int(conninfo_to_dict(stage.dsn(side))["port"] or 0) for side in ("blue", "green")}
    green_first = f"postgresql://shop@127.0.0.1:{ports['green']},127.0.0.1:{ports['blue']}/shop"
    with psycopg.connect(green_first, target_session_attrs="read-write", connect_timeout=5) as session:
        assert session.info.port == ports["blue"]
