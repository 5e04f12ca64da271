"""Routing inside an application: a flag decides for each key which of two implementations answers.

Depends on the standard library alone, and on nothing else of the toolkit; what a router does not need is loaded when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from cutover.routing.flag import Flag, FlagWrong
from cutover.routing.flags import Flags, Standing
from cutover.routing.keys import OddKey, bucket_of
from cutover.routing.opening import open_store
from cutover.routing.router import Router, routed, snapshots
from cutover.routing.snapshot import Side, Snapshot
from cutover.routing.store import Conflict, MemoryStore, Store, StoreTrouble, Unavailable
from cutover.routing.storm import StormCap
from cutover.routing.usual import use_flags, usual_flags

if TYPE_CHECKING:
    from cutover.routing.comparing import Comparison
    from cutover.routing.dual_runs import DualRun, dual_run
    from cutover.routing.events import Events
    from cutover.routing.file_store import FileStore

__all__ = [
    "Comparison",
    "Conflict",
    "DualRun",
    "Events",
    "FileStore",
    "Flag",
    "FlagWrong",
    "Flags",
    "MemoryStore",
    "OddKey",
    "Router",
    "Side",
    "Snapshot",
    "Standing",
    "Store",
    "StoreTrouble",
    "StormCap",
    "Unavailable",
    "bucket_of",
    "dual_run",
    "open_store",
    "routed",
    "snapshots",
    "use_flags",
    "usual_flags",
]


def __getattr__(name: str) -> Any:
    module: Any
    if name == "Comparison":
        from cutover.routing import comparing as module
    elif name == "FileStore":
        from cutover.routing import file_store as module
    elif name == "Events":
        from cutover.routing import events as module
    elif name in ("DualRun", "dual_run"):
        from cutover.routing import dual_runs as module
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(module, name)
    return found
