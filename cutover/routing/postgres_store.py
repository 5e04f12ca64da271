"""Flags in a PostgreSQL table: each change is one conditional statement, and tells who listens (NOTIFY) at once."""

import select
import threading
import time
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cutover.routing import forking
from cutover.routing.flag import Flag, FlagWrong
from cutover.routing.rows import flag_of, limited
from cutover.routing.store import Conflict, Unavailable

if TYPE_CHECKING:
    import psycopg

PATIENCE = 5.0  # seconds for one statement, its connection included
GLANCE = 0.5  # seconds after which a wait looks whether another thread has taken the notification

TABLE = """
SELECT pg_advisory_xact_lock(hashtext('cutover_flags'));
CREATE TABLE IF NOT EXISTS cutover_flags (name text PRIMARY KEY, version bigint NOT NULL, flag text NOT NULL);
CREATE OR REPLACE FUNCTION cutover_flags_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('cutover_flags', '');
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    IF TG_OP = 'UPDATE' AND NEW.version = OLD.version AND NEW.flag <> OLD.flag THEN NEW.version := OLD.version + 1; END IF;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS cutover_flags_changed ON cutover_flags;
CREATE TRIGGER cutover_flags_changed BEFORE INSERT OR UPDATE OR DELETE ON cutover_flags
    FOR EACH ROW EXECUTE FUNCTION cutover_flags_changed();
"""
"""One row a flag. The trigger tells of changes by hand too, and counts them. Readers need SELECT, writers INSERT and UPDATE."""

MARK = "SELECT md5(string_agg(md5(name || ' ' || version || ' ' || flag), '' ORDER BY name)) FROM cutover_flags"
UNDEFINED = "42P01"  # undefined_table


class PostgresStore:
    """The table `cutover_flags` in the first schema of the connection's search_path; `prepare` makes it, or a person with TABLE.

    `dsn` is a libpq connection string. One connection a process, made anew after trouble: a pooler that lends it for a
    transaction only (PgBouncer's `transaction`) takes LISTEN away, and changes are then seen at the next look.
    """

    inline = False

    def __init__(self, dsn: str, *, patience: float = PATIENCE) -> None:
        from psycopg import ProgrammingError, conninfo

        try:
            known = conninfo.conninfo_to_dict(dsn)
        except ProgrammingError:  # libpq quotes what it cannot read, and that may be the password
            raise ValueError("the connection string of a store of flags cannot be read") from None
        host = f"{known.get('host') or ''}" + (f":{known['port']}" if known.get("port") else "")
        self.where = f"postgresql:{host}/{known.get('dbname') or ''} cutover_flags"
        self._dsn, self._patience = dsn, patience
        self._begin()
        forking.remember(self)

    def _begin(self) -> None:
        self._one_at_a_time, self._one_waits = threading.RLock(), threading.Lock()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._listens = self._told = False

    def forked(self) -> None:
        self._parents = self._connection  # closing it would end the parent's session
        self._begin()

    def prepare(self) -> None:
        """Makes the table where it is not there; raises Unavailable."""
        self._ask(TABLE)

    def close(self) -> None:
        with self._one_at_a_time:
            if self._connection is not None:
                self._connection.close()
            self._connection, self._listens = None, False

    def mark(self) -> Hashable:
        found: str | None = self._ask(MARK)[0][0]
        return found

    def all(self) -> Mapping[str, Flag | FlagWrong]:
        rows = self._ask("SELECT name, version, flag FROM cutover_flags")
        return {name: flag_of(name, version, text) for name, version, text in rows}

    def put(self, flag: Flag, expected_version: int) -> Flag:
        stored = replace(flag, version=expected_version + 1)
        while True:
            rows = self._ask("SELECT version, flag FROM cutover_flags WHERE name = %s", flag.name)
            stood = flag_of(flag.name, *rows[0]) if rows else None
            found = stood if isinstance(stood, Flag) else None
            if (found.version if found else 0) != expected_version:
                raise Conflict(self.where, flag, expected_version, found)
            if rows:
                sql = (
                    "UPDATE cutover_flags SET version = %s, flag = %s WHERE name = %s AND version = %s AND flag = %s"
                    " RETURNING version"
                )
                written = self._ask(sql, stored.version, stored.text(), flag.name, *rows[0])
            else:
                sql = "INSERT INTO cutover_flags VALUES (%s, %s, %s) ON CONFLICT DO NOTHING RETURNING version"
                written = self._ask(sql, flag.name, stored.version, stored.text())
            if written:
                return stored

    def wait(self, mark: Hashable, seconds: float) -> None:
        until = time.monotonic() + seconds
        if not self._one_waits.acquire(timeout=seconds):
            return
        try:
            if not self._listens:
                self._ask("LISTEN cutover_flags")
                self._listens = True
                if self.mark() != mark:  # what changed before we listened was told to nobody
                    return
            while (left := until - time.monotonic()) > 0 and self._listens and not self._told:
                self._heard(min(left, GLANCE))
            self._told = False
        finally:
            self._one_waits.release()

    def _heard(self, seconds: float) -> None:
        """Waits for bytes from the server without keeping other threads from asking it."""
        import psycopg

        with self._one_at_a_time:
            connection = self._connection
        if connection is None or connection.closed:
            raise Unavailable(f"{self.where}: the connection is gone")
        poll = select.poll()
        with suppress(psycopg.Error):
            poll.register(connection.fileno(), select.POLLIN)
        if not poll.poll(1000 * seconds):
            return
        with self._one_at_a_time, self._explained([]):
            connection.pgconn.consume_input()
            while connection.pgconn.notifies():
                self._told = True

    def _ask(self, sql: str, *params: object) -> list[tuple[Any, ...]]:
        fired: list[bool] = []
        with self._one_at_a_time, self._explained(fired):
            connection = self._connected()
            with limited(connection.fileno(), self._patience, fired):
                cursor = connection.execute(sql.encode(), params or None)
                return cursor.fetchall() if cursor.description else []

    def _connected(self) -> "psycopg.Connection[tuple[Any, ...]]":
        import psycopg

        if self._connection is None or self._connection.closed:
            self._listens = False
            self._connection = psycopg.connect(
                self._dsn,
                autocommit=True,
                prepare_threshold=None,
                connect_timeout=max(2, int(self._patience)),  # libpq knows no shorter one
                fallback_application_name="flags",  # not `cutover …`: the toolkit's fence spares its own sessions
            )
            self._connection.add_notify_handler(self._tell)
            fired: list[bool] = []
            with limited(self._connection.fileno(), self._patience, fired):
                self._connection.execute("SET synchronous_commit = on")  # durable when `put` returns
        return self._connection

    def _tell(self, _: object) -> None:
        self._told = True

    @contextmanager
    def _explained(self, fired: list[bool]) -> Iterator[None]:
        import psycopg

        try:
            yield
        except (psycopg.Error, OSError) as error:
            state = getattr(error, "sqlstate", None)
            if state is None and self._connection is not None:
                self._connection.close()
            told = (
                f"no answer within {self._patience:g} s"
                if fired
                else (str(error).strip() or type(error).__name__).splitlines()[0]
            )
            hint = "; prepare() makes it" if state == UNDEFINED else ""
            raise Unavailable(f"{self.where}: {told}{hint}") from None
