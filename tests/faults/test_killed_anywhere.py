"""`kill -9` at the boundaries of the journal and in the middle of commands, forward and back, with customers buying.

CUTOVER_KILL_PLACES is how many places are taken (a sample by CUTOVER_SEED), or `all`.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import pytest
from whole.commands import Done
from whole.poller import Poller
from whole.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

WANTED = os.environ.get("CUTOVER_KILL_PLACES") or "4"
SEED = int(os.environ.get("CUTOVER_SEED") or "1")
NAME = "bare"
MOODS = ("waiting:", "retrying:", "hold-broken:", "command-failed:")


def test_killed_anywhere_the_run_reaches_its_end(stage: Stage, tmp_path: Path) -> None:
    # From scratch when every place is wanted: a second run skips what stands, and so has fewer places.
    whole = ["--everything"] if WANTED == "all" else []
    standing = stage.sides() != ("unprepared", "unprepared")
    if standing == bool(whole):
        stage.cutover(NAME, "--until", "prepare").ended(0)
        stage.rollback(NAME, *whole).ended(0)
    forward = places(stage.cutover(NAME, env={"CUTOVER_KILL_TRACE": str(tmp_path / "forward")}), tmp_path / "forward")
    back = places(stage.rollback(NAME, *whole, env={"CUTOVER_KILL_TRACE": str(tmp_path / "back")}), tmp_path / "back")
    if WANTED != "all":
        forward, back = sample(forward), sample(back)
    rounds = max(len(forward), len(back))
    for number in range(rounds):
        there, home = forward[number % len(forward)], back[number % len(back)]
        try:
            with Poller(stage).watching():
                killed_and_taken_up(stage, there, home, whole)
        except AssertionError as error:
            raise AssertionError(
                f"round {number + 1} of {rounds}: killed at {there!r}, then at {home!r}:\n{error}"
            ) from error
        if WANTED == "all":
            print(f"{number + 1}/{rounds} {there} | {home}", file=sys.stderr, flush=True)


def places(done: Done, trace: Path) -> list[str]:
    """The places of one run, each as CUTOVER_KILL_AT wants it; not those that only a slow moment brings."""
    done.ended(0)
    return [place for place in trace.read_text(encoding="utf-8").splitlines() if not place.split()[1].startswith(MOODS)]


def sample(found: list[str]) -> list[str]:
    return random.Random(SEED).sample(found, max(1, int(WANTED) // 2))


def killed_and_taken_up(stage: Stage, there: str, home: str, whole: list[str]) -> None:
    began = time.time()
    died(stage.cutover(NAME, env={"CUTOVER_KILL_AT": there}))
    stage.resume(NAME).ended(0)
    if stage.state(NAME) != "green":
        stage.cutover(NAME).ended(0)  # it died before its first entry, so there was nothing to resume
    assert (stage.state(NAME), stage.sides()) == ("green", ("fenced", "open"))
    assert stage.writable() == ["green"]
    stage.nothing_lost(began, "green")

    died(stage.rollback(NAME, *whole, env={"CUTOVER_KILL_AT": home}))
    stage.resume(NAME).ended(0)
    if stage.state(NAME) != "rolled-back":
        stage.rollback(NAME, *whole).ended(0)
    assert stage.state(NAME) == "rolled-back"
    assert stage.sides() == (("unprepared", "unprepared") if whole else ("open", "fenced"))
    # Without the kit nothing but a default keeps green's clients away; with it, no client can write there.
    assert stage.writable() == (["blue", "green"] if whole else ["blue"])
    seen = stage.nothing_lost(began, "blue")
    assert (seen.failed_reads, seen.failed_writes) == (0, 0)


def died(done: Done) -> None:
    assert done.code == -9, f"the place was not reached\n{done}"
