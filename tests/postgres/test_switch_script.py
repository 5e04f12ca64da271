"""The script of the runbook is run by bash and psql, and does what the program does."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psycopg
import pytest
from load import load, writing
from moves import PLAIN, blue_switch, caught_up, until
from pairs import Pair

from cutover.postgres.moving import Fence
from cutover.postgres.session import Database
from cutover.postgres.sides import BEFORE, COMMITTED, FENCE, SWITCHED, read_sides
from cutover.postgres.switch import Switch


def paste(pair: Pair, text: str) -> subprocess.Popen[str]:
    environ = {
        "PATH": f"{pair.programs}:{os.environ['PATH']}",
        "PAIR_BLUE_DSN": pair.dsns["blue"],
        "PAIR_GREEN_DSN": pair.dsns["green"],
    }
    return subprocess.Popen(
        ["bash", "-c", text], env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip


def run(pair: Pair, source: Database, target: Database, fence: Fence = PLAIN) -> tuple[int, str]:
    process = paste(pair, Switch.one(source, target, fence).shell())
    told, _ = process.communicate(timeout=60)
    return process.returncode, told


def test_there_and_back_under_load(prepared: Pair) -> None:
    with load(prepared):
        code, told = run(prepared, prepared.blue, prepared.green)
        assert (code, told.splitlines()[-1]) == (0, "writing side / other side: fenced/open"), told
        assert read_sides(prepared.blue, prepared.green) == SWITCHED
        code, told = run(prepared, prepared.blue, prepared.green)
        assert code == 0 and "already switched" in told
        code, told = run(prepared, prepared.green, prepared.blue)
        assert (code, told.splitlines()[-1]) == (0, "writing side / other side: fenced/open"), told
        assert read_sides(prepared.blue, prepared.green) == BEFORE


@pytest.mark.parametrize("to", ["green", "blue"])
def test_opens_either_side_when_both_are_fenced(prepared: Pair, to: str) -> None:
    fence_both(prepared)
    target, source = prepared.side(to), prepared.side("blue" if to == "green" else "green")
    code, told = run(prepared, source, target)
    assert code == 0 and "opening the other side" in told
    assert read_sides(prepared.blue, prepared.green) == (SWITCHED if to == "green" else BEFORE)
    if to == "green":
        blue_switch(prepared.green, prepared.blue)


def test_refuses_a_partial_side_and_touches_nothing(prepared: Pair) -> None:
    prepared.sql("blue", f"ALTER TABLE public.probe ENABLE TRIGGER {FENCE}")
    try:
        code, told = run(prepared, prepared.blue, prepared.green)
        assert code == 1 and "nothing was touched" in told and "partial/fenced" in told
    finally:
        prepared.sql("blue", f"ALTER TABLE public.probe DISABLE TRIGGER {FENCE}")


def test_refuses_a_table_without_the_fence(prepared: Pair) -> None:
    """A table made between the first look and the commit: the second look sees it."""
    script = Switch.one(prepared.blue, prepared.green, PLAIN).shell()
    late = 'on "$FROM" "CREATE TABLE public.too_late (id int)" >/dev/null\n    fenced=$(say'
    assert script.count("fenced=$(say") == 1
    process = paste(prepared, script.replace("fenced=$(say", late))
    told, _ = process.communicate(timeout=60)
    prepared.sql("blue", "DROP TABLE public.too_late")
    assert process.returncode == 1 and "public.too_late" in told and "nothing was switched" in told
    assert read_sides(prepared.blue, prepared.green) == BEFORE


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_blue_writes_again_when_the_script_stops_in_the_middle(
    prepared: Pair, how: signal.Signals, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    script = held_in_the_fence(Switch.one(prepared.blue, prepared.green, Fence(dead_man=1.0)).shell(), gate)
    with load(prepared, writers=1) as writers:
        process = paste(prepared, script)
        try:
            until(lambda: blocked_writers(prepared), 20.0, "the fence")
            inner = bash_below(process.pid)
            os.kill(inner, how)
            stopped, count = time.monotonic(), len(writers[0].acknowledged)
            until(lambda: len(writers[0].acknowledged) > count + 3, 5.0, "blue's writes")
            assert time.monotonic() - stopped < 3.0
            gate.unlink()
            if how is signal.SIGSTOP:
                os.kill(inner, signal.SIGCONT)
            told, _ = process.communicate(timeout=30)
            assert process.returncode != 0, told
            assert read_sides(prepared.blue, prepared.green) == BEFORE
        finally:
            end_group(process)


def test_the_reaper_dies_with_its_script(prepared: Pair) -> None:
    """A reaper that outlived its script would go on ending whoever blocks a backend whose number is used again."""
    with psycopg.connect(prepared.dsns["blue"], application_name="cutover holds") as holder:
        holder.execute("LOCK TABLE public.probe IN EXCLUSIVE MODE")
        script = Switch.one(prepared.blue, prepared.green, PLAIN).shell()
        # This reaper must not end our holder, so that the script is still waiting for its lock when it dies.
        calm = script.replace("SELECT pg_terminate_backend($b)", "SELECT 1")
        assert calm != script
        process = paste(prepared, calm)
        try:
            until(lambda: prepared.sql("blue", "SELECT 1 FROM pg_locks WHERE NOT granted"), 20.0, "the waiting lock")
            os.kill(bash_below(process.pid), signal.SIGKILL)
            process.wait(timeout=10)
            holder.rollback()
            until(lambda: not group(process.pid), 5.0, "the end of everything that the script started")
        finally:
            end_group(process)
    assert read_sides(prepared.blue, prepared.green) == BEFORE


def test_a_side_that_is_far_behind_is_waited_for_before_anybody_else_waits(prepared: Pair) -> None:
    script = Switch.one(prepared.blue, prepared.green, PLAIN).shell()
    assert script.count("arrive 60 ") == 1
    with psycopg.connect(prepared.dsns["green"]) as holder, load(prepared, writers=1) as writers:
        holder.execute("LOCK TABLE public.probe IN EXCLUSIVE MODE")  # nothing is applied any more
        told, _ = paste(prepared, script.replace("arrive 60 ", "arrive 1 ")).communicate(timeout=60)
        assert "the other side has not caught up; nothing was switched" in told
        assert not blocked_writers(prepared)
        writing(writers)
        holder.rollback()
        caught_up(prepared.blue, prepared.green)
    assert read_sides(prepared.blue, prepared.green) == BEFORE


def fence_both(pair: Pair) -> None:
    """Committed and not opened, as after a death between the two transactions."""
    from cutover.core import killpoint

    class Died(BaseException):
        pass

    def die(name: str) -> None:
        if name == "switch: committed":
            raise Died

    killpoint.install(die)
    try:
        blue_switch(pair.blue, pair.green)
    except Died:
        pass
    finally:
        killpoint.install(None)
    assert read_sides(pair.blue, pair.green) == COMMITTED


def held_in_the_fence(script: str, gate: Path) -> str:
    """The script, waiting between its lock and its commit as long as the file `gate` is there."""
    assert script.count('say "$(triggers ENABLE)"') == 1
    return script.replace(
        'say "$(triggers ENABLE)"', f'while [ -e {gate} ]; do sleep 0.05; done\nsay "$(triggers ENABLE)"'
    )


def blocked_writers(pair: Pair) -> bool:
    return bool(pair.sql("blue", "SELECT 1 FROM pg_stat_activity WHERE usename = 'shop' AND wait_event_type = 'Lock'"))


def group(pid: int) -> list[int]:
    """The living processes of the script's session, whose leader is `pid`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[3] == str(pid) and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def bash_below(pid: int) -> int:
    """The bash that reads the script: the outer one's child, or the outer one itself when it became it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    names = {int(child): Path(f"/proc/{child}/comm").read_text().strip() for child in children}
    inner = [child for child, name in names.items() if name == "bash"]
    named = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return pid if named[:2] == [b"bash", b""] else inner[0]


def end_group(process: subprocess.Popen[str]) -> None:
    for pid in group(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait(timeout=10)
    if process.stdout is not None:
        process.stdout.close()
