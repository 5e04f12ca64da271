"""Whether the load balancers that a side's record sets lead to can serve, asked before that side gets (more) visitors."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from shlex import quote

from cutover.aws.elb_permission import FINDING, reads
from cutover.aws.listener import ELB, Listener, Missing, literal, script, target_states
from cutover.aws.permission import Permission
from cutover.aws.record_group import Record, RecordName
from cutover.aws.route53_permission import records_read
from cutover.aws.route53_weighted import Route53Weighted
from cutover.aws.route53_zone import canonical
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.gate import Check, Finding, Verdict


@dataclass(frozen=True)
class SideHealth:
    """Load balancers by name, and the port of the listener that serves the name; a record set leads to one by its DNS name."""

    aws: Aws
    balancers: tuple[str, ...]
    port: int = 80

    def refuse(self, side: str, records: Iterable[Record], deadline: Deadline) -> None:
        """Raises StepFailed when a load balancer behind the record set `side` has no healthy target; else it is well.

        Where the record set leads to none of them, there is nothing to ask.
        """
        for balancer, arn in self.behind(side, records, deadline):
            healthy, targets = self._tally(balancer, arn, deadline)
            if not healthy:
                raise StepFailed(
                    f"refused: {balancer} has {healthy} healthy targets of {targets}, 1 wanted before {side} gets visitors. "
                    "Nothing was written. Mend its targets, then resume; look at its target groups with: "
                    f"{self.aws.shell()} elbv2 describe-target-groups --load-balancer-arn {arn}"
                )

    def behind(self, side: str, records: Iterable[Record], deadline: Deadline) -> Iterator[tuple[str, str]]:
        """(name, ARN) of the load balancers to which that side's record set leads; raises StepFailed when one is gone."""
        leads = {name for record in records if record.get("SetIdentifier") == side for name in _led_to(record)}
        for balancer in self.balancers if leads else ():
            try:
                found = self.aws.call(ELB, "DescribeLoadBalancers", deadline, Names=[balancer])["LoadBalancers"][0]
            except AwsError as error:
                if error.code != "LoadBalancerNotFound":
                    raise
                # The other side's may be gone, which must not keep visitors from the side that can serve.
                if any(re.match(_of(balancer), name) for name in leads):
                    raise StepFailed(f"refused: there is no load balancer {balancer}, where {side} leads") from error
                continue
            if canonical(found["DNSName"]) in leads:
                yield balancer, found["LoadBalancerArn"]

    def _tally(self, balancer: str, arn: str, deadline: Deadline) -> tuple[int, int]:
        for found in self.aws.pages(ELB, "DescribeListeners", deadline, "Listeners", LoadBalancerArn=arn):
            if found.get("Port") == self.port:
                try:
                    groups = Listener(found["ListenerArn"], tuple(found["DefaultActions"])).serving()
                except Missing as missing:
                    raise StepFailed(f"refused: {balancer}: {missing}. Nothing was written") from missing
                states = [one["state"] for group in groups for one in target_states(self.aws, group, deadline)]
                return states.count("healthy"), len(states)
        raise StepFailed(f"refused: load balancer {balancer} has no listener on port {self.port}. Nothing was written")

    def permissions(self) -> tuple[Permission, ...]:
        return (*FINDING, *reads("DescribeTargetHealth")) if self.balancers else ()

    def shell(self, where: RecordName, side: str) -> list[str]:
        """Lines that fail where `refuse` does; they need $zone."""
        if not self.balancers:
            return []
        aws, members = self.aws.shell(), f"?SetIdentifier=={literal(side)}"
        columns = f" | [{members}].[AliasTarget.DNSName || ResourceRecords[0].Value]"
        groups = (
            f"Listeners[?Port==`{self.port}`].DefaultActions[].ForwardConfig.TargetGroups[?Weight>`0`].TargetGroupArn[]"
        )
        counts = "[length(TargetHealthDescriptions[?TargetHealth.State==`healthy`]), length(TargetHealthDescriptions)]"
        return [
            f"leads=$({where.list_shell(columns)} --output text)",
            f"for balancer in {' '.join(map(quote, self.balancers))}; do",
            (
                f'  described=$({aws} elbv2 describe-load-balancers --names "$balancer"'
                " --query 'LoadBalancers[0].[DNSName,LoadBalancerArn]' --output text)"
                f' || {{ grep -qiE "{_of("$balancer")}" <<<"$leads" && exit 1; continue; }}'
            ),
            '  read -r name arn <<<"$described"',
            r'  grep -qixE "(dualstack\.)?$name\.?" <<<"$leads" || continue',
            f"  groups=$({aws} elbv2 describe-listeners --load-balancer-arn \"$arn\" --query '{groups}' --output text)",
            "  healthy=0; targets=0",
            "  for group in $groups; do",
            f"    counts=$({aws} elbv2 describe-target-health --target-group-arn \"$group\" --query '{counts}' --output text)",
            '    read -r well all <<<"$counts"; healthy=$((healthy + well)); targets=$((targets + all))',
            "  done",
            (
                '  [ "$healthy" -gt 0 ] || { echo "refused: $balancer has $healthy healthy targets of $targets;'
                ' nothing was written" >&2; exit 1; }'
            ),
            "done",
        ]


