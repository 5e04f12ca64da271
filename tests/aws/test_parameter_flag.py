"""The share in an SSM parameter: its version shows a lost race, and whoever wrote beside us has their value back."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from contract import holds
from local_aws import Endpoint
from meddling import Meddled

from cutover.aws.parameter_flag import ParameterShare
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.flag import Flag
from cutover.core.share import Share

NAME = "/shop/share"


class Parameter:
    """One parameter on the local endpoint, as other people write it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return self._endpoint.aws.call("ssm", operation, Deadline.after(20), Name=NAME, **parameters)

    def put(self, value: str, kind: str = "String") -> None:
        self.ask("PutParameter", Value=value, Type=kind, Overwrite=True)

    def value(self) -> str:
        return str(self.ask("GetParameter")["Parameter"]["Value"])


@pytest.fixture
def parameter(endpoint: Endpoint) -> Iterator[Parameter]:
    made = Parameter(endpoint)
    made.put("0")
    yield made
    made.ask("DeleteParameter")


def share(endpoint: Endpoint, before: float, after: float, key: str | None = None, **more: Any) -> ParameterShare:
    return ParameterShare(
        name=f"shop-to-{after}",
        before=Share.of(before),
        after=Share.of(after),
        aws=more.pop("aws", endpoint.aws),
        parameter=more.pop("parameter", NAME),
        flag=Flag(key),
    )


def run(step: ParameterShare, seconds: float = 20.0) -> None:
    for command in step.commands(step.after):
        command.run(Deadline.after(seconds))


def test_a_number_that_stands_alone(endpoint: Endpoint, parameter: Parameter) -> None:
    for before, after, shown in ((0, 10, "10"), (10, 0.5, "0.5"), (0.5, 100, "100"), (100, 0, "0")):
        step = share(endpoint, before, after)
        assert endpoint.writes_during(partial(run, step)) == ["PutParameter"]
        assert parameter.value() == shown and step.observe() == step.after
        assert endpoint.writes_during(partial(run, step)) == ["PutParameter"], "the same again"


def test_everything_else_of_an_object_survives(endpoint: Endpoint, parameter: Parameter) -> None:
    parameter.put('{"salt": "é", "green_percent": 0, "kept": [1, 2.5, null]}')
    run(share(endpoint, 0, 33.33, key="green_percent"))
    assert parameter.value() == '{"salt": "é", "green_percent": 33.33, "kept": [1, 2.5, null]}'


@pytest.mark.slow
@pytest.mark.sampled
def test_contract(endpoint: Endpoint, parameter: Parameter, tmp_path: Path) -> None:
    holds(
        lambda: share(endpoint, 0, 10),
        state_dir=tmp_path,
        kills=8,
        reset=lambda: parameter.put("0"),
        strays=[partial(parameter.put, value) for value in ("25", "ten", "101", "true", "1e999")],
    )


@pytest.mark.parametrize("key", [None, "green percent"])
def test_what_is_printed_reaches_the_state_that_it_claims(
    endpoint: Endpoint, parameter: Parameter, bash: Callable[..., str], key: str | None
) -> None:
    if key:
        parameter.put('{\n  "it\'s": "kept",\n  "green percent": 0\n}')
    for before, after in ((0, 10), (10, 0)):
        step = share(endpoint, before, after, key=key)
        (command,) = step.commands(step.after)
        bash(command.shell())
        assert step.observe() == step.after
        assert bash(step.check_shell()) == f"{after} %\n"
    if key:
        assert '"it\'s": "kept"' in parameter.value()


def test_somebody_who_writes_between_our_look_and_our_write_has_their_value_back(
    endpoint: Endpoint, parameter: Parameter
) -> None:
    meddled = Meddled("us-east-1", operation="PutParameter", act=lambda: parameter.put("70"))
    step = share(endpoint, 0, 10, aws=meddled)
    with pytest.raises(StepFailed, match="version 2 was written by .* just before our 3, and was put back"):
        run(step)
    assert (parameter.value(), step.observe()) == ("70", Share.of(70))


def test_another_key_that_somebody_writes_meanwhile_is_not_lost(endpoint: Endpoint, parameter: Parameter) -> None:
    theirs = '{"green": 0, "banner": true}'
    parameter.put('{"green": 0, "banner": false}')
    meddled = Meddled("us-east-1", operation="PutParameter", act=lambda: parameter.put(theirs))
    step = share(endpoint, 0, 10, key="green", aws=meddled)
    with pytest.raises(StepFailed, match="was put back"):
        run(step)
    assert parameter.value() == theirs
    run(step)
    assert parameter.value() == '{"green": 10, "banner": true}'


def test_somebody_who_writes_what_we_would_write_does_not_stop_us(endpoint: Endpoint, parameter: Parameter) -> None:
    meddled = Meddled("us-east-1", operation="PutParameter", act=lambda: parameter.put("10"))
    run(share(endpoint, 0, 10, aws=meddled))
    assert parameter.value() == "10"


def test_a_lost_answer_is_read_back_and_not_sent_again(endpoint: Endpoint, parameter: Parameter) -> None:
    endpoint.fault("PutParameter", lose_response=True)
    assert endpoint.writes_during(lambda: run(share(endpoint, 0, 10))) == ["PutParameter"]
    assert parameter.value() == "10"


@pytest.mark.parametrize(
    ("value", "key", "seen"),
    [
        ("ten", None, "the flag is no number: 'ten'"),
        ("10.005", None, "the flag is not a share: 10.005"),
        ("-1", None, "the flag is not a share: -1"),
        ('"10"', None, 'the flag is no number: "10"'),
        ("NaN", None, "the flag is no number: 'NaN'"),
        ("[", "green", "the flag is not JSON"),
        ("10", "green", "the flag is no JSON object"),
        ('{"blue": 1}', "green", "the flag has no key green"),
        ('{"green": 1, "green": 2}', "green", "the flag is not JSON"),
    ],
)
def test_a_value_that_is_no_share_is_left_alone(
    endpoint: Endpoint, parameter: Parameter, value: str, key: str | None, seen: str
) -> None:
    parameter.put(value)
    step = share(endpoint, 0, 10, key=key)
    assert step.observe() == seen
    with pytest.raises(StepFailed, match="nothing was written"):
        run(step)
    assert parameter.value() == value


def test_a_secret_is_not_read_and_nothing_is_a_state(endpoint: Endpoint, parameter: Parameter) -> None:
    parameter.ask("DeleteParameter")
    assert share(endpoint, 0, 10).observe() == f"there is no parameter {NAME}"
    parameter.put("10", kind="SecureString")
    assert share(endpoint, 0, 10).observe() == f"the parameter {NAME} is a SecureString, not a String"


def test_its_calls_are_the_permitted_ones(endpoint: Endpoint, parameter: Parameter) -> None:
    meddled = Meddled("us-east-1", operation="PutParameter", act=lambda: parameter.put("10"))
    step = share(endpoint, 0, 10, aws=meddled)
    before = len(endpoint.calls())
    run(step)
    assert {call["operation"] for call in endpoint.calls()[before:]} == {p.operation for p in step.permissions()}
    assert {p.resource for p in step.permissions()} == {"arn:aws:ssm:{region}:{account}:parameter/shop/share"}
