"""Contradictions of an environment whose sides work on the same databases: no write changes sides, so there is no window."""

from collections.abc import Iterator, Mapping
from typing import Any

from cutover.environment.plain_data import Contradiction, at, items
from cutover.environment.problem import Loc

SHARED = ("shared_database",)
IN_WINDOW = ("window-before", "window-after")
WATCHING = ("alb",)
"""Carriers that watch the health of green's targets; a flag is watched by its routers' counts, where these are shown."""


def is_shared(data: Mapping[str, Any]) -> bool:
    """Whether both sides work on the same databases."""
    return str(data.get("shared_database")).lower() == "true"


def shared(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """What wants a window, or a database of its own on each side, and what leaves nothing to watch."""
    if not is_shared(data):
        return
    for key in ("database", "databases", "workers", "ledger_keys", "ledger_database"):
        if data.get(key):
            yield _against((key,), "both sides work on the same databases")
    no_window = "there is no window where both sides work on the same databases"
    if at(data, "shift", "strategy") == "immediate":
        yield _against(("shift", "strategy"), f"{no_window}: write `shares: [100]`")
    if at(data, "maintenance", "kind") not in (None, "none"):
        yield _against(("maintenance", "kind"), no_window)
    for name, entry in items(data.get("steps")):
        if at(entry, "phase") in IN_WINDOW:
            yield _against(("steps", name, "phase"), f"{no_window}: write prepare, shift-before or bake")
    for key in ("behind_bytes", "behind_time"):
        if at(data, "rollback", key) is not None:
            yield _against(("rollback", key), "blue lacks no write of green's")
    for name, entry in items(at(data, "metrics", "sources")):
        if at(entry, "kind") == "postgres":
            yield _against(
                ("metrics", "sources", name, "kind"), "reads the databases of the cutover, and there are none"
            )
    resources = at(data, "decommission", "resources")
    for number, entry in enumerate(resources if isinstance(resources, (list, tuple)) else ()):
        if at(entry, "kind") == "rds-instance":
            place: Loc = ("decommission", "resources", number, "kind")
            yield _against(place, "green works on the same databases: none of them may be deleted")
    for name, entry in items(data.get("triggers")):
        during = at(entry, "during")
        if "window" in [str(one) for one in (during if isinstance(during, (list, tuple)) else [during])]:
            yield _against(("triggers", name, "during"), no_window)
    if not any((data.get("ledger"), data.get("triggers"), data.get("comparison"), _watched(data))):
        reason = "nothing would be watched at a share: name `triggers`, a `comparison` or a `ledger`"
        yield Contradiction(SHARED, reason)


def _watched(data: Mapping[str, Any]) -> bool:
    carriers = [at(entry, "carrier") for _, entry in items(data.get("hostnames"))]
    counted = {name for name, entry in items(data.get("flags")) if at(entry, "snapshots")}
    return any(at(one, "kind") in WATCHING or str(at(one, "flag")) in counted for one in carriers)


def _against(place: Loc, reason: str) -> Contradiction:
    return Contradiction(place, reason, SHARED)
