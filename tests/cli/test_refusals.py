"""Every refusal names what was seen, what was wanted and what to type; nothing of it is a traceback."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time

import pytest
from cli.shell import Shell


@pytest.mark.parametrize("runner", ["invoke", "cutover"])
def test_an_unknown_environment_is_refused_with_the_nearest(shell: Shell, runner: str) -> None:
    for command in (["cutover", "--yes"], ["status"]):
        said = getattr(shell, runner)(command[0], "--env", "stagin", *command[1:]).ended(3)
        assert "staging" in said.err
        assert said.out == ""


def test_what_cannot_be_measured_is_refused_with_what_can(shell: Shell) -> None:
    assert "known: database" in shell.invoke("bench", "pause").ended(3).err
    said = shell.invoke("bench", "database", "--only", "pause,pauses").ended(3)
    assert "'pauses' is no part; known: pause, pgbouncer, rollback" in said.err and said.out == ""


def test_no_environment_lists_them(shell: Shell) -> None:
    said = shell.invoke("plan").ended(3)
    assert "local, local-databases, local-flag, local-maintenance, local-watched, prod, staging" in said.err


def test_a_broken_file_is_refused_with_its_lines(shell: Shell) -> None:
    path = shell.folder / "environments" / "local.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("kind: none", "kind: nothing").replace("copy_timeout", "copy_timeot"), encoding="utf-8"
    )
    said = shell.invoke("cutover", "--env", "local", "--yes").ended(3)
    assert said.err.count("environments/local.yaml:") >= 2
    assert "did you mean copy_timeout" in said.err
    path.write_text("a: [1,\n", encoding="utf-8")
    assert "environments/local.yaml:" in shell.invoke("plan", "--env", "local").ended(3).err


def test_a_home_that_is_a_file_is_refused(shell: Shell) -> None:
    shell.home.write_text("not a folder", encoding="utf-8")
    said = shell.invoke("status", "--env", "local").ended(3)
    assert "something that is no folder" in said.err and "CUTOVER_HOME" in said.err


@pytest.mark.parametrize("runner", ["invoke", "cutover"])
def test_without_a_terminal_yes_has_to_be_given(shell: Shell, runner: str) -> None:
    said = getattr(shell, runner)("cutover", "--env", "staging").ended(5)
    assert "--yes" in said.err
    assert not shell.home.exists()


@pytest.fixture
def free(shell: Shell) -> Shell:
    """Where production wants no rehearsal: there is no record in this folder."""
    file = shell.folder / "environments" / "prod.yaml"
    text = file.read_text(encoding="utf-8")
    assert text.count("\nrehearsal: required") == 1
    file.write_text(text.replace("\nrehearsal: required", "\n# rehearsal: required"), encoding="utf-8")
    return shell


def test_without_the_rehearsal_that_is_wanted_nobody_is_asked(shell: Shell) -> None:
    said = shell.typed("prod", "cutover", "--env", "prod").ended(5)
    assert "no rehearsal of prod is recorded" in said.err and "invoke rehearse --env prod" in said.err
    assert "type the environment's name" not in said.err and not shell.home.exists()


def test_a_protected_environment_wants_more_than_yes(free: Shell) -> None:
    said = free.invoke("cutover", "--env", "prod", "--yes").ended(5)
    assert "--yes alone is not enough" in said.err
    assert "--approve" in said.err
    assert not free.home.exists()


@pytest.mark.parametrize("typed", ["y", "PROD"])
def test_a_protected_environment_wants_its_name_typed(free: Shell, typed: str) -> None:
    code, shown = at_a_terminal(free, ["cutover", "--env", "prod"], typed)
    assert code == 5, shown
    assert "type the environment's name" in shown
    assert "nothing was touched" in shown
    assert "Traceback" not in shown
    assert not free.home.exists()


def at_a_terminal(shell: Shell, args: list[str], answer: str) -> tuple[int, str]:
    """Types the command at a terminal of its own and answers its question."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "invoke", *args],
        cwd=shell.folder,
        env=shell.variables({"TERM": "xterm"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown, answered, end = b"", False, time.monotonic() + 60
    try:
        while time.monotonic() < end:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    piece = os.read(ours, 4096)
                except OSError:  # the other end is closed
                    break
                if not piece:
                    break
                shown += piece
            if b"go on: " in shown and not answered:
                os.write(ours, answer.encode() + b"\n")
                answered = True
        return process.wait(timeout=10), shown.decode(errors="replace")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(timeout=10)
        os.close(ours)


def test_the_console_script_names_the_nearest_flag_and_task(shell: Shell) -> None:
    said = shell.cutover("cutover", "--env", "local", "--dryrun").ended(3)
    assert "--dry-run" in said.err
    said = shell.cutover("cutovr").ended(3)
    assert "cutover" in said.err
    assert "Did you mean" in said.err


@pytest.mark.parametrize("line", ["", "y", "yes", "Prod", "production"])
def test_another_word_than_prod_touches_nothing(free: Shell, line: str) -> None:
    said = free.typed(line, "cutover", "--env", "prod").ended(5)
    assert "cutover of prod: type the environment's name to go on: " in said.err
    assert "the name was not typed; nothing was touched" in said.err
    assert not free.home.exists()


@pytest.mark.slow
def test_prod_typed_goes_on(free: Shell) -> None:
    """As far as it can here: nobody has said where prod's databases are."""
    said = free.typed("prod", "cutover", "--env", "prod")
    assert "was not typed" not in said.err and said.code == 5
    assert "nothing was begun" in said.err and "could not be read" in said.err


def test_staging_is_asked_about_and_no_is_the_default(shell: Shell) -> None:
    said = shell.typed("", "cutover", "--env", "staging").ended(5)
    assert "cutover of staging: go on? [y/N] " in said.err and "not confirmed; nothing was touched" in said.err


def test_a_rollback_wants_a_reason_and_a_run(shell: Shell) -> None:
    said = shell.invoke("rollback", "--env", "staging", "--yes").ended(5)
    assert "--reason" in said.err
    said = shell.invoke("rollback", "--yes", "--reason", "x").ended(5)
    assert "no environment has a run" in said.err


def test_data_on_stdout_talk_on_stderr(shell: Shell) -> None:
    said = shell.invoke("plan", "--env", "staging", "--json").ended(0)
    assert json.loads(said.out)["environment"] == "staging"
    said = shell.invoke("status", "--json").ended(0)
    assert {e["state"] for e in json.loads(said.out)["environments"]} == {"no run"}
    assert not shell.home.exists()


def test_nothing_answers_and_the_preflight_says_so(shell: Shell) -> None:
    said = shell.invoke("preflight", "--env", "local", "--json").ended(5)
    found = json.loads(said.out)
    assert found["refused"]
    assert found["counts"]["not seen"] == len(found["refused"]) == sum(c["verdict"] == "blind" for c in found["checks"])
    assert all(check["shell"] for check in found["checks"])
    said = shell.invoke("preflight", "--env", "local").ended(5)
    assert "  ? version-blue " in said.out
    here = {check["check"]: check["result"] for check in found["checks"] if check["result"] != "not seen"}
    assert here == {"runbooks-current": "warned", "waiting-period": "passed"}  # what needs nobody's answer
    assert said.out.endswith(f"{found['counts']['not seen']} not seen, 1 passed\n")
