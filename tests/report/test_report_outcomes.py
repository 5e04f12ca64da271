"""What a report says of each way in which a run can come out, of runs that were really walked."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from report.walked import Ask, Finding, Policy, Put, Walked, errors, ill, well

from cutover.report.document import Gathered
from cutover.report.document import document as report_document
from cutover.report.pages import html, markdown, rendered
from cutover.report.sections import sections


def whole(document: dict[str, Any]) -> dict[str, Any]:
    """The document, after all of its pages were made of it: each is there for every outcome."""
    pages = rendered(document)
    assert json.loads(pages["report.json"]) == json.loads(json.dumps(document))
    for section in sections(document):
        assert section.title in pages["report.md"] and section.title.split(",")[0] in pages["report.html"]
    return document


def test_a_run_that_is_done() -> None:
    run = Walked()
    run.go()
    document = whole(run.report())
    outcome = document["outcome"]
    assert (outcome["title"], outcome["zone"], outcome["who"]) == ("done", "rollback", ["tester"])
    assert (outcome["began"], outcome["ended"]) == (run.view.began, run.view.ended)
    (leg,) = document["legs"]
    assert [phase["name"] for phase in leg["phases"]] == [phase.name for phase in run.plan.phases]
    assert [item["name"] for item in leg["items"]] == [item.name for _, item in run.plan.walk()]
    assert {item["result"] for item in leg["items"]} == {"done", "passed"}
    soaks = [wait for item in leg["items"] for wait in item["waits"] if wait["kind"] == "soak"]
    assert soaks == []  # they count from the step before them, which is no wait of their own
    assert [(one["step"], one["serves"]) for one in document["commits"]] == [("switchover", "green")]
    assert [(one["host"], one["percent"]) for one in document["share"]["asked"]] == [
        ("share", 10.0),
        ("share", 50.0),
        ("share", 100.0),
    ]
    found = document["differences"]
    assert (found["events"], found["not_reached"], found["skipped"]) == ([], [], [])
    assert document["journal"]["head"] == run.view.entries[-1].hash
    assert [one["step"] for one in document["commands"]] == [step.name for _, step in run.plan.steps()]
    assert document["commands"][0]["commands"] == ["put ttl 5"] and document["commands"][0]["result"] == "done"
    back = document["cost"]
    assert back["steps"][0]["step"] == "alarm-new-undo" and back["taken"] is None
    assert back["promised_until"] == pytest.approx(document["commits"][0]["at"] + 86_400)


def test_a_run_that_a_trigger_took_back() -> None:
    run = Walked(guards=lambda w: (errors(w, at=50, policy=Policy.ROLLBACK),))
    run.go()
    document = whole(run.report())
    assert document["outcome"]["title"] == "rolled back"
    assert "the run's own policy: guard errors: 7 % errors at 50 %" in document["outcome"]["says"]
    forward, back = document["legs"]
    assert (forward["outcome"], back["outcome"], back["direction"]) == ("turned back", "rolled-back", "back")
    assert forward["ended"] == back["began"]
    assert [one["serves"] for one in document["commits"]] == ["green", "blue"]
    (started,) = document["guards"]
    assert (started["guard"], started["started"][0]["starts"]) == ("errors", "rollback")
    assert {one["name"] for one in document["differences"]["not_reached"]} >= {"share-100", "checklist"}
    assert document["cost"]["taken"] == pytest.approx(back["ended"] - back["began"], abs=0.001)
    assert {one["step"] for one in document["cost"]["steps"]} >= {"switchover-undo", "share-10-undo"}
    assert document["share"]["asked"][-1]["percent"] == 0.0


def test_a_run_that_stood_still_first() -> None:
    run = Walked(guards=lambda w: (errors(w, at=50, policy=Policy.ROLLBACK, investigate=60.0),))
    run.go()
    document = whole(run.report())
    (standing,) = [one for one in document["legs"][0]["waits"] if one["kind"] == "standing"]
    assert standing["ended"] - standing["began"] == pytest.approx(60.0, abs=5)
    assert [one["kind"] for one in document["differences"]["events"]] == ["standing", "standing-ended", "guard-failed"]


def test_a_run_that_was_aborted_before_its_commit() -> None:
    run = Walked(checks={"caught-up": ill("far behind")})
    run.go()
    document = whole(run.report())
    assert (document["outcome"]["title"], document["outcome"]["zone"]) == ("aborted", "cancel")
    assert "far behind" in document["outcome"]["says"] and "blue serves" in document["outcome"]["says"]
    assert document["commits"] == [] and document["legs"][0]["items"][-1]["result"] == "failed"
    assert [one["kind"] for one in document["differences"]["events"]] == ["failed"]
    assert document["share"]["asked"] == []


def test_a_window_that_was_taken_back() -> None:
    run = Walked(checks={"lag": ill("too late")})
    run.go()
    document = whole(run.report())
    assert document["outcome"]["title"] == "window taken back"
    assert [leg["outcome"] for leg in document["legs"]] == ["turned back", "undone"]
    assert "overrun" in [one["kind"] for one in document["differences"]["events"]]
    assert document["commits"] == []


def test_a_person_takes_it_back_later() -> None:
    run = Walked()
    run.go()
    run.world.clock.sleep(600)
    run.go(lambda one: one.back(reason="checkout is slow"))
    document = whole(run.report())
    assert document["outcome"]["says"] == "Blue serves again; a person asked for it: checkout is slow."
    assert document["legs"][0]["waits"] == []  # nobody has to be at work while the way back is only kept warm
    assert [one["why"] for one in document["words"]] == ["", "checkout is slow"]


def test_a_person_asks_the_walking_process_to_go_back() -> None:
    run = Walked()
    asks = Ask(lambda: run.says("rollback", who="bea", reason="checkout is slow") or Finding.passed("x"))  # type: ignore[func-returns-value]
    run.checks = {"probe": asks}
    run.go()
    document = whole(run.report())
    assert document["outcome"]["says"] == "Blue serves again; asked for by bea: checkout is slow."
    assert document["outcome"]["who"] == ["tester", "bea"]
    assert [leg["outcome"] for leg in document["legs"]] == ["turned back", "rolled-back"]


def test_a_gate_that_waited_for_its_time_was_at_work() -> None:
    run = Walked(asks=True)
    run.go()
    document = whole(run.report())
    forward, back = document["legs"]
    assert forward["outcome"] == "turned back" and back["began"] - forward["items"][-1]["began"] > 3500
    assert forward["waits"] == []


def test_a_way_back_in_two_legs_took_what_both_took() -> None:
    run = Walked()
    run.go()
    run.world.command_seconds = 20.0
    run.go(lambda one: one.back(reason="slow", to="shift-10"))
    run.world.clock.sleep(600)
    run.go(lambda one: one.back(reason="slow still"))
    document = whole(run.report())
    _, first, second = document["legs"]
    both = first["ended"] - first["began"] + second["ended"] - second["began"]
    assert document["cost"]["taken"] == pytest.approx(both, abs=0.01) and both > 80
    assert {one["step"] for one in document["cost"]["steps"]} >= {"alarm-new-undo", "switchover-undo"}


def test_a_way_back_that_was_finished_forward_again() -> None:
    run = Walked()
    run.go()
    run.world.faults["maintenance=on"] = ["before"] * 1000
    run.go(lambda one: one.back(reason="slow"))
    document = whole(run.report())
    assert [leg["outcome"] for leg in document["legs"]] == ["done", "turned forward", "reopened"]
    assert document["outcome"]["title"] == "window reopened"


def test_a_run_that_goes_on_still() -> None:
    for place in range(100):
        run = Walked()
        if run.killed(place) == "after intent:switchover":
            break
    run.world.clock.sleep(10)
    document = whole(run.report())
    outcome = document["outcome"]
    assert (outcome["title"], outcome["under_way"], outcome["ended"]) == ("under way", True, None)
    assert outcome["open_intent"] == "switchover" and outcome["seconds"] > 10
    assert document["legs"][0]["items"][-1]["result"] == "under way"
    assert document["commands"][-1]["result"] == "not answered"
    run.go()
    document = whole(run.report())
    assert document["outcome"]["title"] == "done"
    assert [one["step"] for one in document["commands"]].count("switchover") == 2
    assert "leg-resumed" in [one["kind"] for one in document["differences"]["events"]]
    assert [one["about"] for one in document["legs"][0]["waits"]] == ["until it was resumed"]


def test_a_run_that_waits_for_people() -> None:
    run = Walked(asks=True)
    run.go(detached=True)
    run.says("approve", "decision", comment="errors are low")
    run.says("hold", reason="lunch")
    document = whole(run.report())
    assert document["outcome"]["title"] == "waiting" and document["outcome"]["asked"].keys() == {"go"}
    (gate,) = document["approvals"]
    assert (gate["state"], gate["criteria"], gate["ended"]) == ("waits", "errors", None)
    assert [one["role"] for one in gate["roles"]] == ["decision", "database"]
    (word,) = gate["words"]
    assert (word["who"], word["comment"], word["recorded"]) == ("ann", "errors are low", False)
    assert ("hold", "lunch") in [(one["what"], one["why"]) for one in document["words"]]

    run.says("resume")
    run.says("approve", "database", who="bob")
    run.go()
    (gate,) = whole(run.report())["approvals"]
    assert gate["state"] == "passed" and [one["recorded"] for one in gate["words"]] == [True, True]


def test_a_gate_that_was_asked_twice_has_a_row_for_each() -> None:
    run = Walked(asks=True)
    run.go(detached=True)
    run.says("reject", "decision", comment="errors rise")
    run.world.clock.sleep(10)
    run.go()  # which goes back
    run.world.clock.sleep(10)
    run.go(detached=True)
    run.says("approve", "decision", comment="mended")
    run.says("approve", "database", who="bob")
    run.world.clock.sleep(1)
    run.go()
    first, second = whole(run.report())["approvals"]
    assert [(one["said"], one["comment"]) for one in first["words"]] == [("no", "errors rise")]
    assert [(one["said"], one["who"]) for one in second["words"]] == [("yes", "ann"), ("yes", "bob")]
    assert (first["state"], second["state"]) == ("failed", "passed") and first["ended"] < second["asked"]
    run.asks = False
    (gone, _) = whole(run.report())["approvals"]
    assert (gone["gate"], gone["roles"], gone["state"]) == ("go", [], "failed")


def test_a_run_that_was_finished() -> None:
    run = Walked()
    run.go()
    store, ended = run.world.store, run.view.ended
    last = store.kept[-1].seq
    leg = {"direction": "forward", "plan": "finish", "digest": "f", "who": "ann"}
    for kind, data in (("leg-started", leg), ("leg-ended", {"outcome": "done"})):
        last += 1
        store.kept.append(replace(store.kept[-1], seq=last, at=run.world.clock.now() + last, kind=kind, data=data))
    run.world.clock.sleep(604_800)
    document = whole(run.report())
    assert document["outcome"]["ended"] == ended and document["outcome"]["seconds"] < 60
    assert document["outcome"]["title"] == "finished" and document["outcome"]["zone"] == "finished"
    assert document["legs"][-1]["name"] == "2. finish"
    assert document["cost"]["missing"] == "the way back was removed by `finish`"


def test_a_way_back_whose_checks_complained_is_no_good_end() -> None:
    run = Walked(checks={"lag-undo": ill("rows are missing")})
    run.go()
    run.go(lambda one: one.back(reason="slow"))
    document = whole(run.report())
    assert document["outcome"]["title"] == "rolled back, checks failed"
    assert "rows are missing" in document["outcome"]["says"]
    assert '<p class="outcome bad">' in html(document)


def test_what_is_written_after_the_end_is_none_of_its_time() -> None:
    run = Walked()
    run.go()
    ended = run.view.ended
    last = run.entries[-1]
    run.world.store.kept.append(replace(last, seq=last.seq + 1, at=last.at + 86_400, kind="override", data={}))
    outcome = whole(run.report())["outcome"]
    assert (outcome["ended"], outcome["seconds"]) == (ended, round(ended - run.view.began, 3))


def test_a_run_of_another_plan_is_told_by_its_entries_alone() -> None:
    run = Walked(checks={"soak-50": ill("slow")}, asks=True)
    run.go()
    run.policies = {"soak_10": Policy.FREEZE}
    document = whole(run.report())
    outcome = document["outcome"]
    assert (outcome["title"], outcome["zone"]) == ("stopped", None)
    assert "another one by now" in outcome["says"] and "blue serves" not in outcome["says"]
    assert document["differences"]["not_reached"] == [] and document["cost"]["missing"]
    assert "The environment's plan is another one by now" in markdown(document)


def test_a_plan_that_moves_no_writes_gives_green_a_part() -> None:
    run = Walked()
    run.go()
    whole_plan = run.plan
    phases = tuple(one for one in whole_plan.phases if one.name != "window")
    traffic = replace(whole_plan, phases=tuple(replace(p, items=tuple(map(_traffic, p.items))) for p in phases))
    document = report_document(run.view, traffic, Gathered(environment="toy"), run.world.clock.now())
    assert [(one["step"], one["serves"], one["says"]) for one in document["commits"]] == [
        ("share-10", None, "green gets a part")
    ]


def _traffic(item: Any) -> Any:
    if getattr(item, "key", "") != "share":
        return item
    return TrafficPut(**{one.name: getattr(item, one.name) for one in fields(item) if one.init})


class TrafficPut(Put):
    """A move of the traffic, as a plan's carriers make it."""

    @property
    def lane(self) -> str:
        return "traffic"


