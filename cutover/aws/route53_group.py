"""Whether the weighted records of a name can be moved at all, found before anything is touched."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote

from cutover.aws.listener import Missing, literal, script
from cutover.aws.permission import Permission
from cutover.aws.record_group import ALIAS_TTL, Record, RecordName, policy
from cutover.aws.route53_claim import taken
from cutover.aws.route53_owner import HERITAGE, owners
from cutover.aws.route53_weighted import SIMPLE, Route53Weighted
from cutover.aws.route53_zone import ROUTE53, canonical
from cutover.aws.session import OBSERVE_SECONDS, AwsError
from cutover.core.clock import Deadline
from cutover.core.gate import Check, Finding, Verdict

SCAN_SECONDS = 15.0  # for a zone of some thousand records
PROTECTION_SECONDS = 2.0
WANTED = "two weighted records of each type, blue and green, that nobody else writes"


@dataclass(frozen=True)
class Remark:
    """Something about the group: `refuses` stops the cutover, `warns` is shown, `informs` is to be known."""

    severity: str
    seen: str
    mend: str = ""


@dataclass(frozen=True, kw_only=True)
class GroupCanBeMoved(Check):
    """Weights mean a share only in a group of blue and green alone, of one policy and TTL, that nobody else writes.

    Whatever would make Route 53 refuse the change, split visitors in another way, or undo it later is found here.
    """

    where: RecordName
    blue: str
    green: str
    ttls: tuple[int, ...] = ()
    """TTLs in seconds that the plan counts with; none for a group of aliases."""
    fail_back: str | None = None
    """`allowed` or `refused`, what the environment says about a side at weight 0 that takes over by itself."""
    weighted: Route53Weighted | None = None
    """The step that makes the group of one simple record, where the plan has it."""

    def look(self) -> Finding:
        deadline, where = Deadline.after(OBSERVE_SECONDS), self.where
        try:
            zone = where.hosted.id(deadline)
            records = where.listed(zone, deadline)
            owned = self._owner(zone, Deadline.after(SCAN_SECONDS))
            remarks = [*self.remarks(records, zone), *owned, *self._protected(zone)]
            if told_of := taken(where, zone, deadline):
                remarks.append(Remark("refuses", told_of, "give what is there another name"))
        except Missing as missing:
            remarks = [Remark("refuses", str(missing), f"correct it in the environment file; look: {self._zones()}")]
        except AwsError as error:
            return Finding.blind(error.message)
        return told(f"{where.name} {where.type}", WANTED, remarks)

    def remarks(self, records: list[Record], zone: str = "") -> Iterator[Remark]:
        """Everything that is to be said about the records of the group."""
        if self.weighted is not None and self.weighted.state(records) == SIMPLE:
            yield Remark("informs", f"{SIMPLE} now; it becomes a weighted group in which blue is alone")
        else:
            for kind in sorted({record["Type"] for record in records}):
                yield from self._members([record for record in records if record["Type"] == kind], kind)
            yield from _same_weights(records)
        yield from self._ttl(records, zone)
        yield from self._automatic(records)

    def _members(self, records: list[Record], kind: str) -> Iterator[Remark]:
        policies = sorted({policy(record) for record in records})
        if "traffic flow" in policies:
            made = ", ".join(sorted({r["TrafficPolicyInstanceId"] for r in records if policy(r) == "traffic flow"}))
            mend = "change the traffic policy instead, or replace its instance by plain weighted records first"
            yield Remark("refuses", f"{kind}: made by the Traffic Flow policy instance {made}", mend)
            return
        if policies == ["simple"]:
            mend = "add `migrate` to the carrier, so that the plan makes it a weighted group"
            yield Remark("refuses", f"{kind}: one simple record, not a weighted group", mend)
            return
        if policies != ["weighted"]:
            mend = "make it one weighted group of blue and green first"
            yield Remark("refuses", f"{kind}: routing policies {', '.join(policies)}", mend)
            return
        weights = {str(record["SetIdentifier"]): int(record["Weight"]) for record in records}
        for name in sorted(set(weights) - {self.blue, self.green}):
            mend = "remove it, or correct blue and green in the environment file (they are SetIdentifiers)"
            yield Remark("refuses", f"{kind}: an unknown member {name} with weight {weights[name]}", mend)
        for name in sorted({self.blue, self.green} - set(weights)):
            yield Remark(
                "refuses", f"{kind}: there is no record set {name}", f"create it with weight 0 ({kind}, {name})"
            )
        if not any(weights.values()):
            yield Remark(
                "refuses", f"{kind}: all weights are 0: Route 53 splits evenly", f"give {self.blue} the weight 100"
            )

    def _ttl(self, records: list[Record], zone: str) -> Iterator[Remark]:
        aliases = [record for record in records if "AliasTarget" in record]
        ttls = sorted({int(record["TTL"]) for record in records if "TTL" in record})
        if aliases and ttls and (ttls != [ALIAS_TTL] or len(set(self.ttls)) > 1):
            yield Remark(
                "refuses",
                f"aliases (answered with {ALIAS_TTL} s) and records with a TTL of {_seconds(ttls)} in one group:"
                " resolvers come back to one more often than to the other, so the shares are not those of the weights",
                f"give every record that is no alias the TTL {ALIAS_TTL}, and write `alias: true` without `ttl`",
            )
        elif aliases and self.ttls and len(set(self.ttls)) > 1:
            yield Remark(
                "refuses",
                f"alias: effective {ALIAS_TTL} s, set by AWS: there is no TTL to lower",
                "write `alias: true` instead of `ttl` in the environment file",
            )
        elif not aliases and not self.ttls:
            yield Remark(
                "refuses", f"no aliases, but records with a TTL of {_seconds(ttls)}", "write `ttl` for `alias`"
            )
        elif not aliases and (len(ttls) > 1 or ttls[0] not in self.ttls):
            yield Remark(
                "refuses",
                f"the TTL is {_seconds(ttls)}, the plan counts with {_seconds(sorted(set(self.ttls)))}",
                "correct ttl.normal in the environment file",
            )
        elif aliases:
            yield Remark("informs", f"alias: effective {ALIAS_TTL} s, set by AWS; nothing is lowered")
        for target in sorted(
            {r["AliasTarget"]["DNSName"] for r in aliases if r["AliasTarget"]["HostedZoneId"] == zone}
        ):
            yield Remark("warns", f"an alias to {target} has the TTL of that record, not {ALIAS_TTL} s")

    def _automatic(self, records: list[Record]) -> Iterator[Remark]:
        checked = sorted({str(r.get("SetIdentifier", "the record")) for r in records if _has_check(r)})
        if not checked:
            return
        seen = (
            f"{', '.join(checked)}: Route 53 looks at health, so a side at weight 0 gets all visitors again by itself"
            " when the other one is unhealthy"
        )
        if self.fail_back == "refused":
            mend = "take the health checks off (and EvaluateTargetHealth), or write `fail_back: allowed`"
            yield Remark("refuses", f"{seen}, and `fail_back` is refused", mend)
        elif self.fail_back == "allowed":
            yield Remark("informs", f"{seen}; the environment file allows it")
        else:
            yield Remark(
                "warns", seen, "say in the environment file whether that is meant: fail_back: allowed or refused"
            )

    def _owner(self, zone: str, deadline: Deadline) -> Iterator[Remark]:
        found, whole = owners(self.where, zone, deadline)
        for each in found:
            mend = (
                "delete that TXT record (external-dns then leaves the name alone), or scale external-dns to 0 and keep"
                " it there until the cutover is finished; then ask again"
            )
            yield Remark("refuses", f"external-dns owns the name and would undo the change: {each}", mend)
        if not whole and not found:
            yield Remark("informs", "the zone is long: only the usual names of external-dns were looked at")

    def _protected(self, zone: str) -> Iterator[Remark]:
        try:
            found = protections(self.where, zone)
        except (AwsError, AttributeError) as error:
            # An account, an endpoint or an older boto3 need not know the call; Route 53 refuses the change then as a whole.
            told_by = error.code if isinstance(error, AwsError) else "not known to this boto3"
            yield Remark("informs", f"whether the records are protected could not be asked ({told_by})")
            return
        for kind, comment in found:
            protection = f"RecordName={self.where.name},RecordType={kind}"
            mend = (
                f"{self.where.aws.shell()} route53 delete-resource-record-set-protections"
                f" --hosted-zone-id {zone} --protections {quote(protection)}"
            )
            yield Remark("refuses", f"{kind}: protected{f' ({comment})' if comment else ''}", mend)

    def permissions(self) -> Iterator[Permission]:
        """Reading the zone, and its protections."""
        yield from self.where.hosted.permissions()
        yield Permission(ROUTE53, "ListResourceRecordSets", self.where.hosted.arn)
        yield Permission(ROUTE53, "ListResourceRecordSetProtections", self.where.hosted.arn)

    def shell(self) -> str:
        """Shows the members, external-dns's notes about the name, and its protections; fails on what refuses the move."""
        where = self.where
        label, _, rest = canonical(where.name).partition(".")
        ours = rf"(^|[^a-z0-9]){re.escape(label)}(\.|[^a-z0-9.][^[:space:]]*\.){re.escape(rest)}"
        text = f"ResourceRecordSets[?Type=={literal('TXT')} && contains(ResourceRecords[0].Value, {literal(HERITAGE)})]"
        kinds = " || ".join(f"RecordType=={literal(kind)}" for kind in where.types())
        covered = f"ResourceRecordSetProtections[?RecordName=={literal(canonical(where.name) + '.')} && ({kinds})]"
        route53, fields = f"{where.aws.shell()} route53", ".[Name,ResourceRecords[0].Value]"
        alone = 'NR && $2 == "None"' if self.weighted is not None else "0"
        members = (
            f'{{ print; sum += $3; odd += $2 != "{self.blue}" && $2 != "{self.green}"; simple = {alone} }}'
            " END { exit !simple && (odd || !sum) }"
        )
        listed = where.list_shell("[Type,SetIdentifier,Weight,TTL]")
        return script(
            [
                where.zone_shell(),
                f"{listed} --output text | awk -F'\\t' {quote(members)}",
                (
                    f'owners=$({route53} list-resource-record-sets --hosted-zone-id "$zone"'
                    f" --query {quote(text + fields)} --output text | grep -E {quote(ours)} || true)"
                ),
                (
                    f'protected=$({route53} list-resource-record-set-protections --hosted-zone-id "$zone"'
                    f" --start-record-name {quote(where.name)} --query {quote(covered + '.[RecordType,Comment]')}"
                    ' --output text 2>/dev/null || echo "whether it is protected is not known" >&2)'
                ),
                '[ -z "$owners$protected" ] || { echo "owned or protected: $owners$protected" >&2; exit 1; }',
            ]
        )

    def _zones(self) -> str:
        return f"{self.where.aws.shell()} route53 list-hosted-zones-by-name --dns-name {quote(self.where.zone)}"


