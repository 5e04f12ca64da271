"""Warnings to the application's log, at most one a second about one thing, so that trouble is no second trouble."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

LOG = "cutover.routing"
EVERY = 1.0
_MOST = 1000
_last: dict[str, tuple[float, int]] = {}
_lock = threading.Lock()


def _in_child() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def warn(
    about: str, words: str, error: BaseException | None = None, *, clock: Callable[[], float] = time.monotonic
) -> None:
    """Logs a warning; never raises. The next one says how many were left out since."""
    with suppress(Exception):
        lock = _lock
        if not lock.acquire(timeout=0.1):
            return
        try:
            now = clock()
            last, left_out = _last.get(about, (float("-inf"), 0))
            if now - last < EVERY:
                _last[about] = (last, left_out + 1)
                return
            if len(_last) > _MOST:
                _last.clear()
            _last[about] = (now, 0)
        finally:
            lock.release()
        import logging  # most applications have it loaded; a start does not pay for it

        more = f" ({left_out} more like this)" if left_out else ""
        logging.getLogger(LOG).warning("%s: %s%s", about, words, more, exc_info=error)
