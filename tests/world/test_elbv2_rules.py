"""What Elastic Load Balancing would refuse is refused locally, too."""

from typing import Any

import pytest
from moto.elbv2.exceptions import ELBClientError

from cutover.world.elbv2_rules import judge_actions, judge_conditions, judge_forward, keep_secrets

FORWARD: dict[str, Any] = {"Type": "forward", "TargetGroupArn": "a"}
LOGIN: dict[str, Any] = {"Type": "authenticate-oidc", "AuthenticateOidcConfig": {"ClientId": "x"}}


@pytest.mark.parametrize(
    ("actions", "https", "words"),
    [
        ([], False, "must come last"),
        ([FORWARD, FORWARD], False, "Order of its own"),
        ([{**FORWARD, "Order": 1}, {**FORWARD, "Order": 1}], False, "Order of its own"),
        ([{**FORWARD, "Order": 1}, {**FORWARD, "Order": 2}], False, "must come last"),
        ([{**FORWARD, "Order": 1}, {**LOGIN, "Order": 2}], True, "must come last"),
        ([{**FORWARD, "Order": 2}, {**LOGIN, "Order": 1}], False, "HTTPS"),
        ([LOGIN], True, "must come last"),
    ],
)
def test_a_list_of_actions_that_aws_refuses(actions: list[dict[str, Any]], https: bool, words: str) -> None:
    with pytest.raises(ELBClientError, match=words):
        judge_actions(actions, https=https)


def test_a_login_before_the_forward_is_fine_in_any_order_of_the_list() -> None:
    judge_actions([{**FORWARD, "Order": 2}, {**LOGIN, "Order": 1}], https=True)


def test_a_secret_is_wanted_once_and_never_kept_where_it_shows() -> None:
    given = {**LOGIN, "AuthenticateOidcConfig": {"ClientId": "x", "ClientSecret": "s"}}
    assert keep_secrets([given], has_one=False)
    assert given["AuthenticateOidcConfig"] == {"ClientId": "x"}
    again = {**LOGIN, "AuthenticateOidcConfig": {"ClientId": "x", "UseExistingClientSecret": True}}
    assert keep_secrets([again], has_one=True)
    for action in (LOGIN, {**LOGIN, "AuthenticateOidcConfig": {"UseExistingClientSecret": True}}):
        with pytest.raises(ELBClientError, match="client secret"):
            keep_secrets([action], has_one=False)
    assert not keep_secrets([FORWARD], has_one=True)


def condition(field: str, config: str, *values: str) -> dict[str, Any]:
    return {"Field": field, config: {"Values": list(values)}}


def test_conditions_have_limits() -> None:
    methods = condition("http-request-method", "HttpRequestMethodConfig", "POST", "PUT", "PATCH", "DELETE")
    judge_conditions([methods, condition("host-header", "HostHeaderConfig", "a.test")])
    for wrong in (
        [methods, condition("host-header", "HostHeaderConfig", "a.test", "b.test")],
        [methods, methods],
        [],
    ):
        with pytest.raises(ELBClientError, match="one condition of a kind|at most 5"):
            judge_conditions(wrong)


def test_sticky_targets_want_sticky_groups() -> None:
    groups = [{"TargetGroupArn": "a", "Weight": 1}, {"TargetGroupArn": "b", "Weight": 0}]
    action: dict[str, Any] = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
    with pytest.raises(ELBClientError, match="group stickiness"):
        judge_forward(action, {"a", "b"}, {"b"})
    judge_forward(action, {"a", "b"}, set())
    action["ForwardConfig"]["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": 60}
    judge_forward(action, {"a", "b"}, {"b"})
