"""A rule that answers write methods with 503: put once, found exactly, removed exactly."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from local_aws import Endpoint

from cutover.aws.alb_rules import WRITES_503, WRITES_PASS, AlbMaintenance
from cutover.core.clock import Deadline


def step(endpoint: Endpoint, **more: Any) -> AlbMaintenance:
    return AlbMaintenance(name="maintenance-on", aws=endpoint.aws, load_balancer="shop", port=80, **more)


def take(maintenance: AlbMaintenance | Any) -> None:
    for command in maintenance.commands(maintenance.after):
        command.run(Deadline.after(10))
    assert maintenance.observe() == maintenance.after


def test_the_rule_is_put_once_and_removed_exactly(endpoint: Endpoint) -> None:
    other = endpoint.rule(7, "404")
    on = step(endpoint)
    assert on.observe() == WRITES_PASS
    assert endpoint.writes_during(lambda: take(on)) == ["CreateRule"]
    assert endpoint.writes_during(lambda: take(on)) == []
    ours = next(rule for rule in endpoint.rules() if rule["RuleArn"] != other)
    response = ours["Actions"][0]["FixedResponseConfig"]
    assert (ours["Priority"], response["StatusCode"], response["ContentType"]) == ("1", "503", "application/json")
    assert json.loads(response["MessageBody"])["error"] == "maintenance"
    assert endpoint.writes_during(lambda: take(on.inverse())) == ["DeleteRule"]
    assert [rule["RuleArn"] for rule in endpoint.rules()] == [other]
    assert endpoint.writes_during(lambda: take(on.inverse())) == []


def test_a_foreign_rule_at_our_priority_is_told(endpoint: Endpoint) -> None:
    endpoint.rule(1, "404")
    assert step(endpoint).observe() == "writes pass, but priority 1 belongs to another rule"
    assert step(endpoint, priority=2).observe() == WRITES_PASS


def test_lost_answers_are_read_back(endpoint: Endpoint) -> None:
    on = step(endpoint)
    endpoint.fault("CreateRule", lose_response=True)
    take(on)
    endpoint.fault("DeleteRule", lose_response=True)
    take(on.inverse())
    assert endpoint.rules() == []


def test_what_aws_would_refuse_is_refused_before(endpoint: Endpoint) -> None:
    for wrong in (
        {"methods": ()},
        {"methods": ("post",)},
        {"methods": ("A", "B", "C", "D", "E", "F")},
        {"methods": ("POST", "POST")},
        {"priority": 0},
        {"message": "x" * 1024},
    ):
        with pytest.raises(ValueError, match=r"methods|message|differ"):
            step(endpoint, **wrong)


@pytest.mark.slow
def test_what_is_printed_reaches_the_same_states(endpoint: Endpoint, bash: Callable[..., str]) -> None:
    on = step(endpoint, message='Back soon: don\'t `panic`, $HOME is "safe"')
    for _ in range(2):
        bash(on.commands(WRITES_503)[0].shell())
        assert on.observe() == WRITES_503
    assert bash(on.check_shell()) == "writes answered 503\n"
    bash(on.commands(WRITES_PASS)[0].shell())
    assert on.observe() == WRITES_PASS
    assert bash(on.check_shell()) == "writes pass\n"
    bash(on.commands(WRITES_PASS)[0].shell())
