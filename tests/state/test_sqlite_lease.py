"""The lease: one winner, dead holders are found out, others are never assumed dead."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cutover.core.errors import LeaseHeld
from cutover.core.lease import Lease
from cutover.state.sqlite import SqliteState


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteState]:
    state = SqliteState(tmp_path / "journal.sqlite")
    yield state
    state.close()


def pretend(state: SqliteState, lease: Lease) -> None:
    """Makes `lease` the present one, as if its holder had written it."""
    state._db.execute("UPDATE lease SET token = ?, holder = ?", (lease.token, json.dumps(asdict(lease))))


def test_the_second_one_is_told_who_where_since_when_and_what_for(state: SqliteState) -> None:
    first = state.acquire(who="ann", operation="cutover prod")
    with pytest.raises(LeaseHeld) as held:
        state.acquire(who="bob", operation="rollback")
    assert held.value.exit_code == 4
    for part in ("ann", socket.gethostname(), f"pid {os.getpid()}", "since 20", "cutover prod"):
        assert part in held.value.message
    assert first.id in held.value.next_command
    assert state.holder() == first


def test_released_it_is_free_and_the_token_goes_on(state: SqliteState) -> None:
    first = state.acquire(who="ann", operation="a")
    state.release(first)
    assert state.holder() is None
    second = state.acquire(who="bob", operation="b")
    assert second.token > first.token
    state.release(first)  # an old lease gives nothing back
    assert state.holder() == second
    state.check(second)


def test_take_over_needs_the_id_of_the_very_lease(state: SqliteState) -> None:
    first = state.acquire(who="ann", operation="a")
    with pytest.raises(LeaseHeld):
        state.acquire(who="bob", operation="b", take_over="another")
    second = state.acquire(who="bob", operation="b", take_over=first.id)
    with pytest.raises(LeaseHeld):
        state.acquire(who="eve", operation="c", take_over=first.id)
    assert state.holder() == second


def test_a_dead_holder_on_this_host_is_free_at_once(state: SqliteState) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        child.wait(timeout=60)
    mine = state.acquire(who="ann", operation="a")
    pretend(state, replace(mine, pid=child.pid, token=7))
    assert state.holder() is None
    assert state.acquire(who="bob", operation="b").token > 7


def test_a_zombie_holder_is_dead(state: SqliteState) -> None:
    mine = state.acquire(who="ann", operation="a")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        started = int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19])
        pretend(state, replace(mine, pid=child.pid, started=started))
        assert state.holder() is not None
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and not collected
        assert state.holder() is None
    finally:
        child.kill()
        child.communicate(timeout=60)


def test_a_reused_pid_is_another_process(state: SqliteState) -> None:
    mine = state.acquire(who="ann", operation="a")
    pretend(state, replace(mine, started=mine.started - 1))
    assert state.acquire(who="bob", operation="b").who == "bob"


def test_a_holder_on_another_host_is_never_assumed_dead(state: SqliteState) -> None:
    mine = state.acquire(who="ann", operation="a")
    far = replace(mine, host="elsewhere.test", pid=2**22 + 1, since=0.0)
    pretend(state, far)
    with pytest.raises(LeaseHeld, match="ann on elsewhere.test"):
        state.acquire(who="bob", operation="b")
    assert state.acquire(who="bob", operation="b", take_over=far.id).who == "bob"


RACER = """
import sys
from pathlib import Path
from cutover.core.errors import LeaseHeld
from cutover.state.sqlite import SqliteState
state = SqliteState(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    print("won", state.acquire(who=sys.argv[2], operation="race").token, flush=True)
except LeaseHeld:
    print("lost", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("holder", ["nobody", "a dead one"])
def test_of_many_racing_processes_exactly_one_wins(state: SqliteState, holder: str) -> None:
    token = 0
    if holder == "a dead one":
        mine = state.acquire(who="ann", operation="a")
        pretend(state, replace(mine, started=1, token=5))
        token = 5
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(state.path), f"racer {number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None and racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        said = sorted(racer.stdout.readline() for racer in racers if racer.stdout)
    finally:
        for racer in racers:
            racer.communicate("end\n", timeout=60)
    assert said[:3] == ["lost\n"] * 3
    assert said[3].startswith("won ") and int(said[3].removeprefix("won ")) > token
