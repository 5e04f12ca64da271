"""Servers that crash and links that hang in the middle of the switch, with clients writing: blue or green, and nothing lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from links import Link
from moves import caught_up, until

from cutover.bench.rig import Rig, rig
from cutover.bench.writers import Notes, writing
from cutover.core import killpoint
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError, Unreachable
from cutover.postgres.marker import NotCaughtUp
from cutover.postgres.moving import Fence
from cutover.postgres.session import Database
from cutover.postgres.sides import BEFORE, COMMITTED, SWITCHED, read_sides
from cutover.postgres.switch import Switch

pytestmark = pytest.mark.slow
QUICK = Fence(catch_up=2.0)


@pytest.fixture(scope="module")
def sides() -> Iterator[Rig]:
    """Two servers of their own: they are crashed here."""
    with rig(200, 0) as made:
        with made.blue.open("test") as blue:
            blue.run("INSERT INTO public.counted SELECT generate_series(0, 4), 0")
        yield made


@pytest.fixture
def load(sides: Rig, tmp_path: Path) -> Iterator[Path]:
    """Clients that write all the time; afterwards every acknowledged write is there once, on both sides, and blue serves."""
    notes = tmp_path / "notes"
    with writing(sides.application, notes, rate=200, clients=4):
        yield notes
        writes_go_on(notes)
    assert read_sides(sides.blue, sides.green) == BEFORE
    caught_up(sides.blue, sides.green)
    caught_up(sides.green, sides.blue)
    wanted = {key for _, key in Notes.read(notes).acknowledged}
    assert wanted
    for dsn in sides.dsns.values():
        with psycopg.connect(dsn) as session:
            found = [str(key) for (key,) in session.execute("SELECT key FROM public.loose")]
        assert not wanted - set(found) and len(found) == len(set(found))


def writes_go_on(notes: Path) -> None:
    before = notes.stat().st_size
    until(lambda: notes.stat().st_size > before + 500, 30.0, "further acknowledged writes")


@contextmanager
def happens(point: str, what: Callable[[], object]) -> Iterator[None]:
    """Does something once when the switch reaches the point."""
    done: list[str] = []

    def hook(name: str) -> None:
        if name == point and not done:
            done.append(name)
            what()

    killpoint.install(hook)
    try:
        yield
    finally:
        killpoint.install(None)
    assert done, f"{point} was not reached"


def switch(source: Database, target: Database, fence: Fence = QUICK) -> None:
    Switch.one(source, target, fence).run(Deadline.after(30.0))


def gone_back(sides: Rig) -> None:
    """Blue serves again, by the same switch."""
    switch(sides.green, sides.blue)


@pytest.mark.parametrize("point", ["switch: locked", "switch: caught up", "switch: sequences set"])
def test_green_crashes_before_the_commit_point(sides: Rig, load: Path, point: str) -> None:
    """Whatever was acknowledged meanwhile, blue has it, and writes again at once."""
    with happens(point, lambda: sides.crash("green")), pytest.raises(CutoverError):
        switch(sides.blue, sides.green)
    writes_go_on(load)
    sides.start("green")
    assert read_sides(sides.blue, sides.green) == BEFORE
    switch(sides.blue, sides.green)  # it follows again, and the next try works
    gone_back(sides)


def test_what_had_arrived_is_durable_on_green_when_it_crashes_after_the_commit_point(sides: Rig, load: Path) -> None:
    """Visible is not durable; the sequences were set by a synchronous commit after it, so now it is."""
    with happens("switch: committed", lambda: sides.crash("green")), pytest.raises(Unreachable):
        switch(sides.blue, sides.green)
    sides.start("green")
    assert read_sides(sides.blue, sides.green) == COMMITTED
    acknowledged = {key for _, key in Notes.read(load).acknowledged}
    with psycopg.connect(sides.dsns["green"]) as session:
        found = {str(key) for (key,) in session.execute("SELECT key FROM public.loose")}
    assert acknowledged and not acknowledged - found
    switch(sides.blue, sides.green)
    assert read_sides(sides.blue, sides.green) == SWITCHED
    gone_back(sides)


def test_blue_crashes_before_its_commit(sides: Rig, load: Path) -> None:
    with happens("switch: fenced, not committed", lambda: sides.crash("blue")), pytest.raises(Unreachable):
        switch(sides.blue, sides.green)
    sides.start("blue")
    assert read_sides(sides.blue, sides.green) == BEFORE
    writes_go_on(load)


def test_blue_crashes_after_its_commit(sides: Rig, load: Path) -> None:
    """The commit point is on disk; green opens without blue, and blue comes back fenced."""
    with happens("switch: committed", lambda: sides.crash("blue")), pytest.raises(Unreachable):
        switch(sides.blue, sides.green)
    writes_go_on(load)
    sides.start("blue")
    assert read_sides(sides.blue, sides.green) == SWITCHED
    switch(sides.blue, sides.green)
    caught_up(sides.green, sides.blue)
    gone_back(sides)


@pytest.mark.parametrize(
    ("side", "point"),
    [("green", "switch: marked"), ("green", "switch: caught up"), ("blue", "switch: locked")],
)
def test_a_link_that_hangs_inside_the_fence(sides: Rig, load: Path, side: str, point: str) -> None:
    """Nobody tells us anything any more, not even that; the writes come back by deadlines, the last of them the server's own."""
    far = sides.servers[side]
    link = Link(far.port)
    hanging = replace(
        sides.blue if side == "blue" else sides.green, resolve=lambda: far.dsn().replace(str(far.port), str(link.port))
    )
    blue, green = (hanging, sides.green) if side == "blue" else (sides.blue, hanging)
    fence = replace(QUICK, dead_man=2.0)
    try:
        with happens(point, lambda: setattr(link, "swallowing", True)), pytest.raises(CutoverError) as told:
            switch(blue, green, fence)
        assert "no answer within" in told.value.message
        writes_go_on(load)
        assert read_sides(sides.blue, sides.green) == BEFORE
    finally:
        link.close()


def test_the_apply_worker_is_held_up_while_the_writes_wait(sides: Rig, load: Path) -> None:
    """Somebody's lock on green: nothing arrives, and the switch gives up in time."""
    with psycopg.connect(sides.dsns["green"]) as session:
        with (
            happens("switch: locked", lambda: session.execute("LOCK TABLE cutover.marker IN EXCLUSIVE MODE")),
            pytest.raises(NotCaughtUp, match="did not arrive on green within 2"),
        ):
            switch(sides.blue, sides.green)
        writes_go_on(load)
    caught_up(sides.blue, sides.green)
    switch(sides.blue, sides.green)
    gone_back(sides)


def test_the_apply_worker_is_killed_while_the_writes_wait(sides: Rig, load: Path) -> None:
    """The server starts another one, at once or after its retry interval: caught up in time, or blue has its writes back."""

    def kill() -> None:
        with sides.green.open("test") as green:
            green.run("SELECT pg_terminate_backend(pid) FROM pg_stat_subscription WHERE pid IS NOT NULL")

    with happens("switch: locked", kill), suppress(NotCaughtUp):
        switch(sides.blue, sides.green)
    writes_go_on(load)
    if read_sides(sides.blue, sides.green) == BEFORE:
        caught_up(sides.blue, sides.green)
        switch(sides.blue, sides.green)
    gone_back(sides)
