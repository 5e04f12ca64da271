"""Puts this folder on the import path, so that every test can say `from contract import holds`; and the aws command."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

# What shares a world or a pair of servers stays in one process; the longest group first, so that both cores end together.
GROUPS = ("whole", "faults", "postgres", "aws", "world")
TOGETHER = {"faults": "whole", "test_executed.py": "executed"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of real servers are slow ones, and run in the group of their folder."""
    for item in items:
        folder = item.path.parent.name
        group = TOGETHER.get(item.path.name) or TOGETHER.get(folder) or folder
        if folder in GROUPS or group == "executed":
            item.add_marker(pytest.mark.xdist_group(group))
        if folder in ("whole", "faults", "postgres", "world"):
            item.add_marker(pytest.mark.slow)
    order = {name: number for number, name in enumerate(GROUPS)}
    items.sort(key=lambda item: order.get(item.path.parent.name, len(order)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Ends the stage's world after the last test that needs it: an idle world still takes a quarter of a core."""
    yield
    if _on_stage(item) and (nextitem is None or not _on_stage(nextitem)):
        from whole import shared

        shared.close()


def _on_stage(item: pytest.Item) -> bool:
    return item.path.parent.name in ("whole", "faults")


@pytest.fixture(scope="session")
def aws_cli() -> str:
    """The folder of an aws command that works; its botocore is pinned to its own version, so it has a venv of its own."""
    given = os.environ.get("CUTOVER_AWS_CLI") or shutil.which("aws")
    if given and _works(given):
        return str(Path(given).parent)
    place = Path(__file__).parents[1] / ".cutover" / "awscli"
    command = place / "bin" / "aws"
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / "awscli.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes must not make it at once
        if not command.exists() or not _works(str(command)):
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True, timeout=120)
            subprocess.run([str(place / "bin" / "pip"), "install", "-q", "awscli"], check=True, timeout=280)
    return str(command.parent)


def _works(command: str) -> bool:
    try:
        return subprocess.run([command, "--version"], capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