@dataclass(frozen=True, kw_only=True)
class SidesJudged(Check):
    """Before a side gets (more) visitors, the load balancer that its record leads to must have a healthy target.

    That is asked of the load balancers of `health`; a side whose record leads to none of them gets visitors unasked.
    """

    where: RecordName
    blue: str
    green: str
    health: SideHealth
    weighted: Route53Weighted | None = None
    """The step that makes the group of one simple record, where the plan has it."""

    def look(self) -> Finding:
        deadline = Deadline.after(OBSERVE_SECONDS)
        try:
            records = self.where.records(deadline)
            group = records if self.weighted is None else self.weighted.weighted(records)
            found = {
                side: [name for name, _ in self.health.behind(side, group, deadline)]
                for side in (self.blue, self.green)
            }
        except (Missing, StepFailed) as missing:
            return Finding.failed(str(missing), "check the names in the environment file, the records, and the region")
        except AwsError as error:
            return Finding.blind(error.message)
        seen = f"{self.where.name}: " + "; ".join(
            f"{side} leads to {', '.join(names)}"
            if names
            else f"{side} leads to no load balancer of `health`: whether it can serve is not looked at when traffic moves"
            for side, names in found.items()
        )
        if self.health.balancers and not all(found.values()):
            hint = "name under `health` the load balancer that the record leads to, or watch that side yourself"
            return Finding(Verdict.PASS, seen, hint, {"warning": True})
        return Finding.passed(seen)

    def permissions(self) -> Iterator[Permission]:
        yield from records_read(self.where)
        yield from FINDING[:1] if self.health.balancers else ()

    def shell(self) -> str:
        names = " ".join(map(quote, self.health.balancers))
        shown = (
            f"{self.where.aws.shell()} elbv2 describe-load-balancers --names {names}"
            " --query 'LoadBalancers[].[LoadBalancerName,DNSName]' --output text"
        )
        listed = (
            f"{self.where.list_shell('[SetIdentifier,AliasTarget.DNSName || ResourceRecords[0].Value]')} --output text"
        )
        return script([self.where.zone_shell(), listed, *([shown] if names else [])])


def _led_to(record: Record) -> Sequence[str]:
    """Names to which a record set leads, in comparable form."""
    if "AliasTarget" in record:
        return [canonical(str(record["AliasTarget"]["DNSName"])).removeprefix("dualstack.")]
    return [canonical(str(one["Value"])) for one in record.get("ResourceRecords", ())]


def _of(balancer: str) -> str:
    """A pattern for the DNS names of a load balancer of that name (ELB user guides, "DNS name")."""
    return rf"(dualstack\.)?(internal-)?{balancer.lower()}-[0-9a-f]+\."
