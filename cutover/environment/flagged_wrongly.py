"""Contradictions between flags, and hostnames whose share is one."""

from collections.abc import Iterator, Mapping
from typing import Any

from cutover.environment.plain_data import Contradiction, at, items
from cutover.environment.problem import Loc, did_you_mean


def flags(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Every contradiction between `flags` and carriers of `kind: flag`."""
    stores = {name: at(entry, "store") for name, entry in items(data.get("flags"))}
    yield from _cut_over(data)
    carried: dict[tuple[str, str], Loc] = {}
    for key, entry in items(data.get("hostnames")):
        carrier, place = at(entry, "carrier"), ("hostnames", key, "carrier")
        if at(carrier, "kind") == "file" and isinstance(file := at(carrier, "file"), str):
            carried.setdefault((f"file:{file}", str(at(carrier, "key") or "")), (*place, "file"))
    for key, entry in items(data.get("hostnames")):
        carrier, place = at(entry, "carrier"), ("hostnames", key, "carrier")
        name, own = at(carrier, "flag"), at(carrier, "store")
        if at(carrier, "kind") != "flag" or not isinstance(name, str):
            continue
        if own is None and str(name) not in stores:
            meant = did_you_mean(str(name), stores) if stores else ""
            reason = f"is none of `flags`{meant}, and there is no `store` that says where it is kept"
            yield Contradiction((*place, "flag"), reason)
        elif own is not None and stores.get(str(name)) is not None and str(own) != str(stores[str(name)]):
            reason = "is another store than the one of the flag of this name"
            yield Contradiction((*place, "store"), reason, ("flags", str(name), "store"))
        kept = (str(own if own is not None else stores.get(str(name))), str(name))
        if kept in carried:
            yield Contradiction((*place, "flag"), "this flag carries another hostname's share already", carried[kept])
        carried.setdefault(kept, (*place, "flag"))


def _cut_over(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """A flag in a database that is cut over could not be taken back where that database is fenced."""
    named: dict[str, Loc] = {}
    for place in (("database",), *(("databases", name) for name, _ in items(data.get("databases")))):
        for side in ("blue", "green"):
            if isinstance(ref := at(data, *place, side), str):
                named.setdefault(str(ref), (*place, side))
    kept: list[tuple[Loc, Any]] = [
        (("flags", name, "store"), at(one, "store")) for name, one in items(data.get("flags"))
    ]
    for key, entry in items(data.get("hostnames")):
        kept.append((("hostnames", key, "carrier", "store"), at(entry, "carrier", "store")))
    for loc, store in kept:
        if isinstance(store, str) and str(store) in named:
            reason = "is a database that is cut over, whose writes the window stops; keep the flags elsewhere"
            yield Contradiction(loc, reason, named[str(store)])
