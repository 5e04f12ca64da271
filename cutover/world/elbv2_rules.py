"""What Elastic Load Balancing accepts as actions and conditions of a listener or rule, one request at a time.

Sources: the API reference of Action, ForwardActionConfig, TargetGroupTuple, AuthenticateOidcActionConfig and RuleCondition
("API"), the quotas page of Application Load Balancers ("Quotas") and its user guide. Where AWS publishes the rule but not
the code, ValidationError is used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from moto.elbv2.exceptions import (
    ActionTargetGroupNotFoundError,
    ELBClientError,
    InvalidLoadBalancerActionException,
)

ROUTING = ("forward", "fixed-response", "redirect")
AUTHENTICATING = ("authenticate-oidc", "authenticate-cognito", "jwt-validation")
CONDITION_VALUES = 5  # Quotas: condition values per rule
ONCE = ("http-request-method", "host-header", "path-pattern", "source-ip")


def judge_actions(actions: Sequence[dict[str, Any]], *, https: bool) -> None:
    """The list as a whole: one routing action, the last; authentication before it, on HTTPS listeners only."""
    orders = [action.get("Order") for action in actions]
    if len(actions) > 1 and (None in orders or len(set(orders)) < len(orders)):
        # API, Action: Order is required for rules with multiple actions
        raise InvalidLoadBalancerActionException("Each of several actions needs an Order of its own")
    in_order = sorted(actions, key=lambda action: int(action.get("Order") or 0))
    if [action["Type"] in ROUTING for action in in_order] != [False] * (len(in_order) - 1) + [True]:
        # API, Action: exactly one routing action, which must be the last to be performed
        raise InvalidLoadBalancerActionException("Exactly one forward, fixed-response or redirect must come last")
    if not https and any(action["Type"] in AUTHENTICATING for action in actions):
        # API, Action: AuthenticateOidcConfig and its like are for HTTPS listeners
        raise InvalidLoadBalancerActionException("Only an HTTPS listener can authenticate users")
    for action in actions:
        if len(action.get("FixedResponseConfig", {}).get("MessageBody") or "") > 1024:  # API, MessageBody
            raise ELBClientError("ValidationError", "MessageBody is longer than 1024 characters")


def keep_secrets(actions: Sequence[dict[str, Any]], *, has_one: bool) -> bool:
    """Takes client secrets out of what is stored, because AWS never shows them; whether there is one now."""
    for action in actions:
        config = action.get("AuthenticateOidcConfig")
        if config is None:
            continue
        given, kept = config.pop("ClientSecret", None), config.pop("UseExistingClientSecret", False)
        if not given and not (has_one and str(kept).lower() == "true"):
            # API, AuthenticateOidcActionConfig: required on creation, later only without UseExistingClientSecret
            raise ELBClientError("ValidationError", "A client secret must be specified")
        return True
    return False


def judge_conditions(conditions: Sequence[dict[str, Any]]) -> None:
    """How many there may be, and of what kinds."""
    fields = Counter(condition["Field"] for condition in conditions)
    if not conditions or any(fields[field] > 1 for field in ONCE):  # API, RuleCondition
        raise ELBClientError("ValidationError", "A rule has one condition of a kind, and at least one condition")
    values = 0
    for condition in conditions:
        configs = [config for name, config in condition.items() if name.endswith("Config")]
        found = [value for config in configs for key in ("Values", "RegexValues") for value in config.get(key) or []]
        values += len(found or condition.get("Values") or condition.get("RegexValues") or [])
    if values > CONDITION_VALUES:
        raise ELBClientError("ValidationError", f"A rule has at most {CONDITION_VALUES} condition values")


def judge_forward(action: dict[str, Any], known: set[str], sticky_targets: set[str]) -> None:
    """One forward action; `sticky_targets` are the ARNs of groups whose targets are sticky. The two forms are made one."""
    alone = action.get("TargetGroupArn")
    groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
    named = [group["TargetGroupArn"] for group in groups]
    if alone and groups and named != [alone]:
        # API, Action: both only when ForwardConfig has exactly that one group
        raise InvalidLoadBalancerActionException("TargetGroupArn and ForwardConfig name different target groups")
    if not alone and not groups:
        raise ELBClientError("ValidationError", "A target group must be specified for a forward action")
    for arn in [alone] if alone else named:
        if arn not in known:
            raise ActionTargetGroupNotFoundError(arn)
    if len(groups) > 5:  # Quotas: target groups per action
        raise InvalidLoadBalancerActionException("A forward action has at most 5 target groups")
    if any(count > 1 for count in Counter(named).values()):
        raise InvalidLoadBalancerActionException("A forward action names a target group more than once")
    for group in groups:
        weight = group.get("Weight")
        if weight is None and len(groups) > 1:  # listener rules page: "you must specify a weight for each target group"
            raise ELBClientError("ValidationError", "A weight must be specified for each target group")
        if weight is not None and not 0 <= int(weight) <= 999:  # API, TargetGroupTuple: 0 to 999
            raise ELBClientError("ValidationError", f"Target group weight '{weight}' must be between 0 and 999")
    stickiness = (action.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig") or {}
    if (
        str(stickiness.get("Enabled", False)).lower() == "true"
        and not 1 <= int(stickiness.get("DurationSeconds") or 0) <= 604800
    ):  # API, TargetGroupStickinessConfig
        raise ELBClientError("ValidationError", "Stickiness needs DurationSeconds between 1 and 604800")
    enabled = str(stickiness.get("Enabled", False)).lower() == "true"
    if len(groups) > 1 and not enabled and sticky_targets & set(named):
        # user guide, sticky sessions: target stickiness in one of several groups needs group stickiness
        raise InvalidLoadBalancerActionException(
            "You must enable group stickiness on a rule if you enabled target stickiness on one of its target groups"
        )
    if alone and not groups:  # AWS shows a single-group forward in both forms, whichever way it was written
        action["ForwardConfig"] = {**(action.get("ForwardConfig") or {}), "TargetGroups": [{"TargetGroupArn": alone}]}
    elif len(groups) == 1:
        action["TargetGroupArn"] = named[0]
