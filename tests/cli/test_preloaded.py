"""A preloaded command is a process like any other: what it says, how it ends, and that nothing of it outlives its caller."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import preloading
import pytest

TASKS = """
import os, signal, sys, time
from invoke.collection import Collection
from invoke.tasks import task

@task
def end(c, code=0):
    print(os.environ["WORD"], os.getcwd())
    print(sys.stdin.readline(), file=sys.stderr)
    sys.exit(code)

@task
def killed(c, number=9):
    os.kill(os.getpid(), number)

@task
def wait(c):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(33))
    print(os.getpid(), flush=True)
    while True:
        time.sleep(0.05)

ns = Collection(end, killed, wait)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tasks.py").write_text(TASKS, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("code", [0, 7])
def test_it_says_and_ends_as_the_program_does(folder: Path, code: int) -> None:
    said = [
        subprocess.run(
            [*program, "end", "--code", str(code)], cwd=folder, env={**os.environ, "WORD": "here"}, input="a line",
            capture_output=True, text=True, timeout=60, check=False,
        )
        for program in ([preloading.invoke()], [sys.executable, "-m", "invoke"])
    ]  # fmt: skip
    found = [(done.returncode, done.stdout, done.stderr) for done in said]
    assert found[0] == found[1] == (code, f"here {folder}\n", "a line\n")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_dies_as_the_process_died(folder: Path, number: int) -> None:
    done = subprocess.run(
        [preloading.invoke(), "killed", "--number", str(int(number))],
        cwd=folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (-number, b"")


def test_a_signal_is_passed_on(folder: Path) -> None:
    with waiting(folder) as caller:
        begun(caller)
        caller.send_signal(signal.SIGTERM)
        assert caller.wait(timeout=30) == 33


def test_it_does_not_outlive_its_caller(folder: Path) -> None:
    with waiting(folder) as caller:
        command = os.pidfd_open(begun(caller))
        try:
            caller.kill()
            assert select.select([command], [], [], 30.0)[0], "it still runs"
        finally:
            os.close(command)


def waiting(folder: Path) -> subprocess.Popen[str]:
    """The caller of a command that does not end by itself."""
    return subprocess.Popen([preloading.invoke(), "wait"], cwd=folder, stdout=subprocess.PIPE, text=True)


def begun(caller: subprocess.Popen[str]) -> int:
    """The command's process, once it has begun."""
    assert caller.stdout is not None
    return int(caller.stdout.readline())
