"""Weights of two target groups: the share is read, written, refused and taken back on the local endpoint."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from local_aws import Endpoint, eventually

from cutover.aws.alb import ATTACHED, BLUE_ALONE, AlbAttach, AlbShare, TargetsHealthy
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.gate import Verdict
from cutover.core.share import Share
from cutover.core.step import Step


def share(endpoint: Endpoint, before: float, after: float, **more: Any) -> AlbShare:
    return AlbShare(
        name=f"shop-to-{after}",
        before=Share.of(before),
        after=Share.of(after),
        aws=endpoint.aws,
        load_balancer="shop",
        port=80,
        blue="shop-blue",
        green="shop-green",
        **more,
    )


def attach(endpoint: Endpoint) -> AlbAttach:
    return AlbAttach(
        name="attach-green", aws=endpoint.aws, load_balancer="shop", port=80, blue="shop-blue", green="shop-green"
    )


def take(step: Step[Any], seconds: float = 20.0) -> None:
    for command in step.commands(step.after):
        command.run(Deadline.after(seconds))
    assert step.observe() == step.after


def attached(endpoint: Endpoint) -> None:
    endpoint.forward(shop_blue=100, shop_green=0)
    eventually(lambda: endpoint.healthy("shop-green") and endpoint.healthy("shop-blue"))


def test_a_share_goes_up_and_back_down(endpoint: Endpoint) -> None:
    attached(endpoint)
    take(share(endpoint, 0, 10))
    assert endpoint.weights() == {"shop-blue": 90, "shop-green": 10}
    take(share(endpoint, 10, 100))
    assert endpoint.weights() == {"shop-blue": 0, "shop-green": 100}
    take(share(endpoint, 10, 100).inverse().merged(share(endpoint, 0, 10).inverse()))
    assert endpoint.weights() == {"shop-blue": 100, "shop-green": 0}


def test_hundred_percent_is_never_a_weight_of_1000(endpoint: Endpoint) -> None:
    """Case 15."""
    attached(endpoint)
    for percent in (0.01, 12.5, 33.33, 99.99, 100):
        step = share(endpoint, 0, percent)
        take(step)
        assert max(endpoint.weights().values()) <= 999
        assert min(endpoint.weights().values()) > 0 or percent == 100
        take(step.inverse())


def test_a_share_without_exact_weights_says_what_is_written(endpoint: Endpoint) -> None:
    printed = share(endpoint, 0, 0.05).commands(Share.of(0.05))[0].shell()
    assert printed.startswith("# 0.05 % is written as 0.1 %, the nearest that weights up to 999 allow")
    assert share(endpoint, 0, 12.5).commands(Share.of(12.5))[0].shell().startswith("(set")


def test_everything_else_of_the_actions_survives(endpoint: Endpoint) -> None:
    endpoint.forward(sticky=3600, shop_blue=100, shop_green=0, shop_third=0)
    eventually(lambda: endpoint.healthy("shop-green"))
    take(share(endpoint, 0, 50))
    config = endpoint.listener()["DefaultActions"][-1]["ForwardConfig"]
    assert endpoint.weights() == {"shop-blue": 50, "shop-green": 50, "shop-third": 0}
    assert config["TargetGroupStickinessConfig"]["Enabled"] in (True, "true")
    assert int(config["TargetGroupStickinessConfig"]["DurationSeconds"]) == 3600


def test_a_third_group_with_traffic_is_told_and_left_alone(endpoint: Endpoint) -> None:
    endpoint.forward(shop_blue=70, shop_green=20, shop_third=10)
    step = share(endpoint, 0, 50)
    assert step.observe() == "shop-blue 70, shop-green 20, shop-third 10"
    with pytest.raises(StepFailed, match="changed under our hands"):
        step.commands(step.after)[0].run(Deadline.after(10))
    assert endpoint.weights() == {"shop-blue": 70, "shop-green": 20, "shop-third": 10}


def test_what_is_not_there_is_a_state_and_no_error(endpoint: Endpoint) -> None:
    step = share(endpoint, 0, 50)
    assert replace(step, load_balancer="shoe").observe() == "there is no load balancer shoe"
    assert replace(step, port=443).observe() == "load balancer shop has no listener on port 443"
    assert step.observe() == "shop-blue 1"
    endpoint.forward(shop_blue=0, shop_green=0)
    assert step.observe() == "shop-blue 0, shop-green 0: nobody gets traffic"


def test_a_green_without_healthy_targets_gets_no_traffic(endpoint: Endpoint, bash: Callable[..., str]) -> None:
    endpoint.green.status = 500
    endpoint.forward(shop_blue=100, shop_green=0)
    eventually(lambda: not endpoint.healthy("shop-green"))
    step = share(endpoint, 0, 10)
    with pytest.raises(StepFailed, match="refused: shop-green has 0 healthy targets of 1"):
        step.commands(step.after)[0].run(Deadline.after(10))
    assert "refused: shop-green has 0 healthy targets" in bash(step.commands(step.after)[0].shell(), ok=False)
    assert step.observe() == Share.of(0)


def test_going_back_to_an_unhealthy_or_empty_blue_is_refused_loudly(endpoint: Endpoint) -> None:
    """Case 20: the worst failure of a way back."""
    attached(endpoint)
    step = share(endpoint, 0, 100)
    take(step)
    endpoint.blue.status = 500
    eventually(lambda: not endpoint.healthy("shop-blue"))
    back = step.inverse()
    told = (
        r"refused: shop-blue has 0 healthy targets of 1, 1 wanted .*Nothing was written.* elbv2 describe-target-health"
    )
    with pytest.raises(StepFailed, match=told):
        back.commands(back.after)[0].run(Deadline.after(10))
    assert step.observe() == Share.of(100)
    target = [{"Id": "127.0.0.1", "Port": endpoint.blue.port}]
    endpoint.elb("DeregisterTargets", TargetGroupArn=endpoint.group("shop-blue"), Targets=target)
    try:

        def refused() -> None:
            with pytest.raises(StepFailed, match="refused: shop-blue has 0 healthy targets of"):
                back.commands(back.after)[0].run(Deadline.after(10))

        assert endpoint.writes_during(refused) == []
        assert step.observe() == Share.of(100)
    finally:
        endpoint.elb("RegisterTargets", TargetGroupArn=endpoint.group("shop-blue"), Targets=target)


def test_more_healthy_targets_can_be_asked_for(endpoint: Endpoint) -> None:
    attached(endpoint)
    step = share(endpoint, 0, 10, healthy_at_least=2)
    with pytest.raises(StepFailed, match="1 healthy targets of 1, 2 wanted"):
        step.commands(step.after)[0].run(Deadline.after(10))


def test_the_same_command_again_writes_the_same_again(endpoint: Endpoint) -> None:
    """What is read may be what was true before: only what is sent last is sure to stand there."""
    attached(endpoint)
    step = share(endpoint, 0, 50)
    assert endpoint.writes_during(lambda: take(step)) == ["ModifyListener"]
    assert endpoint.writes_during(lambda: take(step)) == ["ModifyListener"]
    assert endpoint.weights() == {"shop-blue": 50, "shop-green": 50}


def test_what_was_written_may_be_shown_late(endpoint: Endpoint) -> None:
    attached(endpoint)
    step = share(endpoint, 0, 50)
    assert step.observe() == Share.of(0)
    endpoint.late(1.0)
    assert endpoint.writes_during(lambda: step.commands(step.after)[0].run(Deadline.after(20))) == ["ModifyListener"]
    endpoint.late(0)
    assert endpoint.weights() == {"shop-blue": 50, "shop-green": 50}


def test_the_way_back_writes_although_a_late_read_shows_that_it_is_there(endpoint: Endpoint) -> None:
    """Half of the visitors stayed on green, whose writes were fenced: the share had been set, and nobody was shown it."""
    attached(endpoint)
    step = share(endpoint, 0, 50)
    assert step.observe() == Share.of(0)
    endpoint.late(3600)
    with pytest.raises(StepFailed, match="what was written is not shown in time"):
        step.commands(step.after)[0].run(Deadline.after(1))
    back = step.inverse()
    assert step.observe() == back.after, "a read of before"
    back.commands(back.after)[0].run(Deadline.after(1))
    endpoint.late(0)
    assert endpoint.weights() == {"shop-blue": 100, "shop-green": 0}


def test_a_lost_answer_is_read_back(endpoint: Endpoint) -> None:
    attached(endpoint)
    endpoint.fault("ModifyListener", lose_response=True)
    step = share(endpoint, 0, 50)
    assert endpoint.writes_during(lambda: take(step)) == ["ModifyListener"]


def test_an_answer_of_500_that_changed_nothing_is_sent_again(endpoint: Endpoint) -> None:
    attached(endpoint)
    endpoint.fault("ModifyListener", code="InternalFailure")
    step = share(endpoint, 0, 50)
    assert endpoint.writes_during(lambda: take(step)) == ["ModifyListener", "ModifyListener"]


def test_somebody_who_writes_at_the_same_time_is_noticed(endpoint: Endpoint) -> None:
    class Meddled(Aws):
        def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
            answer = super().call(service, operation, deadline, **parameters)
            if operation == "ModifyListener":
                endpoint.forward(shop_blue=60, shop_green=40)
            return answer

    attached(endpoint)
    step = replace(share(endpoint, 0, 50), aws=Meddled("us-east-1"))
    with pytest.raises(StepFailed, match="somebody else writes"):
        step.commands(step.after)[0].run(Deadline.after(10))
    assert step.observe() == Share.of(40)


def test_green_is_attached_at_zero_and_then_probed(endpoint: Endpoint) -> None:
    check = TargetsHealthy(aws=endpoint.aws, group="shop-green")
    unused = check.look()
    assert unused.verdict is Verdict.INSUFFICIENT
    assert "unused Target.NotInUse" in unused.seen
    step = attach(endpoint)
    assert step.observe() == BLUE_ALONE
    take(step)
    assert step.observe() == ATTACHED
    assert share(endpoint, 0, 10).observe() == Share.of(0)
    assert eventually(lambda: check.look().verdict is Verdict.PASS)
    take(step.inverse())
    assert endpoint.weights() == {"shop-blue": 100} or endpoint.weights() == {"shop-blue": 1}


def test_green_with_traffic_is_not_detached(endpoint: Endpoint) -> None:
    endpoint.forward(shop_blue=90, shop_green=10)
    step = attach(endpoint)
    assert step.observe() == "shop-blue 90, shop-green 10"
    back = step.inverse()
    with pytest.raises(StepFailed, match="changed under our hands"):
        back.commands(back.after)[0].run(Deadline.after(10))
    assert endpoint.weights() == {"shop-blue": 90, "shop-green": 10}


def test_an_empty_group_is_not_healthy_and_a_missing_one_fails(endpoint: Endpoint) -> None:
    """Case 18: all of its no targets are healthy, too."""
    group = endpoint.group("shop-green")
    endpoint.elb("DeregisterTargets", TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": endpoint.green.port}])
    seen = TargetsHealthy(aws=endpoint.aws, group="shop-green").look()
    assert (seen.verdict, seen.hint) == (Verdict.INSUFFICIENT, "no target is registered")
    assert TargetsHealthy(aws=endpoint.aws, group="shop-grey").look().verdict is Verdict.FAIL


def test_a_target_that_is_unhealthy_and_draining_is_not_healthy() -> None:
    class Told(Aws):
        def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
            states = ("healthy", "unhealthy.draining", "initial", "draining")
            described = [{"Target": {"Id": "a", "Port": 1}, "TargetHealth": {"State": state}} for state in states]
            return {"TargetGroups": [{"TargetGroupArn": "arn"}], "TargetHealthDescriptions": described}

    found = TargetsHealthy(aws=Told("us-east-1"), group="shop-blue", at_least=2).look()
    assert found.verdict is Verdict.INSUFFICIENT
    assert found.seen.startswith("shop-blue: 1 of 4 targets healthy, 2 wanted (a:1 healthy, a:1 unhealthy.draining,")


@pytest.mark.slow
def test_what_is_printed_reaches_the_same_states(endpoint: Endpoint, bash: Callable[..., str]) -> None:
    green = attach(endpoint)
    bash(green.commands(ATTACHED)[0].shell())
    assert green.observe() == ATTACHED
    eventually(lambda: endpoint.healthy("shop-green") and endpoint.healthy("shop-blue"))
    for step in (share(endpoint, 0, 12.5), share(endpoint, 0, 12.5).inverse()):
        for _ in range(2):
            bash(step.commands(step.after)[0].shell())
            assert step.observe() == step.after
        assert bash(step.check_shell()).splitlines()[-1] == str(step.after)
    assert bash(green.check_shell()).splitlines() == ["shop-blue 100", "shop-green 0", ATTACHED]
    bash(green.commands(BLUE_ALONE)[0].shell())
    assert bash(green.check_shell()).splitlines() == ["shop-blue 100", BLUE_ALONE]
    assert green.observe() == BLUE_ALONE
    healthy = TargetsHealthy(aws=endpoint.aws, group="shop-green").shell()
    assert bash(TargetsHealthy(aws=endpoint.aws, group="shop-blue").shell())
    bash(healthy, ok=False)
    assert "unused" in bash(f"{healthy} || true")
