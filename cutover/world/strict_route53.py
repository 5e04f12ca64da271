"""Route 53 as strict as AWS, on top of moto's zones: whole batches or nothing, PENDING before INSYNC, real paging.

moto applies a batch change by change, deletes by SetIdentifier across names, accepts weights above 255 and calls every
change INSYNC; a plan that is green on it proves little. Here the record lists of moto's zones are replaced in one
assignment per accepted batch, so moto's own (unsafe) change code is never reached.
"""

from __future__ import annotations

import secrets
import string
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from moto.core.responses import ActionResult
from moto.route53 import urls
from moto.route53.exceptions import Route53ClientError
from moto.route53.models import FakeZone, RecordSet, route53_backends
from moto.route53.responses import Route53

from cutover.world.route53_protections import BadProtections, Protections
from cutover.world.route53_rules import Change, Record, after, canonical_name, listing_order, record_of, refusals

ACCOUNT = "123456789012"
_UNKNOWN_TO_MOTO = {  # members of ResourceRecordSet that moto would drop
    "TrafficPolicyInstanceId": "traffic_policy_instance_id",
    "CidrRoutingConfig": "cidr_routing_config",
    "GeoProximityLocation": "geo_proximity_location",
}
_MOTO_RECORD_SET: Any = RecordSet  # abstract for a type checker only; moto creates it in the same way


def install(clock: Callable[[], float] = time.monotonic) -> Settling:
    """Let moto's Route 53 URLs answer through StrictRoute53; returns the table that knows what is in sync."""
    StrictRoute53.settling = Settling(clock)
    StrictRoute53.protections = Protections()
    zone = next(pattern for pattern in urls.url_paths if pattern.endswith("/rrset$")).removesuffix("/rrset$")
    for pattern in (*urls.url_paths, f"{zone}/rrsetprotection$", f"{zone}/rrsetprotection/delete$"):
        urls.url_paths[pattern] = StrictRoute53.dispatch
    return StrictRoute53.settling


@dataclass
class Settling:
    """Which change is PENDING, and what the authoritative servers still show meanwhile; `lag` in seconds."""

    clock: Callable[[], float]
    lag: float = 0.2
    _changes: dict[str, tuple[float, datetime]] = field(default_factory=dict)
    _shown: dict[str, list[Record]] = field(default_factory=dict)
    _waiting: list[tuple[float, str, list[Record]]] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def submit(self, zone_id: str, before: list[Record], records: list[Record]) -> str:
        """Note an accepted batch; returns its fresh change id (without the /change/ prefix)."""
        change_id = "C" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(20))
        with self._lock:
            self._shown.setdefault(zone_id, before)
            # A zone's changes become visible in the order in which they were made, also after `lag` was shortened.
            due = max([self.clock() + self.lag, *(due for due, changed, _ in self._waiting if changed == zone_id)])
            self._changes[change_id] = (due, datetime.now(UTC))
            self._waiting.append((due, zone_id, records))
        return change_id

    def status(self, change_id: str) -> tuple[str, datetime] | None:
        """(PENDING or INSYNC, submitted at), None for an id that was never handed out."""
        with self._lock:
            known = self._changes.get(change_id)
            return None if known is None else ("INSYNC" if self.clock() >= known[0] else "PENDING", known[1])

    def shown(self, zone_id: str, latest: list[Record]) -> list[Record]:
        """The records that are in sync now: what a DNS question would be answered from."""
        with self._lock:
            now = self.clock()
            for due, changed, records in self._waiting:
                if due <= now:
                    self._shown[changed] = records
            self._waiting = [entry for entry in self._waiting if entry[0] > now]
            return self._shown.get(zone_id, latest)

    def zones(self) -> list[dict[str, Any]]:
        """Every public hosted zone with its records in sync, as plain data for the DNS server."""
        return [
            {
                "name": canonical_name(zone.name),
                "records": [_plain(record) for record in self.shown(zone_id, _records(zone))],
            }
            for zone_id, zone in list(route53_backends[ACCOUNT]["aws"].zones.items())
            if not zone.private_zone  # API, CreateHostedZone: only the resolvers of its VPCs know a private one
        ]


