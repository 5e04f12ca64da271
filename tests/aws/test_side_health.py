"""A side gets visitors by DNS only while the load balancer behind its record can serve, on the way back too."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from local_aws import Endpoint, eventually
from recorded import Recorded

from cutover.aws.record_group import RecordName
from cutover.aws.route53 import Route53Share
from cutover.aws.route53_weighted import Route53Weighted
from cutover.aws.session import Aws
from cutover.aws.side_health import SideHealth, SidesJudged
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.gate import Verdict
from cutover.core.share import Share

BOTH = ("api-blue", "api-green")


def share(aws: Aws, before: float, after: float, health: tuple[str, ...] = BOTH, **more: Any) -> Route53Share:
    return Route53Share(
        name=f"api-to-{after}",
        before=Share.of(before),
        after=Share.of(after),
        aws=aws,
        zone="shop.test",
        record=more.pop("record", "api.shop.test"),
        record_type=more.pop("record_type", "CNAME"),
        blue="blue",
        green="green",
        health=health,
        **more,
    )


def run(step: Route53Share) -> None:
    (command,) = step.commands(step.after)
    command.run(Deadline.after(20))


def refused(endpoint: Endpoint, step: Route53Share, told: str) -> None:
    def refuse() -> None:
        with pytest.raises(StepFailed, match=told):
            run(step)

    assert endpoint.writes_during(refuse) == []
    assert step.observe() == step.before


def ready(endpoint: Endpoint) -> None:
    eventually(lambda: all(endpoint.healthy(name) for name in BOTH))


def test_green_without_a_healthy_target_gets_nobody(endpoint: Endpoint, bash: Callable[..., str]) -> None:
    ready(endpoint)
    endpoint.green.status = 500
    eventually(lambda: not endpoint.healthy("api-green"))
    step = share(endpoint.aws, 0, 10)
    told = r"refused: api-green has 0 healthy targets of 1, .*Nothing was written.* elbv2 describe-target-groups"
    refused(endpoint, step, told)
    printed = bash(step.commands(step.after)[0].shell(), ok=False)
    assert "refused: api-green has 0 healthy targets of 1; nothing was written" in printed
    assert step.observe() == Share.of(0)
    run(share(endpoint.aws, 0, 10, health=("api-blue",)))  # nobody said that green's is to be looked at


def test_nobody_is_sent_back_to_a_blue_that_cannot_serve(endpoint: Endpoint, bash: Callable[..., str]) -> None:
    ready(endpoint)
    step = share(endpoint.aws, 0, 100)
    run(step)
    endpoint.blue.status = 500
    eventually(lambda: not endpoint.healthy("api-blue"))
    back = replace(step, before=step.after, after=step.before)
    refused(endpoint, back, "refused: api-blue has 0 healthy targets of 1")
    assert "refused: api-blue" in bash(back.commands(back.after)[0].shell(), ok=False)
    run(step)  # what is there already is awaited, not refused
    endpoint.blue.status, endpoint.green.status = 200, 500
    eventually(lambda: endpoint.healthy("api-blue") and not endpoint.healthy("api-green"))
    bash(back.commands(back.after)[0].shell())  # green's health does not keep anybody there
    assert back.observe() == back.after


def test_an_alias_leads_to_its_load_balancer_and_few_calls_are_made(endpoint: Endpoint) -> None:
    ready(endpoint)
    names = {one["LoadBalancerName"]: one["DNSName"] for one in endpoint.elb("DescribeLoadBalancers")["LoadBalancers"]}
    for side, weight in (("blue", 1), ("green", 0)):
        target = {"HostedZoneId": "Z35SXDOTRQ7X7K", "DNSName": f"dualstack.{names[f'api-{side}']}"}
        alias = {"AliasTarget": {**target, "EvaluateTargetHealth": False}, "SetIdentifier": side, "Weight": weight}
        endpoint.change(("CREATE", {"Name": "pair.shop.test.", "Type": "A", **alias}))
    aws = Recorded("us-east-1")
    step = share(aws, 0, 10, record="pair.shop.test", record_type="A")
    run(step)
    asked = [(operation, list(given.values())[-1]) for service, operation, given in aws.calls if service == "elbv2"]
    assert [operation for operation, _ in asked] == [
        *("DescribeLoadBalancers",) * 2,
        "DescribeListeners",
        "DescribeTargetHealth",
    ]
    assert asked[-1] == ("DescribeTargetHealth", endpoint.group("api-green"))
    aws.made_exactly(step)


class Gone(Aws):
    """An account in which green's load balancer is deleted."""

    def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
        if parameters.get("Names") == ["api-green"]:
            parameters["Names"] = ["nowhere"]
        return super().call(service, operation, deadline, **parameters)


def test_a_load_balancer_that_is_gone_keeps_nobody_there(endpoint: Endpoint) -> None:
    ready(endpoint)
    refused(endpoint, share(Gone("us-east-1"), 0, 10), "there is no load balancer api-green, where green leads")
    run(share(endpoint.aws, 0, 100))
    run(share(Gone("us-east-1"), 100, 0))


def test_a_listener_that_sends_nobody_to_a_target_cannot_be_proved(endpoint: Endpoint) -> None:
    refused(endpoint, share(endpoint.aws, 0, 10, listener_port=81), "api-green has no listener on port 81")


def judged(endpoint: Endpoint, health: tuple[str, ...], **more: Any) -> SidesJudged:
    where = RecordName(endpoint.aws, "shop.test", more.pop("record", "api.shop.test"), "CNAME")
    return SidesJudged(where=where, blue="blue", green="green", health=SideHealth(endpoint.aws, health), **more)


@pytest.mark.parametrize(
    ("health", "unasked", "warns"),
    [(BOTH, [], False), (("api-green", "shop"), ["blue"], True), ((), ["blue", "green"], False)],
)
def test_a_side_that_nobody_looks_at_is_said_before(
    endpoint: Endpoint, bash: Callable[..., str], health: tuple[str, ...], unasked: list[str], warns: bool
) -> None:
    asked = judged(endpoint, health)
    found = asked.look()
    assert (found.verdict, bool(found.data.get("warning"))) == (Verdict.PASS, warns)
    assert [
        side for side in ("blue", "green") if f"{side} leads to no load balancer of `health`" in found.seen
    ] == unasked
    assert "api-green" in bash(asked.shell())


def test_a_record_that_is_still_simple_is_judged_as_the_group_that_it_becomes(endpoint: Endpoint) -> None:
    step = Route53Weighted(
        name="made-weighted-shop",
        aws=endpoint.aws,
        zone="shop.test",
        record="shop.shop.test",
        record_type="CNAME",
        blue="blue",
        green="green",
        target="elsewhere.test",
    )
    found = judged(endpoint, ("shop", "api-green"), record="shop.shop.test", weighted=step).look()
    assert "blue leads to shop; green leads to no load balancer" in found.seen
    assert judged(endpoint, BOTH, record="nope.shop.test").look().verdict is Verdict.FAIL