def test_what_went_otherwise_is_told() -> None:
    run = Walked(checks={"preflight": well()})
    run.world.faults = {"ttl=5": ["before"], "share=10 %": ["after"], "maintenance=on": ["before"]}
    run.go()
    assert run.world.kinds()[-1] == "leg-ended"
    document = whole(run.report())
    kinds = [one["kind"] for one in document["differences"]["events"]]
    assert "command-failed" in kinds
    (failed, *_) = [one for one in document["commands"] if one["step"] == "ttl-down"]
    assert failed["result"].startswith("failed: ConnectionError")


def test_a_step_that_took_long_is_named() -> None:
    run = Walked()
    run.world.command_seconds = 20.0
    run.go(lambda one: one.forward(until="prepare"))
    document = whole(run.report())
    assert document["outcome"]["title"] == "stopped after prepare"
    slow = {one["name"] for one in document["differences"]["steps"] if one["slow"]}
    assert slow == {"ttl-down", "subscribe", "kit"}
    assert {one["phase"] for one in document["differences"]["not_reached"]} >= {"window", "bake"}


def test_looking_before_the_first_command_belongs_to_a_step() -> None:
    run = Walked()
    run.world.unreachable = {"subscription": 12}
    run.go()
    items = {item["name"]: item for item in run.report()["legs"][0]["items"]}
    assert items["subscribe"]["began"] == pytest.approx(items["ttl-down"]["ended"], abs=0.1)
    assert items["subscribe"]["seconds"] > 0.5


def test_what_was_there_already_is_told() -> None:
    run = Walked()
    run.world.values["ttl"] = 5
    run.go()
    assert run.report()["differences"]["skipped"] == ["ttl-down"]
