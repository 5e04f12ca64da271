"""Clients behind a real PgBouncer wait while the writes change sides: no statement fails, and nobody waits for ever."""

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from bouncer import running
from contract import holds
from load import load, writing
from mortal import Dying
from moves import PLAIN, blue_switch, forward, kits, prepare, publications, reverse, take, until, walk, window
from pairs import Pair

from cutover.core import killpoint
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError, LeaseLost
from cutover.core.gate import Verdict
from cutover.postgres.clients import PAUSED
from cutover.postgres.pair import DatabasePair
from cutover.postgres.pgbouncer import ClientsNotPaused, PoolMisread
from cutover.postgres.pgbouncer_ready import PoolReady
from cutover.postgres.sides import BEFORE, COMMITTED, SWITCHED, Sides, read_sides
from cutover.postgres.switch import Switch
from cutover.postgres.switchover import Switchover
from cutover.world.bouncer import Bouncer


@pytest.fixture(scope="module")
def behind(pair: Pair) -> Iterator[Bouncer]:
    """PgBouncer in front of the pair's `shop`, directed to blue."""
    with running(pair, "shop") as found:
        yield found


@pytest.fixture
def front(prepared: Pair, behind: Bouncer) -> Iterator[Bouncer]:
    assert behind.pool.where() == "blue"
    yield behind
    left = behind.pool.where()
    behind.pool.direct_to("blue")
    behind.pool.resume()
    assert left == "blue"


@pytest.fixture(scope="module")
def dying(pair: Pair) -> Iterator[Dying]:
    found = Dying(pair)
    yield found
    found.close()


def test_an_older_holder_pauses_nobody(prepared: Pair, front: Bouncer) -> None:
    """Its token is refused before the clients wait, so they never notice it."""
    reached: list[str] = []
    seen = int(prepared.sql("blue", "SELECT hi FROM cutover.fencing")[0][0])
    newest = seen + 10
    prepared.sql("blue", "UPDATE cutover.fencing SET hi = %s", newest)
    killpoint.install(reached.append)
    try:
        with pytest.raises(LeaseLost):
            Switch.one(prepared.blue, prepared.green, PLAIN, lambda: newest - 1, front.pool).run(Deadline.after(10.0))
    finally:
        killpoint.install(None)
        prepared.sql("blue", "UPDATE cutover.fencing SET hi = %s", seen)
    assert "switch: connected" in reached and "switch: clients paused" not in reached
    assert (read_sides(prepared.blue, prepared.green), front.pool.where()) == (BEFORE, "blue")


def test_there_and_back_and_no_statement_fails(prepared: Pair, front: Bouncer) -> None:
    steps = window(prepared.blue, prepared.green, front.pool)
    with load(prepared, writers=8, dsn=front.dsn) as writers:
        for _ in range(3):
            take(steps[1])
            assert (read_sides(prepared.blue, prepared.green), front.pool.where()) == (SWITCHED, "green")
            writing(writers)
            take(steps[1].inverse())
            assert (read_sides(prepared.blue, prepared.green), front.pool.where()) == (BEFORE, "blue")
            writing(writers)
    assert [error for writer in writers for error in writer.errors] == []


@pytest.mark.parametrize("point", ["switch: clients paused", "switch: locked", "switch: committed", "switch: opened"])
def test_killed_while_clients_wait(prepared: Pair, front: Bouncer, dying: Dying, tmp_path: Path, point: str) -> None:
    """They wait until the supervisor (or a person) has gone on or back, which starts from the same journal."""
    with load(prepared, writers=4, dsn=front.dsn) as writers:
        for number, end in enumerate(("back", "forward")):
            state = tmp_path / f"{number}.sqlite"
            assert dying.walk("forward", state, point, pool=dict(front.about)) == "killed"
            assert front.pool.where() == PAUSED
            walk(prepared.blue, prepared.green, state, end, front.pool)
            assert front.pool.where() == ("blue" if end == "back" else "green")
            writing(writers)
        assert dying.walk("back", state, point, pool=dict(front.about)) == "killed"
        assert front.pool.where() == PAUSED
        walk(prepared.blue, prepared.green, state, "back", front.pool)
        assert (read_sides(prepared.blue, prepared.green), front.pool.where()) == (BEFORE, "blue")
        writing(writers)
    assert [error for writer in writers for error in writer.errors] == []


