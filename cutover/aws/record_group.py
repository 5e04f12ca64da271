"""The weighted records of one name: read together, changed together in one compare-and-swap batch, and awaited until in sync."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from shlex import quote
from typing import Any, TypeVar

from cutover.aws.listener import Missing, literal, script
from cutover.aws.route53_mark import Mark
from cutover.aws.route53_zone import ROUTE53, Zone, canonical
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError, OutcomeUnknown
from cutover.core import killpoint
from cutover.core.clock import Backoff, Deadline
from cutover.core.errors import NotConverged, StepFailed
from cutover.core.telling import tried_again

SENT = "route53 change sent"
ALIAS_TTL = 60  # Route 53 API, AliasTarget: an alias to a load balancer is answered with 60 s
NOT_IN_SYNC = "written, not yet in sync at every server"
TOGETHER = ("A", "AAAA", "HTTPS")  # types that one client may ask for the same visit: they move in one batch

Record = dict[str, Any]
S = TypeVar("S")


@dataclass(frozen=True)
class RecordName:
    """Where a group lives: zone (a public one unless told otherwise), record name and type (A, AAAA and HTTPS are one group)."""

    aws: Aws
    zone: str
    name: str
    type: str
    private: bool = False
    vpc: str = ""
    """Which of several private zones of that name."""

    @property
    def hosted(self) -> Zone:
        return Zone(self.aws, self.zone, self.private, self.vpc)

    @property
    def mark(self) -> "RecordName":
        """The TXT record beside the name that holds the fencing token of whoever may change it."""
        return replace(self, name=f"_cutover.{self.name}", type="TXT")

    def records(self, deadline: Deadline) -> list[Record]:
        """The raw record sets of the group as listed now; raises Missing with the state to report."""
        return self.listed(self.hosted.id(deadline), deadline)

    def listed(self, zone: str, deadline: Deadline) -> list[Record]:
        """The raw record sets of the group in the zone of that id."""
        group = [one for one in self.of_name(zone, deadline) if one["Type"] in self.types()]
        if not any(one["Type"] == self.type for one in group):
            raise Missing(f"there is no {self.type} record {self.name} in zone {self.zone}")
        return group

    def of_name(self, zone: str, deadline: Deadline) -> list[Record]:
        """The raw record sets of every type at the name."""
        found: list[Record] = []
        start: dict[str, Any] = {"StartRecordName": self.name}
        while True:
            page = self.aws.call(ROUTE53, "ListResourceRecordSets", deadline, HostedZoneId=zone, **start)
            found += [one for one in page["ResourceRecordSets"] if canonical(one["Name"]) == canonical(self.name)]
            # Listing starts at our name, so the first page that ends elsewhere ends the group.
            if not page.get("IsTruncated") or canonical(page["NextRecordName"]) != canonical(self.name):
                return found
            start = next_page(page)

    def marked(self, zone: str, deadline: Deadline) -> Mark:
        """The mark as listed now; raises LeaseLost when a newer token was shown, StepFailed when it is none of ours."""
        token = self.aws.token() if self.aws.token is not None else 0
        mark = Mark.of(self.mark.name, token, self.mark.of_name(zone, deadline) if token else [])
        if not mark.ours and self.claim_key(token) in self.aws.claimed:
            # Whoever deletes it opens the gap that it closes: that must be on record, and the next batch closes it again.
            self.aws.claimed.discard(self.claim_key(token))
            tried_again(f"token shown at {self.mark.name}", "somebody else deleted or changed the TXT record since")
        return mark

    def claim_key(self, token: int) -> tuple[str, ...]:
        """What `Aws.claimed` holds once the token was shown here."""
        return self.zone, str(self.private), self.vpc, canonical(self.name), str(token)

    def types(self) -> tuple[str, ...]:
        return TOGETHER if self.type in TOGETHER else (self.type,)

    def show(self, columns: str, each: str, told: str) -> str:
        """The aws command that prints columns of the group's records, and then one word; both awk parts see the columns."""
        awk = f"awk -F'\\t' '{{ print; {each} }} END {{ print {told} }}'"
        return script([self.zone_shell(), f"{self.list_shell(f'[{columns}]')} --output text | {awk}"])

    def swap_shell(self, program: str, words: str, first: Sequence[str] = ()) -> str:
        """The aws commands that send one batch over the group, changed by `program` (see CHANGE), after the lines `first`.

        A person has no lease and no token: the mark stays as it is, and does not stand in their way.
        """
        changed = f"{self.list_shell()} --output json | python3 -c '{CHANGE.replace('CHANGE', program)}' {words}"
        return script([self.zone_shell(), *first, f"batch=$({changed})", *send_shell(self.aws)])

    def zone_shell(self) -> str:
        """The lines that set $zone."""
        return self.hosted.shell()

    def list_shell(self, columns: str = "") -> str:
        """The aws command that lists the group's records in $zone, or columns of them, or what a ` | query` makes of them."""
        types = " || ".join(f"Type=={literal(one)}" for one in self.types())
        wanted = f"ResourceRecordSets[?Name=={literal(canonical(self.name) + '.')} && ({types})]"
        further = columns if columns.startswith(" |") else f".{columns}" if columns else ""
        return (
            f'{self.aws.shell()} route53 list-resource-record-sets --hosted-zone-id "$zone" --no-paginate'
            f" --start-record-name {quote(self.name)} --query {quote(wanted + further)}"
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


def send_shell(aws: Aws) -> list[str]:
    """Lines that send $batch to $zone and wait until it is in sync."""
    return [
        (
            f'change=$({aws.shell()} route53 change-resource-record-sets --hosted-zone-id "$zone"'
            ' --change-batch "$batch" --query ChangeInfo.Id --output text)'
        ),
        "for _ in {1..120}; do",
        f'  status=$({aws.shell()} route53 get-change --id "$change" --query ChangeInfo.Status --output text)',
        '  [ "$status" = INSYNC ] && break',
        "  sleep 1",
        "done",
        '[ "$status" = INSYNC ]',
    ]


Rewrite = Callable[[list[Record]], list[Record]]


def each(change: Callable[[Record], Record]) -> Rewrite:
    """A group rewritten record by record."""
    return lambda records: [change(record) for record in records]


def swap(
    where: RecordName,
    rewrite: Rewrite,
    state: Callable[[list[Record]], object],
    known: Collection[object],
    deadline: Deadline,
    pending: list[str],
) -> None:
    """Replaces the records of the group in one compare-and-swap batch and waits until all authoritative servers have it.

    A step runs its command only while its intent is open, so a batch is sent even where nothing is left to change: an
    earlier try may have died before its change was in sync, and a zone's changes get in sync in order. `pending` holds the
    id of the change until it is in sync, for `seen`.
    Raises as `send` does, and NotConverged when it is not in sync in time.
    """
    sent = send(where, rewrite, state, known, deadline, anew=True)
    if sent is not None:
        pending[:] = [sent]
        await_insync(where.aws, sent, deadline)
        pending.clear()


def seen(where: RecordName, state: Callable[[list[Record]], S], pending: list[str]) -> S | str:
    """The state of the group, `written, not yet in sync…` while a change of ours is pending, or what is missing.

    A listing shows what is written at once, long before any server answers it (Route 53 API, ListResourceRecordSets).
    """
    deadline = Deadline.after(OBSERVE_SECONDS)
    try:
        found = state(where.records(deadline))
    except Missing as missing:
        return str(missing)
    if pending:
        if where.aws.call(ROUTE53, "GetChange", deadline, Id=pending[0])["ChangeInfo"]["Status"] != "INSYNC":
            return NOT_IN_SYNC
        pending.clear()
    return found


def send(
    where: RecordName,
    rewrite: Rewrite,
    state: Callable[[list[Record]], object],
    known: Collection[object],
    deadline: Deadline,
    *,
    anew: bool = False,
) -> str | None:
    """The same without waiting: the id of the change that Route 53 has accepted, None when there is nothing to change.

    Raises StepFailed when the group is in no `known` state or changes meanwhile, AwsError when AWS cannot be asked.
    """
    try:
        answer = _send(where, rewrite, state, known, deadline, anew)
    except Missing as missing:
        raise StepFailed(str(missing)) from missing
    if answer is None:
        return None
    killpoint.reached(SENT)
    return str(answer["ChangeInfo"]["Id"])


def _send(
    where: RecordName,
    rewrite: Rewrite,
    state: Callable[[list[Record]], object],
    known: Collection[object],
    deadline: Deadline,
    anew: bool,
) -> dict[str, Any] | None:
    zone = where.hosted.id(deadline)
    backoff = Backoff(deadline.clock, first=0.05, longest=2.0)
    lost = False
    while True:
        mark = where.marked(zone, deadline)
        records = where.listed(zone, deadline)
        shown = state(records)
        if shown not in known:
            written = "of ours an answer was lost before" if lost else "nothing was written"
            raise StepFailed(f"{where.name} {where.type} changed under our hands: {shown}; {written}")
        wanted = rewrite(records)
        if wanted == records and mark.ours and not (anew or lost):
            return None
        # With an answer lost, `wanted` may be there already; the same batch again then only serves to learn a change id.
        try:
            return change(where, zone, [*_batch(records, wanted), *mark.changes()], mark, deadline)
        except OutcomeUnknown:
            lost = True
            if deadline.expired:
                raise
        except AwsError as error:
            if error.code != "InvalidChangeBatch":
                raise
            now = where.marked(zone, deadline)  # whoever took over is the reason, where somebody did
            same = where.listed(zone, deadline) == records
            if same and now == mark:
                raise StepFailed(f"{where.name} {where.type}: refused, nothing was written: {error.message}") from error
            if deadline.expired or not (same or lost):
                raise StepFailed(f"{where.name} {where.type}: somebody else changed it; nothing was written") from error
            # What has changed since the listing may be our own batch whose answer was lost, or the mark alone: look again.
        backoff.pause(deadline)


def change(
    where: RecordName, zone: str, changes: list[dict[str, Any]], mark: Mark, deadline: Deadline
) -> dict[str, Any]:
    """Sends one batch in which `mark` is swapped; raises as `Aws.call` does."""
    batch = {"Comment": "cutover", "Changes": changes}
    answer = where.aws.call(ROUTE53, "ChangeResourceRecordSets", deadline, HostedZoneId=zone, ChangeBatch=batch)
    if mark.token:
        where.aws.claimed.add(where.claim_key(mark.token))
    return answer


def await_insync(aws: Aws, change: str, deadline: Deadline) -> None:
    """Waits until every authoritative server of Route 53 has the change; raises NotConverged at the deadline."""
    backoff = Backoff(deadline.clock, first=0.05, longest=5.0)
    while aws.call(ROUTE53, "GetChange", deadline, Id=change)["ChangeInfo"]["Status"] != "INSYNC":
        if deadline.expired:
            raise NotConverged(f"Route 53 change {change} is still PENDING")
        backoff.pause(deadline)


def next_page(page: dict[str, Any]) -> dict[str, Any]:
    """Where the next page of a listing starts; all three parts, because a group may be longer than a page."""
    return {
        "Start" + key.removeprefix("Next"): page[key]
        for key in ("NextRecordName", "NextRecordType", "NextRecordIdentifier")
        if page.get(key)
    }


def policy(record: Record) -> str:
    """The routing policy of a record set, in a word."""
    if record.get("TrafficPolicyInstanceId"):
        return "traffic flow"
    others = ("Region", "Failover", "GeoLocation", "MultiValueAnswer", "CidrRoutingConfig", "GeoProximityLocation")
    return next((key for key in others if key in record), "weighted" if "Weight" in record else "simple")


def _batch(records: list[Record], wanted: list[Record]) -> list[dict[str, Any]]:
    pairs = [("DELETE", record) for record in records] + [("CREATE", record) for record in wanted]
    return [{"Action": action, "ResourceRecordSet": record} for action, record in pairs]
