"""Sessions on one side's database: bounded in time, recognisable by name, and unable to write in a dry-run."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import psycopg
from psycopg import conninfo

from cutover.core.errors import CutoverError, Unreachable
from cutover.postgres.copy_stream import copied_out
from cutover.postgres.watchdog import watchdog

CONNECT = 5.0
QUERY = 10.0
APPLICATION = "cutover"  # the fence sends every other session away, so our names begin with this

IN_USE, NOT_ALLOWED, CANCELLED = "55006", "42501", "57014"  # object_in_use, insufficient_privilege, query_canceled

Params = Sequence[Any] | Mapping[str, Any] | None


class Sided(Protocol):
    """A side of one database: a Database, or a Session on it."""

    @property
    def side(self) -> str:
        """`blue` or `green`."""

    @property
    def name(self) -> str:
        """Which database, where there are several."""


class QueryFailed(CutoverError):
    """The server refused a statement; `sqlstate` is its SQLSTATE code."""

    def __init__(self, message: str, sqlstate: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class Session:
    """An autocommit connection on which every call has a deadline; raises Unreachable and QueryFailed."""

    def __init__(self, side: str, connection: psycopg.Connection[tuple[Any, ...]], name: str = "") -> None:
        self.side, self.name = side, name
        self.patience = QUERY
        """Seconds for a question that names no other limit; shorter while writes wait for the answer."""
        self._connection = connection

    @property
    def label(self) -> str:
        return _label(self)

    def rows(self, sql: str, params: Params = None, *, timeout: float | None = None) -> list[tuple[Any, ...]]:
        """The rows of one statement (or of the last of several, when there are no parameters)."""
        fired: list[bool] = []
        timeout = self.patience if timeout is None else timeout
        try:
            with watchdog.limit(self._connection.fileno(), timeout, fired):
                cursor = self._connection.execute(sql, params)
                found = cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise self._explained(error, timeout, bool(fired)) from error
        return found

    def run(self, sql: str, params: Params = None, *, timeout: float | None = None) -> None:
        self.rows(sql, params, timeout=timeout)

    def value(self, sql: str, params: Params = None, *, timeout: float | None = None) -> Any:
        """The first column of the first row, None when there is no row."""
        found = self.rows(sql, params, timeout=timeout)
        return found[0][0] if found else None

    def copy_out(self, sql: str, *, stall: float) -> Iterator[bytes]:
        """What COPY … TO STDOUT answers, in blocks of about 1 MB; raises Unreachable when nothing comes for `stall` s.

        A session whose COPY was not read to its end is of no further use.
        """
        try:
            yield from copied_out(self._connection.pgconn, sql, stall)
        except TimeoutError:
            self._connection.close()
            raise Unreachable(f"{self.label}: no answer within {stall:g} s") from None
        except psycopg.Error as error:
            raise self._explained(error, stall, False) from error

    def copy_in(self, sql: str, blocks: Iterable[bytes], *, stall: float) -> int:
        """Feeds COPY … FROM STDIN and answers how many rows it took; raises Unreachable when a block takes `stall` s."""
        fired: list[bool] = []
        fileno = self._connection.fileno()
        cursor = self._connection.cursor()
        copying = cursor.copy(sql)
        try:
            with watchdog.limit(fileno, stall, fired):
                copy = copying.__enter__()
            try:
                for block in blocks:
                    with watchdog.limit(fileno, stall, fired):
                        copy.write(block)
            except BaseException as error:
                with watchdog.limit(fileno, stall, fired):
                    copying.__exit__(type(error), error, error.__traceback__)
                raise
            with watchdog.limit(fileno, stall, fired):
                copying.__exit__(None, None, None)
        except psycopg.Error as error:
            raise self._explained(error, stall, bool(fired)) from error
        return cursor.rowcount

    @property
    def pid(self) -> int:
        return self._connection.info.backend_pid

    def close(self) -> None:
        self._connection.close()

    def _explained(self, error: psycopg.Error, timeout: float, fired: bool) -> CutoverError:
        if fired:
            return Unreachable(f"{self.label}: no answer within {timeout:g} s")
        if error.sqlstate is None or self._connection.closed:
            return Unreachable(f"{self.label}: {str(error).strip()}")
        # Not str(error): it quotes the statement, and CREATE SUBSCRIPTION carries a password.
        said = [error.diag.message_primary, error.diag.message_detail, error.diag.message_hint]
        told = "; ".join(part for part in said if part) or type(error).__name__
        return QueryFailed(f"{self.label}: {told} (SQLSTATE {error.sqlstate})", error.sqlstate)


@dataclass(frozen=True)
class Database:
    """One side: `variable` names the shell variable that holds its connection string, `resolve` reads the string.

    `name` tells the databases of one cutover apart, empty where there is only one. Nothing is opened before `open` is
    called. `read_only` sessions cannot write (dry-run). `forget` says whether `resolve` had kept its string, and now reads it
    again: a password may have been rotated.
    """

    side: str
    variable: str
    resolve: Callable[[], str] = field(repr=False, compare=False)
    read_only: bool = field(default=False, compare=False)
    name: str = ""
    forget: Callable[[], bool] = field(default=bool, repr=False, compare=False)

    @property
    def label(self) -> str:
        """The side in words: `blue`, or `orders blue` where several databases are cut over."""
        return _label(self)

    def hosts(self) -> tuple[str, ...]:
        """The host names of its connection string; raises Unreachable when that cannot be read."""
        try:
            return tuple(str(conninfo.conninfo_to_dict(self.resolve()).get("host") or "").split(","))
        except psycopg.ProgrammingError:
            raise Unreachable(f"{self.label}: its connection string cannot be read") from None

    @contextmanager
    def open(
        self, purpose: str = "", *, settings: Mapping[str, str] | None = None, patience: float = CONNECT
    ) -> Iterator[Session]:
        """A session for the body; raises Unreachable when the server does not answer within `patience` seconds (at least 2)."""
        session = self.connect(purpose, settings=settings, patience=patience)
        try:
            yield session
        finally:
            session.close()

    def connect(
        self, purpose: str = "", *, settings: Mapping[str, str] | None = None, patience: float = CONNECT
    ) -> Session:
        """A session that the caller closes."""
        options = {
            # Our own sessions must write on a fenced side, whose default is read-only; a dry-run's never do.
            "default_transaction_read_only": "on" if self.read_only else "off",
            "lock_timeout": "5s",
            "search_path": "pg_catalog",
            **(settings or {}),
        }
        connection = connected(
            lambda: psycopg.connect(
                conninfo.make_conninfo(
                    self.resolve(),
                    application_name=f"{APPLICATION} {purpose}".strip(),
                    connect_timeout=max(2, int(patience)),  # libpq knows no shorter one
                    options=" ".join(f"-c {name}={value}" for name, value in options.items()),
                ),
                autocommit=True,
                prepare_threshold=None,
            ),
            self.forget,
            self.label,
        )
        return Session(self.side, connection, self.name)

    def psql(self, sql: str) -> str:
        """The statements as a shell command that a person can paste."""
        # The name is one of ours: the DDL guard does not note what the runbook does.
        return (
            f"PGAPPNAME='cutover by hand' PGOPTIONS='-c default_transaction_read_only=off' psql \"${self.variable}\" "
            f"-X -q -v ON_ERROR_STOP=1 <<'SQL'\n{sql.strip()}\nSQL"
        )

    def ask(self, sql: str, then: str = "") -> str:
        """A question as a shell command that prints bare values; `then` is what follows it on its first line, as `| sort`.

        A question of several lines is a here-document: what comes behind the command needs a line of its own.
        """
        sql, then = sql.strip(), f" {then}" if then else ""
        begin = f'psql "${self.variable}" -X -q -A -t -v ON_ERROR_STOP=1'
        if "\n" not in sql and not any(sign in sql for sign in '"$`\\!'):
            return f'{begin} -c "{sql}"{then}'
        return f"{begin} <<'SQL'{then}\n{sql};\nSQL"


def connected(
    connect: Callable[[], psycopg.Connection[tuple[Any, ...]]], forget: Callable[[], bool], label: str
) -> psycopg.Connection[tuple[Any, ...]]:
    """What `connect` opens; once more when a password was refused that `forget` now reads again. Raises Unreachable."""
    again = True
    while True:
        try:
            return connect()
        except psycopg.Error as error:
            # libpq knows that a password was given; what the server says of it may be in any language.
            if again and error.pgconn is not None and error.pgconn.used_password and forget():
                again = False
                continue
            # What cannot be parsed is quoted by libpq, and may be the password.
            unread = isinstance(error, psycopg.ProgrammingError)
            told = (
                "its connection string cannot be read (not shown, it may hold a secret)"
                if unread
                else str(error).strip()
            )
            raise Unreachable(f"{label}: {told}") from (None if unread else error)


def _label(one: Sided) -> str:
    return f"{one.name} {one.side}" if one.name else one.side


def ask_function(name: str, sql: str) -> str:
    """A shell function that asks the database whose connection string is its argument."""
    return f"""{name}() {{ psql "$1" -X -q -A -t -v ON_ERROR_STOP=1 <<'SQL'
{sql.strip()};
SQL
}}"""
