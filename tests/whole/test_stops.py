"""A run that is held, cut in two, interrupted or changed under way: it stops at a safe place and says how to go on."""

from __future__ import annotations

import re
import signal

import pytest
from whole.commands import Done, interrupt
from whole.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ESCAPE = "\x1b["


def says_how_to_go_on(done: Done) -> None:
    assert "invoke resume --env bare" in done.err, str(done)
    assert "invoke rollback --env bare" in done.err, str(done)
    assert ESCAPE not in done.err + done.out, "there is no terminal, and yet escapes were printed"


@pytest.fixture
def bare(stage: Stage) -> Stage:
    stage.environment("bare", smoke=None, checklist=None)
    stage.back_on_blue()
    return stage


def test_until_then_hold_then_on(bare: Stage) -> None:
    first = bare.cutover("bare", "--until", "prepare").ended(0)
    assert first.json["outcome"] == "until"
    assert [phase["name"] for phase in first.json["phases"]] == ["prepare"]
    assert bare.sides() == ("open", "fenced")

    running = bare.paused("after passed:soak-50", "cutover", "--env", "bare", "--yes", "--json")
    bare.run("hold", "--env", "bare", "--reason", "looking at errors").ended(0)
    bare.release()
    held = running.done().ended(8)
    assert held.json["outcome"] == "waiting"
    assert held.json["run"] == first.json["run"]
    assert "looking at errors" in held.err, str(held)
    says_how_to_go_on(held)
    assert bare.weights() == {"shop-blue": 50, "shop-green": 50}

    last = bare.resume("bare").ended(0)
    assert (last.json["outcome"], last.json["run"]) == ("done", first.json["run"])
    assert bare.nothing_lost(first.began, "green").failed_writes == 0
    back = bare.rollback("bare", "--to", "shift-50").ended(0)
    assert back.json["outcome"] == "undone"
    assert bare.weights() == {"shop-blue": 50, "shop-green": 50}
    assert bare.sides() == ("fenced", "open")
    bare.back_on_blue()
    bare.nothing_lost(first.began, "blue")


def test_signals_stop_at_a_boundary_and_never_leave_the_window_open(bare: Stage) -> None:
    # In a soak: SIGTERM stops there, SIGINT stops there too.
    running = bare.paused("after passed:fits-the-window", "cutover", "--env", "bare", "--yes", "--json")
    interrupt(running)
    bare.release()
    before = running.done().ended(130)
    says_how_to_go_on(before)
    assert "nothing was switched" in before.err, str(before)
    assert bare.sides() == ("open", "fenced")
    assert bare.writable() == ["blue"]

    running = bare.paused("switch: locked", "resume", "--env", "bare", "--json")
    interrupt(running)
    bare.release()
    after = running.done().ended(130)
    says_how_to_go_on(after)
    assert bare.sides() == ("fenced", "open"), str(after)
    assert bare.state("bare") == "open"

    running = bare.paused("after hold-begun:soak-50", "resume", "--env", "bare", "--json")
    interrupt(running, signal.SIGTERM)
    bare.release()
    soaking = running.done().ended(143)
    says_how_to_go_on(soaking)

    running = bare.paused("after hold-begun:soak-100", "resume", "--env", "bare", "--json")
    interrupt(running)
    bare.release()
    says_how_to_go_on(running.done().ended(130))
    bare.resume("bare").ended(0)
    assert bare.state("bare") == "green"
    assert bare.nothing_lost(before.began, "green").failed_writes == 0

    # On the way back, once blue has its writes.
    running = bare.paused("switch: locked", "rollback", "--env", "bare", "--yes", "--reason", "a test", "--json")
    interrupt(running)
    bare.release()
    home = running.done().ended(130)
    says_how_to_go_on(home)
    assert bare.sides() == ("open", "fenced"), str(home)
    bare.resume("bare").ended(0)
    assert bare.state("bare") == "rolled-back"
    bare.nothing_lost(before.began, "blue")


def test_a_plan_that_changed_under_way_is_refused(bare: Stage) -> None:
    bare.cutover("bare", "--until", "prepare").ended(0)
    bare.environment("bare", smoke=None, checklist=None, shift={"shares": [100], "soak": 0.2})
    try:
        for command in (["cutover", "--yes"], ["resume"], ["rollback", "--yes", "--reason", "no"]):
            done = bare.run(command[0], "--env", "bare", *command[1:]).ended(5)
            assert re.search(r"started with plan \w{12}, but the environment now gives \w{12}", done.err), str(done)
        bare.rollback("bare", "--plan-changed").ended(0)
        assert bare.state("bare") == "rolled-back" and bare.sides() == ("open", "fenced")
    finally:
        bare.environment("bare", smoke=None, checklist=None)
