"""Work that a thread repeats: through errors, in forked children, at the end, and without a thread at all."""

import subprocess
import sys
import threading

import pytest

from cutover.routing.repeating import Repeating

FORKED = """
import os, sys, threading
from cutover.routing.repeating import Repeating
said = threading.Event()
def say(line):
    os.write(1, line.encode() + b"\\n")  # in one piece: two processes write
def work():
    say(str(os.getpid() == parent))
    said.set()
parent = os.getpid()
one = Repeating("work", work, 0.01, forked=lambda: say("forked"))
said.wait(30)
one.end()
two = Repeating("work", work, 0.01, forked=lambda: say("begun in the child"))
if os.fork() == 0:
    said.clear()
    said.wait(30)
    two.end()
    os._exit(0)
os.wait()
two.end()
"""


def test_it_goes_on_after_an_error_and_is_done_once_more_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    done, thrice = [], threading.Event()

    def work() -> None:
        done.append(1)
        if len(done) >= 3:
            thrice.set()
        raise LookupError("odd")

    one = Repeating("work", work, 0.001)
    assert thrice.wait(30)
    one.end()
    count = len(done)
    one.end()
    assert len(done) == count >= 4
    assert "work: LookupError: odd" in caplog.text


def test_the_end_comes_at_once_and_does_the_work() -> None:
    done: list[int] = []
    one = Repeating("work", lambda: done.append(1), 3600)
    one.end()
    assert done == [1]


def test_a_child_has_a_thread_of_its_own_and_what_had_ended_stays_so() -> None:
    out = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, timeout=60).stdout
    lines = out.split("\n")
    assert lines.count("forked") == lines.count("begun in the child") == 1
    assert "True" in lines and "False" in lines[lines.index("begun in the child") :]


def test_the_end_of_the_process_does_it_too() -> None:
    code = "from cutover.routing.repeating import Repeating\nRepeating('work', lambda: print('done'), 3600)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
        == "done\n"
    )


@pytest.mark.parametrize("every", [0, -1.0, float("nan")])
def test_an_interval_that_is_none(every: float) -> None:
    with pytest.raises(ValueError, match="is no interval"):
        Repeating("work", lambda: None, every)
