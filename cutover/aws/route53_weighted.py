"""One simple record as a weighted group in which blue is alone, and back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from shlex import quote
from typing import ClassVar

from cutover.aws.listener import script
from cutover.aws.permission import Permission
from cutover.aws.record_group import NOT_IN_SYNC, SENT, Record, RecordName, policy, seen, send_shell, swap
from cutover.aws.route53_permission import records_written
from cutover.aws.route53_zone import canonical
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.step import Command, Step

SIMPLE, WEIGHTED = "one simple record", "weighted, blue alone"

# One batch for the records on stdin, given blue's and green's identifiers and green's target by type (TYPE=TARGET).
TO_WEIGHTED = """\
import json, sys
blue, green, *targets = sys.argv[1:]
targets = dict(one.split("=", 1) for one in targets)
changes = []
for record in json.load(sys.stdin):
    if "Weight" in record:
        sys.exit("there is a weighted record already; nothing was written")
    other = {key: value for key, value in record.items() if key != "HealthCheckId"}
    if "AliasTarget" in record:
        other["AliasTarget"] = {**record["AliasTarget"], "DNSName": targets.get(record["Type"], targets["*"])}
    else:
        other["ResourceRecords"] = [{"Value": targets[record["Type"]]}]
    changes.append({"Action": "DELETE", "ResourceRecordSet": record})
    for name, weight, one in ((blue, 100, record), (green, 0, other)):
        changes.append({"Action": "CREATE", "ResourceRecordSet": {**one, "SetIdentifier": name, "Weight": weight}})
print(json.dumps({"Changes": changes}))"""

# The way back: blue's record alone, without its weight.
TO_SIMPLE = """\
import json, sys
blue, green = sys.argv[1:]
changes = []
for record in json.load(sys.stdin):
    if record.get("SetIdentifier") not in (blue, green) or (record["SetIdentifier"] == green and record["Weight"]):
        sys.exit("green has a weight, or there are other records; nothing was written")
    changes.insert(0, {"Action": "DELETE", "ResourceRecordSet": record})
    if record["SetIdentifier"] == blue:
        kept = {key: value for key, value in record.items() if key not in ("SetIdentifier", "Weight")}
        changes.append({"Action": "CREATE", "ResourceRecordSet": kept})
