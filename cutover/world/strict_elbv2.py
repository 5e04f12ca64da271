"""ELBv2 as strict as AWS, on top of moto: refused actions, one shape for single-group forwards, real target health.

Sources: the API reference of ModifyRule, DeleteRule, CreateRule and DescribeTargetHealth ("API"); what actions and conditions
may be is in elbv2_rules.
"""

from __future__ import annotations

from typing import Any, ClassVar

from moto.core.responses import ActionResult, EmptyResult
from moto.elb import urls as elb_urls
from moto.elb.responses import ELBResponse
from moto.elbv2 import urls as elbv2_urls
from moto.elbv2.exceptions import (
    DuplicateLoadBalancerName,
    ELBClientError,
    InvalidTargetError,
    ListenerNotFoundError,
    RuleNotFoundError,
    TargetGroupNotFoundError,
)
from moto.elbv2.models import ELBv2Backend, FakeTargetGroup, elbv2_backends
from moto.elbv2.responses import ELBV2Response

from cutover.world.elbv2_rules import judge_actions, judge_conditions, judge_forward, keep_secrets
from cutover.world.target_health import REASONS, Health, Probe, TargetTable

ACCOUNT = "123456789012"
REGION = "us-east-1"


def install() -> TargetTable:
    """Let moto's load balancer URL answer through StrictElbv2; returns the table of targets."""
    StrictElbv2.targets = TargetTable()
    elb_urls.url_paths["{0}/$"] = _by_version
    elbv2_urls.url_paths["{0}/$"] = _by_version
    return StrictElbv2.targets


def _by_version(*args: Any, **kwargs: Any) -> Any:
    """Classic and application load balancers share one URL; the Version parameter tells them apart."""
    version = args[0].values.get("Version")
    return (StrictElbv2 if version == "2015-12-01" else ELBResponse).dispatch(*args, **kwargs)


class StrictElbv2(ELBV2Response):
    """moto's ELBv2 responses; a request is judged as AWS would before moto sees it."""

    targets: ClassVar[TargetTable]
    secrets: ClassVar[set[str]] = set()
    """Listeners and rules (ARNs) that were given a client secret."""

    def create_load_balancer(self) -> ActionResult:
        # API: a name is unique per account and region; moto compares ARNs, which are random.
        if any(known.name == self._get_param("Name") for known in self.elbv2_backend.load_balancers.values()):
            raise DuplicateLoadBalancerName
        return super().create_load_balancer()

    def delete_load_balancer(self) -> ActionResult:
        return self._relinked(super().delete_load_balancer())

    def create_listener(self) -> ActionResult:
        secret = self._judge("DefaultActions", self._get_param("LoadBalancerArn"), self._get_param("Protocol"))
        result: Any = super().create_listener()
        self._remember(result.result["Listeners"][0].arn, secret)
        return self._relinked(result)

    def modify_listener(self) -> ActionResult:
        arn = self._get_param("ListenerArn")
        secret = arn in self.secrets
        if self._get_params().get("DefaultActions"):
            listener = self._listener(arn)
            protocol = self._get_param("Protocol") or listener.protocol
            secret = self._judge("DefaultActions", listener.load_balancer_arn, protocol, arn)
        result = super().modify_listener()
        self._remember(arn, secret)
        return self._relinked(result)

    def delete_listener(self) -> ActionResult:
        return self._relinked(super().delete_listener())

    def create_rule(self) -> ActionResult:
        listener = self._listener(self._get_param("ListenerArn"))
        secret = self._judge("Actions", listener.load_balancer_arn, listener.protocol)
        judge_conditions(self._get_params()["Conditions"])
        if not 1 <= int(self._get_param("Priority")) <= 50000:  # API, RulePriority
            raise ELBClientError("ValidationError", "Rule priority must be between 1 and 50000")
        result: Any = super().create_rule()
        self._remember(result.result["Rules"][0].arn, secret)
        return self._relinked(result)

    def modify_rule(self) -> ActionResult:
        self._refuse_default_rule()
        arn = self._get_param("RuleArn")
        secret = arn in self.secrets
        if self._get_params().get("Actions"):
            listener = self._listener(arn.replace(":listener-rule/", ":listener/").rsplit("/", 1)[0])
            secret = self._judge("Actions", listener.load_balancer_arn, listener.protocol, arn)
        if conditions := self._get_params().get("Conditions"):
            judge_conditions(conditions)
        result = super().modify_rule()
        self._remember(arn, secret)
        return self._relinked(result)

    def delete_rule(self) -> ActionResult:
        self._refuse_default_rule()
        return self._relinked(super().delete_rule())

    def delete_target_group(self) -> ActionResult:
        result = super().delete_target_group()
        self.targets.forget(self._get_param("TargetGroupArn"))
        return result

    def register_targets(self) -> ActionResult:
        group = self._group()
        given = [(target["Id"], int(target.get("Port") or group.port)) for target in self._get_param("Targets", [])]
        self.targets.register(group.arn, given)
        return EmptyResult()

    def deregister_targets(self) -> ActionResult:
        group = self._group()
        given = [
            (target["Id"], int(target["Port"]) if target.get("Port") else None)
            for target in self._get_param("Targets", [])
        ]
        delay = float(str(group.attributes["deregistration_delay.timeout_seconds"]))
        in_use = self.elbv2_backend._any_listener_using(group.arn)
        if not self.targets.deregister(group.arn, given, drain=delay if in_use else 0.0):
            raise InvalidTargetError
        return EmptyResult()

    def describe_target_health(self) -> ActionResult:
        group = self._group()
        found = self.targets.health(group.arn, in_use=self.elbv2_backend._any_listener_using(group.arn))
        asked = [(target["Id"], int(target.get("Port") or group.port)) for target in self._get_param("Targets", [])]
        missing = Health("unused", *REASONS["unregistered"])
        return ActionResult(
            {
                "TargetHealthDescriptions": [
                    {
                        "Target": {"Id": address[0], "Port": address[1]},
                        "HealthCheckPort": str(address[1])
                        if group.health_check_port == "traffic-port"
                        else str(group.health_check_port),
                        "TargetHealth": _worded(found.get(address, missing)),
                    }
                    for address in asked or found
                ]
            }
        )

    def _group(self) -> FakeTargetGroup:
        group = self.elbv2_backend.target_groups.get(self._get_param("TargetGroupArn"))
        if group is None:
            raise TargetGroupNotFoundError
        return group

    def _listener(self, arn: str) -> Any:
        for balancer in self.elbv2_backend.load_balancers.values():
            if arn in balancer.listeners:
                return balancer.listeners[arn]
        raise ListenerNotFoundError

    def _judge(self, field: str, balancer: str, protocol: str, held: str = "") -> bool:
        """Refuse what AWS would; whether there is a client secret afterwards."""
        known = self.elbv2_backend.target_groups
        actions = self._get_params().get(field) or []
        judge_actions(actions, https=protocol == "HTTPS")
        sticky = {arn for arn, group in known.items() if str(group.attributes.get("stickiness.enabled")) == "true"}
        for action in actions:
            if action.get("Type") != "forward":
                continue
            judge_forward(action, set(known), sticky)
            named = [group["TargetGroupArn"] for group in action["ForwardConfig"]["TargetGroups"]]
            if any(set(known[arn].load_balancer_arns) - {balancer} for arn in named):
                # API, TargetGroupAssociationLimit
                text = "A target group cannot be associated with more than one load balancer"
                raise ELBClientError("TargetGroupAssociationLimit", text)
        return keep_secrets(actions, has_one=held in self.secrets)

    def _remember(self, arn: str, secret: bool) -> None:
        (self.secrets.add if secret else self.secrets.discard)(arn)

    def _refuse_default_rule(self) -> None:
        arn = self._get_param("RuleArn")
        for balancer in self.elbv2_backend.load_balancers.values():
            for listener in balancer.listeners.values():
                for rule in listener.rules.values():
                    if rule.arn == arn and rule.is_default:
                        # API, ModifyRule and DeleteRule: the default rule belongs to the listener
                        raise ELBClientError("OperationNotPermitted", f"Default rule '{arn}' cannot be modified")
                    if rule.arn == arn:
                        return
        raise RuleNotFoundError("One or more rules not found")

    def _relinked(self, result: ActionResult) -> ActionResult:
        """moto notes a group's load balancers only at creation; derive them anew after each change."""
        backend = self.elbv2_backend
        for group in backend.target_groups.values():
            group.load_balancer_arns = [
                balancer.arn for balancer in backend.load_balancers.values() if group.arn in _groups_behind(balancer)
            ]
        return result


