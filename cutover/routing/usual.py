"""The flags of a router that is given none: one set for the whole process."""

import os
import threading

from cutover.routing.flags import Flags
from cutover.routing.store import MemoryStore, Store

VARIABLE = "CUTOVER_FLAGS"
"""Names the JSON file of flags. Without it legacy answers everything that no override says otherwise about."""
_lock = threading.RLock()
_usual: Flags | None = None


def _in_child() -> None:
    global _lock
    _lock = threading.RLock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def usual_flags() -> Flags:
    """The flags of this process: those given to `use_flags`, or of the file that CUTOVER_FLAGS names, or none."""
    global _usual
    with _lock:
        if _usual is None:
            _usual = Flags(_store(os.environ.get(VARIABLE, "")))
        return _usual


def use_flags(flags: Flags | None) -> None:
    """Makes these the flags of all routers that are made from now on and given none; None: back to the environment."""
    global _usual
    with _lock:
        _usual = flags


def _store(path: str) -> Store:
    if not path:
        return MemoryStore()
    from cutover.routing.file_store import FileStore

    return FileStore(path)