class StrictRoute53(Route53):
    """moto's Route 53 responses with the change, change status and listing operations replaced."""

    settling: ClassVar[Settling]
    protections: ClassVar[Protections]
    _serial: ClassVar[threading.Lock] = threading.Lock()
    _unreadable = ""

    def parse_parameters(self, request: Any) -> None:
        try:
            super().parse_parameters(request)
        except ValueError as error:  # a weight or TTL that is no integer
            self.params: Any = {}
            self._unreadable = str(error)

    def change_resource_record_sets(self) -> ActionResult:
        if self._unreadable:
            raise Route53ClientError("InvalidInput", f"Invalid XML ; {self._unreadable}")
        zone = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
        changes = [
            Change(given["Action"], record_of(given["ResourceRecordSet"]))
            for given in self._get_param("ChangeBatch.Changes") or []
        ]
        if not changes or any(change.action not in ("CREATE", "UPSERT", "DELETE") for change in changes):
            raise Route53ClientError("InvalidInput", "Invalid XML ; a change is CREATE, DELETE or UPSERT")
        with self._serial:  # between reading the zone and replacing it nobody else may do the same
            before = _records(zone)
            reasons = self.protections.refusals(zone.resource_id, changes)
            reasons += refusals(
                canonical_name(zone.name), before, changes, zone_id=zone.resource_id, checks=self.backend.health_checks
            )
            if reasons:
                raise Route53ClientError("InvalidChangeBatch", "[" + ", ".join(reasons) + "]")
            records = list(after(before, changes))
            zone.rrsets = [_stored(record) for record in records]
            change_id = self.settling.submit(zone.resource_id, before, records)
        return ActionResult({"ChangeInfo": self._change_info(change_id)})

    def create_resource_record_set_protections(self) -> ActionResult:
        return self._protected(self.protections.create)

    def delete_resource_record_set_protections(self) -> ActionResult:
        return self._protected(self.protections.delete)

    def _protected(self, change: Callable[[str, str, Any], None]) -> ActionResult:
        zone = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
        try:
            change(zone.resource_id, canonical_name(zone.name), self._get_param("Protections") or [])
        except BadProtections as bad:
            raise Route53ClientError(bad.code, bad.message) from bad
        return ActionResult({})

    def list_resource_record_set_protections(self) -> ActionResult:
        zone = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
        name, kind, token = (self._get_param(key) or "" for key in ("StartRecordName", "StartRecordType", "NextToken"))
        if kind and not name:
            raise Route53ClientError("InvalidInput", "StartRecordType needs StartRecordName")
        start = (canonical_name(name), kind) if name else None
        size = self._get_int_param("MaxResults", 300)
        page, following = self.protections.listed(zone.resource_id, start, size, token)
        result: dict[str, object] = {"ResourceRecordSetProtections": page}
        return ActionResult(result | ({"NextToken": following} if following else {}))

    def list_hosted_zones_by_name(self) -> ActionResult:
        """Zones in the order of their reversed names, from one on, in pages (API, ListHostedZonesByName)."""
        name, zone_id = self._get_param("DNSName") or "", self._get_param("HostedZoneId") or ""
        zones = sorted(self.backend.zones.values(), key=_zone_order)
        if name:
            start = (listing_order((canonical_name(name), "", ""))[0], zone_id.removeprefix("/hostedzone/"))
            zones = [zone for zone in zones if _zone_order(zone) >= start]
        size = min(self._get_int_param("MaxItems", 100), 100)
        result: dict[str, object] = {"HostedZones": zones[:size], "IsTruncated": False, "MaxItems": size}
        result |= {"DNSName": name} if name else {}
        for following in zones[size : size + 1]:
            result |= {"IsTruncated": True, "NextDNSName": following.name, "NextHostedZoneId": following.resource_id}
        return ActionResult(result)

    def get_change(self) -> ActionResult:
        return ActionResult({"ChangeInfo": self._change_info(self._get_param("Id").rsplit("/", 1)[-1])})

    def _change_info(self, change_id: str) -> dict[str, object]:
        status = self.settling.status(change_id)
        if status is None:
            raise Route53ClientError("NoSuchChange", f"A change with id {change_id} does not exist.")
        return {"Id": f"/change/{change_id}", "Status": status[0], "SubmittedAt": status[1]}

    def list_resource_record_sets(self) -> ActionResult:
        zone = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
        name, kind, identifier = (
            self._get_param(f"StartRecord{part}") or "" for part in ("Name", "Type", "Identifier")
        )
        if (kind and not name) or (identifier and not kind):
            raise Route53ClientError("InvalidInput", "The input is not valid")
        records: Sequence[Record] = sorted(_records(zone), key=lambda record: listing_order(record.key))
        if name:
            start = listing_order((canonical_name(name), kind, identifier))
            records = [record for record in records if listing_order(record.key) >= start]
        size = min(self._get_int_param("MaxItems", 300), 300)
        page, rest = records[:size], records[size : size + 1]
        result: dict[str, object] = {
            "ResourceRecordSets": [_stored(record) for record in page],
            "IsTruncated": bool(rest),
            "MaxItems": size,
        }
        for following in rest:
            result |= {"NextRecordName": following.name, "NextRecordType": following.type}
            result |= {"NextRecordIdentifier": following.set_identifier} if following.set_identifier else {}
        return ActionResult(result)


def _records(zone: FakeZone) -> list[Record]:
    return [
        record_of(
            {
                "Name": stored.name,
                "Type": stored.type,
                "SetIdentifier": stored.set_identifier,
                "Weight": stored.weight,
                "TTL": stored.ttl,
                "ResourceRecords": stored.records,
                "AliasTarget": stored.alias_target,
                "Region": stored.region,
                "Failover": stored.failover,
                "GeoLocation": stored.geo_location,
                "MultiValueAnswer": stored.multi_value_answer,
                "HealthCheckId": stored.health_check_id,
            }
            | {name: getattr(stored, attribute, None) for name, attribute in _UNKNOWN_TO_MOTO.items()}
        )
        for stored in zone.rrsets
    ]


def _stored(record: Record) -> RecordSet:
    stored: RecordSet = _MOTO_RECORD_SET(
        {**record.raw, "Name": record.name, "TTL": record.ttl, "ResourceRecords": list(record.values)}
    )
    for name, attribute in _UNKNOWN_TO_MOTO.items():
        setattr(stored, attribute, record.raw.get(name))
    return stored


def _zone_order(zone: FakeZone) -> tuple[str, str]:
    return listing_order((canonical_name(zone.name), "", ""))[0], zone.resource_id


def _plain(record: Record) -> dict[str, object]:
    alias = record.raw.get("AliasTarget") or {}
    return {
        "name": record.name,
        "type": record.type,
        "weight": record.weight,
        "ttl": record.ttl,
        "values": list(record.values),
        "alias": alias.get("DNSName"),
    }