def _worded(health: Health) -> dict[str, str]:
    words = {"State": health.state, "Reason": health.reason, "Description": health.description}
    return {name: text for name, text in words.items() if text}


def _groups_behind(balancer: Any) -> set[str]:
    return {
        group["TargetGroupArn"]
        for listener in balancer.listeners.values()
        for rule in listener.rules.values()
        for action in rule.actions
        if action.type == "forward"
        for group in action.data["ForwardConfig"]["TargetGroups"]
    }


def _backend() -> ELBv2Backend:
    backend: ELBv2Backend = elbv2_backends[ACCOUNT][REGION]
    return backend


def probes() -> list[Probe]:
    """How each target group wants to be probed, for the prober's next round."""
    backend = _backend()
    return [
        Probe(
            group.arn,
            group.health_check_path or "/",
            str(group.health_check_port or "traffic-port"),
            str((group.matcher or {}).get("HttpCode") or "200"),
            backend._any_listener_using(group.arn),
        )
        for group in list(backend.target_groups.values())
    ]


def traffic(targets: TargetTable) -> dict[str, Any]:
    """Load balancers, listeners, rules (by priority, the default last) and target states: what the edge obeys."""
    backend = _backend()
    return {
        "load_balancers": [
            {
                "name": balancer.name,
                "arn": balancer.arn,
                "dns_name": balancer.dns_name,
                "listeners": [
                    {
                        "port": int(listener.port),
                        "rules": [
                            {"conditions": rule.conditions, "actions": [action.data for action in rule.actions]}
                            for rule in sorted(listener.rules.values(), key=_precedence)
                        ],
                    }
                    for listener in balancer.listeners.values()
                ],
            }
            for balancer in backend.load_balancers.values()
        ],
        "target_groups": {
            group.arn: {
                "name": group.name,
                "targets": [
                    {"host": host, "port": port, "state": health.state}
                    for (host, port), health in targets.health(
                        group.arn, in_use=backend._any_listener_using(group.arn)
                    ).items()
                ],
            }
            for group in backend.target_groups.values()
        },
    }


def _precedence(rule: Any) -> int:
    return 1_000_000 if rule.is_default else int(rule.priority)
