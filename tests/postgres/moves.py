"""The steps of a cutover's database part by hand, for tests: prepared, switched, caught up."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from cutover.core.clock import Deadline
from cutover.core.journal import Journal
from cutover.core.plan import Phase, Plan
from cutover.core.run import Run
from cutover.core.step import Step
from cutover.postgres.clients import Clients
from cutover.postgres.kit import FenceKit
from cutover.postgres.marker import await_marker, write_marker
from cutover.postgres.moving import Fence
from cutover.postgres.pair import DatabasePair
from cutover.postgres.replication import Publication, Subscription, subscription_name
from cutover.postgres.session import Database
from cutover.postgres.sides import FENCE
from cutover.postgres.switch import Switch
from cutover.postgres.switchover import Switchover
from cutover.postgres.way_back import BOTH, TOWARDS_BLUE, TOWARDS_GREEN, Directions, WayBack
from cutover.state.sqlite import SqliteState

T = TypeVar("T")
PLAIN = Fence(validate_changed=False, late_starters=0.02)
VALIDATING = Fence()


def until(look: Callable[[], T], seconds: float = 10.0, what: str = "") -> T:
    """Polls until `look` answers something true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, f"not seen within {seconds:g} s: {what or look}"
        time.sleep(0.005)
    return seen


def take(step: Step[Any], seconds: float = 30.0) -> None:
    """Runs the step's commands and waits until its `after` is seen."""
    for command in step.commands(step.after):
        command.run(Deadline.after(seconds))
    until(lambda: step.observe() == step.after, seconds, f"{step.name} at {step.after}")


def kits(blue: Database, green: Database) -> list[Step[Any]]:
    return [
        FenceKit(name="kit-blue", database=blue, before="absent", after="open"),
        FenceKit(name="kit-green", database=green, before="absent", after="fenced"),
    ]


def publications(blue: Database, green: Database) -> list[Step[Any]]:
    return [
        Publication(name="publication-blue", database=blue, before="absent", after="present"),
        Publication(name="publication-green", database=green, before="absent", after="present"),
    ]


def forward(blue: Database, green: Database) -> Subscription:
    return Subscription(
        name="forward", source=blue, target=green, copy=True, before="absent", after="following", settle=20
    )


def reverse(blue: Database, green: Database) -> Step[Any]:
    return WayBack(name="reverse", source=green, target=blue, settle=20)


def window(blue: Database, green: Database, pool: Clients | None = None) -> list[Directions | Switchover]:
    """The steps of the window that move the writes and turn the replication."""
    return [
        Directions(name="prepared", blue=blue, green=green, before=TOWARDS_GREEN, after=BOTH, settle=20),
        Switchover.of(DatabasePair(blue, green, PLAIN, pool=pool), name="switchover", settle=20),
        Directions(name="turned", blue=blue, green=green, before=BOTH, after=TOWARDS_BLUE, settle=20),
    ]


def window_plan(blue: Database, green: Database, pool: Clients | None = None) -> Plan:
    """Only these steps, as a plan that can be walked forward and back."""
    phase = Phase(name="window", owner="database", items=tuple(window(blue, green, pool)))
    return Plan(name="cutover", environment="test", phases=(phase,))


def walk(blue: Database, green: Database, state: Path, way: str, pool: Clients | None = None) -> None:
    """Walks the window's plan over the journal `state`, as a process that takes over from a dead one."""
    store = SqliteState(state)
    try:
        holder = store.holder()
        lease = store.acquire(who="test", operation=way, take_over=holder.id if holder else None)
        run = Run(window_plan(blue, green, pool), Journal(store, lease, "window"), patience=20.0)
        run.forward() if way == "forward" else run.back(reason="test")
        store.release(lease)
    finally:
        store.close()


def met(step: Step[Any], state: Path) -> None:
    """Walks a plan of this step alone over a new journal `state`: raises what the engine raises of the state that it meets."""
    store = SqliteState(state)
    try:
        lease = store.acquire(who="test", operation="forward")
        plan = Plan(name="one", environment="test", phases=(Phase(name="one", owner="database", items=(step,)),))
        Run(plan, Journal(store, lease, "one"), patience=20.0).forward()
    finally:
        store.close()


def prepare(blue: Database, green: Database) -> None:
    for step in [*kits(blue, green), *publications(blue, green), forward(blue, green), reverse(blue, green)]:
        take(step)


def caught_up(source: Database, target: Database) -> None:
    """Waits until everything written on the source has arrived on the target."""
    with source.open("test") as s, target.open("test") as t:
        await_marker(t, write_marker(s), Deadline.after(20.0))


def caught_up_both(blue: Database, green: Database) -> None:
    """The same in each direction that runs; at least one does."""
    asked = "SELECT count(*) FROM pg_subscription WHERE subname = %s AND subenabled"
    ran = 0
    for source, target in ((blue, green), (green, blue)):
        with target.open("test") as session:
            if session.value(asked, [subscription_name(source, target)]):
                caught_up(source, target)
                ran += 1
    assert ran, "no direction runs"


def blue_switch(source: Database, target: Database, fence: Fence = PLAIN, seconds: float = 30.0) -> None:
    """Moves the writes from source to target."""
    Switch.one(source, target, fence).run(Deadline.after(seconds))


def undo_late(blue: Database, green: Database) -> None:
    """After a failed test: green's fence on, then blue's off, wherever they stood."""
    for database, verb, default in ((green, "ENABLE", "SET default_transaction_read_only = on"),
                                    (blue, "DISABLE", "RESET default_transaction_read_only")):  # fmt: skip
        with database.open("test") as session:
            tables = session.rows(f"SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = '{FENCE}'")
            for (table,) in tables:
                session.run(f"ALTER TABLE ONLY {table} {verb} TRIGGER {FENCE}")
            name = session.value("SELECT format('%I', current_database())")
            session.run(f"ALTER DATABASE {name} {default}")


@contextmanager
def planted(green: Database, change: str, undo: str) -> Iterator[None]:
    """A change on the fenced side that came by no replication, taken back at the end."""
    with ExitStack() as stack:
        session = stack.enter_context(green.open("test", settings={"session_replication_role": "replica"}))
        # With an origin of its own the change is not sent to blue, as little as what green has from blue.
        if not session.value("SELECT pg_replication_origin_oid('planted')"):
            session.run("SELECT pg_replication_origin_create('planted')")
        session.run("SELECT pg_replication_origin_session_setup('planted')")
        forget = "SELECT pg_replication_origin_session_reset(); SELECT pg_replication_origin_drop('planted')"
        stack.callback(lambda: session.run(forget))
        stack.callback(lambda: session.run(undo))
        session.run(change)
        yield
