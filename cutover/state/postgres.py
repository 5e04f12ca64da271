"""Journal and lease of one environment in a PostgreSQL database that operators on many machines share.

Everything is in the schema `cutover_state`, one set of tables for all environments. Every change is one statement under a
condition, so the server looks and writes in one transaction of its own, and the same statement may be sent again after its
answer was lost: who is told that it changed nothing looks who did.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol
from uuid import uuid4

from cutover.core import killpoint
from cutover.core.clock import Backoff, Clock, Deadline, SystemClock
from cutover.core.errors import CutoverError, Unreachable
from cutover.core.journal import Entry
from cutover.core.lease import Lease
from cutover.core.plain import canonical
from cutover.core.rows import GENESIS, Head, Rows
from cutover.state.chain import START, JournalBroken, chained, going_on, kept, sealed, unproven, without_secrets
from cutover.state.holding import claimed, lost, may_be_alive, refuse_if_held

PATIENCE = 20.0  # seconds for one statement, with every new connection
UNDEFINED = ("42P01", "3F000")  # undefined_table, invalid_schema_name
LOCKED = "55P03"  # lock_not_available
THERE = "SELECT to_regclass('cutover_state.ready') IS NOT NULL"

SCHEMA = f"""
SELECT pg_advisory_xact_lock(hashtext('cutover_state'));
CREATE SCHEMA IF NOT EXISTS cutover_state;
CREATE TABLE IF NOT EXISTS cutover_state.lease (
    environment text PRIMARY KEY, token bigint NOT NULL DEFAULT 0, holder text,
    head_seq bigint NOT NULL DEFAULT 0, head_hash text NOT NULL DEFAULT '{GENESIS}');
CREATE TABLE IF NOT EXISTS cutover_state.entries (
    environment text NOT NULL, seq bigint NOT NULL, run text NOT NULL, at double precision NOT NULL, token bigint NOT NULL,
    kind text NOT NULL, data text NOT NULL, prev text NOT NULL, hash text NOT NULL, PRIMARY KEY (environment, seq));
CREATE TABLE IF NOT EXISTS cutover_state.wishes (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text NOT NULL UNIQUE, environment text NOT NULL,
    run text NOT NULL, at double precision NOT NULL, kind text NOT NULL, data text NOT NULL);
CREATE OR REPLACE FUNCTION cutover_state.refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'append-only'; END $$;
CREATE OR REPLACE TRIGGER entries_stay BEFORE UPDATE OR DELETE ON cutover_state.entries
    FOR EACH ROW EXECUTE FUNCTION cutover_state.refuse();
CREATE OR REPLACE TRIGGER entries_kept BEFORE TRUNCATE ON cutover_state.entries
    FOR EACH STATEMENT EXECUTE FUNCTION cutover_state.refuse();
CREATE OR REPLACE VIEW cutover_state.ready AS SELECT 1 AS version;
"""

# The update locks the lease's row and, having waited for it, looks again: an old token, or a head that moved, inserts nothing.
APPEND = """
WITH held AS (
    UPDATE cutover_state.lease SET head_seq = %(seq)s, head_hash = %(hash)s
    WHERE environment = %(environment)s AND token = %(token)s AND holder IS NOT NULL
      AND head_seq = %(seq)s - 1 AND head_hash = %(prev)s
    RETURNING environment)
INSERT INTO cutover_state.entries
SELECT environment, %(seq)s, %(run)s, %(at)s, %(token)s, %(kind)s, %(data)s, %(prev)s, %(hash)s FROM held
RETURNING seq"""
ENTRIES = """
SELECT seq, run, at, token, kind, data, prev, hash FROM cutover_state.entries WHERE environment = %s ORDER BY seq"""
CLAIM = """
UPDATE cutover_state.lease SET token = %(token)s, holder = %(holder)s
WHERE environment = %(environment)s AND token = %(last)s
RETURNING token"""


class Session(Protocol):
    """An autocommit connection; raises Unreachable after which it is of no use, and for a refusal an error with `sqlstate`."""

    def rows(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of one statement."""

    def close(self) -> None:
        """Ends the connection."""


