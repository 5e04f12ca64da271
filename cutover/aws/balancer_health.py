"""Whether everything that a load balancer's listener forwards to can serve."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.aws.alb import TargetsHealthy, targets_shell
from cutover.aws.elb_permission import FINDING, GROUPS
from cutover.aws.listener import Missing, balancer_shell, find_listener, script
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.gate import Check, Finding, Verdict


@dataclass(frozen=True, kw_only=True)
class BalancerHealthy(Check):
    """A name must not be pointed at a load balancer whose targets cannot answer: DNS does not fail over by itself."""

    aws: Aws
    load_balancer: str
    port: int = 80

    def look(self) -> Finding:
        try:
            listener = find_listener(self.aws, self.load_balancer, self.port, Deadline.after(OBSERVE_SECONDS))
            groups = [name for name, weight in listener.weights().items() if weight]
        except Missing as missing:
            return Finding.failed(str(missing), "check the name in the environment file and the region")
        except AwsError as error:
            return Finding.blind(error.message)
        if not groups:
            return Finding.not_yet(f"{self.load_balancer}: its listener forwards to no target group")
        found = [TargetsHealthy(aws=self.aws, group=group).look() for group in groups]
        odd = [finding for finding in found if finding.verdict is not Verdict.PASS]
        return odd[0] if odd else Finding.passed(f"{self.load_balancer}: " + "; ".join(f.seen for f in found))

    def permissions(self) -> Sequence[Permission]:
        return *FINDING, *GROUPS

    def shell(self) -> str:
        lines = [
            balancer_shell(self.aws, self.load_balancer),
            (
                f'groups=$({self.aws.shell()} elbv2 describe-listeners --load-balancer-arn "$balancer" --query'
                f" 'Listeners[?Port==`{self.port}`].DefaultActions[].ForwardConfig.TargetGroups[?Weight>`0`].TargetGroupArn[]' --output text)"
            ),
            f"for group in ${{groups:?}}; do\n  {targets_shell(self.aws, 1)} || exit 1\ndone",
        ]
        return script(lines)
