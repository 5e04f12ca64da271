"""What a stack has to be before it may carry a share, and how a share is written as a parameter."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from local_aws import Endpoint
from local_stack import NAME, LocalStack

from cutover.aws.session import AwsError
from cutover.aws.stack_parameter import StackParameter
from cutover.aws.stack_ready import StackReady
from cutover.aws.template import declared
from cutover.core.gate import Verdict
from cutover.core.share import Share


@pytest.fixture
def stack(endpoint: Endpoint) -> Iterator[LocalStack]:
    made = LocalStack(endpoint)
    yield made
    made.delete()


def ready(stack: LocalStack, *shares: float, **more: Any) -> StackReady:
    planned = tuple(Share.of(one) for one in shares or (0, 10, 100))
    parameter = StackParameter(more.pop("parameter", "TrafficPercentage"))
    return StackReady(aws=stack.endpoint.aws, stack=NAME, parameter=parameter, shares=planned, **more)


def test_a_stack_that_can_carry_the_share(stack: LocalStack) -> None:
    stack.make()
    found = ready(stack).look()
    assert (found.verdict, found.seen) == (Verdict.PASS, "stack edge is CREATE_COMPLETE, TrafficPercentage is 0")
    assert stack.endpoint.writes_during(ready(stack).look) == []


@pytest.mark.parametrize(
    ("made", "asked", "seen"),
    [
        ({"number": {"MaxValue": 50}}, {}, "TrafficPercentage cannot be 100: it has to be at least 0, at most 50"),
        ({"number": {"AllowedValues": [0, 50, 100]}}, {}, "cannot be 10: it has to be at least 0, at most 100, one of 0, 50"),
        ({"Transform": "AWS::LanguageExtensions"}, {}, "its template uses AWS::LanguageExtensions"),
        ({"percent": "5"}, {}, "the share is 5 % now, 0 % is where the plan begins"),
        ({}, {"parameter": "Nope"}, "no parameter Nope; its parameters are: Colour, Idle, Secret, TrafficPercentage"),
        ({}, {"parameter": "Secret"}, "Secret is NoEcho: its value cannot be seen"),
        ({}, {"explicit": (("Secret", "hidden"),)}, "Secret is NoEcho: its value is not read"),
        ({}, {"explicit": (("Colour", "red"),)}, "Colour is teal, and red would be given with the share"),
        ({}, {"explicit": (("Nope", "1"),)}, "it has no parameter Nope"),
        ({"number": {"Type": "List<Number>"}}, {}, "TrafficPercentage is a List<Number>"),
    ],
)  # fmt: skip
def test_what_cannot_carry_it_says_why(
    stack: LocalStack, made: dict[str, Any], asked: dict[str, Any], seen: str
) -> None:
    stack.make(**made)
    found = ready(stack, **asked).look()
    assert found.verdict is Verdict.FAIL
    assert seen in found.seen
    assert found.hint


def test_a_stack_that_is_not_well_is_refused_and_a_busy_one_waited_for(stack: LocalStack) -> None:
    assert ready(stack).look().seen == "there is no stack edge"
    stack.make()
    stack.order(fail="stuck")
    stack.update("5")
    found = ready(stack).look()
    assert (found.verdict, "continue-update-rollback" in found.hint) == (Verdict.FAIL, True)
    stack.order(seconds=30)
    stack.call("ContinueUpdateRollback")
    assert ready(stack).look().verdict is Verdict.INSUFFICIENT


def test_a_stack_that_cannot_be_asked_is_not_seen(stack: LocalStack) -> None:
    stack.make()
    stack.endpoint.fault("GetTemplateSummary", code="AccessDenied")
    assert ready(stack).look().verdict is Verdict.BLIND


@pytest.mark.slow
def test_what_is_printed_shows_the_share(stack: LocalStack, bash: Callable[..., str]) -> None:
    stack.make("7")
    printed = bash(replace(ready(stack), shares=(Share.of(7),)).shell()).splitlines()
    assert printed[1] == "7 %"
    assert ["Secret", "String", "True"] in [line.split() for line in printed]


@pytest.mark.parametrize(
    ("parameter", "share", "text"),
    [
        (StackParameter("P"), 0, "0"),
        (StackParameter("P"), 100, "100"),
        (StackParameter("P"), 10, "10"),
        (StackParameter("P"), 0.01, "1"),
        (StackParameter("P"), 99.99, "99"),
        (StackParameter("P", decimals=2), 0.01, "0.01"),
        (StackParameter("P", scale=1, decimals=2), 15, "0.15"),
        (StackParameter("P", scale=1000), 12.5, "125"),
        (StackParameter("P", scale=256), 50, "128"),
    ],
)
def test_a_share_is_written_as_near_as_the_parameter_can(parameter: StackParameter, share: float, text: str) -> None:
    assert parameter.text(Share.of(share)) == text
    assert parameter.share(text, [Share.of(share)]) == Share.of(share)


def test_a_share_that_is_not_exact_is_remarked() -> None:
    assert StackParameter("P").remark(Share.of(0.4)) == "0.4 % is written as 1 %, the nearest that P allows"
    assert StackParameter("P").remark(Share.of(40)) == ""


@pytest.mark.parametrize("value", ["ten", "", "101", "-1", "NaN", "Infinity", "****"])
def test_what_is_no_share_is_told(value: str) -> None:
    assert isinstance(StackParameter("P").share(value, ()), str)


@pytest.mark.parametrize("value", ["0.00001", "0.004"])
def test_a_trickle_is_not_nothing(value: str) -> None:
    assert StackParameter("P").share(value, ()) == Share.of(0.01)


YAML = """
Parameters:
  Percent: {Type: Number, MinValue: 0, MaxValue: '50', AllowedValues: [1, 2]}
