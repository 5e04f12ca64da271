"""Twenty planted secrets: commands really use them, servers say them back, and they are seen nowhere again."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from canaries import AWS, ENVIRONMENT, SECRETS, leaked, repeating

from cutover.core.hidden import hidden, remember
from cutover.state.sqlite import SqliteState

COMMANDS = (
    ("metrics", "--env", "canary"),
    ("preflight", "--env", "canary", "--json"),
    ("cutover", "--env", "canary", "--yes"),
    ("history", "--env", "canary", "--json"),
    ("runbook", "--env", "canary"),
    ("report", "--env", "canary"),
)


def _typed(command: tuple[str, ...], folder: Path, variables: dict[str, str]) -> tuple[bytes, bytes]:
    """What the command said, and the command lines of it and its children while it ran."""
    child = subprocess.Popen(
        [sys.executable, "-m", "cutover.cli.main", *command],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said: list[bytes] = []
    reader = threading.Thread(target=lambda: said.append(child.communicate()[0]))
    reader.start()
    argv = b""
    while reader.is_alive():
        reader.join(0.02)
        argv += b"".join(_lines(child.pid))
    return said[0], argv


def _lines(pid: int) -> Iterator[bytes]:
    try:
        yield Path(f"/proc/{pid}/cmdline").read_bytes()
        for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _lines(int(one))
    except OSError:
        return


@pytest.mark.slow
def test_no_planted_secret_comes_out_of_a_command(tmp_path: Path) -> None:
    with repeating() as (http, redis, heard):
        words = {"http": http, "redis": redis, "folder": tmp_path}
        for name in ("environments", "home"):
            (tmp_path / name).mkdir()
        (tmp_path / "environments" / "canary.yaml").write_text(ENVIRONMENT.format(**words))
        (tmp_path / "flag").write_text("0\n")
        (tmp_path / "basic").write_text(SECRETS["PROMETHEUS_PASSWORD"])
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PG", "CUTOVER_"))}
        planted = {name: value.replace("{http}", str(http)) for name, value in SECRETS.items()}
        variables = {**kept, **planted, **AWS, "CUTOVER_HOME": str(tmp_path / "home")}
        for command in COMMANDS:
            said, argv = _typed(command, tmp_path, variables)
            assert said, command
            assert not leaked(said), (command, said.decode(errors="replace"))
            assert not leaked(argv), command
    told = " ".join(heard)
    assert SECRETS["REDIS"] in told and SECRETS["PROMETHEUS"] in told, "no server was told: the test is blind"
    for path in (path for path in tmp_path.rglob("*") if path.is_file() and path.name != "basic"):
        assert not leaked(path.read_bytes()), path


def test_a_traceback_has_none(tmp_path: Path) -> None:
    """A defect raises with the DSN in its words, below a task, and outside of what we foresee."""
    program = (
        "from cutover.cli.ends import ended\nfrom cutover.environment import Ref\n"
        "@ended\ndef task():\n    dsn = Ref('env', 'BLUE').resolve(__import__('os').environ)\n"
        "    print('using', dsn)\n    raise KeyError(dsn)\ntask()"
    )
    variables = {**os.environ, "BLUE": SECRETS["BLUE"]}
    done = subprocess.run(
        [sys.executable, "-c", program], env=variables, capture_output=True, cwd=tmp_path, check=False, timeout=60
    )
    assert done.returncode == 1 and b"KeyError" in done.stderr and b"using postgresql://shop:***@" in done.stdout
    assert not leaked(done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("p%40ss/word1 is wrong", "*** is wrong"),
        ("p@ss/word1 is wrong", "*** is wrong"),
        ("cEBzcy93b3JkMQ==", "***"),
        ("7040", "7040"),
        ("database shop_of_the_long_name", "database shop_of_the_long_name"),
    ],
)
def test_what_is_secret_of_an_address_is_hidden_and_nothing_else(said: str, shown: str) -> None:
    remember("postgresql://shop:p%40ss%2Fword1@db/shop_of_the_long_name")
    remember("http://green.example.com/a/longer/path", address=True)
    assert hidden(said.replace("p%40ss/word1", "p%40ss%2Fword1")) == shown
    assert hidden("http://green.example.com/a/longer/path") == "http://green.example.com/a/longer/path"


def test_a_password_that_is_a_steps_name_takes_nothing_from_what_the_engine_knows(tmp_path: Path) -> None:
    remember("traffic-of-the-canary")
    state = SqliteState(tmp_path / "journal.sqlite")
    lease = state.acquire(who="traffic-of-the-canary", operation="cutover")
    said = {
        "step": "traffic-of-the-canary",
        "undoes": ["traffic-of-the-canary"],
        "seen": "traffic-of-the-canary is wrong",
    }
    state.append("one", "converged", said, lease)
    state.wish("one", "approve", {"gate": "traffic-of-the-canary", "role": "data", "comment": "traffic-of-the-canary"})
    assert state.entries()[0].data == {**said, "seen": "*** is wrong"}
    assert state.wishes("one") == [("approve", {"gate": "traffic-of-the-canary", "role": "data", "comment": "***"})]
    state.close()
