"""What an authoritative server answers from Route 53 records and load balancer names; no sockets here.

Answers follow the Route 53 developer guide: weights are drawn anew for each question, weight 0 is never drawn unless all
weights of the group are 0, and then each member is equally likely. Health checks of records are not looked at.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

LOAD_BALANCERS = dns.name.from_text("elb.amazonaws.com.")
LOAD_BALANCER_TTL = 60
_LONGEST_CHAIN = 8
_HTTP = dns.name.from_text("_http._tcp", origin=None)


@dataclass(frozen=True)
class Entry:
    """One record set; `alias` names the target of an alias record, which has neither values nor a TTL of its own."""

    type: dns.rdatatype.RdataType
    ttl: int
    values: tuple[str, ...]
    weight: int | None
    alias: str | None


Node = Mapping[dns.rdatatype.RdataType, Sequence[Entry]]


@dataclass(frozen=True)
class Zone:
    """One hosted zone: names to record sets by type."""

    apex: dns.name.Name
    nodes: Mapping[dns.name.Name, Node]

    def node(self, name: dns.name.Name) -> Node | None:
        """The records at a name, by wildcard if need be; empty for a name that only has names below it."""
        if name in self.nodes:
            return self.nodes[name]
        if any(known.is_subdomain(name) for known in self.nodes):
            return {}
        closest = name
        while closest != self.apex:
            closest = closest.parent()
            wildcard = dns.name.Name((b"*", *closest.labels))
            if wildcard in self.nodes:
                return self.nodes[wildcard]
            if closest in self.nodes:
                return None
        return None


@dataclass(frozen=True)
class Authority:
    """Everything the server is authoritative for; `ports` maps a load balancer's name to the edge's port for it."""

    zones: tuple[Zone, ...]
    ports: Mapping[dns.name.Name, int]

    def zone_of(self, name: dns.name.Name) -> Zone | None:
        holders = [zone for zone in self.zones if name.is_subdomain(zone.apex)]
        return max(holders, key=lambda zone: len(zone.apex.labels), default=None)


def zones_from(described: Iterable[Mapping[str, Any]]) -> tuple[Zone, ...]:
    """Zones from the plain data of the AWS endpoint (/_world/zones)."""
    return tuple(_zone(each["name"], each["records"]) for each in described)


def _zone(apex: str, records: Iterable[Mapping[str, Any]]) -> Zone:
    nodes: dict[dns.name.Name, dict[dns.rdatatype.RdataType, list[Entry]]] = {}
    for record in records:
        kind = dns.rdatatype.from_text(record["type"])
        entry = Entry(kind, record["ttl"] or 0, tuple(record["values"]), record["weight"], record["alias"])
        nodes.setdefault(_name(record["name"]), {}).setdefault(kind, []).append(entry)
    return Zone(_name(apex), nodes)


def _name(text: str) -> dns.name.Name:
    # Route 53 escapes in octal (\052 is *), master files in decimal (RFC 1035, 5.1).
    return dns.name.from_text(re.sub(r"\\([0-7]{3})", lambda code: f"\\{int(code[1], 8):03}", text))


def answer(authority: Authority, query: dns.message.Message, chance: random.Random) -> dns.message.Message:
    """The whole response to one query: AA for our names, REFUSED for others, SOA with every negative answer."""
    response = dns.message.make_response(query)
    if query.opcode() != dns.opcode.QUERY:
        response.set_rcode(dns.rcode.NOTIMP)
    elif len(query.question) != 1:
        response.set_rcode(dns.rcode.FORMERR)
    elif query.question[0].rdclass != dns.rdataclass.IN or not _is_ours(authority, query.question[0].name):
        response.set_rcode(dns.rcode.REFUSED)
    else:
        response.flags |= dns.flags.AA
        _follow(authority, response, query.question[0].name, query.question[0].rdtype, chance)
    return response


def _is_ours(authority: Authority, name: dns.name.Name) -> bool:
    return name.is_subdomain(LOAD_BALANCERS) or authority.zone_of(name) is not None


def _follow(
    authority: Authority,
    response: dns.message.Message,
    name: dns.name.Name,
    kind: dns.rdatatype.RdataType,
    chance: random.Random,
) -> None:
    for _ in range(_LONGEST_CHAIN):
        zone = authority.zone_of(name)
        if zone is None:
            if name.is_subdomain(LOAD_BALANCERS):
                _load_balancer(authority, response, name, kind)
            return  # a chain that leaves our names ends with its CNAME
        node = zone.node(name)
        if node is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        if not node:
            return _negative(response, zone)
        if kind in node:
            if not _give(authority, response, name, _draw(node[kind], chance), chance):
                _negative(response, zone)
            return
        if dns.rdatatype.CNAME not in node:
            return _negative(response, zone)
        chosen = _draw(node[dns.rdatatype.CNAME], chance)
        _give(authority, response, name, chosen, chance)
        name = dns.name.from_text(chosen.values[0])


def _draw(group: Sequence[Entry], chance: random.Random) -> Entry:
    weights = [entry.weight if entry.weight is not None else 1 for entry in group]
    if not any(weights):
        return chance.choice(group)
    return chance.choices(group, weights)[0]


def _give(
    authority: Authority, response: dns.message.Message, name: dns.name.Name, entry: Entry, chance: random.Random
) -> bool:
    """Add the entry's records to the answer; False when an alias leads to nothing."""
    if entry.alias is None:
        response.answer.append(_rrset(name, entry.ttl, entry.type, entry.values))
        return True
    target = dns.name.from_text(entry.alias)
    if entry.type == dns.rdatatype.A and target in authority.ports:
        response.answer.append(_rrset(name, LOAD_BALANCER_TTL, entry.type, ("127.0.0.1",)))
        return True
    zone = authority.zone_of(target)
    group = ((zone.node(target) or {}) if zone else {}).get(entry.type, ())
    plain = [member for member in group if member.alias is None]
    if not plain:
        return False
    chosen = _draw(plain, chance)
    response.answer.append(_rrset(name, chosen.ttl, chosen.type, chosen.values))
    return True


