"""The window always ends: by its budget, by its supervisor when the worker dies or hangs, by one command when both die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from whole.commands import Done
from whole.poller import Poller
from whole.stage import REPOSITORY, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NAME = "bare"
BUDGET = 8.0  # seconds, of the environment `tight`
LONGEST = 20.0  # seconds without an acknowledged write: dead-man switch or stall, and the supervisor's work


def write_gap(stage: Stage, since: float) -> float:
    """The longest time between two acknowledged writes since then, in seconds."""
    stage.writes_go_on()
    return (stage.seen_since(since).write_gap_ms or 0.0) / 1000


@pytest.fixture
def tight(stage: Stage) -> Iterator[Stage]:
    """The stage with an environment `tight`, whose window may take 8 seconds."""
    words: dict[str, Any] = yaml.safe_load((REPOSITORY / "environments" / "local.yaml").read_text(encoding="utf-8"))
    database = words["database"] | {"fence": {"dead_man": 6, "lock_timeout": 3, "catch_up": 3}}
    stage.environment("tight", smoke=None, checklist=None, database=database, window={"budget": 8})
    yield stage
    stage.back_on_blue()


@pytest.mark.parametrize("place", ["switch: connected", "switch: locked"])
def test_a_budget_that_runs_out_before_the_commit_point_gives_blue_its_writes_back(tight: Stage, place: str) -> None:
    running = tight.paused(place, "cutover", "--env", "tight", "--yes", "--json")
    if place == "switch: locked":
        assert tight.writable(wait="1s") == []
        # The worker still hangs: it is the server's dead-man switch that gives blue its writes back.
        tight.eventually(lambda: tight.writable(wait="1s") == ["blue"], "blue writes again", within=15)
    wait_out(BUDGET + 0.5)
    tight.release()
    done = running.done().ended(5)
    assert "nothing was switched" in done.err, str(done)
    assert done.json["outcome"] == "refused"
    assert tight.sides() == ("open", "fenced")
    assert tight.writable() == ["blue"]
    assert write_gap(tight, done.began) < LONGEST
    assert tight.nothing_lost(done.began, "blue").failed_writes == 0


def test_a_budget_that_runs_out_after_the_commit_point_finishes_forward(tight: Stage) -> None:
    stage = tight
    running = stage.paused("switch: committed", "cutover", "--env", "tight", "--yes", "--json")
    assert stage.writable() == []
    wait_out(BUDGET + 0.5)
    stage.release()
    done = running.done().ended(0)
    assert done.json["outcome"] == "done"
    overrun = [entry for entry in stage.entries("tight") if entry.kind == "overrun" and entry.run == done.json["run"]]
    assert [entry.data["committed"] for entry in overrun] == [True]
    assert stage.sides() == ("fenced", "open")
    assert write_gap(stage, done.began) < LONGEST
    assert stage.nothing_lost(done.began, "green").failed_writes == 0


@pytest.mark.parametrize(
    ("place", "sides", "serving"),
    [("switch: locked", ("open", "fenced"), "blue"), ("switch: committed", ("fenced", "open"), "green")],
)
def test_the_supervisor_ends_the_window_of_a_worker_that_died(
    stage: Stage, place: str, sides: tuple[str, str], serving: str
) -> None:
    with Poller(stage).watching():
        done = stage.cutover(NAME, env={"CUTOVER_KILL_AT": place})
        assert done.code == -9, str(done)
        # Nobody types anything.
        stage.supervisors_gone()
        assert stage.sides() == sides
        assert stage.writable() == [serving]
        assert write_gap(stage, done.began) < LONGEST
        stage.nothing_lost(done.began, serving)
        stage.resume(NAME).ended(0)
    assert stage.sides() == ("fenced", "open")
    assert stage.nothing_lost(done.began, "green").failed_writes == 0


def test_a_worker_that_hangs_is_killed_and_its_window_ended(stage: Stage) -> None:
    running = stage.paused("switch: committed", "cutover", "--env", NAME, "--yes")
    os.kill(running.pid, signal.SIGSTOP)
    done = running.done(60)
    assert done.code == -9, str(done)
    stage.supervisors_gone()
    assert stage.sides() == ("fenced", "open")
    assert write_gap(stage, done.began) < LONGEST
    assert stage.nothing_lost(done.began, "green").failed_writes == 0


def test_worker_and_supervisor_dead_wait_for_one_command(stage: Stage) -> None:
    running = stage.paused("switch: committed", "cutover", "--env", NAME, "--yes")
    for line in stage.supervisors():
        os.kill(int(line.split()[0]), signal.SIGKILL)
    os.kill(running.pid, signal.SIGKILL)
    done: Done = running.done(10)
    assert stage.sides() == ("fenced", "fenced")
    assert stage.writable() == []
    status = stage.run("status", "--env", NAME).ended(0)
    assert f"invoke resume --env {NAME}" in status.out, str(status)
    stage.resume(NAME).ended(0)
    assert stage.sides() == ("fenced", "open")
    stage.writes_go_on()
    stage.nothing_lost(done.began, "green")


def wait_out(seconds: float) -> None:
    """The budget is wall time that has to run out; there is nothing else to see."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.1))
