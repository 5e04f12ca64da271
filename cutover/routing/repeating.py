"""Work that a daemon thread does every so many seconds: in a forked child anew, and once more when the process ends."""

import atexit
import os
import threading
import weakref
from collections.abc import Callable

from cutover.routing import forking, telling  # noqa: F401  forking is to be told of a fork before this is

PATIENCE = 5.0
_all: "weakref.WeakSet[Repeating]" = weakref.WeakSet()


class Repeating:
    """Calls `work` every so many seconds until it is ended; what `work` raises is a warning in the log.

    `forked` is called in a forked child before its thread begins. Nothing is done at once: the first time is after `every`.
    """

    def __init__(
        self, name: str, work: Callable[[], None], every: float, *, forked: Callable[[], None] | None = None
    ) -> None:
        if not every > 0:
            raise ValueError(f"{name}: {every} is no interval: more than 0 seconds")
        self.name, self.every = name, every
        self._work, self._forked = work, forked
        self._ended = threading.Event()
        self._begin()
        _all.add(self)

    def end(self) -> None:
        """Ends the thread, then does the work once more; the second time it does nothing.

        Where the work hangs it is left hanging after PATIENCE seconds: the process is to end.
        """
        if not self._ended.is_set():
            self._ended.set()
            if self._thread.ident is not None:
                self._thread.join(PATIENCE)
            if not self._thread.is_alive():
                self._once()

    def forked(self) -> None:
        if self._forked is not None:
            self._forked()
        if not self._ended.is_set():
            self._ended = threading.Event()  # its lock may be held by a thread that did not come along
            self._begin()

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._follow, args=(self._ended,), name=self.name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # no more threads: the application goes on, and the work is done at its end
            telling.warn(self.name, str(error))

    def _follow(self, ended: threading.Event) -> None:
        while not ended.wait(self.every):
            self._once()

    def _once(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001  counting is no reason for an outage
            telling.warn(self.name, f"{type(error).__name__}: {error}")


def _in_child() -> None:
    for one in list(_all):
        one.forked()


def _at_exit() -> None:
    for one in list(_all):
        one.end()


# Hooks for a fork are called in the order in which they were registered: after those of `forking`, which set counts to 0.
# A thread that began before them could publish the parent's counts as the child's.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
atexit.register(_at_exit)