def _load_balancer(
    authority: Authority, response: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType
) -> None:
    for balancer, port in authority.ports.items():
        service = _HTTP.concatenate(balancer)
        if name == balancer and kind == dns.rdatatype.A:
            response.answer.append(_rrset(name, LOAD_BALANCER_TTL, kind, ("127.0.0.1",)))
            return
        if name == service and kind == dns.rdatatype.SRV:
            response.answer.append(_rrset(name, LOAD_BALANCER_TTL, kind, (f"0 0 {port} {balancer}",)))
            return
    if not any(_HTTP.concatenate(balancer).is_subdomain(name) for balancer in authority.ports):
        response.set_rcode(dns.rcode.NXDOMAIN)
    soa = f"ns.{LOAD_BALANCERS} hostmaster.{LOAD_BALANCERS} 1 7200 900 1209600 1"
    response.authority.append(_rrset(LOAD_BALANCERS, 1, dns.rdatatype.SOA, (soa,)))


def _negative(response: dns.message.Message, zone: Zone) -> None:
    # RFC 2308, section 3: the SOA in a negative answer carries min(its own TTL, its MINIMUM).
    for entry in zone.nodes.get(zone.apex, {}).get(dns.rdatatype.SOA, ()):
        minimum = int(entry.values[0].split()[-1])
        response.authority.append(_rrset(zone.apex, min(entry.ttl, minimum), entry.type, entry.values))


def _rrset(name: dns.name.Name, ttl: int, kind: dns.rdatatype.RdataType, values: Sequence[str]) -> dns.rrset.RRset:
    # Route 53 takes a host name as absolute, with or without its trailing dot.
    absolute = [
        f"{value}." if kind in (dns.rdatatype.CNAME, dns.rdatatype.NS) and not value.endswith(".") else value
        for value in values
    ]
    return dns.rrset.from_text(name, ttl, dns.rdataclass.IN, kind, *absolute)
