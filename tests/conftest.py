"""Puts this folder on the import path, so that every test can say `from contract import holds`; and the aws command."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def aws_cli() -> str:
    """The folder of an aws command that works; its botocore is pinned to its own version, so it has a venv of its own."""
    given = os.environ.get("CUTOVER_AWS_CLI") or shutil.which("aws")
    if given and _works(given):
        return str(Path(given).parent)
    place = Path(__file__).parents[1] / ".cutover" / "awscli"
    command = place / "bin" / "aws"
    if not command.exists() or not _works(str(command)):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True, timeout=120)
        subprocess.run([str(place / "bin" / "pip"), "install", "-q", "awscli"], check=True, timeout=280)
    return str(command.parent)


def _works(command: str) -> bool:
    try:
        return subprocess.run([command, "--version"], capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
