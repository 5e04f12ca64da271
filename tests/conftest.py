"""Puts this folder on the import path, so that every test can say `from contract import holds`; and the aws command."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import preloading
import pytest
import server_logs

HERE = Path(__file__).parent

# The commands that tests start would each compile every module again, which takes longer than what they do.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

pytest_plugins = ["browsing"]  # the fixtures of tests that look at pages
# What shares a world or a pair of servers stays in one process; the longest group first, so that both cores end together.
GROUPS = (
    "whole",
    "faults",
    "postgres",
    "fifteen",
    "bench",
    "copying",
    "contract",
    "rigs",
    "aws",
    "state",
    "executed",
    "world",
    "metrics",
    "browser",
)
# Real servers, and commands as processes of their own: `invoke test --quick` does without.
SLOW = {"whole", "faults", "postgres", "world", "aws", "state", "bench", "metrics", "cli", "executed", "browser"}
APART = {
    "test_executed.py": "executed",
    "test_fifteen.py": "fifteen",
    "test_fifteen_contract.py": "fifteen",
    "test_whole_plan.py": "fifteen",
    "test_steps_contract.py": "contract",
    "test_copying.py": "copying",
    "test_schema_copy.py": "copying",
    "test_first_copy.py": "copying",
    "test_client_name_switch.py": "copying",
    "test_crashes.py": "rigs",
    "test_lost_slot.py": "rigs",
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What is slow as a whole folder is not even read where slow tests are left out: that alone took seconds."""
    slow = collection_path.is_dir() and collection_path.parent == HERE and collection_path.name in SLOW
    return True if slow and config.option.markexpr == "not slow" else None


@pytest.hookimpl(tryfirst=True)  # the scheduler reads the marks in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of real servers are slow ones, and run in the group of their folder, or of a pair of their own."""
    order: dict[pytest.Item, int] = {}
    for item in items:
        folder = item.path.parent.name
        group = APART.get(item.path.name, folder)
        if group not in GROUPS and "chromium" in getattr(item, "fixturenames", ()):
            group = "browser"  # one after the other: two browsers at once would take both cores
        order[item] = GROUPS.index(group) if group in GROUPS else len(GROUPS)
        if group in GROUPS:
            item.add_marker(pytest.mark.xdist_group(group))
        if folder in SLOW or group in SLOW:
            item.add_marker(pytest.mark.slow)
    items.sort(key=order.__getitem__)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Ends the stage's world after the last test that needs it: an idle world still takes a quarter of a core."""
    yield
    if _on_stage(item) and (nextitem is None or not _on_stage(nextitem)):
        from whole import shared

        shared.close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    server_logs.begin()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the servers wrote meanwhile."""
    report = yield
    if report.failed:
        report.sections.extend((f"log of {word}", said) for word, said in server_logs.told())
    return report


def _on_stage(item: pytest.Item) -> bool:
    return item.path.parent.name in ("whole", "faults")


def pytest_sessionfinish() -> None:
    preloading.close()


@pytest.fixture(scope="session")
def aws_cli() -> str:
    """The folder of an aws command that works, loaded once for all calls: most of a call's time would be its start."""
    folder = preloading.folder("aws", _aws_python())
    assert _works(str(folder / "aws")), "the preloaded aws command does not work"
    return str(folder)


def _aws_python() -> str:
    """The interpreter of the aws client's own venv, made at the first need; its botocore is pinned to its own version."""
    place = Path(__file__).parents[1] / ".cutover" / "awscli"
    command = place / "bin" / "aws"
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / "awscli.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes must not make it at once
        if not command.exists() or not _works(str(command)):
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True, timeout=120)
            subprocess.run([str(place / "bin" / "pip"), "install", "-q", "awscli"], check=True, timeout=280)
    return str(place / "bin" / "python")


def _works(command: str) -> bool:
    try:
        return subprocess.run([command, "--version"], capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
