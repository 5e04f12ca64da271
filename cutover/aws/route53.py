"""The share as weights of two record sets of one name, and the TTL that bounds how long its old answers live on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from shlex import quote
from typing import ClassVar

from cutover.aws.listener import Missing
from cutover.aws.record_group import SENT, Record, RecordName, policy, swap
from cutover.aws.session import OBSERVE_SECONDS, Aws
from cutover.aws.weights import ROUTE53_LARGEST, remark, share_of, weights_for
from cutover.core.clock import Deadline
from cutover.core.share import Share
from cutover.core.step import Command, Step

ALIAS_TTL = 60  # Route 53 API, AliasTarget: an alias to a load balancer is answered with 60 s


@dataclass(frozen=True, kw_only=True)
class Route53Share(Step[Share | str]):
    """Sends a percentage of the visitors to green by the weights of two record sets; all of them change in one batch.

    One batch, because two single calls could pass through weights that are all 0, which Route 53 treats as an equal split.
    Visitors follow as their resolvers' TTL runs out, so the share that is seen lags behind the one that is written.
    """

    aws: Aws
    zone: str
    record: str
    record_type: str
    blue: str
    green: str
    settle: float = 120.0
    expected: float = 30.0

    @property
    def resource(self) -> str:
        return f"route53:{self.record}:{self.record_type}"

    @property
    def lane(self) -> str:
        return "traffic"

    @property
    def where(self) -> RecordName:
        return RecordName(self.aws, self.zone, self.record, self.record_type)

    def observe(self) -> Share | str:
        try:
            return self.state(self.where.records(Deadline.after(OBSERVE_SECONDS)))
        except Missing as missing:
            return str(missing)

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
        return (SetRecordWeights(self, target),)

    def check_shell(self) -> str:
        share = f'all += $3; if ($2 == "{self.green}") green += $3; else if ($2 != "{self.blue}") odd = 1'
        told = 'odd ? "other records" : all ? 100 * green / all " %" : "all weights 0"'
        return self.where.show("Type,SetIdentifier,Weight,TTL", share, told)


@dataclass(frozen=True)
class SetRecordWeights(Command):
    """One compare-and-swap batch over all members, awaited until it is in sync."""

    kill_points: ClassVar[tuple[str, ...]] = (SENT,)

    step: Route53Share
    target: Share

    def run(self, deadline: Deadline) -> None:
        step = self.step
        swap(step.where, self._changed, step.state, {step.before, step.after, *step.between}, deadline)

    def _weights(self) -> dict[str, int]:
        blue, green = weights_for(self.target, ROUTE53_LARGEST)
        return {self.step.blue: blue, self.step.green: green}

    def _changed(self, record: Record) -> Record:
        return {**record, "Weight": self._weights()[record["SetIdentifier"]]}

    def shell(self) -> str:
        step = self.step
        words = " ".join(quote(f"{name}={weight}") for name, weight in self._weights().items())
        program = 'changed["Weight"] = int(dict(w.rsplit("=", 1) for w in sys.argv[1:])[record["SetIdentifier"]])'
        note = remark(self.target, ROUTE53_LARGEST)
        return (f"# {note}\n" if note else "") + step.where.swap_shell(program, words)


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
    settle: float = 120.0
    expected: float = 30.0

    @property
    def resource(self) -> str:
        return f"route53-ttl:{self.record}:{self.record_type}"

    @property
    def where(self) -> RecordName:
        return RecordName(self.aws, self.zone, self.record, self.record_type)

    def observe(self) -> int | str:
        try:
            return self.state(self.where.records(Deadline.after(OBSERVE_SECONDS)))
        except Missing as missing:
            return str(missing)

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
            partial(_with_ttl, ttl=self.target),
            step.state,
            {step.before, step.after, *step.between},
            deadline,
        )

    def shell(self) -> str:
        return self.step.where.swap_shell('changed["TTL"] = int(sys.argv[1])', str(self.target))


def _with_ttl(record: Record, ttl: int) -> Record:
    return {**record, "TTL": ttl}
