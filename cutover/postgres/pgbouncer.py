"""PgBouncer in front of the clients: they wait while the writes change sides, and see latency instead of errors."""

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import psycopg

from cutover.core.errors import CutoverError, Unreachable
from cutover.postgres.clients import PAUSED
from cutover.postgres.pgbouncer_script import functions
from cutover.postgres.session import APPLICATION, CONNECT, QueryFailed, Session, connected

_WRITING = threading.Lock()  # the entries of several databases may stand in one file
SETTLED_WITHIN = 1.0  # seconds in which the waiting clients get their servers


class ClientsNotPaused(CutoverError):
    """The clients did not come to rest in time; they go on where they were."""


class PoolMisread(CutoverError):
    """PgBouncer or its file is not as the environment says; nothing was changed."""


@dataclass(frozen=True)
class Pool:
    """One entry of PgBouncer's `[databases]`; `addresses` gives host:port of blue and of green as PgBouncer reaches them.

    `variable` names the shell variable with the DSN of the admin console, `shown` is what a person types for each address.
    """

    states: ClassVar[tuple[str, ...]] = ("blue", "green", PAUSED)

    database: str
    file: str
    variable: str
    admin: Callable[[], str] = field(repr=False, compare=False)
    addresses: Callable[[str], str] = field(repr=False, compare=False)
    shown: tuple[str, str] = ("", "")
    pause_timeout: float = 5.0
    forget: Callable[[], bool] = field(default=bool, repr=False, compare=False)
    """As a Database's."""

    def where(self) -> str:
        """`blue` or `green` when clients reach that side, `paused`, or the strange address that they reach."""
        with self._console() as console:
            return self._where(console)

    def pause(self) -> None:
        """Lets transactions end and every further one wait; raises ClientsNotPaused, and then who did not wait before does not.

        Clients of a dead predecessor wait already and may not be at rest: PAUSE waits for that as well. RESUME before it
        would let them go to where they are directed, which may be the side that refuses their writes.
        """
        waited = False
        try:
            with self._console() as console:
                waited = self._where(console) == PAUSED
                console.run(f"PAUSE {self.database}", timeout=self.pause_timeout)
        except (Unreachable, QueryFailed) as error:
            if not waited:
                with suppress(CutoverError):
                    self.resume()
            raise ClientsNotPaused(
                f"the clients of {self.database} did not come to rest within {self.pause_timeout:g} s: a transaction "
                f"stays open, or the pool is one by session (SHOW SERVERS on the admin console): {error.message}"
            ) from error

    def resume(self) -> None:
        """Lets the clients go on, wherever they are directed to."""
        with self._console() as console:
            if self._where(console) == PAUSED:
                self._let_go(console)

    def direct_to(self, side: str) -> None:
        """Directs the clients to a side, where they wait for `resume`; the file first, so that a restart finds the same."""
        with self._console() as console:
            self._write(side)
            console.run("RELOAD")
            if self._address(console) != self.addresses(side):
                raise PoolMisread(
                    f"PgBouncer still directs {self.database} to {self._address(console)} after RELOAD, wanted "
                    f"{self.addresses(side)}: does it read {self.file}?"
                )

    def settle(self) -> None:
        """Takes back what `direct_to` and `resume` have set for the moment; not a part of the pause."""
        with self._console() as console:
            end = time.monotonic() + SETTLED_WITHIN
            while any(row[0] == self.database and int(str(row[3])) for row in console.rows("SHOW POOLS")):
                if time.monotonic() > end:
                    break  # whoever still waits, waits for a server; the next RELOAD takes it back as well
                time.sleep(0.01)
            console.run("RELOAD")

    def _let_go(self, console: Session) -> None:
        # PAUSE in the middle of a server's login counts as a failed one: nobody would be served for server_login_retry, 15 s.
        console.run("SET server_login_retry = 0")
        console.run(f"RESUME {self.database}")

    def line(self) -> str:
        """The entry's line in the file; raises PoolMisread when it cannot be found, or changed."""
        return self._split()[1]

    def mode(self) -> str:
        """session, transaction or statement: the entry's own, or the one of all."""
        with self._console() as console:
            own = next((part for part in self._row(console) if part in ("session", "transaction", "statement")), None)
            return str(own or next(row[1] for row in console.rows("SHOW CONFIG") if row[0] == "pool_mode"))

    def version(self) -> tuple[int, ...]:
        """Such as (1, 18, 0)."""
        with self._console() as console:
            return tuple(int(part) for part in re.findall(r"\d+", str(console.rows("SHOW VERSION")[0][0]))[:3])

    def _where(self, console: Session) -> str:
        row = self._row(console)
        if row[-2] not in ("0", 0):  # paused and disabled are the last columns in every version
            return PAUSED
        seen = self._address(console)
        return next((side for side in ("blue", "green") if self.addresses(side) == seen), seen)

    def _address(self, console: Session) -> str:
        row = self._row(console)
        return f"{row[1]}:{row[2]}"

    def _row(self, console: Session) -> tuple[object, ...]:
        for row in console.rows("SHOW DATABASES"):
            if row[0] == self.database:
                return row
        raise PoolMisread(f"PgBouncer knows no database {self.database} (SHOW DATABASES)")

    def _write(self, side: str) -> None:
        """Changes host and port in the one line, atomically; mode and owner of the file stay."""
        with _WRITING:
            self._write_alone(side)

    def _write_alone(self, side: str) -> None:
        before, line, after = self._split()
        host, _, port = self.addresses(side).rpartition(":")
        changed = re.sub(r"\bport=\S+", f"port={port}", re.sub(r"\bhost=\S+", f"host={host}", line))
        if changed == line:
            return
        path = Path(self.file)
        beside = path.with_name(f".{path.name}.cutover")
        about = path.stat()
        with open(
            os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline=""
        ) as out:
            os.fchown(out.fileno(), about.st_uid, about.st_gid)
            shutil.copymode(path, beside)
            out.write(before + changed + after)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)

    def _split(self) -> tuple[str, str, str]:
        try:
            text = Path(self.file).read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise PoolMisread(f"{self.file} cannot be read: {error}") from error
        entry = rf'^[ \t]*"?{re.escape(self.database)}"?[ \t]*=.*\bhost=.*$'
        found = [
            match
            for match in re.finditer(entry, text, re.MULTILINE)
            if len(re.findall(r"\b(?:host|port)=[^\s']+(?=\s|$)", match[0])) == 2
        ]
        if len(found) != 1:
            raise PoolMisread(
                f"{self.file} has {len(found)} lines such as `{self.database} = host=… port=…`, wanted one, both unquoted"
            )
        return text[: found[0].start()], found[0][0], text[found[0].end() :]

    @contextmanager
    def _console(self) -> Iterator[Session]:
        connection = connected(
            # Without `options`: PgBouncer refuses start-up parameters that it does not know.
            lambda: psycopg.connect(
                self.admin(), application_name=APPLICATION, connect_timeout=int(CONNECT), autocommit=True,
                prepare_threshold=None,
            ),
            self.forget,
            "PgBouncer",
        )  # fmt: skip
        session = Session("PgBouncer", connection)
        try:
            yield session
        finally:
            session.close()

    # --- the same for a person -----------------------------------------------------------------------------------

    def functions(self) -> str:
        """Shell functions `pause_clients SIDE` and `direct_clients SIDE`, for the switch's script."""
        blue, green = self.shown
        return functions(
            database=self.database,
            admin=self.variable,
            file=self.file,
            blue=blue,
            green=green,
            pause_timeout=self.pause_timeout,
        )

    def where_shell(self) -> str:
        """The command with which a person sees where clients are directed to, and whether they wait."""
        return f"""psql "${self.variable}" -X -q -A -t -c 'SHOW DATABASES' | awk -F'|' '$1 == "{self.database}" {{ print "clients: " $2 ":" $3, $(NF - 1) ? "paused" : "" }}'"""
