"""Lines of a checklist that run a person's own command: what it ends with and prints is the answer, here and by hand."""

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from cutover.core.errors import ConfigurationRefused, Unreachable, Waiting
from cutover.core.gate import Verdict
from cutover.core.telling import heard
from cutover.machine.own_check import Limits, OwnCheck, OwnLook
from cutover.machine.own_command import Variable
from cutover.machine.own_read import OwnCommandsRead

FAST = Limits(at_most=200.0, unit="ms")


def line(command: str, **words: Any) -> OwnCheck:
    return OwnCheck(**{"name": "line", "command": command, "timeout": 30.0, **words})


def by_hand(it: OwnCheck, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-c", it.shell()],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", **variables},
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "limits", "verdict", "seen"),
    [
        ("echo 214 passed", Limits(), Verdict.PASS, "214 passed"),
        ("true", Limits(), Verdict.PASS, "it ended with 0"),
        ("echo 3 failed >&2; exit 2", Limits(), Verdict.FAIL, "the command ended with 2: 3 failed"),
        ("false | cat", Limits(), Verdict.FAIL, "ended with 1"),
        ("echo looking; echo 187.5; echo", FAST, Verdict.PASS, "187.5ms, wanted at most 200ms"),
        ("echo 200", FAST, Verdict.PASS, "200ms"),
        ("echo 201", FAST, Verdict.FAIL, "201ms, wanted at most 200ms"),
        ("echo 99", Limits(at_least=100.0, unit="/s"), Verdict.FAIL, "99/s, wanted at least 100/s"),
        (
            "echo 1e2",
            Limits(at_least=100.0, at_most=300.0, unit="/s"),
            Verdict.PASS,
            "wanted at least 100/s and at most",
        ),
        ("echo 1; exit 1", FAST, Verdict.FAIL, "ended with 1"),
        ("echo about 100", FAST, Verdict.FAIL, "has to print a number as its last line, and printed 'about 100'"),
        ("true", FAST, Verdict.FAIL, "printed nothing"),
        ("echo nan", FAST, Verdict.FAIL, "nan"),
        ("echo inf", Limits(at_least=1.0), Verdict.FAIL, "inf"),
    ],
)
def test_what_it_ends_with_and_prints_is_the_answer_by_hand_too(
    command: str, limits: Limits, verdict: Verdict, seen: str
) -> None:
    it = line(command, limits=limits)
    found = it.look()
    assert found.verdict is verdict and seen in found.seen
    assert (by_hand(it).returncode == 0) is (verdict is Verdict.PASS)


def test_one_that_does_not_end_is_ended_and_has_failed(tmp_path: Path) -> None:
    began = time.monotonic()
    found = line(f"sleep 60; touch {tmp_path}/late", timeout=0.3).look()
    assert found.verdict is Verdict.FAIL and "did not end in time" in found.seen
    assert time.monotonic() - began < 30


def test_nothing_runs_in_a_dry_run_but_what_only_looks(tmp_path: Path) -> None:
    mark = f"touch {tmp_path}/ran"
    found = line(mark, dry=True).look()
    assert found.verdict is Verdict.BLIND and found.seen == "not run in dry-run" and "only_looks" in found.hint
    assert not (tmp_path / "ran").exists() and OwnCheck.writes
    looks = OwnLook(name="line", command=mark, timeout=30.0, dry=True)
    assert looks.look().verdict is Verdict.PASS and (tmp_path / "ran").exists() and not OwnLook.writes


def test_a_secret_is_in_its_environment_and_in_nothing_that_is_told() -> None:
    token = Variable("TOKEN", lambda: "hunter-2-secret", '"$KNOWN"')
    it = line('echo "said $TOKEN"', variables=(token,))
    assert it.look().seen == "said ***"
    assert by_hand(it, KNOWN="x").stdout == "said x\n" and "hunter" not in it.shell() + repr(it)


def test_a_secret_that_cannot_be_found_is_not_seen_as_a_failure() -> None:
    def missing() -> str:
        raise ConfigurationRefused(["$TOKEN is not set"])

    it = line("true", variables=(Variable("TOKEN", missing, '"$TOKEN"'),))
    assert it.look().verdict is Verdict.BLIND
    read = OwnCommandsRead(lines=(it, line("if true; then")))
    found = read.look()
    assert found.verdict is Verdict.FAIL and "$TOKEN is not set" in found.seen and "line: command: " in found.seen

    def silent() -> str:
        raise Unreachable("ssm:/token could not be read: no answer")

    unseen = OwnCommandsRead(lines=(line("true", variables=(Variable("TOKEN", silent, '"$TOKEN"'),)),)).look()
    assert unseen.verdict is Verdict.BLIND and "no answer" in unseen.seen
    assert OwnCommandsRead(lines=(line("true"),)).look().seen == "the commands of 1 line of a checklist can be read"


def test_a_run_that_is_to_stop_does_not_wait_for_a_command_that_says_nothing(tmp_path: Path) -> None:
    def stop(seen: str) -> None:
        raise Waiting(f"held: {seen}")

    with heard(stop), pytest.raises(Waiting, match="printed nothing yet"):
        line(f"sleep 60; touch {tmp_path}/late").look()
    assert not (tmp_path / "late").exists()