def protections(where: RecordName, zone: str) -> list[tuple[str, str]]:
    """(type, comment) of the protected types of a group; raises AwsError when that cannot be asked within 2 s."""
    deadline = Deadline.after(PROTECTION_SECONDS)
    found: list[tuple[str, str]] = []
    start: dict[str, str] = {"StartRecordName": where.name}
    while True:
        page = where.aws.call(ROUTE53, "ListResourceRecordSetProtections", deadline, HostedZoneId=zone, **start)
        listed = page["ResourceRecordSetProtections"]
        ours = [one for one in listed if canonical(one["RecordName"]) == canonical(where.name)]
        found += [(one["RecordType"], one.get("Comment", "")) for one in ours if one["RecordType"] in where.types()]
        if not page.get("NextToken") or len(ours) < len(listed):
            return found
        start = {"NextToken": page["NextToken"]}


def told(title: str, wanted: str, remarks: Sequence[Remark]) -> Finding:
    """One finding of all remarks, the worst first."""
    order = ("refuses", "warns", "informs")
    found = sorted(remarks, key=lambda remark: order.index(remark.severity))
    worst = found[0].severity if found else ""
    seen = f"{title}: {'; '.join(remark.seen for remark in found) or 'fine'}"
    hint = "; ".join(dict.fromkeys(remark.mend for remark in found if remark.mend))
    plain = [{"seen": r.seen, "mend": r.mend, "severity": r.severity} for r in found]
    data = {"severity": worst, "wanted": wanted, "remarks": plain}
    if worst == "refuses":
        return Finding.failed(seen, hint, **data)
    return Finding(Verdict.PASS, seen, hint, data | ({"warning": True} if worst == "warns" else {}))


def _same_weights(records: list[Record]) -> Iterator[Remark]:
    """Address families at different shares would send the same visitor to both sides."""
    groups: dict[str, dict[str, int]] = {}
    for record in records:
        if policy(record) == "weighted":
            groups.setdefault(record["Type"], {})[str(record["SetIdentifier"])] = int(record["Weight"])
    shown = {kind: ", ".join(f"{name} {weight}" for name, weight in sorted(of.items())) for kind, of in groups.items()}
    if len(set(shown.values())) > 1:
        each = "; ".join(f"{kind}: {weights}" for kind, weights in sorted(shown.items()))
        yield Remark("refuses", f"the types of one name have different weights: {each}", "give them the same weights")


def _has_check(record: Record) -> bool:
    return "HealthCheckId" in record or bool(record.get("AliasTarget", {}).get("EvaluateTargetHealth"))


def _seconds(ttls: Sequence[int]) -> str:
    return " or ".join(f"{ttl} s" for ttl in ttls)
