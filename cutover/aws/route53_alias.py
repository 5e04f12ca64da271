"""Whether Route 53 takes the load balancers behind aliases for healthy: one empty target group is enough that it does not."""

from collections.abc import Iterator
from dataclasses import dataclass

from cutover.aws.listener import ELB, Missing, group_name, literal, script, target_states
from cutover.aws.permission import Permission
from cutover.aws.record_group import RecordName
from cutover.aws.route53_zone import ROUTE53, canonical
from cutover.aws.session import AwsError
from cutover.core.clock import Deadline
from cutover.core.gate import Check, Finding, Verdict

LOOK_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class AliasTargetsCount(Check):
    """An alias that evaluates its target's health is left out of the answers while its load balancer counts as unhealthy.

    It does as soon as one of its target groups has no target, or none that is healthy: then visitors go to the other side,
    whatever the weights say (Route 53 API, AliasTarget, EvaluateTargetHealth).
    """

    where: RecordName
    sides: tuple[str, ...]
    """SetIdentifiers of the members to look at."""
    needed: bool = True
    """Before traffic moves this is waited for; long before that it is only shown."""

    def look(self) -> Finding:
        deadline = Deadline.after(LOOK_SECONDS)
        try:
            odd = list(self._odd(deadline))
        except Missing as missing:
            return Finding.failed(str(missing))
        except AwsError as error:
            return Finding.blind(error.message)
        if not odd:
            return Finding.passed(f"{self.where.name}: no alias leads to a load balancer that counts as unhealthy")
        seen = f"{'; '.join(odd)}: Route 53 takes the whole load balancer for unhealthy and leaves that side out"
        hint = "register a target in each of its target groups, or take the empty group off the load balancer"
        if self.needed:
            return Finding.not_yet(seen, hint)
        return Finding(Verdict.PASS, seen, hint, {"warning": True})

    def _odd(self, deadline: Deadline) -> Iterator[str]:
        aws = self.where.aws
        wanted = {
            canonical(record["AliasTarget"]["DNSName"]).removeprefix("dualstack."): record.get("SetIdentifier", "it")
            for record in self.where.records(deadline)
            if record.get("AliasTarget", {}).get("EvaluateTargetHealth")
            and record.get("SetIdentifier", self.sides[0]) in self.sides
        }
        if not wanted:
            return
        for balancer in aws.pages(ELB, "DescribeLoadBalancers", deadline, "LoadBalancers"):
            side = wanted.get(canonical(balancer["DNSName"]))
            if side is None:
                continue
            arn = balancer["LoadBalancerArn"]
            for group in aws.pages(ELB, "DescribeTargetGroups", deadline, "TargetGroups", LoadBalancerArn=arn):
                states = [one["state"] for one in target_states(aws, group["TargetGroupArn"], deadline)]
                if "healthy" not in states:
                    told = f"no healthy target among {len(states)}" if states else "no target"
                    yield f"{side}: {balancer['LoadBalancerName']} has {told} in {group_name(group['TargetGroupArn'])}"

    def permissions(self) -> Iterator[Permission]:
        """Reading the records and the health behind them; the load balancer's own calls take no resource."""
        yield from self.where.hosted.permissions()
        yield Permission(ROUTE53, "ListResourceRecordSets", self.where.hosted.arn)
        for operation in ("DescribeLoadBalancers", "DescribeTargetGroups", "DescribeTargetHealth"):
            yield Permission(ELB, operation, "*")

    def shell(self) -> str:
        where, aws = self.where, self.where.aws.shell()
        members = " || ".join(f"SetIdentifier=={literal(side)}" for side in self.sides)
        columns = f" | [?AliasTarget.EvaluateTargetHealth && (!SetIdentifier || {members})].[AliasTarget.DNSName]"
        balancer = "--query 'LoadBalancers[].[DNSName,LoadBalancerArn]' --output text"
        named = "awk -v name=\"$name\" 'tolower($1) == name { print $2 }'"
        states = 'length(TargetHealthDescriptions[?TargetHealth.State==`"healthy"`])'
        return script(
            [
                where.zone_shell(),
                f"names=$({where.list_shell(columns)} --output text)",
                "for name in $names; do",
                "  name=${name,,}; name=${name%.}; name=${name#dualstack.}",
                f"  balancer=$({aws} elbv2 describe-load-balancers {balancer} | {named})",
                '  [ -n "$balancer" ] || continue',
                (
                    f'  for group in $({aws} elbv2 describe-target-groups --load-balancer-arn "$balancer"'
                    " --query 'TargetGroups[].TargetGroupArn' --output text); do"
                ),
                (
                    f'    healthy=$({aws} elbv2 describe-target-health --target-group-arn "$group"'
                    f" --query '{states}' --output text)"
                ),
                '    echo "$name: $group: $healthy healthy"; [ "$healthy" -gt 0 ] || exit 1',
                "  done",
                "done",
            ]
        )
