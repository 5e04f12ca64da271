"""The share as weights of two record sets of one name, and the TTL that bounds how long its old answers live on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from shlex import quote
from typing import ClassVar

from cutover.aws.permission import Permission
from cutover.aws.record_group import ALIAS_TTL, NOT_IN_SYNC, SENT, Record, RecordName, each, policy, seen, swap
from cutover.aws.route53_permission import records_written
from cutover.aws.session import Aws
from cutover.aws.side_health import SideHealth
from cutover.aws.weights import ROUTE53_LARGEST, remark, share_of, weights_for
from cutover.core.clock import Deadline
from cutover.core.share import Share
from cutover.core.step import Command, Step


@dataclass(frozen=True, kw_only=True)
class Route53Share(Step[Share | str]):
    """Sends a percentage of the visitors to green by the weights of two record sets; all of them change in one batch.

    One batch, because two single calls could pass through weights that are all 0, which Route 53 treats as an equal split.
    Visitors follow as their resolvers' TTL runs out, so the share that is seen lags behind the one that is written. Where
    the records have health checks, a side at weight 0 gets visitors again by itself as soon as the other one is unhealthy.
    A side gets visitors only while the load balancer of `health` to which its record leads has a healthy target, on the way
    back too: DNS would send them to a load balancer that answers 503.
    """

    aws: Aws
    zone: str
    record: str
    record_type: str
    blue: str
    green: str
    private: bool = False
    vpc: str = ""
    health: tuple[str, ...] = ()
    """Load balancers of either side; one is a side's when that side's record set leads to its DNS name."""
    listener_port: int = 80
    fail_back: bool = False
    """A side at weight 0 may get visitors again by itself, when the health checks of the other one fail."""
    settle: float = 120.0
    expected: float = 30.0
    between: frozenset[Share | str] = frozenset({NOT_IN_SYNC})
    _pending: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def resource(self) -> str:
        return f"route53:{self.record}:{self.record_type}"

    @property
    def lane(self) -> str:
        return "traffic"

    @property
    def where(self) -> RecordName:
        return RecordName(self.aws, self.zone, self.record, self.record_type, self.private, self.vpc)

    def records_changed(self) -> Sequence[RecordName]:
        return (self.where,)

    @property
    def judged(self) -> SideHealth:
        return SideHealth(self.aws, self.health, self.listener_port)

    def observe(self) -> Share | str:
        return seen(self.where, self.state, self._pending)

    def state(self, records: list[Record]) -> Share | str:
        """The share that the whole group carries, or what is unusual about it."""
        found: dict[str, Share | str] = {}
        for kind in sorted({record["Type"] for record in records}):
            found[kind] = self._state_of_type([record for record in records if record["Type"] == kind])
        states = set(found.values())
        return states.pop() if len(states) == 1 else ", ".join(f"{kind}: {state}" for kind, state in found.items())

    def _state_of_type(self, records: list[Record]) -> Share | str:
        odd = sorted({policy(record) for record in records} - {"weighted"})
        if odd:
            return f"not a weighted group: {', '.join(odd)}"
        weights = {str(record["SetIdentifier"]): int(record["Weight"]) for record in records}
        if set(weights) != {self.blue, self.green}:
            return ", ".join(f"{name} {weight}" for name, weight in sorted(weights.items()))
        pair = weights[self.blue], weights[self.green]
        if pair == (0, 0):
            return "all weights 0: Route 53 splits evenly"
        return share_of(pair, (self.after, self.before, *self.between), ROUTE53_LARGEST)

    def commands(self, target: Share | str) -> Sequence[Command]:
        if not isinstance(target, Share):
            raise TypeError(f"{self.name}: {target!r} is not a share")
        origin = self.before if target == self.after else self.after
        gaining = self.green if isinstance(origin, Share) and target > origin else self.blue
        return (SetRecordWeights(self, target, gaining),)

    def permissions(self) -> Sequence[Permission]:
        return *records_written(self.where), *self.judged.permissions()

    def check_shell(self) -> str:
        share = f'all += $3; if ($2 == "{self.green}") green += $3; else if ($2 != "{self.blue}") odd = 1'
        told = 'odd ? "other records" : all ? 100 * green / all " %" : "all weights 0"'
        return self.where.show("Type,SetIdentifier,Weight,TTL", share, told)


@dataclass(frozen=True)
class SetRecordWeights(Command):
    """One compare-and-swap batch over all members, after `gaining` has proved a healthy target; awaited until it is in sync."""

    kill_points: ClassVar[tuple[str, ...]] = (SENT,)

    step: Route53Share
    target: Share
    gaining: str

    def run(self, deadline: Deadline) -> None:
        step = self.step

        def changed(records: list[Record]) -> list[Record]:
            if step.state(records) != self.target:
                step.judged.refuse(self.gaining, records, deadline)
            return [self._changed(record) for record in records]

        swap(
            step.where,
            changed,
            step.state,
            {step.before, step.after, *step.between},
            deadline,
            step._pending,
        )

    def _weights(self) -> dict[str, int]:
        blue, green = weights_for(self.target, ROUTE53_LARGEST)
        return {self.step.blue: blue, self.step.green: green}

    def _changed(self, record: Record) -> Record:
        return {**record, "Weight": self._weights()[record["SetIdentifier"]]}

    def shell(self) -> str:
        step = self.step
        words = " ".join(quote(f"{name}={weight}") for name, weight in self._weights().items())
        program = 'changed["Weight"] = int(dict(w.rsplit("=", 1) for w in sys.argv[1:])[record["SetIdentifier"]])'
        notes = [remark(self.target, ROUTE53_LARGEST), self._automatic()]
        return "".join(f"# {note}\n" for note in notes if note) + step.where.swap_shell(
            program, words, step.judged.shell(step.where, self.gaining)
        )

    def _automatic(self) -> str:
        if not self.step.fail_back or self.target.percent not in (0, 100):
            return ""
        left, serving = ("green", "blue") if self.target.percent == 0 else ("blue", "green")
        return f"fail_back: allowed - when health checks fail at {serving}, Route 53 sends visitors to {left} by itself"


@dataclass(frozen=True, kw_only=True)
class Route53Ttl(Step[int | str]):
    """Sets the TTL of every record of a name at once, so that visitors follow a later change (or its reversal) soon.

    Resolvers keep the old answer for the old TTL, however short the new one is: that time has to be waited out by the clock
    before traffic moves. A weighted group has one TTL; Route 53 refuses anything else.
    """

    aws: Aws
    zone: str
    record: str
    record_type: str
    private: bool = False
    vpc: str = ""
    settle: float = 120.0
    expected: float = 30.0
    between: frozenset[int | str] = frozenset({NOT_IN_SYNC})
    _pending: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def resource(self) -> str:
        return f"route53-ttl:{self.record}:{self.record_type}"

    @property
    def where(self) -> RecordName:
        return RecordName(self.aws, self.zone, self.record, self.record_type, self.private, self.vpc)

    def records_changed(self) -> Sequence[RecordName]:
        return (self.where,)

    def observe(self) -> int | str:
        return seen(self.where, self.state, self._pending)

    def state(self, records: list[Record]) -> int | str:
        """The one TTL of the group in seconds, or what is unusual about it."""
        policies = sorted({policy(record) for record in records})
        if len(policies) > 1 or "traffic flow" in policies:
            return f"routing policies: {', '.join(policies)}"
        if all("AliasTarget" in record for record in records):
            return f"alias: effective {ALIAS_TTL} s, set by AWS"
        if any("AliasTarget" in record for record in records):
            return "alias and other records in one group"
        ttls = sorted({int(record["TTL"]) for record in records})
        return ttls[0] if len(ttls) == 1 else "TTLs " + ", ".join(map(str, ttls))

    def commands(self, target: int | str) -> Sequence[Command]:
        if not isinstance(target, int):
            raise TypeError(f"{self.name}: {target!r} is not a TTL in seconds")
        return (SetTtl(self, target),)

    def permissions(self) -> Sequence[Permission]:
        return records_written(self.where)

    def check_shell(self) -> str:
        return self.where.show(
            "Type,SetIdentifier,TTL", "odd += NR > 1 && $3 != ttl; ttl = $3", 'odd ? "several TTLs" : ttl'
        )


@dataclass(frozen=True)
class SetTtl(Command):
    """One compare-and-swap batch over all members, awaited until it is in sync."""

    kill_points: ClassVar[tuple[str, ...]] = (SENT,)

    step: Route53Ttl
    target: int

    def run(self, deadline: Deadline) -> None:
        step = self.step
        swap(
            step.where,
            each(partial(_with_ttl, ttl=self.target)),
            step.state,
            {step.before, step.after, *step.between},
            deadline,
            step._pending,
        )

    def shell(self) -> str:
        return self.step.where.swap_shell('changed["TTL"] = int(sys.argv[1])', str(self.target))


def _with_ttl(record: Record, ttl: int) -> Record:
    return {**record, "TTL": ttl}