def test_the_preflight_tells_what_would_not_work(prepared: Pair, front: Bouncer, tmp_path: Path) -> None:
    seen = PoolReady(front.pool).look()
    assert seen.verdict is Verdict.PASS and "prepare_threshold=None" in seen.seen  # Debian's is 1.18
    front.pool.direct_to("green")
    try:
        assert "are directed to green, wanted blue" in PoolReady(front.pool).look().seen
    finally:
        front.pool.direct_to("blue")
    assert PoolReady(replace(front.pool, file=str(tmp_path / "none"))).look().verdict is Verdict.FAIL
    assert "knows no database nobody" in PoolReady(replace(front.pool, database="nobody")).look().seen
    path = Path(front.about["file"])
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("pool_mode = transaction", "pool_mode = session"), encoding="utf-8")
    try:
        front.pool.direct_to("blue")
        assert "one by session" in PoolReady(front.pool).look().seen
    finally:
        path.write_text(text, encoding="utf-8")
        front.pool.direct_to("blue")


@pytest.fixture
def small_front(tiny: Pair) -> Iterator[Bouncer]:
    prepare(tiny.blue, tiny.green)
    with running(tiny, "tiny") as found:
        yield found
    for step in (forward(tiny.blue, tiny.green), reverse(tiny.blue, tiny.green)):
        take(step.inverse())
    for step in (*publications(tiny.blue, tiny.green), *kits(tiny.blue, tiny.green)):
        take(step.inverse())
    tiny.sql("green", 'SET session_replication_role = replica; TRUNCATE things, "Parts"')


@pytest.mark.sampled
def test_the_step_keeps_the_contract(tiny: Pair, small_front: Bouncer, tmp_path: Path) -> None:
    addresses = {"left": "blue", "right": "green", "blue": "blue", "green": "green"}
    pool = replace(small_front.pool, addresses=lambda side: small_front.about[addresses[side]])

    def make() -> Switchover:
        return Switchover.of(DatabasePair(tiny.blue, tiny.green, PLAIN, pool=pool), name="switchover", settle=10.0)

    holds(make, state_dir=tmp_path, kills=8)


def test_a_transaction_that_stays_open_refuses_the_switch(prepared: Pair, front: Bouncer) -> None:
    with load(prepared, writers=2, dsn=front.dsn) as writers, psycopg.connect(front.dsn) as idle:
        idle.execute("UPDATE public.queue SET state = state WHERE id = 1")
        with pytest.raises(ClientsNotPaused, match="did not come to rest within 0.3 s"):
            Switch.one(prepared.blue, prepared.green, PLAIN, pool=replace(front.pool, pause_timeout=0.3)).run(
                Deadline.after(20.0)
            )
        assert (read_sides(prepared.blue, prepared.green), front.pool.where()) == (BEFORE, "blue")
        idle.execute("UPDATE public.queue SET state = state WHERE id = 2")  # nobody ended it
        writing(writers)
    assert [error for writer in writers for error in writer.errors] == []


def test_a_fence_that_is_given_up_lets_the_clients_go_on(prepared: Pair, front: Bouncer) -> None:
    with load(prepared, writers=2, dsn=front.dsn) as writers:
        with pytest.raises(CutoverError):
            Switch.one(prepared.blue, prepared.green, PLAIN, pool=front.pool).run(Deadline.after(0.0))
        assert (read_sides(prepared.blue, prepared.green), front.pool.where()) == (BEFORE, "blue")
        writing(writers)
    assert [error for writer in writers for error in writer.errors] == []


def test_who_waits_already_is_not_let_go_to_wait_again(prepared: Pair, front: Bouncer) -> None:
    """A predecessor died between opening green and directing its clients, who would be refused by blue."""
    with load(prepared, writers=8, dsn=front.dsn) as writers:
        front.pool.pause()
        blue_switch(prepared.blue, prepared.green)
        for _ in range(30):
            front.pool.pause()
        with pytest.raises(CutoverError):  # the way back is given up, and green serves on
            Switch.one(prepared.green, prepared.blue, PLAIN, pool=front.pool).run(Deadline.after(0.0))
        assert (read_sides(prepared.blue, prepared.green), front.pool.where()) == (SWITCHED, "green")
        writing(writers)
        Switch.one(prepared.green, prepared.blue, PLAIN, pool=front.pool).run(Deadline.after(20.0))
        writing(writers)
    assert [error for writer in writers for error in writer.errors] == []


def test_only_the_one_line_changes_and_the_file_keeps_owner_and_mode(front: Bouncer) -> None:
    path = Path(front.about["file"])
    text, about = path.read_text(encoding="utf-8"), path.stat()
    front.pool.direct_to("green")
    changed = path.read_text(encoding="utf-8")
    ports = [front.about[side].rpartition(":")[2] for side in ("blue", "green")]
    assert changed == text.replace(f"port={ports[0]}", f"port={ports[1]}") != text
    assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (about.st_uid, 0o640)
    assert sorted(one.name for one in path.parent.iterdir()) == ["log", "pgbouncer.ini", "users.txt"]
    front.pool.direct_to("blue")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("line", ["", "shop = host=a port=1\nshop = host=b port=2", "shop = host='a b' port=1"])
