"""What would spoil a shift is found before anything is touched: rules that go past it, groups that do not fit, blue not drained."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from local_aws import Endpoint

from cutover.aws.alb_bypass import NothingBypasses
from cutover.aws.alb_conditions import RuleName
from cutover.aws.alb_drained import Drained
from cutover.aws.alb_groups import GroupsFit
from cutover.aws.session import AwsError
from cutover.core.gate import Finding, Verdict

PLACE: dict[str, Any] = {"load_balancer": "shop", "port": 80, "blue": "shop-blue", "green": "shop-green"}
HOST = "shop.shop.test"


def bypasses(endpoint: Endpoint, **more: Any) -> NothingBypasses:
    return NothingBypasses(aws=endpoint.aws, host=HOST, **{**PLACE, **more})


def fits(endpoint: Endpoint, **more: Any) -> GroupsFit:
    return GroupsFit(aws=endpoint.aws, **{**PLACE, **more})


def test_a_listener_alone_has_nothing_that_bypasses_it(endpoint: Endpoint) -> None:
    assert bypasses(endpoint).look() == Finding.passed("shop.shop.test: nothing on shop goes past its share")


def test_an_earlier_rule_that_forwards_to_blue_stops_with_its_priority_arn_and_command(endpoint: Endpoint) -> None:
    arn = endpoint.host_rule(5, "*.shop.test", "/api/*", shop_blue=1)
    found = bypasses(endpoint).look()
    assert (found.verdict, found.seen) == (
        Verdict.FAIL,
        f"port 80 rule 5 (host-header *.shop.test; path-pattern /api/*) forwards to shop-blue 1: {arn}",
    )
    assert f"elbv2 delete-rule --rule-arn {arn}" in found.hint
    assert "write `bypassing: tell`" in found.hint
    accepted = bypasses(endpoint, accepted=True).look()
    assert (accepted.verdict, accepted.data["warning"]) == (Verdict.PASS, True)
    assert arn in accepted.seen


def test_another_hosts_rule_is_only_told(endpoint: Endpoint) -> None:
    endpoint.host_rule(5, "api.shop.test", shop_blue=1)
    found = bypasses(endpoint).look()
    assert found.verdict is Verdict.PASS
    assert "forwards to shop-blue 1, which is not shop.shop.test's share" in found.seen


def test_a_rule_that_takes_the_whole_host_elsewhere_stops_and_one_for_a_part_is_told(endpoint: Endpoint) -> None:
    endpoint.rule(3, "404")
    found = bypasses(endpoint).look()
    assert found.verdict is Verdict.PASS
    assert found.seen.startswith(
        "port 80 rule 3 (http-request-method POST) takes some requests for shop.shop.test elsewhere (fixed-response): arn:"
    )
    endpoint.host_rule(4, HOST, shop_third=1)
    found = bypasses(endpoint).look()
    assert found.verdict is Verdict.FAIL
    assert "rule 4 (host-header shop.shop.test) takes all requests for shop.shop.test elsewhere (forward)" in found.seen


def test_a_share_in_a_rule_is_not_bypassed_by_what_comes_after_it(endpoint: Endpoint) -> None:
    endpoint.host_rule(10, HOST, shop_blue=100, shop_green=0)
    endpoint.host_rule(20, HOST, "/late/*", shop_blue=1)
    found = bypasses(endpoint, rule=RuleName(HOST)).look()
    assert found.verdict is Verdict.PASS
    assert "rule 20" in found.seen
    assert "default rule (every request) forwards to shop-blue 1, which is not" in found.seen
    endpoint.host_rule(9, HOST, "/early/*", shop_blue=1)
    assert "rule 9" in bypasses(endpoint, rule=RuleName(HOST)).look().seen


@pytest.mark.slow
def test_another_listener_that_forwards_to_the_groups_stops_and_a_redirect_does_not(
    endpoint: Endpoint, bash: Callable[..., str]
) -> None:
    listener = endpoint.second_listener(8080, [{"Type": "forward", "TargetGroupArn": endpoint.group("shop-blue")}])
    found = bypasses(endpoint).look()
    assert found.verdict is Verdict.FAIL
    assert found.seen.startswith("port 8080 default rule (every request) forwards to shop-blue 1: arn:")
    assert bash(bypasses(endpoint).shell(), ok=False) == ""
    command = found.hint.split("may redirect: ", 1)[1].split("; or,", 1)[0]
    bash(command)
    (action,) = endpoint.elb("DescribeListeners", ListenerArns=[listener])["Listeners"][0]["DefaultActions"]
    assert (action["Type"], action["RedirectConfig"]["StatusCode"]) == ("redirect", "HTTP_301")
    assert bypasses(endpoint).look().verdict is Verdict.PASS
    assert "default" in bash(bypasses(endpoint).shell())


def test_a_name_that_is_wrong_is_said(endpoint: Endpoint) -> None:
    for check in (bypasses(endpoint, rule=RuleName("x.test")), fits(endpoint, port=81), fits(endpoint, green="nobody")):
        found = check.look()
        assert found.verdict is Verdict.FAIL
        assert found.hint.startswith("check the carrier's words")


def test_groups_that_fit_are_told_with_weights_and_delay(endpoint: Endpoint) -> None:
    assert fits(endpoint).look().seen == "weights shop-blue 1; deregistration delay shop-blue 2 s, shop-green 2 s"


def test_a_green_group_of_another_load_balancer_is_found_before_aws_refuses_it(endpoint: Endpoint) -> None:
    found = fits(endpoint, green="api-green").look()
    assert found.verdict is Verdict.FAIL
    assert found.seen.startswith("api-green is used by another load balancer, and a target group belongs to one: arn:")
    with pytest.raises(AwsError, match="TargetGroupAssociationLimit"):
        endpoint.forward(shop_blue=100, api_green=0)


def test_a_group_in_use_cannot_be_deleted(endpoint: Endpoint) -> None:
    """Case 21: it is refused by AWS, and it is blue's way back."""
    endpoint.forward(shop_blue=0, shop_green=100)
    with pytest.raises(AwsError, match="ResourceInUse"):
        endpoint.elb("DeleteTargetGroup", TargetGroupArn=endpoint.group("shop-blue"))
    assert endpoint.weights() == {"shop-blue": 0, "shop-green": 100}


