"""Contradictions between hostnames and what carries their share."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cutover.environment.document import Unquoted
from cutover.environment.plain_data import Contradiction, at, items, name_of, sides, ttl_fits
from cutover.environment.problem import Loc
from cutover.environment.provider_limits import beyond_the_provider

# What can carry one hostname only, besides listeners: its name in a message, the words that name it, and what a missing one stands for.
CARRIED_ONCE = (
    ("alias", ("function", "alias"), ""),
    ("parameter", ("parameter", "key"), ""),
    ("file", ("file", "key"), ""),
)


def hostnames(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Every contradiction under `hostnames`."""
    hosts: dict[str, Loc] = {}
    carried: dict[tuple[str, ...], Loc] = {}
    for key, entry in items(data.get("hostnames")):
        place: Loc = ("hostnames", key)
        host, zone = name_of(at(entry, "host")), name_of(at(entry, "carrier", "zone"))
        if host and host in hosts:
            first = hosts[host]
            reason = "is the same name as another entry's; exactly one provider carries a hostname's share"
            yield Contradiction((*place, "host"), reason, first)
        hosts.setdefault(host, (*place, "host"))
        if host and zone and host != zone and not host.endswith(f".{zone}"):
            yield Contradiction((*place, "carrier", "zone"), "does not contain the host", (*place, "host"))
        yield from sides(entry, ("carrier",), "target group, record or version", place)
        yield from _shared_balancer(entry, place, carried)
        yield from _shared(entry, place, carried)
        yield from _rule_of_another(entry, place, host)
        yield from ttl_fits(at(entry, "carrier"), (*place, "carrier"))
        if at(entry, "carrier", "kind") == "route53":
            yield from _records(entry, place)
        yield from beyond_the_provider(data, at(entry, "carrier"), (*place, "carrier"), carried)


def _records(entry: object, place: Loc) -> Iterator[Contradiction]:
    carrier, here = at(entry, "carrier"), (*place, "carrier")
    ttl, alias, kind = at(carrier, "ttl"), _is_set(at(carrier, "alias")), at(carrier, "type") or "CNAME"
    if alias and ttl is not None:
        yield Contradiction((*here, "ttl"), "an alias has no TTL of its own: remove it", (*here, "alias"))
    if not alias and ttl is None:
        yield Contradiction(here, "needs `ttl`, or `alias: true` where AWS sets it")
    if alias and kind == "CNAME":
        yield Contradiction((*here, "type"), "an alias to a load balancer has the type A or AAAA", (*here, "alias"))
    for key in ("vpc", "resolver"):
        if at(carrier, key) is not None and not _is_set(at(carrier, "private")):
            yield Contradiction((*here, key), "is only for a private zone: write `private: true`, or remove it")
    if _is_set(at(carrier, "private")) and at(carrier, "resolver") is None:
        reason = "needs `resolver`, the DNS resolvers of its VPC: no check could look at a private zone without them"
        yield Contradiction((*here, "private"), reason)
    host = name_of(at(entry, "host"))
    for number, one in enumerate(_entries(at(carrier, "above"))):
        if host and name_of(at(one, "name")) == host:
            reason = "is the hostname itself, not a CNAME in front of it"
            yield Contradiction((*here, "above", number, "name"), reason, (*place, "host"))
    if at(carrier, "migrate") is not None:
        yield from _migration(carrier, str(kind), (*here, "migrate"), alias=alias)


def _migration(carrier: object, kind: str, here: Loc, *, alias: bool) -> Iterator[Contradiction]:
    """What green's new record leads to has the form of the record's type."""
    green, ipv6 = at(carrier, "migrate", "green"), at(carrier, "migrate", "green_ipv6")
    the_type: Loc = (*here[:-1], "type")
    wanted = None if kind == "CNAME" or alias else 4 if kind == "A" else 6
    if isinstance(green, str) and _version(green) != wanted:
        word = f"an IPv{wanted} address" if wanted else "a name, not an address"
        yield Contradiction((*here, "green"), f"must be {word}", the_type)
    if ipv6 is not None and wanted != 4:
        yield Contradiction((*here, "green_ipv6"), "is only for an AAAA record beside an A record", the_type)
    if isinstance(ipv6, str) and _version(ipv6) != 6:
        yield Contradiction((*here, "green_ipv6"), "must be an IPv6 address")


def _version(written: str) -> int | None:
    try:
        return ipaddress.ip_address(written).version
    except ValueError:
        return None


def _is_set(value: object) -> bool:
    return value is True or (isinstance(value, Unquoted) and value == "true")


def _entries(value: object) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _shared_balancer(entry: object, place: Loc, carried: dict[tuple[str, ...], Loc]) -> Iterator[Contradiction]:
    """Two hostnames in one action of a listener have one pair of weights: each would undo what the other one did."""
    balancer = at(entry, "carrier", "load_balancer")
    if not isinstance(balancer, str):
        return
    rule = (str(at(entry, "carrier", "rule", "host") or "").lower(), str(at(entry, "carrier", "rule", "path") or ""))
    listener = (str(balancer), str(at(entry, "carrier", "listener_port") or 80), *rule)
    here = (*place, "carrier", "load_balancer")
    if listener in carried:
        what = "this rule" if any(rule) else "this listener"
        yield Contradiction(here, f"{what} carries another hostname's share already", carried[listener])
    carried.setdefault(listener, here)


def _rule_of_another(entry: object, place: Loc, host: str) -> Iterator[Contradiction]:
    """A rule whose host-header value cannot meet the hostname never gets one of its requests."""
    pattern = at(entry, "carrier", "rule", "host")
    if not host or not isinstance(pattern, str) or not re.fullmatch(r"[A-Za-z0-9*?._-]+", pattern):
        return
    meaning = {"*": ".*", "?": "."}
    if not re.fullmatch("".join(meaning.get(sign, re.escape(sign)) for sign in pattern.lower()), host):
        yield Contradiction((*place, "carrier", "rule", "host"), "never meets a request for the host", (*place, "host"))


def _shared(entry: object, place: Loc, carried: dict[tuple[str, ...], Loc]) -> Iterator[Contradiction]:
    """Two hostnames with one carrier have one share: each would undo what the other one did."""
    for what, words, default in CARRIED_ONCE:
        first, *others = (at(entry, "carrier", word) for word in words)
        if not isinstance(first, str):
            continue
        key = (what, str(first), *(str(other or default) for other in others))
        if key in carried:
            reason = f"this {what} carries another hostname's share already"
            yield Contradiction((*place, "carrier", words[0]), reason, carried[key])
        carried.setdefault(key, (*place, "carrier", words[0]))