class PostgresState:
    """The store of one environment; durable when a call returns, as the server's `synchronous_commit` is on for us.

    `connect` opens a session. A holder on another host is never assumed dead; `unlock` with its lease id takes over.
    """

    def __init__(
        self,
        connect: Callable[[], Session],
        environment: str,
        *,
        clock: Clock | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.where = f"postgresql cutover_state, environment {environment}"
        self._connect, self._environment, self._patience = connect, environment, patience
        self._clock = clock or SystemClock()
        self._session: Session | None = None
        self._heads: dict[str, Head] = {}
        self._one_at_a_time = threading.RLock()

    def close(self) -> None:
        with self._one_at_a_time:
            if self._session is not None:
                self._session.close()
            self._session = None

    # --- journal -------------------------------------------------------------------------------------------------

    def append(self, run: str, kind: str, data: Mapping[str, Any], lease: Lease) -> Entry:
        with self._one_at_a_time:
            head = self._heads.pop(lease.id, None) or self._head(lease)
            while True:
                entry = sealed(head, run, self._clock.now(), lease.token, kind, data)
                killpoint.reached("before insert of entry")
                row = {**asdict(entry), "data": canonical(entry.data), "environment": self._environment}
                if self._ask(APPEND, row) or self._is_there(entry):
                    self._heads[lease.id] = Head.of(entry)
                    return entry
                head = self._head(lease)

    def _head(self, lease: Lease) -> Head:
        """Where the journal ends; raises LeaseLost when the lease is void."""
        token, holder, head = self._lease_row()
        if holder is None or token != lease.token:
            raise lost(lease, holder)
        return head

    def _is_there(self, entry: Entry) -> bool:
        """Whether our entry is there all the same: its first answer was lost."""
        sql = "SELECT 1 FROM cutover_state.entries WHERE environment = %s AND seq = %s AND hash = %s"
        return bool(self._ask(sql, [self._environment, entry.seq, entry.hash]))

    def entries(self, run: str | None = None) -> Sequence[Entry]:
        _, _, head = self._lease_row()  # before the entries, of which there are then at least as many
        try:
            found = [kept(*row) for row in self._look(ENTRIES, [self._environment])]
        except ValueError as error:
            raise JournalBroken(f"{self.where}: {error}") from error
        return [entry for entry in chained(found, self.where, head) if run is None or entry.run == run]

    def newer(self, than: Entry | None) -> Sequence[Entry]:
        _, _, head = self._lease_row()  # before the entries, of which there are then at least as many
        sql = (
            "SELECT seq, run, at, token, kind, data, prev, hash FROM cutover_state.entries"
            " WHERE environment = %s AND seq >= %s ORDER BY seq"
        )
        try:
            found = [kept(*row) for row in self._look(sql, [self._environment, than.seq if than is not None else 0])]
        except ValueError as error:
            raise JournalBroken(f"{self.where}: {error}") from error
        if than is None:
            return chained(found, self.where, head)
        if not found or found[0].hash != than.hash:
            raise JournalBroken(
                f"{self.where}: entry {than.seq} is missing, or is not the one that was written as the last"
            )
        return going_on(found[1:], than, self.where)

    def rows(self) -> Rows:
        before = self._anchor()
        found = tuple(unproven(*row) for row in self._look(ENTRIES, [self._environment]))
        # Whoever appends notes that in the same statement: what was read lies between the two looks.
        after = self._anchor()
        try:
            self._lease_row()
            trouble = ""
        except JournalBroken as error:
            trouble = error.message
        if found and after is None:
            return Rows(
                self.where, found, trouble="the lease's row is missing, and with it what it notes as the last entry"
            )
        if after is not None and len(found) > after.seq:
            trouble = f"the lease's row notes {after.seq} as the last entry, but there are {len(found)}"
        return Rows(self.where, found, before or START, trouble)

    def _anchor(self) -> Head | None:
        """What is noted beside the lease as the last entry; None where the lease has no row."""
        sql = "SELECT head_seq, head_hash FROM cutover_state.lease WHERE environment = %s"
        return next((Head(*row) for row in self._look(sql, [self._environment])), None)

    def wish(self, run: str, kind: str, data: Mapping[str, Any]) -> None:
        self._ready()
        self._ask(
            "INSERT INTO cutover_state.wishes (id, environment, run, at, kind, data) VALUES (%s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (id) DO NOTHING",
            [uuid4().hex, self._environment, run, self._clock.now(), kind, canonical(without_secrets(data))],
        )

    def wishes(self, run: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
        sql = "SELECT kind, data FROM cutover_state.wishes WHERE environment = %s AND run = %s ORDER BY seq"
        return [(kind, json.loads(data)) for kind, data in self._look(sql, [self._environment, run])]

    # --- lease ---------------------------------------------------------------------------------------------------

    def acquire(self, *, who: str, operation: str, take_over: str | None = None) -> Lease:
        with self._one_at_a_time:
            self._ready()
            self._ask(
                "INSERT INTO cutover_state.lease (environment) VALUES (%s) ON CONFLICT DO NOTHING", [self._environment]
            )
            while True:
                token, former, head = self._lease_row()
                self._is_whole(head)
                refuse_if_held(former, take_over)
                lease = claimed(token, self._clock.now(), who=who, operation=operation)
                killpoint.reached("before claim of lease")
                wanted = {
                    "environment": self._environment,
                    "last": token,
                    "token": lease.token,
                    "holder": canonical(asdict(lease)),
                }
                if self._ask(CLAIM, wanted) or self._lease_row()[1] == lease:
                    return lease

    def _is_whole(self, head: Head) -> None:
        """Raises JournalBroken when the last entry is not the one that is anchored beside the lease."""
        sql = "SELECT seq, hash FROM cutover_state.entries WHERE environment = %s ORDER BY seq DESC LIMIT 1"
        last = [Head(*row) for row in self._ask(sql, [self._environment])]
        # The lease was read before: a holder who appends meanwhile is ahead of what was read, never behind.
        if head.seq and (not last or last[0].seq < head.seq):
            raise JournalBroken(f"{self.where}: entry {head.seq} is missing")
        if last and last[0].seq == head.seq and last[0].hash != head.hash:
            raise JournalBroken(f"{self.where}: entry {head.seq} is not the one that was written as the last")

    def release(self, lease: Lease) -> None:
        with self._one_at_a_time:
            self._heads.pop(lease.id, None)
            sql = "UPDATE cutover_state.lease SET holder = NULL WHERE environment = %s AND token = %s"
            self._ask(sql, [self._environment, lease.token])

    def holder(self) -> Lease | None:
        _, holder, _ = self._lease_row()
        return holder if holder is not None and may_be_alive(holder) else None

    def check(self, lease: Lease) -> None:
        self._head(lease)

    def _lease_row(self) -> tuple[int, Lease | None, Head]:
        sql = "SELECT token, holder, head_seq, head_hash FROM cutover_state.lease WHERE environment = %s"
        for token, holder, seq, hash in self._look(sql, [self._environment]):
            try:
                return token, Lease(**json.loads(holder)) if holder else None, Head(seq, hash)
            except (ValueError, TypeError) as error:
                raise JournalBroken(f"{self.where}: who has the lease cannot be read: {error}") from error
        return 0, None, Head()

    # --- statements ----------------------------------------------------------------------------------------------

    def _ready(self) -> None:
        """Makes the schema at the first use; whoever may not create it is told so by the server."""
        if self._ask(THERE) != [(True,)]:
            self._ask(SCHEMA)

    def _look(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Rows that are read; none where nothing was ever kept."""
        try:
            return self._ask(sql, params)
        except CutoverError as error:
            if getattr(error, "sqlstate", "") in UNDEFINED:
                return []
            raise

    def _ask(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Sends a statement, and sends it again on a new connection while the server cannot be reached."""
        deadline = Deadline.after(self._patience)
        backoff = Backoff(deadline.clock, first=0.02)
        with self._one_at_a_time:
            while True:
                try:
                    if self._session is None:
                        self._session = self._connect()
                    return self._session.rows(sql, params)
                except Unreachable:
                    self.close()
                    if deadline.expired:
                        raise
                except CutoverError as error:
                    if getattr(error, "sqlstate", "") != LOCKED or deadline.expired:
                        raise
                backoff.pause(deadline)
