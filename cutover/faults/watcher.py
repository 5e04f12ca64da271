"""Looks at both sides all the time: at no moment may both accept writes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

import psycopg

from cutover.bench.staged import Staged
from cutover.postgres.sides import STATE_WORD

EVERY = 0.05  # seconds
SLOWEST = "5s"  # for one answer, so that a server that dies does not blind the watcher for long


@dataclass
class Watcher:
    """`both_open` notes every moment at which both sides accepted writes; `looks` is how often both were seen."""

    stage: Staged
    both_open: list[str] = field(default_factory=list)
    looks: int = 0
    green_open: float | None = None
    """When green was first seen open, by the clock of this process: the program's own may be set."""
    _over: threading.Event = field(default_factory=threading.Event)
    _sessions: dict[str, "psycopg.Connection[Any]"] = field(default_factory=dict)

    @contextmanager
    def watching(self) -> Iterator[Self]:
        """Looks every 50 ms while the body runs, at whatever of the servers answers."""
        thread = threading.Thread(target=self._look_on, name="watcher", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join(timeout=20)

    def _look_on(self) -> None:
        while not self._over.wait(EVERY):
            try:
                # Green is asked before and after blue: open in all three answers means open at the same time.
                seen = [self._state(side) for side in ("green", "blue", "green")]
            except psycopg.Error:
                self._close()
                continue
            self.looks += 1
            if "open" in (seen[0], seen[2]) and self.green_open is None:
                self.green_open = time.time()
            if seen == ["open", "open", "open"]:
                self.both_open.append(time.strftime("%H:%M:%S"))
        self._close()

    def _state(self, side: str) -> str:
        if side not in self._sessions:
            self._sessions[side] = psycopg.connect(
                self.stage.dsn(side),
                connect_timeout=2,
                application_name="cutover-test",
                autocommit=True,
                options=f"-c statement_timeout={SLOWEST}",
            )
        return str(self._sessions[side].execute(STATE_WORD.encode()).fetchall()[0][0])

    def _close(self) -> None:
        for session in self._sessions.values():
            with suppress(psycopg.Error):
                session.close()
        self._sessions.clear()
