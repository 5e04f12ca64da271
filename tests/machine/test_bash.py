"""A script in a group of its own: nothing of it outlives its deadline, and nothing secret is shown."""

import time
from pathlib import Path

import pytest

from cutover.core.clock import Deadline
from cutover.machine.bash import KEPT, run_bash

FOREVER = 600


def gone(pid: int) -> bool:
    """Whether it ends within a few seconds: a kill has been sent by now, and the kernel takes its time."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def test_it_stops_at_the_first_error_and_says_what_was_printed() -> None:
    ended = run_bash("echo one; echo two >&2; false | true; echo three", {}, Deadline.after(20))
    assert (ended.code, ended.last_line, ended.errors) == (1, "one", "two")
    assert ended.complaint("it") == "it ended with 1: two"
    assert run_bash("exit 3", {}, Deadline.after(20)).complaint("it") == "it ended with 3, and printed nothing"


def test_the_whole_group_ends_at_the_deadline(tmp_path: Path) -> None:
    script = f"sleep {FOREVER} & echo $! > {tmp_path}/child; trap '' TERM; wait; sleep {FOREVER}"
    ended = run_bash(script, {}, Deadline.after(1.0))
    assert ended.code is None
    assert ended.complaint("it") == "it did not end in time and was killed, and printed nothing"
    assert gone(int((tmp_path / "child").read_text()))


def test_a_child_that_holds_the_pipe_does_not_keep_us_waiting(tmp_path: Path) -> None:
    began = time.monotonic()
    ended = run_bash(f"sleep {FOREVER} & echo $! > {tmp_path}/child; echo done", {}, Deadline.after(60))
    assert (ended.code, ended.last_line) == (0, "done")
    assert time.monotonic() - began < 30
    assert gone(int((tmp_path / "child").read_text()))


def test_what_it_prints_is_bounded() -> None:
    ended = run_bash("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last", {}, Deadline.after(60))
    assert ended.last_line == "last"
    assert len(ended.output) <= KEPT


def test_it_needs_no_input_and_closing_its_output_does_not_spin() -> None:
    assert run_bash("cat; exec >&- 2>&-; sleep 0.3", {}, Deadline.after(20)).code == 0


def test_values_come_by_the_environment_and_are_never_shown() -> None:
    ended = run_bash('echo "it is $TOKEN"; echo "$TOKEN" >&2; false', {"TOKEN": "s3cret"}, Deadline.after(20))
    assert (ended.output, ended.complaint("it")) == ("it is ***", "it ended with 1: ***")


def test_control_characters_are_taken_out() -> None:
    assert run_bash(r"printf 'a\033[2Jb\n'", {}, Deadline.after(20)).output == "a [2Jb"


def test_whoever_listens_may_end_it(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    heard: list[str] = []

    def hear(line: str) -> None:
        heard.append(line)
        if line == "two":
            raise Stop

    with pytest.raises(Stop):
        run_bash(
            f"echo $$ > {tmp_path}/pid; echo one; sleep 0.5; echo two; sleep {FOREVER}", {}, Deadline.after(60), hear
        )
    assert heard == ["one", "two"]
    assert gone(int((tmp_path / "pid").read_text()))