def test_stickiness_must_be_what_the_environment_says(endpoint: Endpoint) -> None:
    endpoint.forward(sticky=3600, shop_blue=1)
    found = fits(endpoint).look()
    assert found.verdict is Verdict.FAIL
    assert "the groups are sticky for 3600 s" in found.seen
    assert found.hint.startswith("write `sticky: 3600`")
    said = fits(endpoint, sticky=3600).look()
    assert said.verdict is Verdict.PASS
    assert said.seen.endswith("; clients are sticky for 3600 s, and are not during the cutover")
    endpoint.forward(shop_blue=1)
    assert "the environment file says 3600 s" in fits(endpoint, sticky=3600).look().seen


@pytest.mark.slow
def test_sticky_targets_are_found_before_aws_refuses_the_weights(endpoint: Endpoint, bash: Callable[..., str]) -> None:
    endpoint.attribute("shop-green", "stickiness.enabled", "true")
    found = fits(endpoint).look()
    assert found.verdict is Verdict.FAIL
    assert "the targets of shop-green are sticky (lb_cookie), and AWS refuses weights then" in found.seen
    with pytest.raises(AwsError, match="group stickiness"):
        endpoint.forward(shop_blue=100, shop_green=0)
    assert "true" in bash(fits(endpoint).shell())
    bash(found.hint)
    assert fits(endpoint).look().verdict is Verdict.PASS
    endpoint.forward(shop_blue=100, shop_green=0)


START = 1_700_100_000  # a whole minute


def drained(endpoint: Endpoint, second: float, **more: Any) -> Drained:
    about = {"window": 120.0, "late": 0.0, "clock": lambda: START + second, **more}
    return Drained(aws=endpoint.aws, load_balancer="shop", group="shop-blue", **about)


def counted(endpoint: Endpoint, *figures: tuple[int, str, int]) -> None:
    balancer = endpoint.elb("DescribeLoadBalancers", Names=["shop"])["LoadBalancers"][0]["LoadBalancerArn"]
    endpoint.control("POST", "requests", [[START + at, balancer, endpoint.group(name), n] for at, name, n in figures])


def test_blue_is_drained_when_only_others_were_counted(endpoint: Endpoint) -> None:
    counted(endpoint, (10, "shop-blue", 3), (11, "shop-green", 40), (70, "shop-green", 50), (130, "shop-green", 60))
    busy = drained(endpoint, 125).look()
    assert (busy.verdict, busy.seen) == (Verdict.INSUFFICIENT, "shop-blue: 3 of 93 requests within 120 s")
    assert drained(endpoint, 181).look() == Finding.passed(
        "shop-blue: 0 of 110 requests within 120 s", requests=0, in_all=110
    )
    # The minute that is not over, and figures that may still be on their way, are not looked at.
    assert drained(endpoint, 239, late=58.0).look().seen == "shop-blue: 0 of 110 requests within 120 s"


def test_silence_of_the_load_balancer_is_no_proof(endpoint: Endpoint) -> None:
    counted(endpoint, (3000, "shop-green", 9))
    half = drained(endpoint, 3061, window=120).look()
    assert half.verdict is Verdict.INSUFFICIENT
    assert half.seen == "shop-blue: 0 of 9 requests within 120 s, but shop reported nothing at all for 60 s of it"
    assert drained(endpoint, 9000).look().verdict is Verdict.INSUFFICIENT


def test_finer_windows_are_for_a_load_balancer_that_counts_finer(endpoint: Endpoint) -> None:
    assert [drained(endpoint, 0, window=w).period() for w in (0.5, 2, 7, 45, 60, 300)] == [1, 1, 5, 30, 60, 60]
    counted(endpoint, (5000, "shop-blue", 1), (5001, "shop-green", 1), (5002, "shop-green", 1))
    assert drained(endpoint, 5003, window=2).look().verdict is Verdict.PASS
    assert drained(endpoint, 5003, window=3).look().seen == "shop-blue: 1 of 3 requests within 3 s"


def test_what_cannot_be_read_is_blind(endpoint: Endpoint) -> None:
    endpoint.fault("GetMetricData", code="AccessDenied")
    assert drained(endpoint, 60).look().verdict is Verdict.BLIND


@pytest.mark.slow
def test_the_printed_question_fails_until_blue_is_empty_and_others_are_served(
    endpoint: Endpoint, bash: Callable[..., str]
) -> None:
    now = int(time.time()) // 60 * 60
    check = Drained(aws=endpoint.aws, load_balancer="shop", group="shop-blue", window=60, late=60)
    balancer = endpoint.elb("DescribeLoadBalancers", Names=["shop"])["LoadBalancers"][0]["LoadBalancerArn"]
    bash(check.shell(), ok=False)
    green = [[second, balancer, endpoint.group("shop-green"), 4] for second in range(now - 180, now + 60, 20)]
    endpoint.control("POST", "requests", green)
    assert bash(check.shell()).startswith("shop-blue: 0")
    endpoint.control("POST", "requests", [[s, balancer, endpoint.group("shop-blue"), 1] for s, *_ in green])
    bash(check.shell(), ok=False)
