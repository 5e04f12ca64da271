"""The weighted records of one name: read together, changed together in one compare-and-swap batch, and awaited until in sync."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from shlex import quote
from typing import Any

from cutover.aws.listener import Missing, literal, script
from cutover.aws.session import Aws, AwsError, OutcomeUnknown
from cutover.core import killpoint
from cutover.core.clock import Backoff, Deadline
from cutover.core.errors import NotConverged, StepFailed

ROUTE53 = "route53"
SENT = "route53 change sent"
TOGETHER = ("A", "AAAA", "HTTPS")  # types that one client may ask for the same visit: they move in one batch

Record = dict[str, Any]


@dataclass(frozen=True)
class RecordName:
    """Where a group lives: public zone, record name and type (A, AAAA and HTTPS are one group)."""

    aws: Aws
    zone: str
    name: str
    type: str

    def records(self, deadline: Deadline) -> list[Record]:
        """The raw record sets of the group as listed now; raises Missing with the state to report."""
        return self.listed(zone_id(self.aws, self.zone, deadline), deadline)

    def listed(self, zone: str, deadline: Deadline) -> list[Record]:
        """The raw record sets of the group in the zone of that id."""
        found: list[Record] = []
        start: dict[str, Any] = {"StartRecordName": self.name}
        while True:
            page = self.aws.call(ROUTE53, "ListResourceRecordSets", deadline, HostedZoneId=zone, **start)
            found += [one for one in page["ResourceRecordSets"] if canonical(one["Name"]) == canonical(self.name)]
            # Listing starts at our name, so the first page that ends elsewhere ends the group.
            if not page.get("IsTruncated") or canonical(page["NextRecordName"]) != canonical(self.name):
                break
            start = {
                "Start" + key.removeprefix("Next"): page[key]
                for key in ("NextRecordName", "NextRecordType", "NextRecordIdentifier")
                if page.get(key)
            }
        group = [one for one in found if one["Type"] in self.types()]
        if not any(one["Type"] == self.type for one in group):
            raise Missing(f"there is no {self.type} record {self.name} in zone {self.zone}")
        return group

    def types(self) -> tuple[str, ...]:
        return TOGETHER if self.type in TOGETHER else (self.type,)

    def show(self, columns: str, each: str, told: str) -> str:
        """The aws command that prints columns of the group's records, and then one word; both awk parts see the columns."""
        awk = f"awk -F'\\t' '{{ print; {each} }} END {{ print {told} }}'"
        return script([self.zone_shell(), f"{self.list_shell(f'[{columns}]')} --output text | {awk}"])

    def swap_shell(self, program: str, words: str) -> str:
        """The aws commands that send one batch over the group, changed by `program` (see CHANGE)."""
        return script(
            [
                self.zone_shell(),
                f"batch=$({self.list_shell()} --output json | python3 -c '{CHANGE.replace('CHANGE', program)}' {words})",
                (
                    f'change=$({self.aws.shell()} route53 change-resource-record-sets --hosted-zone-id "$zone"'
                    ' --change-batch "$batch" --query ChangeInfo.Id --output text)'
                ),
                "for _ in {1..120}; do",
                f'  status=$({self.aws.shell()} route53 get-change --id "$change" --query ChangeInfo.Status --output text)',
                '  [ "$status" = INSYNC ] && break',
                "  sleep 1",
                "done",
                '[ "$status" = INSYNC ]',
            ]
        )

    def zone_shell(self) -> str:
        """The aws command that sets $zone."""
        public = f"HostedZones[?Name=={literal(canonical(self.zone) + '.')} && Config.PrivateZone==`false`].Id | [0]"
        return (
            f"zone=$({self.aws.shell()} route53 list-hosted-zones-by-name --dns-name {quote(self.zone)}"
            f" --query {quote(public)} --output text)"
        )

    def list_shell(self, columns: str = "") -> str:
        """The aws command that lists the group's records in $zone, or columns of them."""
        types = " || ".join(f"Type=={literal(one)}" for one in self.types())
        wanted = f"ResourceRecordSets[?Name=={literal(canonical(self.name) + '.')} && ({types})]"
        return (
            f'{self.aws.shell()} route53 list-resource-record-sets --hosted-zone-id "$zone" --no-paginate'
            f" --start-record-name {quote(self.name)} --query {quote(wanted + ('.' + columns if columns else ''))}"
        )


