"""Journal and lease in PostgreSQL: its first use, lost answers, several environments, and what plain SQL may not do."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg
import pytest
import store_contract
from places import Kept

from cutover.core.audit import audit
from cutover.core.errors import CutoverError, LeaseLost, Unreachable
from cutover.postgres.session import Database, Session
from cutover.state.postgres import PostgresState


def database(kept: Kept, *, read_only: bool = False) -> Database:
    return Database("state", "STATE_DSN", lambda: kept.address, read_only)


class Lossy:
    """A session whose answers to some statements are lost: the server has carried them out."""

    def __init__(self, session: Session, lose: Callable[[str], bool]) -> None:
        self._session, self._lose = session, lose

    def rows(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        found = self._session.rows(sql, params)
        if self._lose(sql):
            raise Unreachable("the answer was lost")
        return found

    def close(self) -> None:
        self._session.close()


@pytest.mark.parametrize("times", [1, 3])
def test_a_lost_answer_is_read_back_and_nothing_is_there_twice(postgres: Kept, times: int) -> None:
    left: dict[str, int] = {}

    def lose(sql: str) -> bool:
        first = " ".join(sql.split()[:4])
        if sql.lstrip().startswith("SELECT"):
            return False
        left[first] = left.get(first, times) - 1
        return left[first] >= 0

    state = PostgresState(lambda: Lossy(database(postgres).connect("state"), lose), "test")
    lease = state.acquire(who="ann", operation="a")
    state.append("r1", "a", {}, lease)
    state.wish("r1", "hold", {})
    state.append("r1", "b", {}, lease)
    state.check(lease)
    assert [entry.kind for entry in state.entries()] == ["a", "b"]
    assert len(state.wishes("r1")) == 1
    state.release(lease)
    assert state.holder() is None
    assert len(left) >= 5 and all(n < 0 for n in left.values()), left
    state.close()


def test_a_lost_answer_after_which_somebody_took_over(postgres: Kept) -> None:
    """The append took effect before the takeover: it is told as done, and the next one is refused."""
    bob = postgres.state()
    taken: list[str] = []

    def lose(sql: str) -> bool:
        if "held" not in sql or taken:
            return False
        taken.append(bob.acquire(who="bob", operation="b", take_over=lease.id).id)
        return True

    ann = PostgresState(lambda: Lossy(database(postgres).connect("state"), lose), "test")
    lease = ann.acquire(who="ann", operation="a")
    ann.append("r1", "a", {}, lease)
    with pytest.raises(LeaseLost):
        ann.append("r1", "late", {}, lease)
    assert [entry.kind for entry in bob.entries()] == ["a"]
    ann.close()
    bob.close()


def test_looking_makes_nothing_and_a_first_use_by_many_makes_it_once(postgres: Kept) -> None:
    looking = PostgresState(lambda: database(postgres, read_only=True).connect("state"), "test")
    assert looking.entries() == [] and looking.holder() is None and looking.wishes("r1") == []
    with pytest.raises(CutoverError, match="read-only"):
        looking.wish("r1", "hold", {})
    start = threading.Barrier(6)

    def first() -> None:
        state = postgres.state()
        start.wait(timeout=60)
        state.wish("r1", "hold", {})
        state.close()

    threads = [threading.Thread(target=first) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(looking.wishes("r1")) == 6
    looking.close()


def test_environments_in_one_database_are_apart(postgres: Kept) -> None:
    prod = PostgresState(lambda: database(postgres).connect("state"), "prod")
    staging = PostgresState(lambda: database(postgres).connect("state"), "staging")
    first, second = prod.acquire(who="ann", operation="a"), staging.acquire(who="bob", operation="b")
    prod.append("r1", "a", {}, first)
    staging.append("r1", "b", {}, second)
    prod.append("r1", "c", {}, first)
    prod.wish("r1", "hold", {})
    assert [entry.kind for entry in prod.entries()] == ["a", "c"]
    assert [entry.kind for entry in staging.entries()] == ["b"] and staging.wishes("r1") == []
    for state in (prod, staging):
        state.close()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE cutover_state.entries SET kind = 'x'",
        "DELETE FROM cutover_state.entries WHERE seq = 3",
        "TRUNCATE cutover_state.entries",
    ],
)
def test_entries_cannot_be_changed_by_plain_sql(postgres: Kept, sql: str) -> None:
    store_contract.filled(postgres, 4)
    with (
        psycopg.connect(postgres.address, autocommit=True) as session,
        pytest.raises(psycopg.errors.RaiseException, match="append-only"),
    ):
        session.execute(sql.encode())
    state = postgres.state()
    assert len(state.entries()) == 4
    state.close()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM cutover_state.lease", "the lease's row is missing"),
        ("UPDATE cutover_state.lease SET head_seq = 0", "notes 0 as the last entry, but there are 4"),
        ("UPDATE cutover_state.lease SET holder = 'no json'", "who has the lease cannot be read"),
        ("UPDATE cutover_state.lease SET holder = '{}'", "who has the lease cannot be read"),
    ],
)
def test_an_audit_misses_what_was_noted_beside_the_lease(postgres: Kept, sql: str, said: str) -> None:
    store_contract.filled(postgres, 4)
    with psycopg.connect(postgres.address, autocommit=True) as session:
        session.execute(sql.encode())
    state = postgres.state()
    found = audit(state.rows())
    state.close()
    assert found.broken is not None and (found.broken.kind, said in found.broken.seen) == ("unreadable", True), found
    assert len(found.entries) == 4 and found.anchored is ("missing" not in said)


def test_a_connection_that_was_ended_is_made_again(postgres: Kept) -> None:
    state = postgres.state()
    lease = state.acquire(who="ann", operation="a")
    with psycopg.connect(postgres.address, autocommit=True) as session:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cutover state'"
        )
    state.append("r1", "a", {}, lease)
    assert len(state.entries()) == 1
    state.close()


def test_a_row_that_somebody_holds_is_waited_for(postgres: Kept) -> None:
    state = PostgresState(lambda: database(postgres).connect("state", settings={"lock_timeout": "100ms"}), "test")
    lease = state.acquire(who="ann", operation="a")
    with psycopg.connect(postgres.address) as other:
        other.execute("SELECT 1 FROM cutover_state.lease FOR UPDATE")
        release = threading.Timer(0.5, other.rollback)
        release.start()
        state.append("r1", "a", {}, lease)
        release.join()
    assert len(state.entries()) == 1
    state.close()


def test_a_server_that_is_not_there_is_told_within_the_deadline() -> None:
    nowhere = Database("state", "STATE_DSN", lambda: f"host=127.0.0.1 port=1 dbname=x user={os.getpid()}")
    state = PostgresState(lambda: nowhere.connect("state"), "test", patience=0.3)
    with pytest.raises(Unreachable, match="state"):
        state.entries()


def test_threads_of_one_process_take_turns(postgres: Kept) -> None:
    state = postgres.state()
    lease = state.acquire(who="ann", operation="a")

    def write() -> None:
        for _ in range(10):
            state.append("r1", "a", {}, lease)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(state.entries()) == 40
    state.close()
