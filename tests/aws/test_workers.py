"""Workers of every kind: stopped is proven, started is proven, and what would fight is named before."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from contract import holds
from local_aws import Endpoint, eventually
from meddling import Meddled
from worker_services import SERVICES, AutoScaling, Ecs, EventSource, Schedule, Service, service_of

from cutover.aws.permission import Permitted
from cutover.aws.session import Aws, AwsError
from cutover.aws.workers import STARTING, STOPPED, STOPPING, Workers, WorkersReady
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.gate import Verdict


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, endpoint: Endpoint) -> Service:
    made = service_of(request.param, endpoint)
    made.put(run=True)
    return made


def run(step: Workers, seconds: float = 20.0) -> None:
    for command in step.commands(step.after):
        command.run(Deadline.after(seconds))


def settled(step: Workers) -> None:
    eventually(lambda: step.observe() == step.after)


def other(step: Workers, **changes: Any) -> Workers:
    return replace(step, **changes)


def test_they_stop_and_start_again_with_one_call_each(endpoint: Endpoint, service: Service) -> None:
    for step in (service.step(), service.step().inverse()):
        assert isinstance(step, Workers)
        assert len(endpoint.writes_during(partial(run, step))) == 1
        assert endpoint.writes_during(partial(run, step)) == [], "also while they are still on their way"
        settled(step)
        assert endpoint.writes_during(partial(run, step)) == []


@pytest.mark.slow
@pytest.mark.sampled
def test_contract(service: Service, tmp_path: Path) -> None:
    strays = service.strays()
    holds(service.step, state_dir=tmp_path, reset=lambda: service.put(run=True), strays=strays, kills=3)


def test_what_is_printed_reaches_the_state_that_it_claims(service: Service, bash: Callable[..., str]) -> None:
    for stop in (True, False):
        step = service.step(stop=stop)
        (command,) = step.commands(step.after)
        bash(command.shell())
        settled(step)
        assert bash(step.check_shell()).splitlines()[-1] == step.after


def test_a_lost_answer_is_read_back(endpoint: Endpoint, service: Service) -> None:
    step = service.step()
    (operation,) = endpoint.writes_during(lambda: run(step))
    service.put(run=True)
    endpoint.fault(operation, lose_response=True)
    assert endpoint.writes_during(lambda: run(step)) == [operation]
    eventually(lambda: step.observe() == STOPPED)


def test_its_calls_are_the_permitted_ones(endpoint: Endpoint, service: Service) -> None:
    step = service.step()
    check = WorkersReady(workers=step, wanted=service.all_run)
    assert isinstance(step, Permitted) and isinstance(check, Permitted)
    before = len(endpoint.calls())
    check.look()
    reads = {call["operation"] for call in endpoint.calls()[before:]}
    run(step)
    eventually(lambda: step.observe() == STOPPED)
    back = service.step(stop=False)
    run(back)
    eventually(lambda: back.observe() == back.after)
    made = {
        (call["service"].replace("elasticloadbalancing", "elbv2"), call["operation"])
        for call in endpoint.calls()[before:]
    }
    assert made == {(one.service, one.operation) for one in step.permissions()}
    assert reads <= {one.operation for one in check.permissions()}
    assert not any(call["write"] for call in endpoint.calls()[before:] if call["operation"] in reads)


def ready(step: Workers, wanted: str) -> tuple[Verdict, str]:
    finding = WorkersReady(workers=step, wanted=wanted).look()
    return finding.verdict, finding.seen


def test_ready_means_as_the_environment_says(service: Service) -> None:
    step = service.step()
    assert ready(step, service.all_run) == (Verdict.PASS, f"{step.resource}: {service.all_run}")
    verdict, seen = ready(step, STOPPED)
    assert (verdict, seen) == (Verdict.FAIL, f"{step.resource}: {service.all_run}, stopped wanted")


def test_what_is_not_there_is_said(endpoint: Endpoint) -> None:
    nowhere: list[tuple[Workers, str]] = [
        (other(Ecs(endpoint).step(), service="no"), "there is no service no in the ECS cluster shop"),
        (other(Ecs(endpoint).step(), cluster="no"), "there is no ECS cluster no"),
        (other(AutoScaling(endpoint).step(), group="no"), "there is no Auto Scaling group no"),
        (other(EventSource(endpoint).step(), uuid="00000000-0000-4000-8000-000000000000"), "there is no event source mapping"),
        (other(Schedule(endpoint).step(), rule="no"), "there is no rule no on the event bus default"),
    ]  # fmt: skip
    for step, said in nowhere:
        assert step.observe().startswith(said)
        assert ready(step, step.before)[0] is Verdict.FAIL
        with pytest.raises(StepFailed, match="there is no"):
            run(step)


def test_a_task_that_still_works_on_its_last_job_has_not_stopped(endpoint: Endpoint) -> None:
    ecs = Ecs(endpoint)
    ecs.put(run=True)
    step = ecs.step()
    run(step)
    seen: list[tuple[int, str]] = []
    while not seen or seen[-1][1] != STOPPED:
        shown = ecs.ask("ecs", "DescribeServices", cluster="shop", services=["mails"])["services"][0]
        seen.append((shown["runningCount"], step.observe()))
        assert len(seen) < 20
    assert (0, STOPPING) in seen, "runningCount 0 alone is no proof"


def test_instances_that_terminate_have_not_stopped(endpoint: Endpoint) -> None:
    group = AutoScaling(endpoint)
    group.put(run=True)
    step = group.step()
    run(step)
    seen = [step.observe() for _ in range(4)]
    assert seen == [STOPPING, STOPPING, STOPPED, STOPPED]
    run(group.step(stop=False))
    assert [step.observe() for _ in range(3)] == [STARTING, STARTING, "running 2"]


def test_somebody_who_scales_the_service_between_our_look_and_the_next_is_heeded(endpoint: Endpoint) -> None:
    ecs = Ecs(endpoint)
    ecs.put(run=True)
    ecs.ask("ecs", "UpdateService", cluster="shop", service="mails", desiredCount=5)
    with pytest.raises(StepFailed, match=r"changed under our hands: desired 5, running \d; nothing was written"):
        run(ecs.step())


@pytest.fixture
def scaled(endpoint: Endpoint) -> Ecs:
    ecs = Ecs(endpoint)
    ecs.put(run=True)
    name = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/shop/mails",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    ecs.ask("application-autoscaling", "RegisterScalableTarget", **name, MinCapacity=1, MaxCapacity=8)
    return ecs


def test_service_auto_scaling_is_named_with_what_holds_it_off(
    scaled: Ecs, bash: Callable[..., str], endpoint: Endpoint
) -> None:
    verdict, seen = ready(scaled.step(), "running 2")
    assert verdict is Verdict.FAIL and "Application Auto Scaling keeps 1 to 8 tasks" in seen
    bash(seen.split(" tasks: ", 1)[1])
    assert ready(scaled.step(), "running 2")[0] is Verdict.PASS
    name = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/shop/mails",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaled.ask("application-autoscaling", "DeregisterScalableTarget", **name)


def test_what_scales_a_group_is_named_with_what_holds_it_off(endpoint: Endpoint, bash: Callable[..., str]) -> None:
    group = AutoScaling(endpoint)
    group.put(run=True)
    name = {"AutoScalingGroupName": "mails"}
    policy = {"PolicyName": "busy", "AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1}
    group.ask("autoscaling", "PutScalingPolicy", **name, **policy)
    group.ask("autoscaling", "PutScheduledUpdateGroupAction", **name, ScheduledActionName="mornings", DesiredCapacity=3)
    try:
        verdict, seen = ready(group.step(), "running 2")
        assert verdict is Verdict.FAIL and "busy scales it" in seen and "mornings scales it" in seen
        for part in seen.split("; "):
            bash(part.split("scales it: ", 1)[1])
        assert ready(group.step(), "running 2")[0] is Verdict.PASS
    finally:
        group.ask("autoscaling", "DeletePolicy", **name, PolicyName="busy")
        group.ask("autoscaling", "DeleteScheduledAction", **name, ScheduledActionName="mornings")
        group.ask("autoscaling", "ResumeProcesses", **name)
    (rival,) = other(group.step(), count=9).rivals(Deadline.after(10))
    assert rival == "its largest size is 4, and AWS refuses 9 instances"


def test_a_size_outside_the_groups_bounds_is_refused_as_aws_refuses_it(endpoint: Endpoint) -> None:
    group = AutoScaling(endpoint)
    for sizes in ({"DesiredCapacity": 9}, {"DesiredCapacity": 0}):
        with pytest.raises(AwsError, match="must be between the specified min size:1 and max size:4"):
            group.ask("autoscaling", "UpdateAutoScalingGroup", AutoScalingGroupName="mails", **sizes)


def test_a_mapping_on_its_way_takes_no_other_change(endpoint: Endpoint) -> None:
    source = EventSource(endpoint)
    source.put(run=True)
    run(source.step())
    with pytest.raises(AwsError, match="ResourceInUseException"):
        source.ask("lambda", "UpdateEventSourceMapping", UUID=source.uuid, Enabled=True)
    eventually(lambda: source.step().observe() == STOPPED)


class ManagedRule(Aws):
    """AWS whose rule belongs to a service."""

    def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
        return {"State": "ENABLED", "ManagedBy": "guardduty.amazonaws.com"}


def test_a_rule_of_an_aws_service_is_not_ours_to_change(endpoint: Endpoint) -> None:
    step = Schedule(endpoint).step(aws=ManagedRule("us-east-1"))
    verdict, seen = ready(step, "enabled")
    assert (verdict, seen) == (
        Verdict.FAIL,
        "schedule:default/nightly-bill: it belongs to guardduty.amazonaws.com, which alone may change it",
    )


def test_what_cannot_be_asked_is_blind(endpoint: Endpoint) -> None:
    endpoint.fault("DescribeRule", code="AccessDeniedException")
    assert ready(Schedule(endpoint).step(), "enabled")[0] is Verdict.BLIND


def test_a_stop_is_not_sent_over_somebodys_change(endpoint: Endpoint) -> None:
    ecs = Ecs(endpoint)
    ecs.put(run=True)
    busy = Meddled(
        "us-east-1",
        operation="DescribeServices",
        act=lambda: ecs.ask("ecs", "UpdateService", cluster="shop", service="mails", desiredCount=7),
    )
    with pytest.raises(StepFailed, match="nothing was written"):
        run(ecs.step(aws=busy))
    assert ecs.ask("ecs", "DescribeServices", cluster="shop", services=["mails"])["services"][0]["desiredCount"] == 7
