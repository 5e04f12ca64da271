"""Background work in the plan: blue's workers stop before writes change sides, green's start when it has them (C7)."""

from collections.abc import Callable
from typing import Any, assert_never

from cutover.aws.parameter_value import ParameterValue, Side, ValueReady
from cutover.aws.workers import ENABLED, STOPPED, Workers, WorkersReady, running
from cutover.core.gate import Check
from cutover.core.plan import Item
from cutover.environment import AutoScalingGroup, EcsService, EventSource, Ref, Schedule, Setting, Worker
from cutover.plans.final_log import final_log
from cutover.plans.means import Means
from cutover.plans.own_steps import own_checks


def workers_stopped(means: Means) -> list[Item]:
    """Blue's, before writes stop: an undone window starts them again, as the first thing that it takes back."""
    return [_moved(means, name, words, run=False) for name, words in _of(means, "blue")]


def workers_started(means: Means) -> list[Item]:
    """Green's, when green has the writes and its configuration is active."""
    return [_moved(means, name, words, run=True) for name, words in _of(means, "green")]


def configuration(means: Means) -> list[Item]:
    """Green's values, before green's workers start and read them."""
    return [_setting(means, name, words) for name, words in means.environment.configuration.items()]


def final_logs(means: Means) -> list[Item]:
    """What blue's workers wrote last, read when nobody waits any more."""
    return [final_log(means, name, words.log_group) for name, words in _of(means, "blue") if words.log_group]


def work_checks(means: Means) -> list[tuple[str, Check]]:
    """The preflight checks of workers, configuration and own steps."""
    checks: list[tuple[str, Check]] = []
    for name, words in means.environment.workers.items():
        workers = _workers(means, f"workers-{name}", words, run=True)
        wanted = workers.running if words.side == "blue" else STOPPED
        checks.append((f"workers-{name}", WorkersReady(workers=workers, wanted=wanted)))
    for name, setting in means.environment.configuration.items():
        literal = "literal" in (setting.blue.kind, setting.green.kind)
        checks.append((f"configuration-{name}", ValueReady(step=_setting(means, name, setting), literal=literal)))
    return [*checks, *own_checks(means)]


def work_documents(means: Means) -> list[tuple[str, Callable[[], Any]]]:
    """The state of each worker for the record of blue."""
    steps = [_workers(means, name, words, run=True) for name, words in means.environment.workers.items()]
    return [(step.resource, step.observe) for step in steps]


def _of(means: Means, side: str) -> list[tuple[str, Worker]]:
    return [(name, words) for name, words in means.environment.workers.items() if words.side == side]


def _moved(means: Means, name: str, words: Worker, *, run: bool) -> Workers:
    return _workers(means, f"workers-{'started' if run else 'stopped'}-{name}", words, run=run)


def _workers(means: Means, name: str, words: Worker, *, run: bool) -> Workers:
    """The step that starts them, or stops them."""
    aws, settle, on = means.aws, words.timeout, words.runs_on
    all_run = running(on.count) if isinstance(on, EcsService | AutoScalingGroup) else ENABLED
    before, after = (STOPPED, all_run) if run else (all_run, STOPPED)
    match on:
        case EcsService(cluster=cluster, service=service, count=count):
            from cutover.aws.workers_ecs import EcsWorkers

            return EcsWorkers(
                name=name,
                before=before,
                after=after,
                aws=aws,
                settle=settle,
                cluster=cluster,
                service=service,
                count=count,
            )
        case AutoScalingGroup(group=group, count=count, min_size=least):
            from cutover.aws.workers_autoscaling import AutoScalingWorkers

            return AutoScalingWorkers(
                name=name, before=before, after=after, aws=aws, settle=settle, group=group, count=count, min_size=least
            )
        case EventSource(uuid=uuid):
            from cutover.aws.workers_event_source import EventSourceWorkers

            return EventSourceWorkers(name=name, before=before, after=after, aws=aws, settle=settle, uuid=uuid)
        case Schedule(rule=rule, bus=bus):
            from cutover.aws.workers_schedule import ScheduleWorkers

            return ScheduleWorkers(name=name, before=before, after=after, aws=aws, settle=settle, rule=rule, bus=bus)
        case unknown:
            assert_never(unknown)


def _setting(means: Means, name: str, words: Setting) -> ParameterValue:
    def side(ref: Ref) -> Side:
        return Side(means.value_of(ref), means.shell_of(ref))

    return ParameterValue(
        name=f"configuration-{name}",
        aws=means.aws,
        parameter=words.parameter,
        blue=side(words.blue),
        green=side(words.green),
    )
