"""The journal as it is, entry by entry: the least that a console shows."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from markupsafe import escape

from cutover.console.sessions import Role
from cutover.console.shown import Line
from cutover.core.errors import CutoverError, Refused
from cutover.core.journal import Entry, State
from cutover.core.plain import canonical

EVERY = 1.0  # seconds between two looks


class JournalLines:
    """Looks at the journal each second, while `watched`; `recorded` opens it, or is None where nothing was ever recorded."""

    def __init__(self, environment: str, recorded: Callable[[], State | None]) -> None:
        self.environment = environment
        self._recorded = recorded
        self._lines: tuple[Line, ...] = ()
        self._state = (0, "")
        self._told: list[Callable[[], None]] = []
        self._ended = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While the body runs, a thread looks at the journal; the first look is over when it begins."""
        self._look()
        watcher = threading.Thread(target=self._watch, name="journal", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._ended.set()
            watcher.join(EVERY)

    def _watch(self) -> None:
        while not self._ended.wait(EVERY):
            self._look()

    def _look(self) -> None:
        before = (self._lines, self._state[1])
        try:
            entries = self._entries()
        except CutoverError as error:
            seen = f"not known: {error.message}"
        else:
            fresh = entries[len(self._lines) :] if len(entries) >= len(self._lines) else entries
            kept = self._lines if len(entries) >= len(self._lines) else ()
            self._lines = (*kept, *(_line(entry) for entry in fresh))
            seen = f"{len(entries)} entr{'y' if len(entries) == 1 else 'ies'}" if entries else "no run yet"
        html = str(escape(seen))
        if html != self._state[1]:
            self._state = (self._state[0] + 1, html)
        if before != (self._lines, self._state[1]):
            for call in self._told:
                call()

    def _entries(self) -> Sequence[Entry]:
        state = self._recorded()
        if state is None:
            return ()
        try:
            return state.entries()
        finally:
            state.close()

    def page(self) -> Mapping[str, Any]:
        return {}

    def panels(self) -> Mapping[str, tuple[int, str]]:
        return {"state": self._state}

    def newest(self) -> int:
        return self._lines[-1].seq if self._lines else 0

    def lines(self, *, after: int | None = None, before: int | None = None, most: int = 200) -> Sequence[Line]:
        if after is not None:
            return [line for line in self._lines if line.seq > after][:most]
        return [line for line in self._lines if before is None or line.seq < before][-most:]

    def curves(self) -> Mapping[str, Any]:
        return {}

    def on_change(self, call: Callable[[], None]) -> None:
        self._told.append(call)


def _line(entry: Entry) -> Line:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(entry.at))
    words = (f"{at} UTC", entry.run, entry.kind, canonical(entry.data))
    cells = " ".join(f"<span>{escape(word)}</span>" for word in words)
    return Line(entry.seq, f'<li value="{entry.seq}">{cells}</li>')


class Nothing:
    """No buttons."""

    needs: Mapping[str, Role] = {}

    def do(self, verb: str, who: str, words: Mapping[str, str]) -> str:
        raise Refused(f"this console only shows; {verb} was not done")