Resources:
  Rule: !Sub
    - "${x}"
    - {x: !Ref Percent}
"""


def test_a_yaml_template_is_read_without_its_tags() -> None:
    assert declared(YAML, "Percent") == {"Type": "Number", "MinValue": "0", "MaxValue": "50"}
    assert declared(YAML, "Other") == {}
    assert declared("[]", "Percent") == {}


@pytest.mark.parametrize("body", ["{", "[" * 5000, "a: b: c"])
def test_a_template_that_cannot_be_read_is_an_error_of_its_own(body: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        declared(body, "Percent")


def proposal(
    name: str, *given: tuple[str, str], keep: tuple[str, ...] = ("Colour", "Secret", "Idle")
) -> dict[str, Any]:
    return {
        "ChangeSetName": name,
        "UsePreviousTemplate": True,
        "Capabilities": ["CAPABILITY_IAM"],
        "Parameters": [
            *({"ParameterKey": key, "ParameterValue": value} for key, value in given),
            *({"ParameterKey": key, "UsePreviousValue": True} for key in keep),
        ],
    }


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (proposal("a", ("TrafficPercentage", "101")), "must be a number not greater than 100"),
        (proposal("a", ("TrafficPercentage", "-1")), "must be a number not less than 0"),
        (proposal("a", ("TrafficPercentage", "ten")), "must be a number"),
        (proposal("a", ("Nope", "1")), r"Parameters: \[Nope\] do not exist in the template"),
        (proposal("a", keep=("Nope",)), "do not exist in the template"),
        (proposal("a", keep=("Colour",)), r"Parameters: \[Secret\] must have values"),
        (
            {**proposal("a", ("TrafficPercentage", "5")), "Capabilities": []},
            r"Requires capabilities : \[CAPABILITY_IAM\]",
        ),
        (proposal("1a", ("TrafficPercentage", "5")), "failed to satisfy constraint"),
    ],
)
def test_the_local_cloudformation_refuses_what_aws_refuses(stack: LocalStack, asked: dict[str, Any], said: str) -> None:
    stack.make()
    with pytest.raises(AwsError, match=said):
        stack.call("CreateChangeSet", **asked)


def test_in_the_local_cloudformation_what_is_not_named_gets_its_default(stack: LocalStack) -> None:
    stack.make("40")
    stack.call("CreateChangeSet", **proposal("colours", ("Colour", "teal"), keep=("Secret",)))
    stack.call("ExecuteChangeSet", ChangeSetName="colours", ClientRequestToken="once")
    assert stack.values()["TrafficPercentage"] == "0"
    before = len(stack.call("DescribeStackEvents")["StackEvents"])
    stack.call("ExecuteChangeSet", ChangeSetName="colours", ClientRequestToken="once")
    assert len(stack.call("DescribeStackEvents")["StackEvents"]) == before
    with pytest.raises(AwsError, match="TokenAlreadyExists"):
        stack.call("ExecuteChangeSet", ChangeSetName="others", ClientRequestToken="once")
    with pytest.raises(AwsError, match="No updates are to be performed"):
        stack.update("0")


def test_in_the_local_cloudformation_a_change_set_grows_stale(stack: LocalStack) -> None:
    stack.make()
    stack.call("CreateChangeSet", **proposal("mine", ("TrafficPercentage", "5")))
    stack.update("7")
    with pytest.raises(AwsError, match="OBSOLETE"):
        stack.call("ExecuteChangeSet", ChangeSetName="mine")
