"""Witnesses on the local world's own name server and load balancers: what is asked is what they draw, and what is not, is not."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from cutover.aws.record_group import RecordName
from cutover.aws.record_sides import RecordSides
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.gate import Finding, Verdict
from cutover.core.share import Share
from cutover.core.watch import found
from cutover.core.witness import ShareObserved, Witness
from cutover.net.drawn_names import NameServerDraws
from cutover.net.tagged import TaggedResponses
from cutover.world import ready_file

ALPHA = 1e-6  # this suite runs often: one false alarm in a million runs


@pytest.fixture
def aws(aws_world: Any, monkeypatch: pytest.MonkeyPatch) -> Aws:
    for name, value in aws_world.environment.items():
        monkeypatch.setenv(name, value)
    return Aws("us-east-1")


def dns(world: Any) -> list[str]:
    return [f"127.0.0.1:{ready_file.facts_of(world.home, 'dns')['port']}"]


def tags(world: Any, host: str) -> TaggedResponses:
    header, group = "x-cutover-target-group", host.split(".", 1)[0]
    return TaggedResponses(
        host=host,
        tag=header,
        blue=f"{group}-blue",
        green=f"{group}-green",
        scheme="http",
        path="/anything",
        servers=lambda: dns(world),
    )


def names(world: Any, aws: Aws) -> NameServerDraws:
    sides = RecordSides(RecordName(aws, "shop.test", "api.shop.test", "CNAME"), "blue", "green")
    return NameServerDraws(
        zone="shop.test",
        record="api.shop.test",
        record_type="CNAME",
        sides=sides,
        sides_shell=sides.shell(),
        servers=lambda: dns(world),
    )


def judged(witness: Witness, percent: float, draws: int = 200) -> Finding:
    check = check_of(witness, percent, draws)
    while (finding := check.look()).verdict is Verdict.INSUFFICIENT:
        pass
    return finding


def check_of(witness: Witness, percent: float, draws: int = 200) -> ShareObserved:
    return ShareObserved(
        host="a name",
        asked=Share.of(percent),
        witness=witness,
        effective=lambda: Share.of(percent),
        effective_shell="",
        alpha=ALPHA,
        requests=draws,
        seconds=30,
    )


def listener(world: Any, blue: int, green: int) -> None:
    """The shop's weights."""
    groups = {
        one["TargetGroupName"]: one["TargetGroupArn"] for one in world.elbv2.describe_target_groups()["TargetGroups"]
    }
    balancer = world.elbv2.describe_load_balancers(Names=["shop"])["LoadBalancers"][0]["LoadBalancerArn"]
    arn = world.elbv2.describe_listeners(LoadBalancerArn=balancer)["Listeners"][0]["ListenerArn"]
    weights = [
        {"TargetGroupArn": groups["shop-blue"], "Weight": blue},
        {"TargetGroupArn": groups["shop-green"], "Weight": green},
    ]
    world.elbv2.modify_listener(
        ListenerArn=arn, DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}]
    )


def records(world: Any, blue: int, green: int) -> None:
    """The api's weights, in sync at once."""
    zone = world.route53.list_hosted_zones_by_name(DNSName="shop.test")["HostedZones"][0]["Id"]
    listed = world.route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    weights = {"blue": blue, "green": green}
    changes: list[dict[str, Any]] = [
        {"Action": "UPSERT", "ResourceRecordSet": {**one, "Weight": weights[one["SetIdentifier"]]}}
        for one in listed
        if one["Name"] == "api.shop.test."
    ]
    world.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def in_force(witness: Witness, eventually: Callable[..., Any], green: bool) -> None:
    """The world has taken the change up: only this side answers, for some draws in a row."""
    wanted = "green" if green else "blue"
    eventually(lambda: getattr(witness.seen(5, Deadline.after(5)), wanted) == 5)


def test_a_load_balancers_share_is_found_and_another_one_refused(
    aws_world: Any, aws: Aws, eventually: Callable[..., Any]
) -> None:
    witness = tags(aws_world, "shop.shop.test")
    try:
        listener(aws_world, 0, 1)
        in_force(witness, eventually, green=True)
        assert judged(witness, 100).verdict is Verdict.PASS
        listener(aws_world, 50, 50)
        eventually(lambda: witness.seen(8, Deadline.after(5)).blue)
        assert judged(witness, 50).verdict is Verdict.PASS
        refused = judged(witness, 5)
        assert refused.verdict is Verdict.FAIL
        assert "fit 5 %" in refused.seen
    finally:
        listener(aws_world, 1, 0)


def test_records_shares_are_found_at_name_servers_and_by_requests(
    aws_world: Any, aws: Aws, eventually: Callable[..., Any]
) -> None:
    drawn, tagged = names(aws_world, aws), tags(aws_world, "api.shop.test")
    try:
        records(aws_world, 0, 100)
        in_force(drawn, eventually, green=True)
        assert judged(drawn, 100).verdict is judged(tagged, 100).verdict is Verdict.PASS
        records(aws_world, 75, 25)
        eventually(lambda: drawn.seen(8, Deadline.after(5)).blue)
        assert judged(drawn, 25).verdict is judged(tagged, 25).verdict is Verdict.PASS
        assert judged(drawn, 75).verdict is judged(tagged, 75).verdict is Verdict.FAIL
    finally:
        records(aws_world, 100, 0)


def test_a_world_that_is_gone_is_no_witness() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    witness = TaggedResponses(
        host="shop.shop.test", tag="x", blue="a", green="b", scheme="http", servers=lambda: [f"127.0.0.1:{port}"]
    )
    assert found(check_of(witness, 50)).verdict is Verdict.BLIND
