"""What goes wrong inside the servers: replication, sessions in the way, no session to be had."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psycopg

from cutover.bench.figures import BenchFailed
from cutover.faults.fault import SHORT, UNTIL_OVER, Act, Fault, Scene

MOST = 400  # sessions; max_connections is less
SUBSCRIPTIONS = (
    "SELECT subname::text FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = 'shop')"
)
COMPARED = 60.0  # seconds in which both sides have to be equal again
PLANTED = -1  # the invoice number of the row that stands in the way
CONFLICT = f"""INSERT INTO shop.orders (order_id, idempotency_key, customer_id, invoice_no)
SELECT (SELECT max(order_id) + 40 FROM shop.orders), gen_random_uuid(), min(customer_id), {PLANTED} FROM shop.customers"""
WRITABLE = "SET default_transaction_read_only = off"  # a fenced side is not, by default
AS_REPLICA = WRITABLE, "SET session_replication_role = replica"


def _session(scene: Scene, side: str, *, user: str = "", name: str = "cutover-test") -> "psycopg.Connection[Any]":
    address = scene.ground.dsn(side).replace("postgres@", f"{user or 'postgres'}@")
    return psycopg.connect(address, connect_timeout=5, application_name=name, autocommit=True)


def _follower(scene: Scene) -> str:
    """The side that follows at this moment: the one that is not open."""
    return "green" if scene.ground.sides()[0] == "open" else "blue"


def _disabled(scene: Scene) -> None:
    side = _follower(scene)
    with _session(scene, side) as session:
        names = [str(name) for (name,) in session.execute(SUBSCRIPTIONS).fetchall()]
        _alter(session, names, "DISABLE")
    scene.ground.kept["disabled"] = side, names


def _enabled(scene: Scene) -> None:
    """As whoever disabled them would, on the side where that was: by now it may be the one that serves."""
    side, names = scene.ground.kept.pop("disabled", ("", []))
    if side:
        with _session(scene, side) as session:
            there = {str(name) for (name,) in session.execute(SUBSCRIPTIONS).fetchall()}
            _alter(session, [name for name in names if name in there], "ENABLE")


def _alter(session: "psycopg.Connection[Any]", names: Sequence[str], words: str) -> None:
    session.execute(WRITABLE)
    for name in names:
        session.execute(f"ALTER SUBSCRIPTION {name} {words}".encode())


def _slots_dropped(scene: Scene) -> None:
    leader = "blue" if _follower(scene) == "green" else "green"
    with _session(scene, leader) as session:
        names = [str(name) for (name,) in session.execute(
            "SELECT slot_name FROM pg_replication_slots WHERE active AND database = 'shop'"
        ).fetchall()]  # fmt: skip
        for name in names:
            _drop(session, name)
    scene.ground.kept["slots"] = [(leader, name) for name in names]


def _slots_made(scene: Scene) -> None:
    """As an operator would whom the run tells how: the slot again, and then the rows that did not arrive meanwhile."""
    dropped = scene.ground.kept.pop("slots", [])
    for side, name in dropped:
        with _session(scene, side) as session:
            session.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [name])
    end = time.monotonic() + COMPARED
    while dropped and time.monotonic() < end:
        repair = scene.ground.root / "repair.sql"
        repair.unlink(missing_ok=True)
        done = scene.ground.run(
            "validate", "--env", scene.environment, *scene.ground.one_database, "--repair", str(repair)
        )
        if done.code == 0:
            return
        if done.code == 1:
            with _session(scene, _follower(scene)) as session:
                session.execute(repair.read_bytes())
    if dropped:
        raise BenchFailed(
            f"the rows that did not arrive could not be brought over in {COMPARED:g} s: {done.err[-300:]}"
        )


def _drop(session: "psycopg.Connection[Any]", name: str) -> None:
    """Its sender is ended until the drop comes first: the follower connects again at once."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        session.execute(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s", [name]
        )
        with suppress(psycopg.errors.ObjectInUse):
            session.execute("SELECT pg_drop_replication_slot(%s)", [name])
            return
    raise BenchFailed(f"slot {name} could not be dropped")


def _conflict(scene: Scene) -> None:
    side = _follower(scene)
    with _session(scene, side) as session:
        for statement in (*AS_REPLICA, CONFLICT):
            session.execute(statement.encode())
    scene.ground.kept["conflict"] = side


def _settled(scene: Scene) -> None:
    """As an operator would who is told which row it is."""
    side = scene.ground.kept.pop("conflict", None)
    if side is None:
        return
    with _session(scene, side) as session:
        for statement in (*AS_REPLICA, f"DELETE FROM shop.orders WHERE invoice_no = {PLANTED}"):
            session.execute(statement.encode())


def _long_transaction(scene: Scene) -> None:
    """It holds a lock that stands against the fence, from a name that is an operator's."""
    side = "green" if _follower(scene) == "blue" else "blue"
    session = _session(scene, side, user="shop", name="nightly report")
    with suppress(psycopg.Error):
        session.execute("BEGIN")
        session.execute("LOCK TABLE shop.orders IN ROW EXCLUSIVE MODE")
    scene.ground.kept["long"] = [session]


def _full(side: str) -> Act:
    def act(scene: Scene) -> None:
        held: list[psycopg.Connection[Any]] = []
        with suppress(psycopg.OperationalError):
            while len(held) < MOST:
                held.append(_session(scene, side))
        scene.ground.kept[f"full-{side}"] = held

    return act


def _closed(key: str) -> Act:
    def act(scene: Scene) -> None:
        for session in scene.ground.kept.pop(key, []):
            with suppress(psycopg.Error):
                session.close()

    return act


FAULTS = (
    Fault(
        "slot-dropped", "somebody drops the slots that the other side follows by; they are made again, and the rows brought over, when the program has ended",
        _slots_dropped, _slots_made, UNTIL_OVER,
    ),
    Fault(
        "apply-conflict", "a row on the following side stands in the way of one that comes", _conflict, _settled,
        UNTIL_OVER,
    ),
    Fault(
        "slot-inactive", "the following side's subscriptions are disabled", _disabled,
        _enabled, UNTIL_OVER,
    ),
    Fault("long-transaction", "a session holds a lock that stands against the fence", _long_transaction, _closed("long")),
    Fault("blue-connections-full", "blue takes no session any more", _full("blue"), _closed("full-blue"), SHORT + 5),
    Fault("green-connections-full", "green takes no session any more", _full("green"), _closed("full-green"), SHORT + 5),
)  # fmt: skip
