"""Looks at both sides all the time: at no moment may both accept writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from whole.stage import Stage

from cutover.postgres.sides import STATE_WORD


@dataclass
class Poller:
    """Looks at both sides all the time; `both_open` notes every moment at which both accepted writes."""

    stage: Stage
    both_open: list[str] = field(default_factory=list)
    looks: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[Poller]:
        """Looks every 50 ms while the body runs, and fails at its end when both sides were ever open."""
        thread = threading.Thread(target=self._look, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join(timeout=10)
        assert self.looks, "the poller never saw both sides"
        assert not self.both_open, f"both sides accepted writes: {self.both_open[:3]}"

    def _look(self) -> None:
        sessions: list[psycopg.Connection[Any]] = []
        for side in ("blue", "green"):
            session = psycopg.connect(
                self.stage.dsn(side), connect_timeout=5, application_name="cutover-test", autocommit=True
            )
            sessions.append(session)
        blue, green = sessions
        while not self._over.wait(0.05):
            # Green is asked before and after blue: open in all three answers means open at the same time.
            seen = [str(session.execute(STATE_WORD).fetchall()[0][0]) for session in (green, blue, green)]
            self.looks += 1
            if seen == ["open", "open", "open"]:
                self.both_open.append(time.strftime("%H:%M:%S"))
        for session in sessions:
            session.close()
