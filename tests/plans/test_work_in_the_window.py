"""Workers and own steps around the window: in which order they are taken, and taken back."""

from pathlib import Path

import pytest

from cutover.app import open_environment
from cutover.core.gate import Policy
from cutover.core.plan import Plan
from cutover.machine.own_command import OwnStep
from cutover.runbook import render
from cutover.runbook.compose import book_of

ENVIRONMENT = """\
name: work
description: Workers on both sides, and a step of one's own in the window
owners: {decision: a, database: b, traffic: c, application: d}
database: {name: shop, blue: env:BLUE, green: env:GREEN}
hostnames:
  api:
    host: api.example.com
    carrier: {kind: alb, load_balancer: api, blue: api-blue, green: api-green}
workers:
  blue-mails: {side: blue, timeout: 20s, runs_on: {kind: ecs, cluster: blue, service: mails, count: 2}}
  green-mails: {side: green, runs_on: {kind: ecs, cluster: green, service: mails, count: 2}}
steps:
  queue:
    phase: window-before
    before: blue
    after: green
    between: [blue and green]
    observe: cat queue
    to: echo green > queue
    back: echo blue > queue
    why: Jobs wait in one queue.
    timeout: 20s
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    (tmp_path / "work.yaml").write_text(ENVIRONMENT)
    return open_environment("work", directory=tmp_path).plan


def test_no_application_is_waited_for_while_writes_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP", "http://app.example.com/flags")
    flag = "{kind: ssm, parameter: /shop/share, reported: [env:APP]}"
    text = ENVIRONMENT.replace("{kind: alb, load_balancer: api, blue: api-blue, green: api-green}", flag)
    (tmp_path / "work.yaml").write_text(text + "shift: {strategy: immediate}\n")
    phases = {
        one.name: [item.name for item in one.items] for one in open_environment("work", directory=tmp_path).plan.phases
    }
    assert "traffic-api-100" in phases["window"]
    assert [name for names in phases.values() for name in names if name.startswith("share-reported")] == [
        phases["shift-100"][0]
    ]


def test_an_own_step_that_cannot_be_taken_back_keeps_no_workers_stopped(plan: Plan) -> None:
    back = [step.name for _, step in plan.inverse([item.name for _, item in plan.walk()]).steps()]
    assert back.index("workers-stopped-blue-mails-undo") < back.index("own-queue-undo")


def test_the_words_for_half_done_work_reach_the_step(plan: Plan) -> None:
    (step,) = (step for _, step in plan.steps() if isinstance(step, OwnStep))
    assert step.between == {"blue and green"}


@pytest.mark.parametrize("strategy", ["gradual", "immediate"])
def test_a_step_that_fails_in_a_shift_starts_what_the_environment_says(tmp_path: Path, strategy: str) -> None:
    shift = f"shift: {{strategy: {strategy}, on_failure: hold}}\n"
    (tmp_path / "work.yaml").write_text(ENVIRONMENT + shift)
    policies = {one.name: one.on_failure for one in open_environment("work", directory=tmp_path).plan.phases}
    assert {name for name, policy in policies.items() if policy is Policy.HOLD} == {
        name for name in policies if name.startswith("shift-")
    }
    assert {policies[name] for name in ("prepare", "window", "work", "bake")} == {Policy.STOP}


def test_the_window_hands_its_workers_on(plan: Plan) -> None:
    following = plan.awaited_after("window")
    assert following is not None
    assert (following.name, plan.phase("window").handed_on, following.taken_on) == (
        "work",
        ("workers-stopped-blue-mails",),
        ("workers-started-green-mails",),
    )
    assert plan.awaited_after("prepare") is plan.awaited_after("work") is plan.awaited_after("bake") is None


@pytest.mark.parametrize("side", ["blue", "green"])
def test_workers_of_one_side_alone_are_handed_to_nobody(tmp_path: Path, side: str) -> None:
    text = "\n".join(line for line in ENVIRONMENT.splitlines() if not line.startswith(f"  {side}-mails"))
    (tmp_path / "work.yaml").write_text(text)
    plan = open_environment("work", directory=tmp_path).plan
    assert [plan.awaited_after(phase.name) for phase in plan.phases] == [None] * len(plan.phases)


def test_the_runbook_says_that_the_two_belong_together(tmp_path: Path, plan: Plan) -> None:
    page = render(book_of(open_environment("work", directory=tmp_path)))["CUTOVER-RUNBOOK.md"]
    assert page.count("**Don't stop between this phase and `work`.** `workers-stopped-blue-mails` stop here what") == 1
