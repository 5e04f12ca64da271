"""The hostnames under which the local world sells, and what carries each: as an environment names them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cutover.world.processes import WorldError, write_atomically

FILE = "sites.json"
HOSTS = "SHOP_HOSTS"
"""The variable with the hostnames that customers buy at, separated by commas."""


@dataclass(frozen=True)
class Balanced:
    """One load balancer in front of two target groups; a simple record leads to it.

    With `rule_host` a rule of the listener with this host-header condition, and with `rule_path` as its path-pattern, forwards
    to the groups, else the listener's default action; clients are `sticky` to a group for so many seconds.
    """

    host: str
    zone: str
    load_balancer: str
    blue: str
    green: str
    port: int = 80
    ttl: int = 5
    rule_host: str = ""
    rule_path: str = ""
    sticky: int = 0


@dataclass(frozen=True)
class Weighted:
    """Two weighted records, each of which leads to a load balancer of that side; `blue` and `green` are their SetIdentifiers."""

    host: str
    zone: str
    blue: str
    green: str
    blue_balancer: str
    green_balancer: str
    port: int = 80
    ttl: int = 5


Site = Balanced | Weighted
DEFAULT: tuple[Site, ...] = (
    Balanced("shop.shop.test", "shop.test", "shop", "shop-blue", "shop-green"),
    Weighted("api.shop.test", "shop.test", "blue", "green", "api-blue", "api-green"),
)


def note(world: Path, sites: Sequence[Site]) -> None:
    """Writes what is to be served, for who sets up the AWS side."""
    kinds = [{"kind": type(site).__name__, **asdict(site)} for site in sites]
    write_atomically(world / FILE, json.dumps(kinds, indent=1) + "\n")


def noted(file: Path) -> tuple[Site, ...]:
    """What was written."""
    kinds: Mapping[str, type[Balanced | Weighted]] = {"Balanced": Balanced, "Weighted": Weighted}
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return tuple(kinds[one.pop("kind")](**one) for one in found)


def hosts_of(values: Mapping[str, str]) -> tuple[str, ...]:
    """The hostnames that a world's variables name; those of the demo shop where they name none."""
    return tuple(values[HOSTS].split(",")) if HOSTS in values else tuple(site.host for site in DEFAULT)


def named(sites: Sequence[Site]) -> str:
    """The hostnames as the variable has them; raises WorldError where there is none to buy at."""
    if not sites:
        raise WorldError("the world has no hostname to sell at")
    return ",".join(site.host for site in sites)
