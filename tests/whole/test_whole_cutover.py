"""A whole cutover, nothing to do twice, the way back, and a second time: with customers who never stop."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from whole.allowed import calls_since, is_all_that_is_allowed
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
    "write_pause_missing",
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


def every_shift_was_seen(stage: Stage, done: Done) -> None:
    """What the witnesses drew lies within the exact bounds of what was asked, at each step and for both names."""
    seen = {
        entry.data["gate"]: entry.data["data"]["shares"]
        for entry in stage.entries("whole")
        if entry.run == done.json["run"] and entry.kind == "passed" and "share-observed" in entry.data["gate"]
    }
    assert list(seen) == ["share-observed-50", "share-observed-100"]
    for shares in seen.values():
        assert {(one["host"], one["witness"]) for one in shares} == {
            ("shop.shop.test", "tagged responses"),
            ("api.shop.test", "tagged responses"),
            ("api.shop.test", "its name servers"),
        }
        for one in shares:
            low, high = one["bounds"]
            assert one["blue"] + one["green"] >= 30
            assert low <= one["green"] <= high
            assert one["p"] >= one["alpha"]
    assert all(one["blue"] == 0 for one in seen["share-observed-100"])


def name_servers_lead_to_green(stage: Stage) -> None:
    shown = stage.run("propagation", "--env", "whole", "--json").ended(0).json
    assert shown["schema"] == "cutover.propagation/1"
    by_name = {one["hostname"]: one for one in shown["hostnames"]}
    for one in by_name.values():
        assert (one["asked"], one["effective"], one["trouble"]) == ("100 %", "100 %", "")
    assert [(each["role"], each["side"]) for each in by_name["api"]["answers"]] == [("name server", "green")]


def the_report_tells_of_it(stage: Stage, done: Done, *, switches: int) -> None:
    """The pause that the result names, figures of both sides, and how it came out."""
    found = stage.run("report", "--env", "whole", "--json").ended(0).json
    assert (found["run"], found["outcome"]["outcome"]) == (done.json["run"], done.json["outcome"])
    assert len(found["pauses"]) == len(found["commits"]) == switches
    pause = found["pauses"][-1]
    assert pause["customers_ms"] == pytest.approx(done.json["write_pause_ms"], abs=0.2)
    assert pause["database_ms"] == done.json["database_pause_ms"]
    assert (found["customers"]["lost_writes"], found["customers"]["duplicated_writes"]) == (0, 0)
    assert found["customers"]["requests"] > 0 and found["customers"]["failed"] == 0
    curves = {(one["figure"], one["side"]): one for one in found["figures"]["curves"]}
    assert all(curves[name, side]["samples"] for name in ("latency", "orders") for side in ("blue", "green"))
    assert any(one["by"].endswith("tagged responses") for one in found["share"]["observed"])
    if switches == 1:  # the way back is warm: what blue lacks is asked now
        assert [one["trouble"] for one in found["cost"]["behind"]] == [""]
        assert found["cost"]["seconds"] > 0 and found["cost"]["taken"] is None
    else:
        assert found["cost"]["taken"] == pytest.approx(done.json["rollback_seconds"], abs=1.0)
    whole = stage.run("audit", "verify", "--env", "whole", "--head", found["journal"]["head"]).ended(0)
    assert "whole: no entry was changed" in str(whole)


def test_forward_again_back_and_forward_again(stage: Stage) -> None:
    asked = len(stage.aws_calls())
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
        every_shift_was_seen(stage, first)
        name_servers_lead_to_green(stage)
        assert stage.sides() == ("fenced", "open")
        assert stage.weights() == {"shop-blue": 0, "shop-green": 100}
        assert {r["SetIdentifier"]: r["Weight"] for r in stage.records()} == {"blue": 0, "green": 100}
        assert {r["TTL"] for r in stage.records()} == {2}
        stage.writes_go_on()
        stage.nothing_lost(first.began, "green")
        the_report_tells_of_it(stage, first, switches=1)

        turned = len(stage.aws_calls())
        back = stage.rollback("whole").ended(0)
        on_the_way_back = calls_since(stage, turned)
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
        the_report_tells_of_it(stage, back, switches=2)

        reviewed = stage.run("plan", "--env", "whole", "--json").ended(0).json["start_digest"]
        second = stage.cutover("whole", "--approve", reviewed).ended(0)
        customers_noticed_nothing(second)
        assert second.json["run"] != first.json["run"]
        assert stage.writable() == ["green"]
        stage.nothing_lost(first.began, "green")

    is_all_that_is_allowed(stage, "whole", "cutover", calls_since(stage, asked), every=True)
    is_all_that_is_allowed(stage, "whole", "rollback", on_the_way_back, every=False)


def test_everything_taken_back_leaves_green_closed_to_applications(stage: Stage) -> None:
    """Applications look for the side that accepts writes by themselves: they must not find green, which nobody fences now."""
    stage.cutover("whole", "--until", "prepare").ended(0)
    stage.rollback("whole", "--everything").ended(0)
    assert stage.sides() == ("unprepared", "unprepared")
    ports = {side: int(conninfo_to_dict(stage.dsn(side))["port"] or 0) for side in ("blue", "green")}
    green_first = f"postgresql://shop@127.0.0.1:{ports['green']},127.0.0.1:{ports['blue']}/shop"
    with psycopg.connect(green_first, target_session_attrs="read-write", connect_timeout=5) as session:
        assert session.info.port == ports["blue"]
