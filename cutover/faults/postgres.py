"""What goes wrong inside the servers: replication, sessions in the way, no session to be had."""

import time
from contextlib import suppress
from typing import Any

import psycopg

from cutover.bench.figures import BenchFailed
from cutover.faults.fault import SHORT, UNTIL_OVER, Act, Fault, Scene

MOST = 400  # sessions; max_connections is less
SUBSCRIPTIONS = (
    "SELECT subname::text FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = 'shop')"
)
CONFLICT = """
SET default_transaction_read_only = off; SET session_replication_role = replica;
INSERT INTO shop.orders SELECT (jsonb_populate_record(o, jsonb_build_object(
    'order_id', (SELECT max(order_id) FROM shop.orders) + 40, 'idempotency_key', gen_random_uuid()))).*
FROM shop.orders o ORDER BY order_id DESC LIMIT 1 RETURNING order_id
"""


def _session(scene: Scene, side: str, *, user: str = "", name: str = "cutover-test") -> "psycopg.Connection[Any]":
    address = scene.ground.dsn(side).replace("postgres@", f"{user or 'postgres'}@")
    return psycopg.connect(address, connect_timeout=5, application_name=name, autocommit=True)


def _follower(scene: Scene) -> str:
    """The side that follows at this moment: the one that is not open."""
    return "green" if scene.ground.sides()[0] == "open" else "blue"


def _each_subscription(words: str) -> Act:
    def act(scene: Scene) -> None:
        side = _follower(scene)
        with _session(scene, side) as session:
            for (name,) in session.execute(SUBSCRIPTIONS).fetchall():
                session.execute(f"ALTER SUBSCRIPTION {name} {words}".encode())

    return act


def _slots_dropped(scene: Scene) -> None:
    leader = "blue" if _follower(scene) == "green" else "green"
    with _session(scene, leader) as session:
        names = [str(name) for (name,) in session.execute(
            "SELECT slot_name FROM pg_replication_slots WHERE active AND database = 'shop'"
        ).fetchall()]  # fmt: skip
        for name in names:
            _drop(session, name)


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
        for line in CONFLICT.strip().split(";")[:-1]:
            session.execute(line.encode())
        row = session.execute(CONFLICT.strip().split(";")[-1].encode()).fetchone()
    scene.ground.kept["conflict"] = (side, row[0] if row else 0)


def _settled(scene: Scene) -> None:
    side, row = scene.ground.kept.pop("conflict")
    if side not in _fenced(scene):
        return
    with _session(scene, side) as session:
        session.execute("SET default_transaction_read_only = off")
        session.execute("SET session_replication_role = replica")
        session.execute("DELETE FROM shop.orders WHERE order_id = %s AND NOT payload ? 'version'", [row])


def _fenced(scene: Scene) -> list[str]:
    return [side for side, seen in zip(("blue", "green"), scene.ground.sides(), strict=True) if seen != "open"]


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
        "slot-dropped", "somebody drops the slots that the other side follows by", _slots_dropped, lasts=UNTIL_OVER
    ),
    Fault(
        "apply-conflict", "a row on the following side stands in the way of one that comes", _conflict, _settled,
        UNTIL_OVER,
    ),
    Fault(
        "slot-inactive", "the following side's subscriptions are disabled", _each_subscription("DISABLE"),
        _each_subscription("ENABLE"), UNTIL_OVER,
    ),
    Fault("long-transaction", "a session holds a lock that stands against the fence", _long_transaction, _closed("long")),
    Fault("blue-connections-full", "blue takes no session any more", _full("blue"), _closed("full-blue"), SHORT + 5),
    Fault("green-connections-full", "green takes no session any more", _full("green"), _closed("full-green"), SHORT + 5),
)  # fmt: skip
