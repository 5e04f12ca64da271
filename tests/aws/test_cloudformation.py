"""The share as a stack's parameter: a change set first, nothing else changed, and only what is live counts as done."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from contract import holds
from fake_clock import FakeClock
from local_aws import Endpoint, eventually
from local_stack import NAME, LocalStack

from cutover.aws.cloudformation import STUCK, UNDER_WAY
from cutover.aws.session import Aws, AwsError, OutcomeUnknown
from cutover.aws.stack_parameter import StackParameter
from cutover.core.clock import Deadline
from cutover.core.errors import NotConverged, StepFailed
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.core.telling import heard

EXECUTE = "ExecuteChangeSet"
WRITES = ["CreateChangeSet", EXECUTE]


@pytest.fixture
def stack(endpoint: Endpoint) -> Iterator[LocalStack]:
    made = LocalStack(endpoint)
    made.make()
    yield made
    made.delete()


def run(step: Step[Any], seconds: float = 20.0) -> None:
    for command in step.commands(step.after):
        command.run(Deadline.after(seconds))


def take(step: Step[Any]) -> None:
    run(step)
    assert step.observe() == step.after


def meddling(moment: str, act: Callable[[], object]) -> Aws:
    """An account in which `act` happens just before the first call of the operation `moment`."""
    left = [act]

    class Meddled(Aws):
        def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
            if operation == moment and left:
                left.pop()()
            return super().call(service, operation, deadline, **parameters)

    return Meddled("us-east-1")


def test_only_the_share_changes(stack: LocalStack) -> None:
    assert stack.endpoint.writes_during(lambda: take(stack.share(0, 10))) == WRITES
    assert stack.values() == {"TrafficPercentage": "10", "Colour": "teal", "Secret": "****", "Idle": "0"}
    assert stack.endpoint.writes_during(lambda: take(stack.share(0, 10))) == []
    take(stack.share(0, 10).inverse())
    assert stack.values()["TrafficPercentage"] == "0"  # 0 is a value, and not a parameter left out


def test_the_secret_keeps_its_value(stack: LocalStack) -> None:
    stack.delete()
    stack.make(resources={"Uses": {"Type": "AWS::SSM::Parameter", "Properties": {"Value": {"Ref": "Secret"}}}})
    take(stack.share(0, 10))  # written back masked, it would be a change of a second resource
    take(stack.share(10, 20, may_touch=("Weights",)))


def test_every_event_is_told_as_it_comes(stack: LocalStack) -> None:
    stack.order(seconds=0.3)
    said: list[str] = []
    with heard(said.append):
        take(stack.share(0, 10))
    events = [line for line in dict.fromkeys(said) if not line.startswith((f"{NAME}:", "change set"))]
    assert events[:4] == [
        "edge UPDATE_IN_PROGRESS: User Initiated",
        "Weights UPDATE_IN_PROGRESS",
        "Weights UPDATE_COMPLETE",
        "edge UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    ]
    take(stack.share(10, 20))  # waits until the cleaning up has ended


def test_no_updates_is_a_success_only_if_the_value_is_right(stack: LocalStack) -> None:
    idle = stack.share(0, 10, parameter=StackParameter("Idle"))
    with pytest.raises(StepFailed, match=r"nothing to change.*the share is 0 %: no resource of stack edge uses Idle"):
        run(idle)
    assert stack.change_sets() == []
    # Somebody else brings it there between our look and our proposal.
    step = stack.share(0, 10, aws=meddling("CreateChangeSet", lambda: stack.update("10")))
    take(step)
    assert stack.change_sets() == []


def test_an_update_that_was_taken_back_is_a_failure(stack: LocalStack) -> None:
    stack.order(fail="rolled-back")
    step = stack.share(0, 10)
    with pytest.raises(StepFailed, match=r"took the update of edge back: Weights UPDATE_FAILED: .*not today"):
        run(step)
    assert (stack.described()["StackStatus"], step.observe()) == ("UPDATE_ROLLBACK_COMPLETE", Share.of(0))
    take(step)  # a second try is a new operation: the old one's events do not count


def test_a_way_back_that_failed_names_the_command_for_a_person(stack: LocalStack) -> None:
    stack.order(fail="stuck")
    step = stack.share(0, 10)
    for _ in range(2):
        with pytest.raises(StepFailed, match="continue-update-rollback --stack-name edge"):
            run(step)
        assert step.observe() == STUCK
    stack.call("ContinueUpdateRollback")
    take(step)


def test_a_replacement_is_refused_and_nothing_is_left(stack: LocalStack) -> None:
    ref = {"Ref": "TrafficPercentage"}
    stack.make(
        resources={
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": ref}},
            "Machine": {"Type": "AWS::EC2::Instance", "Properties": {"InstanceType": ref}},
        }
    )
    step = stack.share(0, 10)
    wanted = (
        r"Topic \(AWS::SNS::Topic\) would be replaced; Machine \(AWS::EC2::Instance\) would be replaced perhaps. "
        "Nothing was executed"
    )
    with pytest.raises(StepFailed, match=wanted):
        run(step)
    assert (step.observe(), stack.change_sets()) == (Share.of(0), [])


def test_what_may_not_be_touched_is_refused(stack: LocalStack) -> None:
    with pytest.raises(StepFailed, match=r"Weights \(AWS::SSM::Parameter\) is not in may_touch"):
        run(stack.share(0, 10, may_touch=("Other",)))
    take(stack.share(0, 10, may_touch=("Weights",)))


def test_a_template_with_extensions_is_not_used_again(stack: LocalStack) -> None:
    stack.make(Transform="AWS::LanguageExtensions")
    with pytest.raises(StepFailed, match="uses AWS::LanguageExtensions"):
        run(stack.share(0, 10))
    assert stack.change_sets() == []


def test_parameters_by_value_must_be_what_they_are(stack: LocalStack) -> None:
    with pytest.raises(StepFailed, match="parameter Colour of stack edge is teal now, and red would be given"):
        run(stack.share(0, 10, explicit=(("Colour", "red"),)))
    take(stack.share(0, 10, explicit=(("Colour", "teal"),)))


@pytest.mark.parametrize("operation", [EXECUTE, "ListChangeSets"])
def test_somebody_who_updates_meanwhile_wins(stack: LocalStack, operation: str) -> None:
    step = stack.share(0, 10, aws=meddling(operation, lambda: stack.update("33")))
    with pytest.raises(StepFailed, match="Nothing was executed"):
        run(step)
    assert (stack.values()["TrafficPercentage"], stack.change_sets()) == ("33", [])


def test_an_update_of_somebody_else_is_waited_for_and_not_cancelled(stack: LocalStack) -> None:
    stack.order(seconds=30)
    stack.update("33")
    step = stack.share(0, 10)
    assert step.observe() == UNDER_WAY
    with pytest.raises(NotConverged, match=r"still UPDATE_IN_PROGRESS; it is left to go on"):
        run(step, seconds=0.3)


def test_a_share_that_became_another_is_left_alone(stack: LocalStack) -> None:
    stack.update("33")
    step = stack.share(0, 10)
    with pytest.raises(StepFailed, match="changed under our hands: 33 %; nothing was written"):
        run(step)


@pytest.mark.parametrize("operation", WRITES)
def test_a_lost_answer_changes_once(stack: LocalStack, operation: str) -> None:
    stack.endpoint.fault(operation, lose_response=True)
    take(stack.share(0, 10))
    events = stack.call("DescribeStackEvents")["StackEvents"]
    assert sum(event["ResourceStatus"] == "UPDATE_IN_PROGRESS" for event in events) == 2  # stack and resource, once


def executed_unheard(listed_after: float) -> Aws:
    """An account that executes, loses the answer, then knows no such change set, and lists it after so many more looks."""
    looks: list[str] = []

    class Unheard(Aws):
        def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
            if operation == EXECUTE and looks:
                raise AwsError("there is no such change set", code="ChangeSetNotFound")
            answer = super().call(service, operation, deadline, **parameters)
            if operation == EXECUTE:
                looks.append(parameters["ClientRequestToken"])
                raise OutcomeUnknown("no answer", code="ReadTimeout")
            if operation == "DescribeStackEvents" and looks:
                looks.append("")
                if len(looks) <= listed_after + 1:
                    others = [one for one in answer["StackEvents"] if one["ClientRequestToken"] != looks[0]]
                    return {"StackEvents": others}
            return answer

    return Unheard("us-east-1")


def test_an_execution_whose_events_are_listed_late_is_not_denied(stack: LocalStack) -> None:
    take(stack.share(0, 10, aws=executed_unheard(3)))
    with pytest.raises(StepFailed, match=r"it may have been executed\. Look with: .* describe-stack-events") as failure:
        (command,) = stack.share(10, 20, aws=executed_unheard(float("inf"))).commands(Share.of(20))
        command.run(Deadline.after(600, FakeClock()))
    assert "Nothing was executed" not in str(failure.value)
    assert stack.share(10, 20).observe() == Share.of(20)


def test_what_an_earlier_try_left_is_removed(stack: LocalStack) -> None:
    keep = [{"ParameterKey": key, "UsePreviousValue": True} for key in ("Colour", "Secret", "Idle")]
    stack.call(
        "CreateChangeSet",
        ChangeSetName="cutover-TrafficPercentage-55-left",
        UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": "TrafficPercentage", "ParameterValue": "55"}, *keep],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    take(stack.share(10, 0))
    assert stack.change_sets() == []


def test_what_carries_no_share_is_a_state_and_no_error(stack: LocalStack) -> None:
    assert stack.share(0, 10, stack="nope").observe() == "there is no stack nope"
    assert stack.share(0, 10, parameter=StackParameter("Nope")).observe() == "stack edge has no parameter Nope"
    assert stack.share(0, 10, parameter=StackParameter("Secret")).observe() == "Secret is '****', which is no number"


@pytest.mark.slow
@pytest.mark.sampled
def test_the_contract(stack: LocalStack, tmp_path: Path) -> None:
    def half_done() -> None:
        stack.order(seconds=30)
        stack.update("33")

    def moved() -> None:
        stack.update("33")
        eventually(lambda: str(stack.share(0, 10).observe()) == "33 %")

    def anew() -> None:
        stack.make()
        stack.order(seconds=0.02)  # so that a death finds the update under way

    holds(
        lambda: stack.share(0, 10),
        kills=8,
        state_dir=tmp_path,
        reset=anew,
        strays=[moved, half_done, stack.delete],
    )


@pytest.mark.slow
def test_what_is_printed_reaches_the_same_states(stack: LocalStack, bash: Callable[..., str]) -> None:
    step = stack.share(0, 10, explicit=(("Colour", "teal"),), may_touch=("Weights",))
    bash(step.commands(step.after)[0].shell())
    assert (step.observe(), stack.values()["Colour"]) == (step.after, "teal")
    assert bash(step.check_shell()).splitlines()[-1] == "10 %"
    assert "is 10 already" in bash(step.commands(step.after)[0].shell())
    back = step.inverse().commands(step.before)[0].shell()
    stack.order(fail="rolled-back")
    bash(back, ok=False)
    assert step.observe() == step.after
    bash(back)
    assert (step.observe(), stack.change_sets()) == (step.before, [])
    assert "refused" in bash(stack.share(0, 10, may_touch=("Other",)).commands(step.after)[0].shell(), ok=False)
    assert (step.observe(), stack.change_sets()) == (step.before, [])
    stack.order(fail="stuck")
    with pytest.raises(StepFailed) as failure:
        run(step)
    bash(str(failure.value).split("then: ")[1].split(". It began")[0])
    assert step.observe() == step.before
