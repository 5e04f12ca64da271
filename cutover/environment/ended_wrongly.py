"""Contradictions about the end of blue: nothing that serves may be named there."""

from collections.abc import Iterator, Mapping
from typing import Any

from cutover.environment.plain_data import Contradiction, at, items, seconds_of
from cutover.environment.problem import Loc


def ending(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Every contradiction under `decommission`."""
    named = at(data, "decommission", "resources")
    serving = dict(_serving(data))
    seen: dict[tuple[str, str], Loc] = {}
    for number, resource in enumerate(named if isinstance(named, (list, tuple)) else ()):
        kind, name = str(at(resource, "kind")), at(resource, "name")
        if not isinstance(name, str):
            continue
        here: Loc = ("decommission", "resources", number, "name")
        key = (kind, str(name))
        if key in serving:
            yield Contradiction(here, "serves green's visitors; only what is blue's alone can be deleted", serving[key])
        if key in seen:
            yield Contradiction(here, "is named twice", seen[key])
        seen.setdefault(key, here)
    retention = seconds_of(at(data, "decommission", "retention"), 2_592_000.0)
    remind = seconds_of(at(data, "decommission", "remind"), 5_184_000.0)
    if retention is not None and remind is not None and remind < retention:
        reason = "must not be shorter than the retention"
        yield Contradiction(("decommission", "remind"), reason, ("decommission", "retention"))


def _serving(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Loc]]:
    """What carries green's traffic, as kind and name."""
    for key, entry in items(data.get("hostnames")):
        if at(entry, "carrier", "kind") == "alb":
            place: Loc = ("hostnames", key, "carrier")
            yield ("target-group", str(at(entry, "carrier", "green"))), (*place, "green")
            yield ("load-balancer", str(at(entry, "carrier", "load_balancer"))), (*place, "load_balancer")
