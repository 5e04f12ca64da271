"""A repository folder with environments and no world: what the command line says when nothing can be done."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cli.shell import Shell

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    folder = tmp_path / "repo"
    folder.mkdir()
    for name in ("environments", "smoke"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "tasks.py", folder)
    return Shell(folder, tmp_path / "home")
