"""What the console knows of an environment's runs: journal, lease and words, read on and on, a few rows at a time."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.app import App
from cutover.core.errors import CutoverError
from cutover.core.journal import Entry, State
from cutover.core.lease import Lease
from cutover.core.watch import reason
from cutover.run_views import RunView, view_of

REOPENED = 30.0  # seconds after which the store is opened anew: a local world's file may be another one by then

Wish = tuple[str, Mapping[str, Any]]


@dataclass
class Known:
    """Reads what is new; `trouble` is why nothing is. A journal that is another one now is read from its beginning."""

    app: App
    entries: list[Entry] = field(default_factory=list)
    view: RunView | None = None
    wishes: Sequence[Wish] = ()
    holder: Lease | None = None
    trouble: str = ""
    replaced: int = 0
    """How often the journal turned out to be another one."""
    took: dict[str, float] = field(default_factory=dict)
    """The seconds of each step when it was last taken."""
    _state: State | None = None
    _opened: float = 0.0
    _last: Entry | None = None

    def read(self) -> bool:
        """Reads on; returns whether anything is another now."""
        before = (self._last, self.wishes, self.holder, self.trouble)
        try:
            self._read()
            self.trouble = ""
        except CutoverError as error:
            self.trouble = error.message
            self.close()
        except Exception as error:  # noqa: BLE001 - entries of a version that writes other ones: the rest is shown all the same
            self.trouble = f"what was written is not understood: {reason(error)}"
        return before != (self._last, self.wishes, self.holder, self.trouble)

    def history(self) -> Sequence[Entry]:
        """The entries of the last run."""
        return self.view.entries if self.view is not None else ()

    def close(self) -> None:
        if self._state is not None:
            self._state.close()
        self._state = None

    def _read(self) -> None:
        state = self._store()
        if state is None:
            return
        try:
            new = state.newer(self._last)
        except CutoverError:
            if self._last is None:
                raise
            # Either somebody changed what was written, which reading it from the beginning tells, or it is another journal.
            new = state.newer(None)
            self.entries, self.view, self._last, self.took = [], None, None, {}
            self.replaced += 1
        self._take(new)
        self.holder = state.holder()
        self.wishes = tuple(state.wishes(self.view.run)) if self.view is not None else ()

    def _take(self, new: Sequence[Entry]) -> None:
        if not new:
            return
        self._last = new[-1]
        mine = [entry for entry in new if entry.run]
        self.entries += mine
        self.took |= {
            str(one.data["step"]): float(one.data["seconds"])
            for one in mine
            if one.kind == "converged" and "seconds" in one.data
        }
        if mine:
            run = mine[-1].run
            before = self.view if self.view is not None and self.view.run == run else None
            self.view = view_of(run, [entry for entry in mine if entry.run == run], before)

    def _store(self) -> State | None:
        if self._state is not None and time.monotonic() - self._opened > REOPENED:
            self.close()
        if self._state is None:
            self._state = self.app.recorded()
            self._opened = time.monotonic()
        return self._state
