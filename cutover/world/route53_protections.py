"""Names and types that Route 53 lets nobody change (Route 53 API, CreateResourceRecordSetProtections and its two siblings)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cutover.world.route53_rules import Change, canonical_name, listing_order

LARGEST_PAGE = 300
LARGEST_BATCH = 100
Protected = tuple[str, str]


class BadProtections(Exception):
    """A request that AWS refuses; `code` is AWS's own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass
class Protections:
    """The protections of every hosted zone, by name and type, with their comments."""

    _by_zone: dict[str, dict[Protected, str]] = field(default_factory=dict)

    def create(self, zone_id: str, zone: str, given: Iterable[Mapping[str, Any]]) -> None:
        """All of them or none; raises BadProtections."""
        wanted = {_key(one): str(one.get("Comment") or "") for one in self._judged(zone, given)}
        known = self._by_zone.setdefault(zone_id, {})
        already = [key for key in wanted if key in known]
        if already:
            # API: every entry there already is ProtectionAlreadyExists, any other mixture is a bad batch
            every = len(already) == len(wanted)
            code = "ProtectionAlreadyExists" if every else "InvalidResourceRecordSetProtectionBatch"
            raise BadProtections(code, f"a protection exists for {already}")
        known.update(wanted)

    def delete(self, zone_id: str, zone: str, given: Iterable[Mapping[str, Any]]) -> None:
        """All of them or none; raises BadProtections."""
        keys = [_key(one) for one in self._judged(zone, given)]
        known = self._by_zone.setdefault(zone_id, {})
        if missing := [key for key in keys if key not in known]:
            raise BadProtections("InvalidResourceRecordSetProtectionBatch", f"no protection exists for {missing}")
        for key in keys:
            del known[key]

    def listed(self, zone_id: str, start: Protected | None, size: int, token: str) -> tuple[list[dict[str, str]], str]:
        """A page, and the token of the next one or an empty text."""
        keys = sorted(self._by_zone.get(zone_id, {}), key=lambda key: listing_order((*key, "")))
        if token:  # API: with a NextToken the start is ignored
            keys = keys[int(token) :]
        elif start is not None:
            keys = [key for key in keys if listing_order((*key, "")) >= listing_order((*start, ""))]
        size = min(size, LARGEST_PAGE)
        found = [
            {"RecordName": name, "RecordType": kind}
            | ({"Comment": comment} if (comment := self._by_zone[zone_id][name, kind]) else {})
            for name, kind in keys[:size]
        ]
        passed = len(self._by_zone.get(zone_id, {})) - len(keys) + size
        return found, str(passed) if len(keys) > size else ""

    def refusals(self, zone_id: str, changes: Iterable[Change]) -> list[str]:
        """Why a batch of changes is refused."""
        known = self._by_zone.get(zone_id, {})
        touched = sorted({(change.record.name, change.record.type) for change in changes} & set(known))
        return [
            f"RRSet with DNS name {name}, type {kind} is protected"
            + (f": {known[name, kind]}" if known[name, kind] else "")
            for name, kind in touched
        ]

    def _judged(self, zone: str, given: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        listed = list(given)
        if not 1 <= len(listed) <= LARGEST_BATCH:
            raise BadProtections("InvalidInput", f"1 to {LARGEST_BATCH} protections in a request")
        keys = [_key(one) for one in listed]
        outside = [name for name, _ in keys if name != zone and not name.endswith(f".{zone}")]
        if outside or max(Counter(keys).values()) > 1:
            raise BadProtections("InvalidResourceRecordSetProtectionBatch", "outside of the zone, or twice")
        return listed


def _key(given: Mapping[str, Any]) -> Protected:
    return canonical_name(str(given["RecordName"])), str(given["RecordType"])
