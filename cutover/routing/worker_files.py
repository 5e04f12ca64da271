"""Several processes of one application and one scrape: each writes what it counted to a file, and whoever is scraped adds up.

A process holds a lock (flock(2)) on the file that it wrote last. The kernel lets go of it however the process ends, and no other
process ever gets its name, so that neither a number that is used again nor a container with numbers of its own is mistaken for
it. The counts of ended processes are moved into one file, which names those whose own files are still to be removed: killed
anywhere in between, nothing is counted twice and nothing is lost.
"""

import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from cutover.routing import locked_files
from cutover.routing.adding_up import PATIENCE, SUFFIX, Collected, collected
from cutover.routing.counted_lines import written_lines
from cutover.routing.repeating import Repeating
from cutover.routing.router import snapshots
from cutover.routing.snapshot import Snapshot


class WorkerFolder:
    """A folder of one application on one machine, which must exist; all of its processes may write it.

    Every `every` seconds, and when the process ends, what `read` gives (all routers of this process) replaces the process's file
    in one move. A process that is killed loses what it counted since. Nothing here waits for a disk while a request is served.
    Counts go on over restarts and new versions; to begin at 0, remove the files while no process runs.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        read: Callable[[], Sequence[Snapshot]] = snapshots,
        every: float = 2.0,
        patience: float = PATIENCE,
    ) -> None:
        self.path = Path(os.path.abspath(path))
        self._patience = patience
        self._read = read
        self._handles: list[int] = []
        self._closed = False
        self._begin()
        self._repeating = Repeating("cutover-counts", self.write, every, forked=self._forked)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self.name = f"{os.getpid()}-{secrets.token_hex(8)}"

    def _forked(self) -> None:
        self._let_go()  # of the parent's lock: as long as we had it, the parent would seem to live
        self._begin()

    def close(self) -> None:
        """Writes once more and ends; to others this process then looks as if it were gone."""
        self._repeating.end()
        with self._lock:
            self._closed = True  # others may have put our counts together by now: written again they would be lost
            self._let_go()

    def write(self) -> None:
        """Replaces this process's file; raises OSError."""
        with self._lock:
            if self._closed:
                return
            text = written_lines({"pid": os.getpid(), "written_at": time.time()}, self._read())
            locked_files.replace(self.path / f"{self.name}{SUFFIX}", text, self._handles)
            self._let_go(all_but=1)

    def _let_go(self, all_but: int = 0) -> None:
        while len(self._handles) > all_but:
            os.close(self._handles.pop(0))

    def collect(self) -> Collected:
        """What all processes counted up to now, this one included; puts the ended ones together. Raises Busy."""
        try:
            self.write()
        except OSError as error:
            name, why = f"{self.name}{SUFFIX}", f"cannot be written: {error.strerror or error}"
            found = collected(self.path, patience=self._patience, tidy=True)
            return replace(found, broken={**found.broken, name: why})
        return collected(self.path, patience=self._patience, tidy=True)
