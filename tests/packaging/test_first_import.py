"""What the command line loads before anybody has said which command is wanted."""

import subprocess
import sys

import pytest

HEAVY = {
    "aiohttp",
    "boto3",
    "botocore",
    "dns",
    "jinja2",
    "markdown_it",
    "moto",
    "psycopg",
    "pydantic",
    "requests",
    "rich",
    "starlette",
    "uvicorn",
}


@pytest.mark.parametrize("module", ["cutover.cli", "cutover.cli.main"])
def test_listing_the_commands_loads_nothing_that_a_command_needs(module: str) -> None:
    loaded = _loaded_by(module)
    assert module in loaded
    assert not HEAVY & {name.split(".")[0] for name in loaded}


def test_listing_the_commands_loads_no_room_but_the_core() -> None:
    rooms = {name.split(".")[1] for name in _loaded_by("cutover.cli") if name.startswith("cutover.")}
    assert rooms == {"cli", "core"}


def _loaded_by(module: str) -> set[str]:
    """Every module that is loaded after this import, in a process that has imported nothing else."""
    script = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())
