"""Whether the maintenance rules can be made when the window is open: their priorities free, and no rule before them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cutover.aws.alb_conditions import precedence, reaches, told
from cutover.aws.alb_rules import AlbMaintenance
from cutover.aws.alb_standing import WRITES_503, WRITES_PASS, Standing
from cutover.aws.listener import ELB, Missing, listener_shell, script
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, AwsError
from cutover.core.clock import Deadline
from cutover.core.gate import Check, Finding


@dataclass(frozen=True, kw_only=True)
class MaintenanceFits(Check):
    """A priority that another rule has would stop the cutover inside its window; a rule before ours would let writes pass.

    `step` is the step that puts the rules there.
    """

    step: AlbMaintenance

    def look(self) -> Finding:
        try:
            standing = self.step.look(Deadline.after(OBSERVE_SECONDS))
        except Missing as missing:
            return Finding.failed(str(missing), "check the names under `maintenance.load_balancers`, and the region")
        except AwsError as error:
            return Finding.blind(error.message)
        place, state = f"{self.step.load_balancer}:{self.step.port}", standing.state
        if state == WRITES_503:
            hint = (
                "the rules of an earlier cutover stand there: take them away with what its runbook prints for its end"
            )
            return Finding.failed(f"{place}: {state} already", hint)
        if state != WRITES_PASS:
            return Finding.failed(f"{place}: {state}", self._hint(standing))
        before = [rule for rule in standing.rules if precedence(rule) < self.step.priority and self._passes(rule)]
        rules = f"{len(standing.wanted)} rule" + ("s" if len(standing.wanted) > 1 else "")
        seen = f"{place}: priority {self.step.priority} is free for {rules}"
        if before:
            named = ", ".join(f"{rule['Priority']} ({told(rule['Conditions'])})" for rule in before)
            return Finding.passed(
                f"{seen}, but these rules come first and let their writes pass: {named}", warning=True
            )
        return Finding.passed(seen)

    def _passes(self, rule: dict[str, Any]) -> bool:
        if "FixedResponseConfig" in rule["Actions"][-1]:
            return False
        return not self.step.hosts or any(reaches(rule["Conditions"], host) for host in self.step.hosts)

    def _hint(self, standing: Standing) -> str:
        if not standing.taken():
            return f"look at it: {self.step.aws.shell()} elbv2 describe-rules --listener-arn {standing.listener}; if nobody needs it, delete it"
        held = {int(rule["Priority"]) for rule in standing.rules}
        wanted = range(len(standing.wanted))
        free = next(one for one in range(1, 50_000) if not held & {one + number for number in wanted})
        return f"write `maintenance.priority: {free}`, which is free here, or move the other rule (set-rule-priorities)"

    def permissions(self) -> Iterable[Permission]:
        wanted = ("LoadBalancers", "Listeners", "Rules", "Tags")
        return tuple(Permission(ELB, f"Describe{what}", "*") for what in wanted)

    def shell(self) -> str:
        step = self.step
        taken = " || ".join(f"Priority=='{priority}'" for priority in step.priorities())
        query = f"Rules[?{taken}].[Priority,RuleArn]"
        return script(
            [
                *listener_shell(step.aws, step.load_balancer, step.port),
                f'taken=$({step.aws.shell()} elbv2 describe-rules --listener-arn "$listener" --query "{query}" --output text)',
                f'[ -z "$taken" ] || {{ echo "$taken"; exit 1; }}; echo priority {step.priority} is free',
            ]
        )
