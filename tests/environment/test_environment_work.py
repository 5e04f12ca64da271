"""Workers, configuration and steps of one's own: what may be written, and what is refused."""

from collections.abc import Callable

import pytest

from cutover.environment import Environment

Told = Callable[..., list[str]]
Loaded = Callable[..., Environment]

ECS = "kind: ecs, cluster: shop, service: mails, count: 2"
WORKER = f"workers:\n  mails:\n    side: blue\n    runs_on: {{{ECS}}}\n"
SETTING = (
    "configuration:\n  sender:\n    parameter: /shop/sender\n    blue: mail-blue.internal\n    green: env:SENDER\n"
)
STEP = """\
steps:
  index:
    phase: prepare
    before: old
    after: new
    observe: |
      set -u
      cat state
    to: echo new > state
    back: echo old > state
    why: Because.
    variables: {TOKEN: "ssm:/shop/token"}
"""


def test_what_they_become(loaded: Loaded) -> None:
    environment = loaded(WORKER, SETTING, STEP)
    worker, setting, step = (
        environment.workers["mails"],
        environment.configuration["sender"],
        environment.steps["index"],
    )
    assert (worker.side, worker.runs_on.kind, worker.timeout, worker.log_group) == ("blue", "ecs", 45.0, None)
    assert (setting.blue.kind, setting.blue.name, str(setting.green)) == ("literal", "mail-blue.internal", "env:SENDER")
    assert (step.observe, step.timeout, step.observe_is_safe) == ("set -u\ncat state", 60.0, False)
    assert {name: str(ref) for name, ref in step.variables.items()} == {"TOKEN": "ssm:/shop/token"}
    assert Environment.model_validate(environment.model_dump(mode="json")) == environment


@pytest.mark.parametrize(
    ("text", "change", "problem"),
    [
        (WORKER, ("kind: ecs", "kind: esc"), "workers.mails.runs_on: kind must be one of ecs, autoscaling, event-source, schedule (did you mean ecs?)"),
        (WORKER, ("kind: ecs, ", ""), "workers.mails.runs_on: needs a kind: ecs or autoscaling or event-source or schedule"),
        (WORKER, ("count: 2", "count: 0"), "workers.mails.runs_on.count: must be from 1 to 1000"),
        (WORKER, ("count: 2", "conut: 2, count: 2"), "workers.mails.runs_on.conut: unknown key (did you mean count?)"),
        (WORKER, ("side: blue", "side: both"), "workers.mails.side: must be one of blue, green"),
        (WORKER, ("side: blue", "side: blue\n    timeout: 60s"), "workers.mails.timeout: must be shorter than window.budget"),
        (WORKER, ("side: blue", "side: green\n    log_group: /ecs/mails"), "workers.mails.log_group: is kept of workers that were stopped"),
        (WORKER, (ECS, "kind: autoscaling, group: mails, count: 2, min_size: 3"), "workers.mails.runs_on.min_size: is more than the group has while it runs"),
        (WORKER, (ECS, "kind: event-source, uuid: 7"), "workers.mails.runs_on.uuid: wants the UUID of a mapping"),
        (SETTING, ("green: env:SENDER", "green: mail-blue.internal"), "configuration.sender.green: is the same value as blue's"),
        (SETTING, ("green: env:SENDER", "green: 'ssm:a b'"), "configuration.sender.green: wants a value of one line, at most 2000 characters, or a reference"),
        (SETTING, ("blue: mail-blue.internal", "blue: postgresql://u:secret@h/d"), "configuration.sender.blue: holds a password"),
        (STEP, ("after: new", "after: old"), "steps.index.after: is the same state as before the step"),
        (STEP, ("after: new", "after: new\n    between: [half, old]"), "steps.index.between[1]: is the state before the step, and none in which it stopped half-way (steps.index.before, line"),
        (STEP, ("after: new", "after: new\n    between: [new]"), "steps.index.between[0]: is the state after the step, and none in which it stopped half-way (steps.index.after, line"),
        (STEP, ("after: new", "after: new\n    between: [half, half]"), "steps.index.between: names the same thing twice"),
        (STEP, ("phase: prepare", "phase: whenever"), "steps.index.phase: must be one of prepare, window-before, window-after, shift-before, bake"),
        (STEP, ("phase: prepare", "phase: window-after\n    timeout: 60s"), "steps.index.timeout: must be shorter than window.budget"),
        (STEP, ("phase: prepare", "phase: window-before"), "steps.index: must be shorter than window.budget (60 s when it is not written)"),
        (STEP, ("    why: Because.\n", ""), "steps.index: why"),
        (STEP, ("TOKEN:", "token:"), "steps.index.variables"),
        (STEP, ("ssm:/shop/token", "hunter2"), "steps.index.variables.TOKEN: wants a reference"),
        (STEP, ("echo new > state", '"echo \\e[2J"'), "steps.index.to: holds a control character or an invisible one"),
        (STEP, ("echo new > state", '"  "'), "steps.index.to: wants shell commands, at most 4000 characters"),
    ],
)  # fmt: skip
def test_what_is_refused(told: Told, text: str, change: tuple[str, str], problem: str) -> None:
    assert text.count(change[0]) == 1
    (found,) = told(text.replace(*change))
    if problem == "steps.index: why":
        assert "steps.index.why: is missing" in found
    else:
        assert problem in found


def test_one_resource_has_one_entry(told: Told) -> None:
    second = WORKER.removeprefix("workers:\n").replace("mails:\n", "again:\n", 1).replace("blue", "green")
    (found,) = told(WORKER + second)
    assert "workers.again.runs_on: is another entry's workers, too (workers.mails.runs_on, line" in found
    (found,) = told(SETTING + SETTING.removeprefix("configuration:\n").replace("sender:\n", "again:\n", 1))
    assert "configuration.again.parameter: is another entry's parameter, too" in found


def test_names_are_unique_within_their_kind_alone(loaded: Loaded) -> None:
    group = WORKER.replace(ECS, "kind: autoscaling, group: billing, count: 2")
    rule = "  again:\n    side: blue\n    runs_on: {kind: schedule, rule: billing}\n"
    assert set(loaded(group + rule + "window: {budget: 3m}\n").workers) == {"mails", "again"}


def test_a_step_before_the_shift_needs_a_shift_of_its_own(told: Told) -> None:
    (found,) = told(
        STEP.replace("phase: prepare", "phase: shift-before") + "shift: {strategy: immediate}\nwindow: {budget: 3m}\n"
    )
    assert "steps.index.phase: traffic moves inside the window here" in found


def test_what_the_window_waits_for_one_after_the_other_fits_into_it_in_all(told: Told) -> None:
    second = WORKER.removeprefix("workers:\n").replace("mails:\n", "bills:\n", 1).replace("mails,", "bills,")
    both = WORKER + second.replace("side: blue", "side: blue\n    timeout: 14s")
    step = STEP.replace("phase: prepare", "phase: window-after\n    timeout: 15s")
    assert told(both) == []
    (found,) = told(both + step)
    assert (
        "steps.index: what the window may wait for, one after the other, must be shorter than window.budget (60 s)"
        in found
    )
    assert "mails 45 s + bills 14 s + index 15 s = 74 s" in found
    assert told(both + step + "window: {budget: 75s}\n") == []
    assert len(told(both + step.replace("window-after", "bake"))) == 0
    assert len(told(both.replace("side: blue", "side: green") + step)) == 0
    (alone,) = told(both.replace("14s", "60s") + step)
    assert alone.count("shorter than window.budget") == 1 and "workers.bills.timeout" in alone
