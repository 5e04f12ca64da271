"""Two operators at once: one works, the other is told who, where and since when."""

from __future__ import annotations

import os
import re
import signal
import socket

import pytest
from whole.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NAME = "bare"


def test_only_one_of_two_operators_works(stage: Stage) -> None:
    running = stage.paused("after phase-entered:prepare", "cutover", "--env", NAME, "--yes", "--json")
    for command in (["cutover", "--yes"], ["resume"], ["rollback", "--yes", "--reason", "no"]):
        refused = stage.run(command[0], "--env", NAME, *command[1:]).ended(4)
        assert f"on {socket.gethostname()} (pid {running.pid})" in refused.err, str(refused)
        assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", refused.err), str(refused)
        assert "for: cutover" in refused.err, str(refused)
    found = re.search(r"invoke (unlock --env \w+ --lease (\w+))", refused.err)
    assert found, str(refused)

    wrong = stage.run("unlock", "--env", NAME, "--lease", "0" * 12).ended(5)
    assert found.group(2) in wrong.err, str(wrong)
    stage.run(*found.group(1).split()).ended(0)  # as it was printed
    entries = len(stage.entries(NAME))
    stage.release()
    lost = running.done().ended(4)
    assert "took over" in lost.err or "is void" in lost.err, str(lost)
    assert len(stage.entries(NAME)) == entries


def test_the_lease_of_a_dead_operator_is_free(stage: Stage) -> None:
    running = stage.paused("after phase-entered:prepare", "cutover", "--env", NAME, "--yes", "--json")
    os.kill(running.pid, signal.SIGKILL)
    running.done(10)
    stage.cutover(NAME).ended(0)
    assert stage.sides() == ("fenced", "open")
