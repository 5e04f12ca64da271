"""A rule that answers write methods with 503: put once, found exactly, removed exactly."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from local_aws import Endpoint

from cutover.aws.alb_conditions import values_of
from cutover.aws.alb_maintenance_check import MaintenanceFits
from cutover.aws.alb_rules import AlbMaintenance
from cutover.aws.alb_standing import WRITES_503, WRITES_PASS
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.gate import Finding, Verdict


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


def renumbered(endpoint: Endpoint, arn: str, priority: int) -> None:
    endpoint.elb("SetRulePriorities", RulePriorities=[{"RuleArn": arn, "Priority": priority}])


def test_our_rule_is_found_and_removed_wherever_somebody_moved_it(endpoint: Endpoint) -> None:
    on = step(endpoint)
    take(on)
    renumbered(endpoint, endpoint.rules()[0]["RuleArn"], 77)
    other = endpoint.rule(1, "404")
    assert on.observe() == WRITES_503
    take(on.inverse())
    assert [rule["RuleArn"] for rule in endpoint.rules()] == [other]


def test_a_rule_that_says_the_same_without_our_tag_is_told_and_left_alone(endpoint: Endpoint) -> None:
    on = step(endpoint)
    listener = endpoint.listener_arn()
    endpoint.elb("CreateRule", ListenerArn=listener, Priority=9, Conditions=on.wanted()[0], Actions=on.actions())
    (theirs,) = endpoint.rules()
    assert on.observe() == f"a rule like ours without our tag (priority 9, {theirs['RuleArn']})"
    for way in (on, on.inverse()):
        with pytest.raises(StepFailed, match="without our tag .* nothing was written"):
            way.commands(way.after)[0].run(Deadline.after(10))
    assert endpoint.rules() == [theirs]


def test_a_rule_of_ours_that_somebody_changed_is_not_deleted(endpoint: Endpoint) -> None:
    on = step(endpoint)
    take(on)
    (ours,) = endpoint.rules()
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "MessageBody": "other"}}
    endpoint.elb("ModifyRule", RuleArn=ours["RuleArn"], Actions=[fixed])
    assert on.observe().startswith("a maintenance rule that is not as we make it (priority 1, arn:")
    back = on.inverse()
    with pytest.raises(StepFailed, match="not as we make it .* nothing was written"):
        back.commands(back.after)[0].run(Deadline.after(10))
    assert len(endpoint.rules()) == 1


HOSTS = ("shop.shop.test", "www.shop.test")


def test_hosts_take_as_many_rules_as_the_limit_of_values_wants(endpoint: Endpoint) -> None:
    assert [
        len(step(endpoint, hosts=HOSTS, methods=methods).wanted()) for methods in (("POST",), ("A", "B", "C", "D"))
    ] == [1, 2]
    with pytest.raises(ValueError, match="1 to 4 HTTP methods"):
        step(endpoint, hosts=HOSTS, methods=("A", "B", "C", "D", "E"))
    on = step(endpoint, hosts=HOSTS, priority=3)
    assert on.between == {"1 of 2 maintenance rules stand"}
    other = endpoint.host_rule(9, "api.shop.test", shop_blue=1)
    assert endpoint.writes_during(lambda: take(on)) == ["CreateRule", "CreateRule"]
    values = [[value for one in rule["Conditions"] for value in values_of(one)] for rule in endpoint.rules()]
    assert max(map(len, values)) == 5
    assert sorted(rule["Priority"] for rule in endpoint.rules()) == ["3", "4", "9"]
    endpoint.elb("DeleteRule", RuleArn=next(rule["RuleArn"] for rule in endpoint.rules() if rule["RuleArn"] != other))
    assert on.observe() == "1 of 2 maintenance rules stand"
    take(on)
    assert endpoint.writes_during(lambda: take(on.inverse())) == ["DeleteRule", "DeleteRule"]
    assert [rule["RuleArn"] for rule in endpoint.rules()] == [other]


def test_two_systems_on_one_load_balancer_do_not_meet(endpoint: Endpoint) -> None:
    theirs, ours = step(endpoint, hosts=("other.test",), priority=5), step(endpoint, hosts=("shop.shop.test",))
    take(theirs)
    assert ours.observe() == WRITES_PASS
    take(ours)
    take(ours.inverse())
    assert theirs.observe() == WRITES_503


def test_a_taken_priority_is_found_before_the_window(endpoint: Endpoint) -> None:
    check = MaintenanceFits(step=step(endpoint, hosts=HOSTS))
    assert check.look() == Finding.passed("shop:80: priority 1 is free for 2 rules")
    endpoint.rule(2, "404")
    found = check.look()
    assert (found.verdict, found.seen) == (
        Verdict.FAIL,
        "shop:80: writes pass, but priority 2 belongs to another rule",
    )
    assert found.hint.startswith("write `maintenance.priority: 3`, which is free here")
    assert MaintenanceFits(step=step(endpoint, hosts=HOSTS, priority=3)).look().verdict is Verdict.PASS


def test_rules_that_come_first_and_a_maintenance_that_stands_are_told(endpoint: Endpoint) -> None:
    endpoint.host_rule(2, "shop.shop.test", "/hooks/*", shop_blue=1)
    check = MaintenanceFits(step=step(endpoint, priority=3))
    found = check.look()
    assert found.seen == (
        "shop:80: priority 3 is free for 1 rule, but these rules come first and let their writes pass: "
        "2 (host-header shop.shop.test; path-pattern /hooks/*)"
    )
    assert found.data["warning"]
    take(check.step)
    assert check.look().seen == "shop:80: writes answered 503 already"
    assert MaintenanceFits(step=replace(check.step, port=81)).look().verdict is Verdict.FAIL


@pytest.mark.slow
def test_what_is_printed_for_hosts_reaches_the_same_states(endpoint: Endpoint, bash: Callable[..., str]) -> None:
    on = step(endpoint, hosts=HOSTS)
    check = MaintenanceFits(step=on)
    assert bash(check.shell()) == "priority 1 is free\n"
    bash(on.commands(WRITES_503)[0].shell())
    assert on.observe() == WRITES_503
    bash(check.shell(), ok=False)
    endpoint.elb("DeleteRule", RuleArn=endpoint.rules()[0]["RuleArn"])
    assert bash(on.check_shell()) == "1 of 2 maintenance rules stand\n"
    renumbered(endpoint, endpoint.rules()[0]["RuleArn"], 50)
    bash(on.commands(WRITES_503)[0].shell())
    assert on.observe() == WRITES_503
    bash(on.commands(WRITES_PASS)[0].shell())
    assert endpoint.rules() == []


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
