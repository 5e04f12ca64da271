"""Rules and listeners of a load balancer that send a hostname's requests past the place where its share stands."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cutover.aws.alb_conditions import RuleName, for_whole_host, precedence, reaches, told
from cutover.aws.alb_forward import find_forward
from cutover.aws.listener import ELB, Listener, Missing, balancer_shell, group_shell, load_balancer_arn, script
from cutover.aws.permission import Permission
from cutover.aws.session import OBSERVE_SECONDS, Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.gate import Check, Finding


@dataclass(frozen=True)
class Bypass:
    """One rule beside the place of the share; `stops` is false for what only has to be said."""

    seen: str
    hint: str
    stops: bool


@dataclass(frozen=True, kw_only=True)
class NothingBypasses(Check):
    """The weights move only what reaches them: a rule that is asked earlier, or another listener, keeps its requests where they are.

    At "100 %" such requests would still be on blue, and nobody would know. Found are all rules of all listeners of the load
    balancer that forward to either group, and those that take this hostname's requests elsewhere. `accepted` says that they
    are meant to.
    """

    aws: Aws
    load_balancer: str
    port: int
    host: str
    blue: str
    green: str
    rule: RuleName | None = None
    accepted: bool = False

    def look(self) -> Finding:
        deadline = Deadline.after(OBSERVE_SECONDS)
        try:
            place = find_forward(self.aws, self.load_balancer, self.port, self.rule, deadline)
            found = list(self._found(place, deadline))
        except Missing as missing:
            return Finding.failed(str(missing), "check the carrier's words in the environment file, and the region")
        except AwsError as error:
            return Finding.blind(error.message)
        stopping = [] if self.accepted else [one for one in found if one.stops]
        if stopping:
            hints = [
                *(one.hint for one in stopping),
                "or, if they are meant to, write `bypassing: tell` for this carrier",
            ]
            return Finding.failed("; ".join(one.seen for one in stopping), "; ".join(hints))
        if found:
            return Finding.passed("; ".join(one.seen for one in found), warning=True)
        return Finding.passed(f"{self.host}: nothing on {self.load_balancer} goes past its share")

    def _found(self, place: Listener, deadline: Deadline) -> Iterator[Bypass]:
        arn = load_balancer_arn(self.aws, self.load_balancer, deadline)
        for listener in self.aws.pages(ELB, "DescribeListeners", deadline, "Listeners", LoadBalancerArn=arn):
            own = listener["ListenerArn"] == place.arn
            rules = self.aws.pages(ELB, "DescribeRules", deadline, "Rules", ListenerArn=listener["ListenerArn"])
            earlier = True
            for rule in sorted(rules, key=precedence):
                if own and (rule["RuleArn"] == place.rule or (not place.rule and rule.get("IsDefault"))):
                    earlier = False
                elif bypass := self._judged(listener, rule, counts=earlier or not own, own=own):
                    yield bypass

    def _judged(self, listener: dict[str, Any], rule: dict[str, Any], *, counts: bool, own: bool) -> Bypass | None:
        conditions = rule.get("Conditions", [])
        counts = counts and reaches(conditions, self.host)
        named = "default rule" if rule.get("IsDefault") else f"rule {rule['Priority']}"
        where = f"port {listener['Port']} {named} ({told(conditions)})"
        if ours := self._ours(rule):
            what = " and ".join(f"{name} {weight}" for name, weight in ours.items())
            seen = f"{where} forwards to {what}" + ("" if counts else f", which is not {self.host}'s share")
            return Bypass(f"{seen}: {rule['RuleArn']}", self._mended(listener, rule), counts)
        if not (counts and own):
            return None
        shadows = for_whole_host(conditions)
        kinds = ", ".join(action["Type"] for action in rule["Actions"])
        seen = f"{where} takes {'all' if shadows else 'some'} requests for {self.host} elsewhere ({kinds}): {rule['RuleArn']}"
        return Bypass(seen, self._mended(listener, rule), shadows)

    def _ours(self, rule: dict[str, Any]) -> dict[str, int]:
        """The weights of our two groups in the rule, as far as they get any of its requests."""
        try:
            weights = Listener("", tuple(rule["Actions"])).weights()
        except Missing:
            return {}
        return {name: weight for name, weight in weights.items() if weight and name in (self.blue, self.green)}

    def _mended(self, listener: dict[str, Any], rule: dict[str, Any]) -> str:
        aws = self.aws.shell()
        if rule.get("IsDefault"):
            redirect = f"Type=redirect,RedirectConfig={{Protocol=HTTPS,Port={self.port},StatusCode=HTTP_301}}"
            return (
                f"port {listener['Port']} may redirect: {aws} elbv2 modify-listener --listener-arn {listener['ListenerArn']}"
                f" --default-actions '{redirect}'"
            )
        return f"rule {rule['Priority']} may go, once its requests are served otherwise: {aws} elbv2 delete-rule --rule-arn {rule['RuleArn']}"

    def permissions(self) -> Iterable[Permission]:
        return tuple(Permission(ELB, f"Describe{what}", "*") for what in ("LoadBalancers", "Listeners", "Rules"))

    def shell(self) -> str:
        """Shows what forwards to either group, and fails when that is more than one place."""
        forwards = "Actions[].ForwardConfig.TargetGroups[]"
        query = (
            f"Rules[?{forwards}|[?TargetGroupArn=='$blue' || TargetGroupArn=='$green']].[Priority,RuleArn,"
            f"join(' ',{forwards}.TargetGroupArn)]"
        )
        return script(
            [
                balancer_shell(self.aws, self.load_balancer),
                group_shell(self.aws, "blue", self.blue),
                group_shell(self.aws, "green", self.green),
                (
                    f'listeners=$({self.aws.shell()} elbv2 describe-listeners --load-balancer-arn "$balancer"'
                    " --query 'Listeners[].ListenerArn' --output text)"
                ),
                (
                    f'for listener in $listeners; do {self.aws.shell()} elbv2 describe-rules --listener-arn "$listener"'
                    f" --query \"{query}\" --output text; done | awk '{{ print; places += 1 }} END {{ exit places > 1 }}'"
                ),
            ]
        )