print(json.dumps({"Changes": changes}))"""


@dataclass(frozen=True, kw_only=True)
class Route53Weighted(Step[str]):
    """Makes one simple record a weighted group: blue as it was with all the weight, green beside it with none.

    Route 53 has no simple and weighted records of one name and type, so the simple one is deleted and both weighted ones are
    created in one batch; answers stay what they were.
    """

    aws: Aws
    zone: str
    record: str
    record_type: str
    blue: str
    green: str
    target: str
    """Where green leads: a name or an address, of the record's type; a name where the record is an alias."""
    target_ipv6: str = ""
    """The same for an AAAA record beside the A record."""
    private: bool = False
    vpc: str = ""
    before: str = SIMPLE
    after: str = WEIGHTED
    settle: float = 120.0
    expected: float = 30.0
    between: frozenset[str] = frozenset({NOT_IN_SYNC})
    _pending: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def resource(self) -> str:
        return f"route53-weighted:{self.record}:{self.record_type}"

    @property
    def where(self) -> RecordName:
        return RecordName(self.aws, self.zone, self.record, self.record_type, self.private, self.vpc)

    def records_changed(self) -> Sequence[RecordName]:
        return (self.where,)

    def observe(self) -> str:
        return seen(self.where, self.state, self._pending)

    def state(self, records: list[Record]) -> str:
        """`one simple record`, `weighted, blue alone`, or what is unusual about the records."""
        found = {kind: self._of_type(kind, [r for r in records if r["Type"] == kind]) for kind in _types(records)}
        states = set(found.values())
        return states.pop() if len(states) == 1 else ", ".join(f"{kind}: {state}" for kind, state in found.items())

    def _of_type(self, kind: str, records: list[Record]) -> str:
        policies = sorted({policy(record) for record in records})
        if policies == ["simple"]:
            values = len(records[0].get("ResourceRecords", [None]))
            if values > 1:  # Route 53 API, ResourceRecords: one value in each weighted record
                return f"a simple record with {values} values"
            if "AliasTarget" not in records[0] and not self._target(kind):
                return f"a simple {kind} record, and no target of that type for green"
            return SIMPLE
        if policies != ["weighted"]:
            return f"not simple, but {', '.join(policies)}"
        weights = {str(record["SetIdentifier"]): int(record["Weight"]) for record in records}
        green = next((record for record in records if record["SetIdentifier"] == self.green), None)
        if set(weights) != {self.blue, self.green} or not weights[self.blue] or weights[self.green] or green is None:
            return "weighted: " + ", ".join(f"{name} {weight}" for name, weight in sorted(weights.items()))
        if canonical(_leads(green)) != canonical(self._target(kind) or self.target):
            return f"weighted, blue alone, but green leads to {_leads(green)}"
        return WEIGHTED

    def _target(self, kind: str) -> str:
        return self.target if kind == self.record_type else self.target_ipv6 if kind == "AAAA" else ""

    def commands(self, target: str) -> Sequence[Command]:
        return (MakeWeighted(self),) if target == WEIGHTED else (MakeSimple(self),)

    def check_shell(self) -> str:
        columns = "Type,SetIdentifier,Weight,AliasTarget.DNSName || ResourceRecords[0].Value"
        each = (
            f'if ($2 == "None") simple++; else if ($2 == "{self.green}" && $3 == 0) beside++;'
            f' else if ($2 == "{self.blue}" && $3 > 0) alone++; else odd = 1'
        )
        told = (
            f'odd ? "other records" : simple == NR ? "{SIMPLE}" : alone && alone == beside ? "{WEIGHTED}" : "a mixture"'
        )
        return self.where.show(columns, each, told)

    def permissions(self) -> Sequence[Permission]:
        return records_written(self.where)

    def weighted(self, records: list[Record]) -> list[Record]:
        """The group that the records become."""
        return [made for record in records for made in self._pair(record)]

    def _pair(self, record: Record) -> list[Record]:
        if "Weight" in record:
            return [record]
        other = {key: value for key, value in record.items() if key != "HealthCheckId"}
        if "AliasTarget" in record:
            # Blue's alias names the zone of its kind of load balancer in its region; Route 53 refuses it for any other.
            target = self._target(record["Type"]) or self.target
            other["AliasTarget"] = {**record["AliasTarget"], "DNSName": target}
        else:
            other["ResourceRecords"] = [{"Value": self._target(record["Type"])}]
        return [
            {**record, "SetIdentifier": self.blue, "Weight": 100},
            {**other, "SetIdentifier": self.green, "Weight": 0},
        ]

    def simple(self, records: list[Record]) -> list[Record]:
        """The records that the group was made of."""
        kept = [record for record in records if record.get("SetIdentifier") in (None, self.blue)]
        return [{key: value for key, value in r.items() if key not in ("SetIdentifier", "Weight")} for r in kept]


@dataclass(frozen=True)
class MakeWeighted(Command):
    """One compare-and-swap batch: the simple records out, the weighted ones in."""

    kill_points: ClassVar[tuple[str, ...]] = (SENT,)

    step: Route53Weighted

    def run(self, deadline: Deadline) -> None:
        step = self.step
        swap(step.where, step.weighted, step.state, {SIMPLE, WEIGHTED}, deadline, step._pending)

    def shell(self) -> str:
        step = self.step
        targets = [f"{step.record_type}={step.target}", f"*={step.target}"]
        targets += [f"AAAA={step.target_ipv6}"] if step.target_ipv6 else []
        return _shell(step, TO_WEIGHTED, targets)


@dataclass(frozen=True)
class MakeSimple(Command):
    """One compare-and-swap batch: both weighted records out, blue's in as a simple one."""

    kill_points: ClassVar[tuple[str, ...]] = (SENT,)

    step: Route53Weighted

    def run(self, deadline: Deadline) -> None:
        step = self.step
        swap(step.where, step.simple, step.state, {SIMPLE, WEIGHTED}, deadline, step._pending)

    def shell(self) -> str:
        return _shell(self.step, TO_SIMPLE, [])


def _shell(step: Route53Weighted, program: str, targets: list[str]) -> str:
    words = " ".join(quote(word) for word in (step.blue, step.green, *targets))
    batch = f"batch=$({step.where.list_shell()} --output json | python3 -c {quote(program)} {words})"
    return script([step.where.zone_shell(), batch, *send_shell(step.aws)])


def _types(records: list[Record]) -> list[str]:
    return sorted({str(record["Type"]) for record in records})


def _leads(record: Record) -> str:
    if "AliasTarget" in record:
        return str(record["AliasTarget"]["DNSName"])
    return ", ".join(one["Value"] for one in record["ResourceRecords"])