def test_a_file_that_is_not_understood_is_left_alone(front: Bouncer, tmp_path: Path, line: str) -> None:
    path = tmp_path / "pgbouncer.ini"
    path.write_text(f"[databases]\n{line}\n", encoding="utf-8")
    with pytest.raises(PoolMisread, match="wanted one"):
        replace(front.pool, file=str(path)).direct_to("green")
    assert path.read_text(encoding="utf-8") == f"[databases]\n{line}\n"


def test_the_script_pauses_and_directs_them_too(prepared: Pair, front: Bouncer) -> None:
    with load(prepared, writers=4, dsn=front.dsn) as writers:
        for source, target, end in (("blue", "green", SWITCHED), ("green", "blue", BEFORE)):
            switch = Switch.one(prepared.side(source), prepared.side(target), PLAIN, pool=front.pool)
            for _ in range(2):
                paste(prepared, front, switch.shell())
            assert (read_sides(prepared.blue, prepared.green), front.pool.where()) == (end, target)
            writing(writers)
    assert [error for writer in writers for error in writer.errors] == []


def test_the_script_lets_the_clients_go_on_when_it_gives_up(prepared: Pair, front: Bouncer) -> None:
    switch = Switch.one(prepared.blue, prepared.green, PLAIN, pool=front.pool)
    script = switch.shell()
    refused = script.replace('[ "${fenced%%|*}" = fenced ]', "false")
    assert refused != script
    with load(prepared, writers=2, dsn=front.dsn) as writers:
        assert "nothing was switched" in paste(prepared, front, refused, code=1)
        assert (read_sides(prepared.blue, prepared.green), front.pool.where()) == (BEFORE, "blue")
        writing(writers)
    assert [error for writer in writers for error in writer.errors] == []


@pytest.mark.parametrize(
    ("place", "found", "led"),
    [
        ("    # One psql session holds the fence.", BEFORE, "blue"),
        ("direct_clients green\nsend_away\necho", SWITCHED, "green"),
    ],
)
def test_a_kill_of_the_script_leaves_nobody_waiting(
    prepared: Pair, front: Bouncer, place: str, found: Sides, led: str
) -> None:
    there, back = (
        Switch.one(prepared.side(source), prepared.side(target), PLAIN, pool=front.pool)
        for source, target in (("blue", "green"), ("green", "blue"))
    )
    with load(prepared, writers=4, dsn=front.dsn) as writers:
        killed_at(prepared, front, there.shell(), place)
        until(lambda: front.pool.where() == led, 20.0, f"clients go on, led to {led}")
        assert read_sides(prepared.blue, prepared.green) == found
        writing(writers)
        for switch in (there, back):
            paste(prepared, front, switch.shell())
        writing(writers)
    assert [error for writer in writers for error in writer.errors] == []


def test_a_kill_with_both_sides_fenced_is_mended_by_the_same_script(prepared: Pair, front: Bouncer) -> None:
    """Letting them go would only have their writes refused: they wait, and the script is run again."""
    there, back = (
        Switch.one(prepared.side(source), prepared.side(target), PLAIN, pool=front.pool)
        for source, target in (("blue", "green"), ("green", "blue"))
    )
    with load(prepared, writers=4, dsn=front.dsn) as writers:
        killed_at(prepared, front, there.shell(), 'timeout 20 psql "$TO" -X -q -v ON_ERROR_STOP=1 <<SQL')
        assert (read_sides(prepared.blue, prepared.green), front.pool.where()) == (COMMITTED, PAUSED)
        for switch, side in ((there, "green"), (back, "blue")):
            paste(prepared, front, switch.shell())
            assert front.pool.where() == side
            writing(writers)
    assert [error for writer in writers for error in writer.errors] == []


def killed_at(pair: Pair, front: Bouncer, text: str, place: str) -> None:
    """Pastes the script, which halts at the place while clients wait, and kills it there."""
    halting = text.replace(place, f"echo halted $$ >&2; kill -STOP $$\n{place}")
    assert halting.count("kill -STOP") == 1
    with subprocess.Popen(
        ["bash", "-c", halting], env=environ(pair, front), stderr=subprocess.PIPE, text=True
    ) as script:
        assert script.stderr is not None
        line = next(line for line in script.stderr if line.startswith("halted"))
        pid = int(line.split()[1])
        try:
            assert front.pool.where() == PAUSED
        finally:
            os.kill(pid, signal.SIGKILL)


def environ(pair: Pair, front: Bouncer) -> dict[str, str]:
    return {
        "PATH": f"{pair.programs}:{os.environ['PATH']}",
        "PAIR_BLUE_DSN": pair.dsns["blue"],
        "PAIR_GREEN_DSN": pair.dsns["green"],
        "POOL_ADMIN": front.about["admin"],
    }


def paste(pair: Pair, front: Bouncer, text: str, code: int = 0) -> str:
    variables = environ(pair, front)
    done = subprocess.run(["bash", "-c", text], env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
