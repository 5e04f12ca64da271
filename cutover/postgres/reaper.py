"""Ends the sessions that stand between us and a lock; a lock over many tables would deadlock with writers otherwise."""

import threading
import time
from types import TracebackType
from typing import Self

from cutover.core.errors import CutoverError
from cutover.postgres.session import NOT_ALLOWED, QueryFailed, Session

CANCEL_AFTER = 0.010
TERMINATE_AFTER = 0.050
BLOCKERS = """SELECT b, coalesce(a.backend_type, ''), coalesce(a.state, ''), coalesce(a.application_name, '')
  FROM unnest(pg_blocking_pids(%s)) b LEFT JOIN pg_stat_activity a ON a.pid = b"""


# A deadlock then ends by the reaper, not by us. Who may not set it must be faster than the server's own second.
PATIENT_WITH_DEADLOCKS = """DO $do$ BEGIN PERFORM set_config('deadlock_timeout', '20s', true);
EXCEPTION WHEN insufficient_privilege THEN NULL; END $do$"""


class NotOursToEnd(CutoverError):
    """A session holds the lock that this role may not end."""


class PreparedTransaction(CutoverError):
    """A prepared transaction holds the lock; nobody can be ended, so the fence is given up at once."""


class Reaper:
    """While the body runs, cancels (after 10 ms) and terminates (after 50 ms) whoever blocks backend `pid`."""

    def __init__(self, session: Session, pid: int) -> None:
        self._session = session
        self._pid = pid
        self._stop = threading.Event()
        self._first_seen: dict[int, float] = {}
        self._cancelled: set[int] = set()
        self.ended = 0
        self.prepared = False
        self.refused: dict[int, str] = {}
        """Sessions that this role may not end, and what they are."""
        self._thread = threading.Thread(target=self._watch, name="reaper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=15.0)
        if self.prepared and error is not None:
            raise PreparedTransaction(
                "a prepared transaction holds a table lock: COMMIT PREPARED or ROLLBACK PREPARED it first "
                "(SELECT gid, prepared, owner FROM pg_prepared_xacts)"
            ) from error
        if self.refused and isinstance(error, CutoverError):
            told = ", ".join(f"pid {pid} ({kind})" for pid, kind in self.refused.items())
            raise NotOursToEnd(
                f"{error.message}; this role may not end who stood in the way: {told} (GRANT pg_signal_backend, from 18 "
                "on pg_signal_autovacuum_worker; a superuser's session only a superuser ends)"
            ) from error

    def _watch(self) -> None:
        while not self._stop.wait(0.010):
            try:
                self._look()
            except CutoverError:
                return  # the lock itself fails or times out, and that is what is reported

    def _look(self) -> None:
        now = time.monotonic()
        for pid, backend, state, application in self._session.rows(BLOCKERS, [self._pid], timeout=2.0):
            if pid == 0:
                self.prepared = True
                self._session.run("SELECT pg_cancel_backend(%s)", [self._pid])
                return
            # Ending an apply worker would cost 5 s (wal_retrieve_retry_interval) inside the pause; 17 and newer name its kind, too.
            if backend.startswith("logical replication") or application.startswith("cutover"):
                continue
            age = now - self._first_seen.setdefault(pid, now)
            if pid in self.refused:
                continue
            if age >= TERMINATE_AFTER or state.startswith("idle in transaction"):
                self.ended += self._signalled("pg_terminate_backend", pid, backend)
            elif age >= CANCEL_AFTER and pid not in self._cancelled:
                self._cancelled.add(pid)
                self.ended += self._signalled("pg_cancel_backend", pid, backend)

    def _signalled(self, how: str, pid: int, backend: str) -> bool:
        try:
            self._session.run(f"SELECT {how}(%s)", [pid])
        except QueryFailed as error:
            if error.sqlstate != NOT_ALLOWED:
                raise
            self.refused[pid] = backend or "unknown"  # and the others are ended all the same
            return False
        return True
