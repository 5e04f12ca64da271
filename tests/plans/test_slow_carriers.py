"""Hostnames that a stack's parameter or a continuous deployment carries, in the whole plan and on its way back."""

from pathlib import Path
from typing import Any

import pytest

from cutover.app import open_environment
from cutover.aws.cloudformation import StackShare
from cutover.aws.cloudfront import ContinuousDeploymentShare
from cutover.aws.permission import Permitted
from cutover.core.plan import Plan
from cutover.core.share import Share
from cutover.core.step import Step
from cutover.plans.parts import Parts

ENVIRONMENT = """\
name: slow
description: Two hostnames whose providers take minutes
owners: {decision: a, database: b, traffic: c, application: d}
database: {name: shop, blue: env:BLUE, green: env:GREEN}
hostnames:
  edge:
    host: edge.example.com
    carrier: {kind: cloudfront, distribution: EPRIMARY1, staging: ESTAGING1, kept_in: /cutover/slow/edge}
  stack:
    host: stack.example.com
    carrier:
      kind: cloudformation
      stack: edge
      parameter: Percent
      decimals: 1
      parameters: {Colour: teal}
      may_touch: [Weights]
shift: {shares: [0.5, 15, 100], soak: 1m}
"""


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    (tmp_path / "slow.yaml").write_text(ENVIRONMENT)
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    return Parts(open_environment("slow", directory=tmp_path).means)


@pytest.fixture
def plan(tmp_path: Path, parts: Parts) -> Plan:
    return open_environment("slow", directory=tmp_path).plan


def shares(plan: Plan, kind: type[Step[Any]]) -> list[tuple[str, str]]:
    return [(str(step.before), str(step.after)) for _, step in plan.steps() if isinstance(step, kind)]


@pytest.mark.parametrize("kind", [StackShare, ContinuousDeploymentShare])
def test_every_share_is_a_step_and_the_way_back_is_one(plan: Plan, kind: type[Step[Any]]) -> None:
    assert shares(plan, kind) == [("0 %", "0.5 %"), ("0.5 %", "15 %"), ("15 %", "100 %")]
    back = plan.inverse([item.name for _, item in plan.walk()])
    assert shares(back, kind) == [("100 %", "0 %")]


def test_blue_is_kept_while_it_serves_as_ever_and_let_go_last(plan: Plan) -> None:
    names = [step.name for _, step in plan.steps()]
    assert names.index("record-of-blue") < names.index("blue-kept-edge") < names.index("switchover")
    back = [step.name for _, step in plan.inverse([item.name for _, item in plan.walk()]).steps()]
    assert back.index("blue-kept-edge-undo") > next(
        at for at, name in enumerate(back) if name.startswith("traffic-edge")
    )


def test_preflight_asks_both_and_knows_every_planned_share(parts: Parts) -> None:
    named = dict(parts.preflight_checks().checks)
    assert {"distribution-ready-edge", "stack-ready-stack"} <= set(named)
    ready: Any = named["stack-ready-stack"]
    assert ready.shares == tuple(map(Share.of, ("0", "0.5", "15", "100")))
    assert ready.explicit == (("Colour", "teal"),)


def test_the_words_reach_the_commands(plan: Plan) -> None:
    step = next(step for _, step in plan.steps() if isinstance(step, StackShare))
    shell = step.commands(step.after)[0].shell()
    assert "Colour=teal Percent=0.5" in shell
    assert '$1 != "Weights"' in shell
    assert step.settle == 900.0


def test_what_may_be_called_is_narrow(plan: Plan, parts: Parts) -> None:
    asked = [step for _, step in plan.steps() if isinstance(step, StackShare | ContinuousDeploymentShare)]
    found = {one for step in asked if isinstance(step, Permitted) for one in step.permissions()}
    assert {one.resource for one in found} == {
        "arn:aws:cloudformation:{region}:{account}:stack/edge/*",
        "arn:aws:cloudfront::{account}:continuous-deployment-policy/*",
        "arn:aws:cloudfront::{account}:distribution/EPRIMARY1",
        "arn:aws:cloudfront::{account}:distribution/ESTAGING1",
        "arn:aws:ssm:{region}:{account}:parameter/cutover/slow/edge",
    }
    checks = [check for _, check in parts.preflight_checks().checks if isinstance(check, Permitted)]
    assert all(one.reads for check in checks for one in check.permissions())