# One batch for the group on stdin: DELETE takes what was listed, exactly, so the batch fails when somebody changed it meanwhile.
CHANGE = """\
import json, sys
changes = []
for record in json.load(sys.stdin):
    changed = dict(record)
    CHANGE
    changes += [{"Action": "DELETE", "ResourceRecordSet": record}, {"Action": "CREATE", "ResourceRecordSet": changed}]
print(json.dumps({"Changes": changes}))"""


def swap(
    where: RecordName,
    change: Callable[[Record], Record],
    state: Callable[[list[Record]], object],
    known: Collection[object],
    deadline: Deadline,
) -> None:
    """Changes every record of the group in one compare-and-swap batch and waits until all authoritative servers have it.

    Raises as `send` does, and NotConverged when it is not in sync in time.
    """
    sent = send(where, change, state, known, deadline)
    if sent is not None:
        await_insync(where.aws, sent, deadline)


def send(
    where: RecordName,
    change: Callable[[Record], Record],
    state: Callable[[list[Record]], object],
    known: Collection[object],
    deadline: Deadline,
) -> str | None:
    """The same without waiting: the id of the change that Route 53 has accepted, None when there is nothing to change.

    Raises StepFailed when the group is in no `known` state or changes meanwhile, AwsError when AWS cannot be asked.
    """
    try:
        zone = zone_id(where.aws, where.zone, deadline)
        doubtful = False
        while True:
            records = where.listed(zone, deadline)
            seen = state(records)
            if seen not in known:
                raise StepFailed(f"{where.name} {where.type} changed under our hands: {seen}; nothing was written")
            wanted = [change(record) for record in records]
            if wanted == records and not doubtful:
                return None
            # With an answer lost, `wanted` may be there already; the same batch again then only serves to learn a change id.
            try:
                answer = where.aws.call(
                    ROUTE53,
                    "ChangeResourceRecordSets",
                    deadline,
                    HostedZoneId=zone,
                    ChangeBatch={"Comment": "cutover", "Changes": _batch(records, wanted)},
                )
                break
            except OutcomeUnknown:
                doubtful = True
                if deadline.expired:
                    raise
            except AwsError as error:
                if error.code == "InvalidChangeBatch" and where.listed(zone, deadline) != records:
                    raise StepFailed(
                        f"{where.name} {where.type}: somebody else changed it; nothing was written"
                    ) from error
                raise
    except Missing as missing:
        raise StepFailed(str(missing)) from missing
    killpoint.reached(SENT)
    return str(answer["ChangeInfo"]["Id"])


def await_insync(aws: Aws, change: str, deadline: Deadline) -> None:
    """Waits until every authoritative server of Route 53 has the change; raises NotConverged at the deadline."""
    backoff = Backoff(deadline.clock, first=0.05, longest=5.0)
    while aws.call(ROUTE53, "GetChange", deadline, Id=change)["ChangeInfo"]["Status"] != "INSYNC":
        if deadline.expired:
            raise NotConverged(f"Route 53 change {change} is still PENDING")
        backoff.pause(deadline)


def zone_id(aws: Aws, zone: str, deadline: Deadline) -> str:
    """The id of the public hosted zone; raises Missing when there is none or more than one."""
    listed = aws.call(ROUTE53, "ListHostedZonesByName", deadline, DNSName=zone)["HostedZones"]
    ids = [
        one["Id"]
        for one in listed
        if canonical(one["Name"]) == canonical(zone) and not one.get("Config", {}).get("PrivateZone", False)
    ]
    if len(ids) != 1:
        raise Missing(f"{len(ids)} public hosted zones are called {zone}" if ids else f"there is no public zone {zone}")
    found: str = ids[0].removeprefix("/hostedzone/")
    return found


def canonical(name: str) -> str:
    """A name in comparable form: lower case, no dot at the end, * as \\052 (Route 53 guide, DNS domain name format)."""
    return name.lower().rstrip(".").replace("*", "\\052")


def policy(record: Record) -> str:
    """The routing policy of a record set, in a word."""
    if record.get("TrafficPolicyInstanceId"):
        return "traffic flow"
    others = ("Region", "Failover", "GeoLocation", "MultiValueAnswer", "CidrRoutingConfig", "GeoProximityLocation")
    return next((key for key in others if key in record), "weighted" if "Weight" in record else "simple")


def _batch(records: list[Record], wanted: list[Record]) -> list[dict[str, Any]]:
    return [
        {"Action": action, "ResourceRecordSet": record}
        for before, after in zip(records, wanted, strict=True)
        for action, record in (("DELETE", before), ("CREATE", after))
    ]
