"""Who else writes a name's records: external-dns says so in TXT records of its own, beside or below what it owns."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from cutover.aws.record_group import Record, RecordName, next_page
from cutover.aws.route53_zone import ROUTE53, canonical
from cutover.core.clock import Deadline

HERITAGE = "heritage=external-dns"
TYPES = ("a", "aaaa", "cname", "https")
MOST_PAGES = 10  # of 300 records: a zone of that size is read as a whole

_TYPED = re.compile(r"(?:^|[^a-z0-9])(?:a|aaaa|cname|https|svcb|srv|ns|mx|txt|ptr|naptr)-(.+)$")


def owners(where: RecordName, zone: str, deadline: Deadline) -> tuple[list[str], bool]:
    """What the TXT records say that own the name, and whether the whole zone was read for them.

    external-dns documentation, "The TXT registry": the record has the owned name with its type and a dash before the first
    label (cname-api.example.com), in the older form the name itself, either with a prefix or suffix of the operator's own;
    an encrypted registry cannot be recognised. Of a long zone only the forms without such an affix are looked for.
    """
    records, whole = _zone(where, zone, deadline)
    if not whole:
        records += _usual(where, zone, deadline)
    texts = [one for one in records if one["Type"] == "TXT" and HERITAGE in _text(one)]
    names = {canonical(one["Name"]) for one in records if one["Type"] not in ("TXT", "NS", "SOA")}
    found = (f"{one['Name']} {owner(_text(one))}" for one in texts if _meant(one["Name"], names, where.name))
    return sorted(set(found)), whole


def owner(text: str) -> str:
    """The owner and resource in a registry's TXT."""
    told = re.findall(r"external-dns/(?:owner|resource)=([^,\"]+)", text)
    return f"({', '.join(told)})" if told else "(external-dns)"


def belongs(text_name: str, name: str) -> bool:
    """Whether a registry's TXT of that name may be about `name`."""
    label, _, rest = canonical(name).partition(".")
    head = canonical(text_name).removesuffix(f".{rest}")
    if head == canonical(text_name):
        return False
    typed = _TYPED.search(head)
    if typed is not None and not re.match(rf"{re.escape(label)}(?![a-z0-9])", typed[1]):
        # What follows the type is another name, unless the type was a word of the prefix.
        return head.endswith(f".{label}")
    return re.search(rf"(?:^|[^a-z0-9]){re.escape(label)}(?![a-z0-9])", head) is not None


def _meant(text_name: str, names: Iterable[str], name: str) -> bool:
    """Whether of all names that the TXT may be about `name` is the longest one."""
    if not belongs(text_name, name):
        return False
    return not any(len(other) > len(canonical(name)) and belongs(text_name, other) for other in names)


def _zone(where: RecordName, zone: str, deadline: Deadline) -> tuple[list[Record], bool]:
    found: list[Record] = []
    start: dict[str, Any] = {}
    for _ in range(MOST_PAGES):
        page = where.aws.call(ROUTE53, "ListResourceRecordSets", deadline, HostedZoneId=zone, **start)
        found += page["ResourceRecordSets"]
        if not page.get("IsTruncated"):
            return found, True
        start = next_page(page)
    return found, False


def _usual(where: RecordName, zone: str, deadline: Deadline) -> Iterator[Record]:
    for name in (where.name, *(f"{kind}-{where.name}" for kind in TYPES)):
        yield from RecordName(where.aws, where.zone, name, "TXT").of_name(zone, deadline)


def _text(record: Record) -> str:
    return "".join(one["Value"] for one in record.get("ResourceRecords", []))
