"""Load balancers and target groups of the local world: refused actions and real target health."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

_numbers = count()
PATIENCE = 20.0


@pytest.fixture
def name() -> str:
    return f"t{next(_numbers)}"


def forward(*shares: tuple[str, int]) -> dict[str, Any]:
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in shares]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}


def error(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def reaches(world: Any, group: str, states: list[str], eventually: Any) -> None:
    eventually(lambda: world.states(group) == states, within=PATIENCE)


def test_bad_forwards_are_refused_and_the_listener_stays(aws_world: Any, name: str) -> None:
    groups = [aws_world.group(f"{name}-{number}") for number in range(6)]
    one, two = groups[:2]
    listener, _ = aws_world.balancer(name, forward((one, 100), (two, 0)))
    stale = one.replace(one[-4:], "0000")
    both = forward((one, 1), (two, 1)) | {"TargetGroupArn": one}
    unweighted = {
        "Type": "forward",
        "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": one}, {"TargetGroupArn": two}]},
    }
    for action in (
        forward((one, 1000), (two, 0)),
        forward((one, -1), (two, 0)),
        forward(*((group, 1) for group in groups)),
        forward((one, 1), (one, 1)),
        forward((stale, 1), (two, 1)),
        both,
        unweighted,
    ):
        assert error(aws_world.elbv2.modify_listener, ListenerArn=listener, DefaultActions=[action])
        assert error(
            aws_world.elbv2.create_rule,
            ListenerArn=listener,
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": ["/x"]}],
            Actions=[action],
        )
    (described,) = aws_world.elbv2.describe_listeners(ListenerArns=[listener])["Listeners"]
    shares = described["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
    assert [(group["TargetGroupArn"], group["Weight"]) for group in shares] == [(one, 100), (two, 0)]


def test_a_single_group_is_shown_in_both_forms(aws_world: Any, name: str) -> None:
    group = aws_world.group(name)
    listener, _ = aws_world.balancer(name, {"Type": "forward", "TargetGroupArn": group})
    for action in ({"Type": "forward", "TargetGroupArn": group}, forward((group, 1))):
        aws_world.elbv2.modify_listener(ListenerArn=listener, DefaultActions=[action])
        (described,) = aws_world.elbv2.describe_listeners(ListenerArns=[listener])["Listeners"]
        (shown,) = described["DefaultActions"]
        assert shown["TargetGroupArn"] == group
        assert shown["ForwardConfig"]["TargetGroups"] == [{"TargetGroupArn": group, "Weight": 1}]


def test_the_default_rule_belongs_to_its_listener_and_a_rule_is_deleted_once(aws_world: Any, name: str) -> None:
    group = aws_world.group(name)
    listener, _ = aws_world.balancer(name, forward((group, 1)))
    (default,) = aws_world.elbv2.describe_rules(ListenerArn=listener)["Rules"]
    arguments = {"RuleArn": default["RuleArn"], "Actions": [forward((group, 1))]}
    assert error(aws_world.elbv2.modify_rule, **arguments) == "OperationNotPermitted"
    assert error(aws_world.elbv2.delete_rule, RuleArn=default["RuleArn"]) == "OperationNotPermitted"
    (rule,) = aws_world.elbv2.create_rule(
        ListenerArn=listener,
        Priority=5,
        Conditions=[{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["POST"]}}],
        Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}],
    )["Rules"]
    aws_world.elbv2.delete_rule(RuleArn=rule["RuleArn"])
    assert error(aws_world.elbv2.delete_rule, RuleArn=rule["RuleArn"]) == "RuleNotFound"


def test_health_is_probed_only_in_use_and_follows_the_target(aws_world: Any, name: str, eventually: Any) -> None:
    idle, used = aws_world.group(f"{name}-idle", aws_world.green), aws_world.group(name, aws_world.blue)
    assert aws_world.states(idle) == ["unused"]
    listener, _ = aws_world.balancer(name, forward((used, 1)))
    reaches(aws_world, used, ["healthy"], eventually)
    assert aws_world.states(idle) == ["unused"]
    aws_world.elbv2.modify_listener(ListenerArn=listener, DefaultActions=[forward((used, 1), (idle, 0))])
    reaches(aws_world, idle, ["healthy"], eventually)
    aws_world.blue.health = 500
    try:
        reaches(aws_world, used, ["unhealthy"], eventually)
        (found,) = aws_world.elbv2.describe_target_health(TargetGroupArn=used)["TargetHealthDescriptions"]
        assert found["TargetHealth"]["Reason"] == "Target.ResponseCodeMismatch"
    finally:
        aws_world.blue.health = 200
    reaches(aws_world, used, ["healthy"], eventually)


def test_two_ports_of_one_address_are_two_targets(aws_world: Any, name: str, eventually: Any) -> None:
    group = aws_world.group(name, aws_world.blue, aws_world.green)
    aws_world.balancer(name, forward((group, 1)))
    reaches(aws_world, group, ["healthy", "healthy"], eventually)


def test_a_deregistered_target_drains_for_its_delay_and_is_gone(aws_world: Any, name: str, eventually: Any) -> None:
    group = aws_world.group(name, aws_world.blue)
    aws_world.balancer(name, forward((group, 1)))
    reaches(aws_world, group, ["healthy"], eventually)
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "1"}
    aws_world.elbv2.modify_target_group_attributes(TargetGroupArn=group, Attributes=[delay])
    target = {"Id": "127.0.0.1", "Port": aws_world.blue.port}
    aws_world.elbv2.deregister_targets(TargetGroupArn=group, Targets=[target])
    assert aws_world.states(group) == ["draining"]
    reaches(aws_world, group, [], eventually)
    asked = aws_world.elbv2.describe_target_health(TargetGroupArn=group, Targets=[target])
    assert asked["TargetHealthDescriptions"][0]["TargetHealth"]["State"] == "unused"
    assert error(aws_world.elbv2.deregister_targets, TargetGroupArn=group, Targets=[target]) == "InvalidTarget"
