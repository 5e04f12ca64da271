"""A share in a listener rule, and what else stands in the same list of actions: found by its host, changed, and nothing lost."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from local_aws import Endpoint, eventually

from cutover.aws.alb import ATTACHED, BLUE_ALONE, AlbAttach, AlbShare
from cutover.aws.alb_conditions import RuleName, reaches, told
from cutover.aws.alb_forward import writable, write_actions
from cutover.aws.alb_stickiness import NOT_STICKY, AlbStickiness, sticky_for
from cutover.aws.listener import Listener, comparable
from cutover.aws.session import Aws, AwsError
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.share import Share
from cutover.core.step import Step

HOST = RuleName("shop.shop.test")
PLACE: dict[str, Any] = {"load_balancer": "shop", "port": 80, "rule": HOST}


def share(endpoint: Endpoint, before: float, after: float, **more: Any) -> AlbShare:
    about = {"aws": endpoint.aws, "blue": "shop-blue", "green": "shop-green", **PLACE, **more}
    return AlbShare(name=f"shop-to-{after}", before=Share.of(before), after=Share.of(after), **about)


def take(step: Step[Any]) -> None:
    for command in step.commands(step.after):
        command.run(Deadline.after(20))
    assert step.observe() == step.after


def healthy(endpoint: Endpoint) -> None:
    eventually(lambda: endpoint.healthy("shop-blue") and endpoint.healthy("shop-green"))


def test_a_rule_is_shifted_and_its_listener_and_conditions_stay(endpoint: Endpoint) -> None:
    other = endpoint.rule(5, "404")
    rule = endpoint.host_rule(20, "Shop.shop.test", shop_blue=100, shop_green=0)
    healthy(endpoint)
    before = endpoint.rules()
    step = share(endpoint, 0, 10)
    assert endpoint.writes_during(lambda: take(step)) == ["ModifyRule"]
    assert endpoint.writes_during(lambda: take(step)) == ["ModifyRule"], "the same again"
    assert endpoint.rule_weights(rule) == {"shop-blue": 90, "shop-green": 10}
    assert endpoint.weights() == {"shop-blue": 1}
    take(step.inverse())
    assert [(r["RuleArn"], r["Priority"], r["Conditions"]) for r in endpoint.rules()] == [
        (r["RuleArn"], r["Priority"], r["Conditions"]) for r in before
    ]
    assert {r["RuleArn"] for r in before} == {other, rule}


def test_the_default_rule_is_written_by_its_listener_only(endpoint: Endpoint) -> None:
    """Case 16: ModifyRule on the default rule is refused by AWS."""
    (default,) = [
        r for r in endpoint.elb("DescribeRules", ListenerArn=endpoint.listener_arn())["Rules"] if r["IsDefault"]
    ]
    with pytest.raises(AwsError, match="OperationNotPermitted"):
        endpoint.elb("ModifyRule", RuleArn=default["RuleArn"], Actions=default["Actions"])
    endpoint.forward(shop_blue=100, shop_green=0)
    healthy(endpoint)
    assert endpoint.writes_during(lambda: take(share(endpoint, 0, 50, rule=None))) == ["ModifyListener"]


def test_a_rule_is_named_by_host_and_path_and_must_be_the_only_one(endpoint: Endpoint) -> None:
    step = share(endpoint, 0, 10)
    assert step.observe() == "0 rules on port 80 of shop are for shop.shop.test alone, 1 wanted"
    endpoint.host_rule(9, "shop.shop.test", "/api/*", shop_blue=30, shop_green=70)
    assert step.observe() == "0 rules on port 80 of shop are for shop.shop.test alone, 1 wanted"
    assert share(endpoint, 0, 70, rule=replace(HOST, path="/api/*")).observe() == Share.of(70)
    endpoint.host_rule(10, "shop.shop.test", shop_blue=100, shop_green=0)
    assert step.observe() == Share.of(0)
    endpoint.host_rule(11, "SHOP.shop.test", shop_blue=100, shop_green=0)
    assert step.observe() == "2 rules on port 80 of shop are for shop.shop.test alone, 1 wanted"
    with pytest.raises(StepFailed, match="2 rules on port 80"):
        step.commands(step.after)[0].run(Deadline.after(10))


def test_green_is_attached_to_a_rule_at_zero_and_then_probed(endpoint: Endpoint) -> None:
    rule = endpoint.host_rule(20, "shop.shop.test", shop_blue=1)
    about = {"aws": endpoint.aws, "blue": "shop-blue", "green": "shop-green", **PLACE}
    step = AlbAttach(name="attach", **about)
    assert step.observe() == BLUE_ALONE
    take(step)
    assert step.observe() == ATTACHED
    assert endpoint.rule_weights(rule) == {"shop-blue": 100, "shop-green": 0}
    healthy(endpoint)
    take(step.inverse())
    assert list(endpoint.rule_weights(rule)) == ["shop-blue"]


def test_somebody_who_changes_the_conditions_meanwhile_is_noticed(endpoint: Endpoint) -> None:
    rule = endpoint.host_rule(20, "shop.shop.test", shop_blue=100, shop_green=0)
    healthy(endpoint)

    class Meddled(Aws):
        def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
            answer = super().call(service, operation, deadline, **parameters)
            if operation == "DescribeTargetHealth":
                hosts = [{"Field": "host-header", "HostHeaderConfig": {"Values": ["shop.shop.test", "x.test"]}}]
                endpoint.elb("ModifyRule", RuleArn=rule, Conditions=hosts)
            return answer

    step = share(endpoint, 0, 50, aws=Meddled("us-east-1"))
    with pytest.raises(StepFailed, match="other conditions than a moment ago"):
        step.commands(step.after)[0].run(Deadline.after(10))
    assert endpoint.rule_weights(rule) == {"shop-blue": 100, "shop-green": 0}


def test_somebody_who_writes_between_our_look_and_our_write_is_not_overwritten(endpoint: Endpoint) -> None:
    endpoint.forward(shop_blue=100, shop_green=0)
    healthy(endpoint)

    class Meddled(Aws):
        def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
            answer = super().call(service, operation, deadline, **parameters)
            if operation == "DescribeTargetHealth":
                endpoint.forward(shop_blue=60, shop_green=40)
            return answer

    step = share(endpoint, 0, 50, rule=None, aws=Meddled("us-east-1"))
    with pytest.raises(StepFailed, match=r"between looking and writing; nothing was written"):
        step.commands(step.after)[0].run(Deadline.after(10))
    assert endpoint.weights() == {"shop-blue": 60, "shop-green": 40}


OIDC = {
    "Issuer": "https://id.example.com",
    "AuthorizationEndpoint": "https://id.example.com/a",
    "TokenEndpoint": "https://id.example.com/t",
    "UserInfoEndpoint": "https://id.example.com/u",
    "ClientId": "shop",
}


def guarded(endpoint: Endpoint) -> str:
    """An HTTPS listener that has users log in before it forwards; returns its ARN."""
    groups = [
        {"TargetGroupArn": endpoint.group(f"shop-{side}"), "Weight": w} for side, w in (("blue", 9), ("green", 0))
    ]
    config = {"TargetGroups": groups, "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60}}
    login = {**OIDC, "ClientSecret": "the secret", "AuthenticationRequestExtraParams": {"prompt": "login"}}
    actions = [
        {"Type": "forward", "Order": 2, "ForwardConfig": config},
        {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": login},
    ]
    return endpoint.second_listener(443, actions, https=True)


def shown(endpoint: Endpoint, listener: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = endpoint.elb("DescribeListeners", ListenerArns=[listener])["Listeners"][0][
        "DefaultActions"
    ]
    return sorted(found, key=lambda action: int(action["Order"]))


@pytest.mark.slow
def test_logging_in_and_stickiness_survive_a_shift_though_the_secret_is_never_shown(
    endpoint: Endpoint, bash: Callable[..., str]
) -> None:
    listener = guarded(endpoint)
    login, forward = shown(endpoint, listener)
    assert "ClientSecret" not in login["AuthenticateOidcConfig"]
    with pytest.raises(AwsError, match="client secret"):  # what a naive read-modify-write meets
        endpoint.elb("ModifyListener", ListenerArn=listener, DefaultActions=[login, forward])
    healthy(endpoint)
    step = share(endpoint, 0, 10, port=443, rule=None)
    take(step)
    bash(share(endpoint, 10, 25, port=443, rule=None).commands(Share.of(25))[0].shell())
    after_login, after = shown(endpoint, listener)
    assert after_login == login
    assert (
        after["ForwardConfig"]["TargetGroupStickinessConfig"] == forward["ForwardConfig"]["TargetGroupStickinessConfig"]
    )
    assert [group["Weight"] for group in after["ForwardConfig"]["TargetGroups"]] == [75, 25]


def test_a_secret_is_kept_and_never_sent() -> None:
    action = {"Type": "authenticate-oidc", "AuthenticateOidcConfig": {**OIDC, "ClientSecret": "x"}}
    (written,) = writable([action])
    assert written["AuthenticateOidcConfig"] == {**OIDC, "UseExistingClientSecret": True}
    assert comparable([written]) == comparable([action])


def test_the_short_form_equals_the_long_one_and_order_does_not_matter() -> None:
    """Case 17."""
    short = [{"Type": "forward", "TargetGroupArn": "a"}]
    long = [{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": "a", "Weight": 7}]}, "Order": 1}]
    both = [{**short[0], **long[0]}]
    assert comparable(short) == comparable(long) == comparable(both)
    pair = [{"TargetGroupArn": "a", "Weight": 1}, {"TargetGroupArn": "b", "Weight": 0}]
    forward = {"Type": "forward", "ForwardConfig": {"TargetGroups": pair}}
    turned = {"Type": "forward", "ForwardConfig": {"TargetGroups": pair[::-1]}}
    assert comparable([forward]) == comparable([turned]) != comparable(short)
    login = {"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": {"UserPoolArn": "p"}}
    assert comparable([login, {**forward, "Order": 2}]) == comparable([{**forward, "Order": 2}, login])


def test_a_sixth_group_is_refused_before_it_is_sent(endpoint: Endpoint) -> None:
    groups = [{"TargetGroupArn": str(number), "Weight": 1} for number in range(5)]
    five = Listener("arn", ({"Type": "forward", "ForwardConfig": {"TargetGroups": groups}},))
    with pytest.raises(StepFailed, match="6 target groups in one action, at most 5; nothing was written"):
        write_actions(endpoint.aws, five, five.with_weights({"green": 0}), Deadline.after(10))


def sticky(endpoint: Endpoint, **more: Any) -> AlbStickiness:
    about = {"aws": endpoint.aws, "seconds": 3600, **PLACE, "rule": None, **more}
    return AlbStickiness(name="sticky-off", before=sticky_for(3600), after=NOT_STICKY, **about)


def test_stickiness_goes_off_and_comes_back_as_it_was(endpoint: Endpoint) -> None:
    """Case 19: what a sticky client does to the weights is in the edge's test."""
    endpoint.forward(sticky=3600, shop_blue=90, shop_green=10)
    step = sticky(endpoint)
    assert endpoint.writes_during(lambda: take(step)) == ["ModifyListener"]
    assert endpoint.writes_during(lambda: take(step)) == ["ModifyListener"], "the same again"
    assert endpoint.weights() == {"shop-blue": 90, "shop-green": 10}
    take(step.inverse())
    assert endpoint.weights() == {"shop-blue": 90, "shop-green": 10}
    endpoint.forward(sticky=60, shop_blue=1)
    assert step.observe() == sticky_for(60)
    with pytest.raises(StepFailed, match="changed under our hands: clients are sticky for 60 s; nothing was written"):
        step.commands(step.after)[0].run(Deadline.after(10))
    with pytest.raises(ValueError, match="604801"):
        sticky(endpoint, seconds=604_801)


