"""A process of its own that makes a slot and keeps its snapshot alive, so that a copy can go on after its copier was killed.

A snapshot lives as long as the connection that has exported it. The keeper ends when that connection does (the copy's end
terminates it), at its deadline, or when nobody has copied for ten minutes: a snapshot that is kept hinders vacuum on blue.
"""

import json
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import conninfo

from cutover.core.children import inherited
from cutover.core.clock import Backoff, Deadline, SystemClock
from cutover.core.errors import CutoverError
from cutover.core.killpoint import reached
from cutover.core.telling import say
from cutover.postgres.session import APPLICATION, CONNECT, Database, Session

COPIER = f"{APPLICATION} copy"
KEEPER = f"{APPLICATION} keeps a snapshot"
LINGER = 600.0  # seconds without a copier
LOOK = 5.0  # seconds between two looks for one
WAITED_FOR = """SELECT count(*), min(xact_start)::text FROM pg_stat_activity
 WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()"""
NO_TIMEOUTS = """SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN
 ('statement_timeout', 'lock_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')"""
END = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = '{name}' AND pid <> pg_backend_pid()"""


class NoSnapshot(CutoverError):
    """No slot with a snapshot could be made in time; `sqlstate` is the server's code where it refused."""

    sqlstate = ""


@dataclass(frozen=True)
class Kept:
    """A slot's name, the position from which it sends, and the snapshot of exactly that position."""

    slot: str
    position: str
    snapshot: str


def keep(source: Database, session: Session, slot: str, deadline: Deadline) -> Kept:
    """Starts a keeper and answers what it keeps; `session` tells whom it waits for. Raises NoSnapshot."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cutover.postgres.keeper"], env=inherited(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, start_new_session=True,  # Ctrl-C at the terminal must not reach it
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        # By a pipe and not as an argument: the string holds a password.
        asked = {"dsn": source.resolve(), "slot": slot, "seconds": deadline.remaining()}
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
        reached("copy: the keeper is asked")
        answer = _answer(process, session, deadline)
    except BaseException as error:
        if isinstance(error, CutoverError):
            process.kill()
            process.wait()
        raise
    finally:
        process.stdin.close()
        process.stdout.close()
        # It may outlive us, and where it does not, somebody has to take note of its end.
        threading.Thread(target=process.wait, name="keeper-ends", daemon=True).start()
    return Kept(slot, answer["position"], answer["snapshot"])


def _answer(process: "subprocess.Popen[bytes]", session: Session, deadline: Deadline) -> Any:
    assert process.stdout is not None
    while not select.select([process.stdout], [], [], min(1.0, deadline.remaining()))[0]:
        count, since = session.rows(WAITED_FOR)[0]
        waited_for = f"{count} transactions that are open on {session.label}, the oldest since {since}"
        if deadline.expired:
            raise NoSnapshot(f"no slot could be made in time: it waits for {waited_for}")
        say(f"the slot waits for {waited_for}")
    answer = json.loads(process.stdout.readline() or b"{}")
    if "snapshot" not in answer:
        refused = NoSnapshot(f"{session.label}: {answer.get('error', 'the process that keeps the snapshot has died')}")
        refused.sqlstate = answer.get("sqlstate", "")
        raise refused
    return answer


def alive(source: Database, snapshot: str) -> bool:
    """Whether the snapshot can still be joined."""
    with source.open("copy looks") as session:
        try:
            with joined(session, snapshot):
                return True
        except CutoverError:
            return False


@contextmanager
def joined(session: Session, snapshot: str) -> Iterator[None]:
    """The body sees exactly the moment of the snapshot, in a transaction that writes nothing."""
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    session.run(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
    yield
    session.run("ROLLBACK")


def ended(session: Session, names: Sequence[str], deadline: Deadline) -> None:
    """Ends the sessions of those names on this side, and comes back when they are gone."""
    backoff = Backoff(SystemClock())
    while any(session.value(END.format(name=name)) for name in names):
        if deadline.expired:
            raise NoSnapshot(f"{session.label}: sessions of an earlier copy do not end")
        backoff.pause(deadline)


def main() -> None:
    """Reads one line of JSON, answers one, and lingers."""
    asked = json.loads(sys.stdin.readline())
    dsn, end = asked["dsn"], time.monotonic() + asked["seconds"]
    try:
        connection = psycopg.connect(
            conninfo.make_conninfo(
                dsn, replication="database", application_name=KEEPER, connect_timeout=int(CONNECT), options=""
            ),
            autocommit=True,
        )
        connection.execute(NO_TIMEOUTS)
        if select.select([sys.stdin.fileno()], [], [], 0)[0]:
            return  # whoever asked is dead: nobody would ever know of this slot
        made = connection.execute(f"CREATE_REPLICATION_SLOT {asked['slot']} LOGICAL pgoutput EXPORT_SNAPSHOT".encode())
        _, position, snapshot, _ = made.fetchone() or (None, None, None, None)
    except psycopg.Error as error:
        print(json.dumps({"error": str(error).strip(), "sqlstate": error.sqlstate or ""}), flush=True)
        return
    try:
        print(json.dumps({"position": position, "snapshot": snapshot}), flush=True)
    except OSError:
        connection.execute(f"DROP_REPLICATION_SLOT {asked['slot']}".encode())
        return
    _linger(connection, dsn, end)
    connection.close()


def _linger(connection: psycopg.Connection[Any], dsn: str, end: float) -> None:
    """Comes back when the connection has ended, the time is over, or nobody copies any more."""
    last = time.monotonic()
    while time.monotonic() < min(end, last + LINGER):
        if select.select([connection.fileno()], [], [], LOOK)[0]:
            return
        try:
            with psycopg.connect(
                dsn, application_name=f"{APPLICATION} keeper", connect_timeout=int(CONNECT)
            ) as looking:
                copiers = looking.execute(
                    "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = current_database() AND application_name = %s",
                    [COPIER],
                ).fetchone()
        except psycopg.Error:
            continue
        if copiers and copiers[0]:
            last = time.monotonic()


if __name__ == "__main__":
    main()
