"""CloudWatch alarms: through the contract, as a person types them, and nobody else's is touched."""

import json
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar

import pytest
from local_aws import Endpoint
from recorded import holds_exactly

from cutover.alarms import alarms_of, steps, taken
from cutover.app import App, open_environment
from cutover.aws.alarm import AlarmKept, alarm_found
from cutover.aws.dashboard import DashboardKept
from cutover.aws.kept_document import EARLIER, KEPT, NONE
from cutover.aws.permission import IDENTITY
from cutover.aws.session import Aws, OutcomeUnknown
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.dashboards import dashboards_of, monitoring_permissions
from cutover.dashboards import step as dashboard_step
from cutover.plans.triggered import triggers

ROOT = Path(__file__).parents[2]
NAME = "cutover-prod-it's"


def document(**more: Any) -> str:
    dimensions = [{"Name": "LoadBalancer", "Value": "shop"}, {"Name": "TargetGroup", "Value": "shop-green"}]
    metric = {"Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount", "Dimensions": dimensions}
    alarm = {
        "AlarmName": NAME,
        "AlarmDescription": 'When it\'s "quoted", $HOME. (invoke alerts --env prod, 1)',
        "ActionsEnabled": True,
        "Metrics": [
            {"Id": "r", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
            {"Id": "wrong", "Expression": "IF(r > 5, 1, 0)", "ReturnData": True},
        ],
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0.0,
        "EvaluationPeriods": 5,
        "DatapointsToAlarm": 5,
        "TreatMissingData": "missing",
    }
    return json.dumps({**alarm, **more})


def step(aws: Aws, **more: Any) -> AlarmKept:
    return AlarmKept(name="alarm-errors", aws=aws, document=document(**more))


def put(endpoint: Endpoint, **more: Any) -> None:
    aws = Aws("us-east-1")
    aws.call("cloudwatch", "PutMetricAlarm", Deadline.after(10), **step(aws, **more).wanted(Deadline.after(10)))


def gone(endpoint: Endpoint) -> None:
    Aws("us-east-1").call("cloudwatch", "DeleteAlarms", Deadline.after(10), AlarmNames=[NAME])


@pytest.mark.slow
@pytest.mark.sampled
def test_the_contract(endpoint: Endpoint, tmp_path: Path) -> None:
    holds_exactly(
        step,
        state_dir=tmp_path,
        reset=lambda: gone(endpoint),
        strays=[lambda: put(endpoint, Threshold=7.0), lambda: put(endpoint, AlarmDescription="mine")],
        kills=4,
    )
    gone(endpoint)


def test_what_is_printed_makes_shows_and_removes_it(endpoint: Endpoint, bash: Callable[[str], str]) -> None:
    made = step(Aws("us-east-1"))
    gone(endpoint)
    assert bash(made.check_shell()).strip() == NONE
    bash(made.commands(KEPT)[0].shell())
    assert made.observe() == KEPT and "$HOME" in bash(made.check_shell())
    bash(made.commands(NONE)[0].shell())
    assert made.observe() == NONE


def test_an_earlier_one_is_replaced_and_comes_back(endpoint: Endpoint) -> None:
    put(endpoint, Threshold=7.0)
    aws = Aws("us-east-1")
    there = alarm_found(aws, NAME, Deadline.after(10))
    made = replace(step(aws), earlier=json.dumps(there), before=EARLIER)
    assert taken(made, dry=True).startswith("~") and made.observe() == EARLIER
    assert taken(made, dry=False) == f"✓ {EARLIER} → {KEPT}"
    assert taken(made, dry=False) == f"= {KEPT}"
    back = made.inverse()
    assert isinstance(back, AlarmKept)
    assert taken(back, dry=False) == f"✓ {KEPT} → {EARLIER}"
    put(endpoint, Threshold=8.0)
    with pytest.raises(StepFailed, match="changed under our hands"):
        made.commands(KEPT)[0].run(Deadline.after(10))
    gone(endpoint)


def test_a_name_that_stands_for_nothing_is_said(endpoint: Endpoint) -> None:
    made = AlarmKept(name="a", aws=Aws("us-east-1"), document=document().replace('"shop-green"', '"shop-gone"'))
    put(endpoint)
    assert "shop-gone" in made.observe()
    with pytest.raises(StepFailed, match="nothing was written"):
        made.commands(KEPT)[0].run(Deadline.after(10))
    gone(endpoint)


class Losing(Aws):
    """The answer to every write is lost; `taken` is whether the write takes effect."""

    taken = True
    writes: ClassVar[list[str]] = []

    def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
        if operation == "PutMetricAlarm":
            self.writes.append(operation)
            if self.taken:
                super().call(service, operation, deadline, **parameters)
            raise OutcomeUnknown("no answer", "ReadTimeout")
        return super().call(service, operation, deadline, **parameters)


class LosingAll(Losing):
    taken = False


def test_a_lost_answer_is_read_back_and_not_sent_again(endpoint: Endpoint) -> None:
    gone(endpoint)
    Losing.writes.clear()
    made = step(Losing("us-east-1"))
    made.commands(KEPT)[0].run(Deadline.after(10))
    assert made.observe() == KEPT and Losing.writes == ["PutMetricAlarm"]
    gone(endpoint)
    with pytest.raises(StepFailed, match="did not take effect"):
        step(LosingAll("us-east-1")).commands(KEPT)[0].run(Deadline.after(0.0))
    assert made.observe() == NONE


@pytest.fixture
def app(endpoint: Endpoint) -> App:
    made = open_environment("prod", directory=ROOT / "environments")
    made.means = replace(made.means, aws=Aws("us-east-1"))
    return made


def test_a_foreign_alarm_stays_and_an_orphan_goes_only_when_told(app: App, endpoint: Endpoint) -> None:
    found = alarms_of(app.environment, triggers(app.means), {}, "us-east-1")
    put(endpoint, AlarmName="cutover-prod-slow", AlarmDescription="mine")
    put(endpoint, AlarmName="cutover-prod-old")  # of a target group that may be gone by the time it is removed
    made, left = steps(app, found)
    assert {one.name: one.reason.split(", ")[-1] for one in left} == {"slow": "and stays", "old": "and stays"}
    assert all(taken(one, dry=False) == f"✓ {NONE} → {KEPT}" for one in made) and len(made) == 4
    again, _ = steps(app, found)
    assert [taken(one, dry=False) for one in again] == [f"= {KEPT}"] * 4
    back, left = steps(app, found, remove=True)
    assert {one.called for one in back} == {*(one.called for one in made), "cutover-prod-old"}
    assert all(taken(one, dry=False).endswith(NONE) for one in back) and [one.name for one in left] == ["slow"]
    Aws("us-east-1").call("cloudwatch", "DeleteAlarms", Deadline.after(10), AlarmNames=["cutover-prod-slow"])


BOARD = "cutover-it"


def dashboard(aws: Aws, title: str = 'it\'s "all"') -> DashboardKept:
    line = ["AWS/ApplicationELB", "RequestCount", "LoadBalancer", "shop", "TargetGroup", "shop-green", {"id": "r"}]
    widget = {"type": "metric", "properties": {"title": title, "metrics": [line, [{"expression": "r", "id": "e"}]]}}
    return DashboardKept(name="dashboard", aws=aws, dashboard=BOARD, document=json.dumps({"widgets": [widget]}))


def no_dashboard(endpoint: Endpoint) -> None:
    one = dashboard(Aws("us-east-1"))
    if one.found(Deadline.after(10)) is not None:
        one.delete(Deadline.after(10))


@pytest.mark.slow
@pytest.mark.sampled
def test_the_contract_of_a_dashboard(endpoint: Endpoint, tmp_path: Path) -> None:
    def put_dashboard() -> None:
        other = dashboard(Aws("us-east-1"), "other")
        other.put(json.loads(other.document), Deadline.after(10))

    holds_exactly(dashboard, state_dir=tmp_path, reset=lambda: no_dashboard(endpoint), strays=[put_dashboard], kills=2)
    no_dashboard(endpoint)


def test_what_is_printed_makes_shows_and_removes_a_dashboard(endpoint: Endpoint, bash: Callable[[str], str]) -> None:
    made = dashboard(Aws("us-east-1"))
    assert bash(made.check_shell()).strip() == NONE
    bash(made.commands(KEPT)[0].shell())
    assert made.observe() == KEPT and BOARD in bash(made.check_shell())
    bash(made.commands(NONE)[0].shell())
    assert made.observe() == NONE


def test_a_dashboard_of_ours_is_made_renewed_and_removed_and_a_foreign_one_stays(app: App, endpoint: Endpoint) -> None:
    made = dashboards_of(app)
    one = dashboard_step(app, made)
    assert isinstance(one, DashboardKept) and taken(one, dry=False) == f"✓ {NONE} → {KEPT}"
    one.put({"widgets": [{"type": "text", "properties": {"markdown": f"`{made.mark}`"}}]}, Deadline.after(10))
    one = dashboard_step(app, made)
    assert isinstance(one, DashboardKept) and taken(one, dry=False) == f"✓ {EARLIER} → {KEPT}"
    one = dashboard_step(app, made)
    assert isinstance(one, DashboardKept) and taken(one, dry=False) == f"= {KEPT}"
    back = dashboard_step(app, made, remove=True)
    assert isinstance(back, DashboardKept) and taken(back, dry=False).endswith(NONE)
    back.put({"widgets": []}, Deadline.after(10))
    assert dashboard_step(app, made) == "the dashboard cutover-prod is not ours, and stays"
    back.delete(Deadline.after(10))


def test_the_role_for_monitoring_may_do_what_the_steps_do_and_no_more(app: App) -> None:
    made, _ = steps(app, alarms_of(app.environment, triggers(app.means), {}, "us-east-1"))
    one = dashboard_step(app, dashboards_of(app))
    assert isinstance(one, DashboardKept)
    needed = {permission for step_ in (*made, one) for permission in step_.permissions()}
    allowed = set(monitoring_permissions(app)) - {IDENTITY}
    assert {(one.service, one.operation) for one in needed} == {(one.service, one.operation) for one in allowed}
    for wanted in needed:
        assert any(
            wanted.operation == given.operation and fnmatchcase(wanted.resource, given.resource) for given in allowed
        ), wanted
    assert [given.resource for given in allowed if given.operation == "DeleteAlarms"] == [
        "arn:aws:cloudwatch:{region}:{account}:alarm:cutover-prod-*"
    ]