@pytest.mark.slow
def test_what_is_printed_for_a_rule_reaches_the_same_states(endpoint: Endpoint, bash: Callable[..., str]) -> None:
    rule = endpoint.host_rule(20, "shop.shop.test", shop_blue=1)
    about = {"aws": endpoint.aws, "blue": "shop-blue", "green": "shop-green", **PLACE}
    green = AlbAttach(name="attach", **about)
    assert bash(green.check_shell()).splitlines() == ["shop-blue 1", BLUE_ALONE]
    bash(green.commands(ATTACHED)[0].shell())
    assert green.observe() == ATTACHED
    healthy(endpoint)
    step = share(endpoint, 0, 10)
    for _ in range(2):
        bash(step.commands(step.after)[0].shell())
        assert step.observe() == step.after
    assert bash(step.check_shell()).splitlines() == ["shop-blue 90", "shop-green 10", "10 %"]
    off = sticky(endpoint, rule=HOST)
    for target in (sticky_for(3600), NOT_STICKY):
        bash(off.commands(target)[0].shell())
        assert off.observe() == target
        assert bash(off.check_shell()) == f"{target}\n"
    assert endpoint.rule_weights(rule) == {"shop-blue": 90, "shop-green": 10}
    endpoint.host_rule(21, "SHOP.shop.test", shop_blue=1)
    assert "2 rules are for shop.shop.test alone, 1 wanted" in bash(step.check_shell(), ok=False)


@pytest.mark.parametrize(
    ("host", "values", "met"),
    [
        ("shop.example.com", ["*.example.com"], True),
        ("shop.example.com", ["SHOP.example.com"], True),
        ("shop.example.com", ["sho?.example.com", "x.test"], True),
        ("shop.example.com", ["api.example.com"], False),
        ("shop.example.com", ["example.com"], False),
    ],
)
def test_whether_a_rule_can_take_a_hosts_requests(host: str, values: list[str], met: bool) -> None:
    condition = {"Field": "host-header", "HostHeaderConfig": {"Values": values}}
    assert reaches([condition], host) is met
    assert reaches([{"Field": "host-header", "Values": values}], host) is met


def test_a_regular_expression_counts_as_met_and_conditions_are_told() -> None:
    regex = {"Field": "host-header", "HostHeaderConfig": {"RegexValues": ["^x$"]}}
    assert reaches([regex], "shop.example.com")
    assert reaches([], "shop.example.com")
    header = {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Beta", "Values": ["1"]}}
    query = {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}]}}
    assert told([regex, header, query]) == "host-header /^x$/; X-Beta 1; query-string v=2"
    assert told([]) == "every request"
