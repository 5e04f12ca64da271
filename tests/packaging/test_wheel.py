"""The wheel, unpacked in an empty folder beside the dependencies: everything is in it that its commands need, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
# What an installer writes for [project.scripts]; the place comes first, so that the wheel is what is found.
SCRIPT = """import sys
sys.path.insert(0, {place!r})
from importlib.metadata import distribution
sys.argv[0] = "cutover"
(found,) = distribution("cutover").entry_points.select(group="console_scripts", name="cutover")
sys.exit(found.load()())
"""


@dataclass(frozen=True)
class Installed:
    """A wheel that was unpacked into `place`, its script, and a folder that knows nothing of the repository."""

    names: tuple[str, ...]
    place: Path
    script: Path
    folder: Path

    def cutover(self, *args: str) -> subprocess.CompletedProcess[str]:
        kept = ("AWS_", "PG", "CUTOVER_", "PYTHON", "PYTEST_", "INVOKE_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(kept)}
        command = [sys.executable, "-I", "-B", str(self.script), *args]
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**clean, "CUTOVER_HOME": str(self.folder / "home"), "AWS_EC2_METADATA_DISABLED": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    top = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(top / "dist")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (top / "dist").iterdir()
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(top / "place")
        names = tuple(archive.namelist())
    script, folder = top / "cutover", top / "elsewhere"
    script.write_text(SCRIPT.format(place=str(top / "place")), encoding="utf-8")
    folder.mkdir()
    return Installed(names, top / "place", script, folder)


def test_every_file_of_the_package_is_in_it_and_nothing_else(installed: Installed) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "cutover"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    files = {name for name in tracked.stdout.splitlines() if (ROOT / name).exists()}
    packed = {name for name in installed.names if not name.endswith("/")}
    about = {name for name in packed if name.startswith("cutover-") and ".dist-info/" in name}
    assert packed - about == files
    assert {name.rpartition(".dist-info/")[2] for name in about} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }


@pytest.mark.parametrize(
    "name",
    [
        "cutover/py.typed",
        "cutover/console/static/uplot/LICENSE",
        "cutover/console/static/uplot/uPlot.iife.min.js",
        "cutover/console/templates/page.html.j2",
        "cutover/report/templates/report.html.j2",
        "cutover/runbook/templates/cutover.md.j2",
        "cutover/routing/vectors.json",
        "cutover/world/schema.sql",
    ],
)
def test_what_is_no_python_comes_along(installed: Installed, name: str) -> None:
    assert name in installed.names


def test_the_commands_are_those_of_the_wheel(installed: Installed) -> None:
    shown = installed.cutover("--list")
    assert shown.returncode == 0, shown.stderr
    assert "rollback" in shown.stdout and "world.up" in shown.stdout
    broken = installed.place / "cutover" / "cli" / "looking.py"
    text = broken.read_text(encoding="utf-8")
    broken.write_text(text.replace('"""Show every step', '"""XSHOWX every step'), encoding="utf-8")
    try:
        assert "XSHOWX every step" in installed.cutover("--list").stdout
    finally:
        broken.write_text(text, encoding="utf-8")


def test_a_new_environment_is_planned_and_has_its_runbooks(installed: Installed) -> None:
    """Outside of the repository, where no database and no AWS answers."""
    for args, code in (
        (["init", "shop"], 0),
        (["runbook", "--env", "shop"], 0),
        (["runbook", "--check"], 0),
        (["plan", "--env", "shop"], 0),
        (["plan", "--env", "shop", "--html", "--out", "plan.html"], 0),
        (["status", "--env", "shop"], 0),
        (["init", "shop"], 5),
    ):
        done = installed.cutover(*args)
        assert done.returncode == code, f"{args} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
    assert (installed.folder / "runbooks" / "shop" / "CUTOVER-RUNBOOK.md").exists()
    assert "switchover" in (installed.folder / "plan.html").read_text(encoding="utf-8")
    (installed.folder / "runbooks" / "shop" / "CUTOVER-RUNBOOK.md").write_text("stale", encoding="utf-8")
    assert installed.cutover("runbook", "--check").returncode == 2
