"""Whether a target group gets no request any more, by the load balancer's own count and not by the clock."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cutover.aws.cloudwatch import CLOUDWATCH, MINUTE, NAMESPACE, REQUESTS, requests_by_target_group
from cutover.aws.listener import ELB, Missing, balancer_shell, group_shell, script
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.gate import Check, Finding

FINER = (30, 10, 5, 1)  # seconds; CloudWatch API, MetricStat.Period of high-resolution data


@dataclass(frozen=True, kw_only=True)
class Drained(Check):
    """Weights say where new requests should go; clients with a cookie, an open WebSocket or an old name may still be on blue.

    The load balancer counts per target group. No figure for a group is a zero only while the load balancer reports others,
    so a window without any figure proves nothing. `window` and `late` are seconds: what is looked at, and how long figures
    need to arrive.
    """

    aws: Aws
    load_balancer: str
    group: str
    window: float
    late: float = 120.0
    clock: Callable[[], float] = field(default=time.time, repr=False, compare=False)

    def period(self) -> int:
        """Minutes, as AWS counts them; a shorter window is for a load balancer that counts finer."""
        return MINUTE if self.window >= MINUTE else next(one for one in FINER if one <= max(self.window, 1))

    def look(self) -> Finding:
        period = self.period()
        end = (self.clock() - self.late) // period * period
        start = end - max(round(self.window / period), 1) * period
        try:
            seen = requests_by_target_group(
                self.aws, self.load_balancer, [self.group], start, end, Deadline.after(OBSERVE_SECONDS), period=period
            )
        except Missing as missing:
            return Finding.failed(str(missing), "check the carrier's words in the environment file, and the region")
        except AwsError as error:
            return Finding.blind(error.message)
        count, span = seen.by_group[self.group], f"within {end - start:g} s"
        told = f"{self.group}: {count} of {seen.in_all} requests {span}"
        if count:
            hint = (
                "clients that keep their connection or a cookie; look at the group's stickiness, WebSockets and pools"
            )
            return Finding.not_yet(told, hint, requests=count)
        if not seen.proven:
            unseen = len(seen.unseen) * period
            return Finding.not_yet(
                f"{told}, but {self.load_balancer} reported nothing at all for {unseen} s of it",
                "without traffic nothing can be said; CloudWatch's figures also come late",
            )
        return Finding.passed(told, requests=0, in_all=seen.in_all)

    def permissions(self) -> Iterable[Permission]:
        yield from (Permission(ELB, f"Describe{what}", "*") for what in ("LoadBalancers", "TargetGroups"))
        yield Permission(CLOUDWATCH, "GetMetricData", "*")  # takes no resource

    def shell(self) -> str:
        """Prints the requests of the group and of the whole load balancer, and fails unless the first are none and the second are some."""
        period = self.period()
        asked = (
            f"{self.aws.shell()} cloudwatch get-metric-statistics --namespace {NAMESPACE} --metric-name {REQUESTS}"
            f' --statistics Sum --period {period} --start-time "$start" --end-time "$end" --query'
            " 'sum(Datapoints[].Sum)' --output text --dimensions"
        )
        whole = 'Name=LoadBalancer,Value="${balancer##*:loadbalancer/}"'
        return script(
            [
                balancer_shell(self.aws, self.load_balancer),
                group_shell(self.aws, "group", self.group),
                f"end=$(( ($(date +%s) - {round(self.late)}) / {period} * {period} ))",
                f"start=$(date -u -d @$((end - {max(round(self.window / period), 1) * period})) +%FT%TZ); end=$(date -u -d @$end +%FT%TZ)",
                f"all=$({asked} {whole})",
                f'left=$({asked} {whole} Name=TargetGroup,Value="${{group##*:}}")',
                f'echo {self.group}: "$left of $all requests"; [ "${{left%.*}}" = 0 ] && [ "${{all%.*}}" != 0 ]',
            ]
        )
