"""What Route 53 accepts in one change batch: pure functions over record sets.

Sources: the API reference of ChangeResourceRecordSets and ResourceRecordSet ("API"), the developer guide's page of
quotas ("Quotas"), and messages as they were reported in public issues of SDKs and providers ("reported").
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, str, str]
_ROUTING = ("Region", "Failover", "GeoLocation", "MultiValueAnswer", "CidrRoutingConfig", "GeoProximityLocation")


@dataclass(frozen=True)
class Record:
    """One resource record set in a comparable form; `ttl` in seconds, None for an alias."""

    name: str
    type: str
    set_identifier: str | None
    weight: int | None
    ttl: int | None
    values: tuple[str, ...]
    alias: str
    routing: str
    health_check: str | None
    raw: dict[str, Any] = field(compare=False, repr=False)

    @property
    def key(self) -> Key:
        return self.name, self.type, self.set_identifier or ""

    @property
    def policy(self) -> str:
        if self.weight is not None:
            return "weighted"
        return self.routing.split("=")[0] if self.routing else "simple"

    def label(self) -> str:
        """The record the way AWS names it in its messages."""
        tail = f", set identifier='{self.set_identifier}'" if self.set_identifier is not None else ""
        return f"[name='{self.name}', type='{self.type}'{tail}]"


@dataclass(frozen=True)
class Change:
    """One element of a batch; `action` is CREATE, UPSERT or DELETE."""

    action: str
    record: Record


def canonical_name(name: str) -> str:
    """Lower case, one trailing dot, a literal * as \\052, as Route 53 stores it (developer guide, DNS domain name format)."""
    return name.lower().rstrip(".").replace("*", "\\052") + "."


def record_of(given: dict[str, Any]) -> Record:
    """A Record from the ResourceRecordSet of a request (already parsed into API names)."""
    alias = given.get("AliasTarget")
    routing = "&".join(f"{kind}={given[kind]}" for kind in _ROUTING if given.get(kind) is not None)
    values = [value["Value"] if isinstance(value, dict) else value for value in given.get("ResourceRecords") or []]
    return Record(
        name=canonical_name(given.get("Name", "")),
        type=str(given.get("Type", "")),
        set_identifier=given.get("SetIdentifier"),
        weight=None if given.get("Weight") is None else int(given["Weight"]),
        ttl=None if given.get("TTL") is None else int(given["TTL"]),
        values=tuple(values),
        alias=_alias_of(alias),
        routing=routing,
        health_check=given.get("HealthCheckId"),
        raw=given,
    )


def _alias_of(alias: dict[str, Any] | None) -> str:
    if not alias:
        return ""
    evaluate = str(alias.get("EvaluateTargetHealth", False)).lower()
    return f"{alias.get('HostedZoneId')} {canonical_name(alias.get('DNSName', ''))} {evaluate}"


def refusals(
    zone: str, before: Sequence[Record], changes: Sequence[Change], *, zone_id: str = "", checks: Collection[str] = ()
) -> list[str]:
    """Every reason why AWS would refuse the batch; an empty list means that it is accepted as a whole.

    `zone_id` tells an alias to another record of the zone, `checks` are the ids of the health checks that there are.
    """
    current = {record.key: record for record in before}
    found = [*_quota(changes), *_repeated(changes)]
    for change in changes:
        found += _misplaced(zone, change.record)
        if change.action == "DELETE":
            found += _deletion(change.record, current.get(change.record.key))
        else:
            found += _malformed(zone, change.record)
            if change.record.health_check and change.record.health_check not in checks:
                # API, HealthCheckId: the check has to exist
                found.append(f"Invalid health check id: {change.record.health_check}")
    found += _creations(current, changes)
    finished = list(after(before, changes))
    return found or _conflicts(zone, finished, changes) + _astray(zone_id, finished, changes)


def after(before: Iterable[Record], changes: Sequence[Change]) -> Iterable[Record]:
    """The zone's records once the batch is applied, in the order of the API's listing."""
    records = {record.key: record for record in before}
    for change in changes:
        if change.action == "DELETE":
            records.pop(change.record.key, None)
        else:
            records[change.record.key] = change.record
    return [records[key] for key in sorted(records, key=listing_order)]


def listing_order(key: Key) -> tuple[str, str, str]:
    """Sorted by reversed labels, then type, then set identifier (API, ListResourceRecordSets)."""
    name, kind, identifier = key
    return ".".join(reversed(name.rstrip(".").split("."))), kind, identifier


def _quota(changes: Sequence[Change]) -> list[str]:
    # Quotas: 1,000 ResourceRecord elements and 32,000 characters of values; an UPSERT counts twice.
    times = [(2 if change.action == "UPSERT" else 1, change.record.values) for change in changes]
    if sum(factor * len(values) for factor, values in times) > 1000:
        return ["Number of records limit of 1000 exceeded."]
    if sum(factor * sum(map(len, values)) for factor, values in times) > 32000:
        return ["Number of characters limit of 32000 exceeded."]
    return []


def _repeated(changes: Sequence[Change]) -> list[str]:
    # Reported: two changes of one record in a batch are refused, except the documented pair DELETE old, CREATE new.
    actions: dict[Key, list[str]] = {}
    for change in changes:
        actions.setdefault(change.record.key, []).append(change.action)
    return [
        f"The request contains an invalid set of changes for a resource record set '{kind} {name}'"
        for (name, kind, _), given in actions.items()
        if len(given) > 1 and given != ["DELETE", "CREATE"]
    ]


def _misplaced(zone: str, record: Record) -> list[str]:
    if record.name == zone or record.name.endswith("." + zone):
        return []
    return [f"RRSet with DNS name {record.name} is not permitted in zone {zone}"]


def _deletion(wanted: Record, current: Record | None) -> list[str]:
    # API, Change: "you must specify all the same values that you specified when you created it".
    if current is None:
        return [f"Tried to delete resource record set {wanted.label()} but it was not found"]
    if sorted(wanted.values) != sorted(current.values) or (
        wanted.weight,
        wanted.ttl,
        wanted.alias,
        wanted.routing,
        wanted.health_check,
    ) != (current.weight, current.ttl, current.alias, current.routing, current.health_check):
        return [
            f"Tried to delete resource record set {wanted.label()} but the values provided do not match the current values"
        ]
    return []


def _creations(current: dict[Key, Record], changes: Sequence[Change]) -> list[str]:
    deleted = {change.record.key for change in changes if change.action == "DELETE"}
    return [
        f"Tried to create resource record set {change.record.label()} but it already exists"
        for change in changes
        if change.action == "CREATE" and change.record.key in current and change.record.key not in deleted
    ]


def _malformed(zone: str, record: Record) -> list[str]:
    where = f"[Name={record.name}, Type={record.type}, SetIdentifier={record.set_identifier}]"
    found = []
    if bool(record.alias) == (record.ttl is not None and bool(record.values)) or (
        record.alias and record.ttl is not None
    ):
        # API: an alias has neither TTL nor ResourceRecords; everything else needs both.
        found.append(
            f"Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]] in Change with {where}"
        )
    if record.ttl is not None and not 0 <= record.ttl <= 2147483647:
        found.append(f"Invalid TTL {record.ttl} in Change with {where}")
    found += _routing(record, where)
    for value, count in Counter(record.values).items():
        if count > 1:
            found.append(f"Duplicate Resource Record: '{value}'")
        if record.type == "TXT" and not (len(value) > 1 and value[0] == value[-1] == '"'):
            # Developer guide, TXT record type: strings in quotation marks
            found.append(f"Invalid Resource Record: value should be enclosed in quotation marks: {value}")
        if not _address_fits(record.type, value):
            found.append(
                f"Invalid Resource Record: 'FATAL problem: ARRDATAIllegal{record.type} encountered with '{value}''"
            )
    if record.type == "CNAME":
        if record.name == zone:
            found.append(f"RRSet of type CNAME with DNS name {record.name} is not permitted at apex in zone {zone}")
        if len(record.values) > 1:
            found.append(f"Invalid Resource Record: a CNAME has exactly one value in Change with {where}")
    return found


def _routing(record: Record, where: str) -> list[str]:
    found = []
    if record.weight is not None:
        if not 0 <= record.weight <= 255:  # API, Weight: "minimum 0, maximum 255"
            found.append(f"Invalid Weight {record.weight}: must be between 0 and 255 in Change with {where}")
        if len(record.values) > 1:  # API, ResourceRecords: one value per weighted set
            found.append(f"Weighted resource record sets have exactly one ResourceRecord in Change with {where}")
        if record.routing:
            found.append(
                f"Invalid request: Expected exactly one of [Weight, Region, Failover, ...] in Change with {where}"
            )
    if record.policy != "simple" and record.set_identifier is None:
        found.append(f"Invalid request: Missing field 'SetIdentifier' in Change with {where}")
    if record.set_identifier is not None:
        if record.policy == "simple":
            found.append(
                "Invalid request: Expected exactly one of [Weight, Region, Failover, GeoLocation, MultiValueAnswer]"
                f", but found none in Change with {where}"
            )
        if not 1 <= len(record.set_identifier) <= 128:
            found.append(f"Invalid SetIdentifier: 1 to 128 characters in Change with {where}")
    return found


def _address_fits(kind: str, value: str) -> bool:
    if kind not in ("A", "AAAA"):
        return True
    try:
        return ipaddress.ip_address(value).version == (4 if kind == "A" else 6)
    except ValueError:
        return False


def _conflicts(zone: str, records: Sequence[Record], changes: Sequence[Change]) -> list[str]:
    """What the finished zone must not contain, looked at only where the batch touched it."""
    found = []
    for name, kind in sorted({(change.record.name, change.record.type) for change in changes}):
        group = [record for record in records if (record.name, record.type) == (name, kind)]
        policies = {record.policy for record in group}
        if "simple" in policies and len(group) > 1:
            found.append(
                f"RRSet with DNS name {name}, type {kind} cannot be created as other RRSets exist with the same name and type"
                " (a non-weighted set exists)"
            )
        elif len(policies) > 1:
            found.append(f"RRSet with DNS name {name}, type {kind} cannot be created: different routing policies")
        ttls = {record.ttl for record in group if record.ttl is not None}
        if policies == {"weighted"} and len(ttls) > 1:
            found.append(f"RRSets with DNS name {name}, type {kind}: weighted sets must contain the same TTL")
        if policies == {"weighted"} and len(group) > 100:
            found.append(f"RRSets with DNS name {name}, type {kind}: more than 100 weighted sets")
    for name in sorted({change.record.name for change in changes}):
        kinds = {record.type for record in records if record.name == name}
        if "CNAME" in kinds and len(kinds) > 1:
            found.append(
                f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records"
                f" with the same DNS name in zone {zone}"
            )
    return found + _apex(zone, records)


def _astray(zone_id: str, records: Sequence[Record], changes: Sequence[Change]) -> list[str]:
    # API, AliasTarget DNSName: an alias to another record of the zone needs one of the same type.
    there = {(record.name, record.type) for record in records}
    found = []
    for change in changes:
        owner, _, target = change.record.alias.partition(" ")
        name = target.rpartition(" ")[0]
        if change.action != "DELETE" and owner and owner == zone_id and (name, change.record.type) not in there:
            found.append(
                f"Tried to create an alias that targets {name}, type {change.record.type} in zone {zone_id},"
                " but that target was not found"
            )
    return found


def _apex(zone: str, records: Sequence[Record]) -> list[str]:
    kinds = {record.type for record in records if record.name == zone}
    return [
        f"A HostedZone must contain at least one {kind} record for the zone itself."
        for kind in ("NS", "SOA")
        if kind not in kinds
    ]
