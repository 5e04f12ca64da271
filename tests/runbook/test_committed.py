"""The committed environments' runbooks: rendered without a connection, always the same, and every command is bash."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cutover.app import open_environment
from cutover.environment import names
from cutover.runbook import extract_commands, render, stale
from cutover.runbook.compose import book_of

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = names(ROOT / "environments")


def pages(name: str) -> dict[str, str]:
    return render(book_of(open_environment(name, directory=ROOT / "environments")))


@pytest.fixture(autouse=True)
def _nothing_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No world, no credentials and no address of anything."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "PG", "SHOP_", "CUTOVER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_what_is_committed_is_what_the_plan_says(name: str) -> None:
    book = book_of(open_environment(name, directory=ROOT / "environments"))
    assert stale(book, ROOT / "runbooks" / name) == []


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_command_is_bash(name: str) -> None:
    for page, text in pages(name).items():
        found = extract_commands(text)
        script = "\n".join(f": {kind} {number}\n{command}" for number, (_, kind, command) in enumerate(found))
        checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, timeout=30, check=False)
        # A here-document without its end is only a warning, so nothing at all may be said.
        assert (checked.returncode, checked.stderr) == (0, ""), page


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_step_and_gate_of_the_plan_has_its_commands(name: str) -> None:
    app = open_environment(name, directory=ROOT / "environments")
    found = pages(name)
    plans = {"CUTOVER": app.plan, "ARCHIVE": app.finish, "DECOMMISSION": app.decommission}
    for page, plan in ((f"{title}-RUNBOOK.md", plan) for title, plan in plans.items()):
        asked = {item for item, kind, _ in extract_commands(found[page]) if kind == "check"}
        done = {item for item, kind, _ in extract_commands(found[page]) if kind == "do"}
        assert {item.name for _, item in plan.walk()} <= asked
        assert {step.name for _, step in plan.steps()} == done


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_secret_and_no_path_of_this_machine_is_printed(name: str) -> None:
    for page, text in pages(name).items():
        for word in (str(ROOT), str(Path.home()) + "/", "postgresql://", "127.0.0.1"):
            assert word not in text, page


def test_equal_plans_give_equal_bytes_in_another_process() -> None:
    script = (
        "import hashlib; from pathlib import Path\n"
        "from cutover.app import open_environment; from cutover.runbook import render\n"
        "from cutover.runbook.compose import book_of\n"
        "pages = render(book_of(open_environment('prod', directory=Path('environments'))))\n"
        "print(hashlib.sha256(repr(pages).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "TZ": zone, "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }
    assert len(digests) == 1


def test_a_connection_is_made_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a runbook was rendered with a connection")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    for name in ENVIRONMENTS:
        assert pages(name)
