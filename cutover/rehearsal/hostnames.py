"""The twin of each hostname: what carries it in the world, under the names that the environment has."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from cutover.rehearsal.steered import Steered
from cutover.rehearsal.words import Words
from cutover.world.sites import Balanced, Site, Weighted

TTL = 5
"""Of the records, in seconds."""


def sites(words: Words, steered: Steered) -> Iterator[Site]:
    """What customers come through; `steered` takes what moves without them. What has no twin is noted in `words.no_twin`."""
    zones = [str(one["carrier"]["zone"]) for one in words.at("hostnames").values() if "zone" in one["carrier"]]
    carried = 0
    for name, one in words.at("hostnames").items():
        carrier, host = one["carrier"], str(one["host"])
        carried += "load_balancer" in carrier or carrier["kind"] == "route53"
        match carrier["kind"]:
            case "alb" if _serves_all(carrier.get("rule"), host):
                zone = next((zone for zone in zones if host.endswith(f".{zone}")), host.partition(".")[2])
                rule = carrier.get("rule") or {}
                yield Balanced(
                    host,
                    zone,
                    carrier["load_balancer"],
                    carrier["blue"],
                    carrier["green"],
                    carrier["listener_port"],
                    TTL,
                    rule.get("host", ""),
                    rule.get("path", ""),
                    carrier.get("sticky") or 0,
                )
            case "route53" if _plain(carrier):
                blue, green = carrier["health"]
                port, zone = carrier["listener_port"], carrier["zone"]
                yield Weighted(host, zone, carrier["blue"], carrier["green"], blue, green, port, TTL)
            case _ if steered.takes(words, name, carrier):
                if one["observed"].get("tag"):
                    words.no_twin.append(
                        f"hostnames.{name}.observed.tag: nobody comes through this hostname in the twin"
                    )
            case kind:
                words.no_twin.append(f"hostnames.{name}.carrier: kind {kind}{_odd(carrier)}")
    if not carried:
        words.no_twin.append(
            "hostnames: none is carried by a load balancer or by Route 53, so nobody could buy in the twin"
        )
    _balancers(words)


def _serves_all(rule: Mapping[str, Any] | None, host: str) -> bool:
    """Whether the rule, if there is one, takes every request for the hostname: the twin's customers ask for all of the shop."""
    return rule is None or (rule.get("path") in (None, "*", "/*") and fnmatchcase(host, rule["host"].lower()))


def _plain(carrier: Mapping[str, Any]) -> bool:
    return carrier["type"] == "CNAME" and len(carrier["health"]) == 2 and not _odd(carrier)


def _odd(carrier: Mapping[str, Any]) -> str:
    odd = [key for key in ("private", "alias", "above", "migrate", "resolver", "reported") if carrier.get(key)]
    odd += ["a rule for a part of it"] if carrier.get("rule") else []
    if carrier["kind"] == "route53":
        odd += [f"type {carrier['type']}"] if carrier["type"] != "CNAME" else []
        odd += ["health, which has to name two load balancers"] if len(carrier["health"]) != 2 else []
    return f" with {', '.join(odd)}" if odd else ""


def _balancers(words: Words) -> None:
    """Customers find one listener of each load balancer; a page of maintenance stands at one that some hostname names."""
    ports: dict[str, set[int]] = {}
    for one in words.at("hostnames").values():
        carrier = one["carrier"]
        for name in [carrier["load_balancer"]] if "load_balancer" in carrier else carrier.get("health", ()):
            ports.setdefault(name, set()).add(carrier["listener_port"])
    for name, listeners in ports.items():
        if len(listeners) > 1:
            listed = ", ".join(map(str, sorted(listeners)))
            words.no_twin.append(f"hostnames: {name} with several listeners ({listed}); customers find one of them")
    for name in words.at("maintenance", "load_balancers") or ():
        if name not in ports:
            words.no_twin.append(f"maintenance.load_balancers: {name}, which no hostname names")
