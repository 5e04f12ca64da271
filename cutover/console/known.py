"""What the console knows of an environment's runs: journal, lease and words, read on and on, a few rows at a time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from cutover.app import DIRECTORY, App
from cutover.core.errors import CutoverError, Unreachable
from cutover.core.journal import Entry, State
from cutover.core.lease import Lease
from cutover.core.watch import reason
from cutover.plans.approval import Wish
from cutover.run_views import RunView, view_of
from cutover.state.chain import JournalBroken

REOPENED = 30.0  # seconds after which the store is opened anew: a local world's file may be another one by then


@dataclass
class Known:
    """Reads what is new; `trouble` is why nothing is. A journal that is another one now is read from its beginning.

    `view` and `took` are of the entries that were understood: of a version that writes other ones `trouble` tells for good.
    """

    app: App
    entries: list[Entry] = field(default_factory=list)
    view: RunView | None = None
    wishes: Sequence[Wish] = ()
    holder: Lease | None = None
    trouble: str = ""
    replaced: float | None = None
    """When the journal turned out to be another one (seconds since the epoch)."""
    odd: str = ""
    """Why the view is not of the newest entries."""
    took: dict[str, float] = field(default_factory=dict)
    """The seconds of each step when it was last taken."""
    file_changed: bool = False
    """Whether the environment's file is another than it was when it was opened."""
    _file: tuple[float, int] | None = None
    _state: State | None = None
    _opened: float = 0.0
    _last: Entry | None = None

    def read(self) -> bool:
        """Reads on; returns whether anything is another now."""
        before = (self._last, self.wishes, self.holder, self.trouble, self.file_changed)
        self._look_at_file()
        try:
            self._read()
            self.trouble = self.odd
        except CutoverError as error:
            self.trouble = error.message
            self.close()
        return before != (self._last, self.wishes, self.holder, self.trouble, self.file_changed)

    def history(self) -> Sequence[Entry]:
        """The entries of the last run."""
        return self.view.entries if self.view is not None else ()

    def close(self) -> None:
        if self._state is not None:
            self._state.close()
        self._state = None

    def _look_at_file(self) -> None:
        try:
            found = (DIRECTORY / f"{self.app.environment.name}.yaml").stat()
        except OSError:
            return
        seen = (found.st_mtime, found.st_size)
        self.file_changed = self.file_changed or (self._file is not None and seen != self._file)
        self._file = self._file or seen

    def _read(self) -> None:
        state = self._store()
        if state is None:
            if self._last is not None:
                raise Unreachable("the journal is gone")
            return
        try:
            new = state.newer(self._last)
        except JournalBroken:
            if self._last is None:
                raise
            # Either somebody changed what was written, which reading it from the beginning tells, or it is another journal.
            new = state.newer(None)
            self.entries, self.view, self._last, self.took, self.odd = [], None, None, {}, ""
            self.replaced = time.time()
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
            str(one.data.get("step")): float(one.data["seconds"])
            for one in mine
            if one.kind == "converged" and isinstance(one.data.get("seconds"), int | float)
        }
        if mine:
            run = mine[-1].run
            before = self.view if self.view is not None and self.view.run == run else None
            if self.odd and before is not None:
                return  # what comes after something that was not understood is not understood either
            try:
                self.view = view_of(run, [entry for entry in mine if entry.run == run], before)
                self.odd = ""
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                self.odd = (
                    f"since entry {mine[0].seq} what was written is not understood ({reason(error)}): a newer version?"
                )

    def _store(self) -> State | None:
        if self._state is not None and time.monotonic() - self._opened > REOPENED:
            self.close()
        if self._state is None:
            self._state = self.app.recorded()
            self._opened = time.monotonic()
        return self._state
