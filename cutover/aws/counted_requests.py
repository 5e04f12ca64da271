"""Which side got the visitors' requests, by what CloudWatch counted for each target group."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from shlex import quote
from typing import ClassVar

from cutover.aws.cloudwatch import CLOUDWATCH, MINUTE, NAMESPACE, REQUESTS, requests_by_target_group
from cutover.aws.listener import Missing, balancer_shell, group_shell
from cutover.aws.permission import Permission
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.errors import Unreachable
from cutover.core.witness import Tally, Witness

LATE = 120.0  # seconds until a minute's figures are there (ELB user guide: metrics are sent in 60-second intervals)
LONGEST = 10 * MINUTE  # after which the visitors that came are all that there are


@dataclass(frozen=True, kw_only=True)
class CountedRequests(Witness):
    """The sums of the whole minutes since this was first asked, which is after the shift.

    They are complete with the first minute in which there are enough requests on both sides together: when that is does not
    hang on how they are divided.
    """

    counts: ClassVar[bool] = True

    aws: Aws
    load_balancer: str
    blue: str
    green: str
    now: Callable[[], float] = field(default=time.time, repr=False)
    period: int = MINUTE
    late: float = LATE
    _since: list[float] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def called(self) -> str:
        return "CloudWatch's request counts"

    @property
    def longest(self) -> float:
        return LONGEST + self.period + self.late

    def seen(self, draws: int, deadline: Deadline) -> Tally:
        now = self.now()
        if not self._since:
            self._since.append(now)
        since = self._since[0]
        end = min(now - self.late, since + LONGEST + self.period)
        try:
            found = requests_by_target_group(
                self.aws,
                self.load_balancer,
                (self.blue, self.green),
                since,
                end,
                Deadline.after(10.0, deadline.clock),
                period=self.period,
            )
        except Missing as missing:
            raise Unreachable(str(missing)) from missing
        blue, green = found.by_group[self.blue], found.by_group[self.green]
        over = found.end - found.start >= LONGEST or blue + green >= draws
        return Tally(
            blue,
            green,
            remark=f"whole minutes from {_clock(found.start)} to {_clock(found.end)}"
            if found.end > found.start
            else "",
            complete=found.end > found.start and over and (found.proven or found.end - found.start >= LONGEST),
        )

    def shell(self, draws: int) -> str:
        asked = (
            f"{self.aws.shell()} cloudwatch get-metric-statistics --namespace {NAMESPACE} --metric-name {REQUESTS}"
            f" --statistics Sum --period {self.period}"
            ' --start-time "$(date -u -d "-5 minutes" +%FT%H:%M:00Z)" --end-time "$(date -u -d "-2 minutes" +%FT%H:%M:00Z)"'
        )
        lines = ["export AWS_PAGER=", balancer_shell(self.aws, self.load_balancer)]
        for side, name in (("blue", self.blue), ("green", self.green)):
            dimensions = '"Name=LoadBalancer,Value=${balancer#*:loadbalancer/}" "Name=TargetGroup,Value=${group##*:}"'
            lines += [
                group_shell(self.aws, "group", name),
                f'echo "{side} $({asked} --dimensions {dimensions} --query {quote("sum(Datapoints[].Sum)")} --output text)"',
            ]
        return "\n".join(lines)

    def permissions(self) -> Iterable[Permission]:
        yield Permission("elbv2", "DescribeLoadBalancers", "*")
        yield Permission("elbv2", "DescribeTargetGroups", "*")
        yield Permission(CLOUDWATCH, "GetMetricData", "*")


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M UTC")
