"""The whole cutover as one list, read from top to bottom; the rollback is its inverse, and nothing else."""

from dataclasses import replace
from typing import Any

from cutover.core.gate import Gate, Guard, Policy
from cutover.core.plan import Item, Phase, Plan
from cutover.core.share import Share
from cutover.environment import Environment
from cutover.plans.approval import END, approvals
from cutover.plans.carriers import carried
from cutover.plans.checkpoint import checkpoint_guard
from cutover.plans.checks import AllOf
from cutover.plans.claimed import marks_gone
from cutover.plans.client_route import client_routes
from cutover.plans.compared import comparison_guards, share_compared
from cutover.plans.databases import (
    changes_compared,
    directions,
    finished,
    fits_the_window,
    last_changes_compared,
    replicated,
    rollback_ready,
    writes_refused,
)
from cutover.plans.ended import Stands
from cutover.plans.means import Means
from cutover.plans.own_steps import own_steps
from cutover.plans.parts import Parts
from cutover.plans.rollback_cost import affordable
from cutover.plans.triggered import all_well, baseline, trigger_guards
from cutover.plans.work import configuration, final_logs, workers_started, workers_stopped
from cutover.postgres.invariants import OneWriter
from cutover.postgres.switchover import Switchover
from cutover.postgres.watching import SchemaHolds, WalKept
from cutover.postgres.way_back import BOTH, TOWARDS_BLUE, TOWARDS_GREEN

PREPARE, WINDOW, WORK, BAKE = "prepare", "window", "work", "bake"


def blue_green(means: Means) -> Plan:
    """The plan of one environment; building it opens nothing and asks nobody."""
    part = Parts(means)
    environment = means.environment
    plan = Plan(
        name="cutover",
        environment=environment.name,
        phases=(
            prepare(means, part),
            *window(means, part),
            *work(means),
            *shift(means, part),
            bake(means, part),
        ),
        configuration=bound_to(environment),
        affordable=affordable(means),
    )
    return replace(plan, guards=watched(means, plan))


def watched(means: Means, plan: Plan) -> tuple[Guard, ...]:
    """Every guard of the plan: of the databases, and of what is measured."""
    phases = [phase.name for phase in plan.phases]
    since = [step.name for step in plan.switching_steps()[:1]]
    later = [name for name in phases if name.startswith("shift") or name == BAKE]
    return (
        *guards(means),
        *trigger_guards(means, phases),
        *comparison_guards(means),
        *checkpoint_guard(means, since, later),
    )


def bound_to(environment: Environment) -> dict[str, Any]:
    """What the plan is bound to.

    How often AWS is asked, who is told what, who may do what at the console, what a rollback keeps, whether a rehearsal is wanted,
    and how blue ends one day, may be changed while a run is open.
    """
    return environment.model_dump(
        mode="json",
        exclude={
            "world": True,
            "description": True,
            "rehearsed_on": True,
            "rehearsal": True,
            "state": True,
            "decommission": True,
            "notify": True,
            "incidents": True,
            "console": True,
            "aws": {"rates"},
        },
    )


def guards(means: Means) -> tuple[Guard, ...]:
    """What is watched from the first step to the last, where there are databases."""
    if not means.pairs:
        return ()
    found = [Guard(name="one-writer", check=OneWriter(means.pairs), policy=Policy.FREEZE)]
    for pair in means.pairs:
        blue, green, limit = pair.blue, pair.green, means.words(pair).wal_limit_bytes
        schema, kept = SchemaHolds(blue, green), (WalKept(blue, limit), WalKept(green, limit))
        found += [
            Guard(name=pair.named("schema-holds"), check=schema, policy=Policy.HOLD, every=10.0),
            Guard(name=pair.named("wal-kept-blue"), check=kept[0], policy=Policy.HOLD, every=5.0),
            Guard(name=pair.named("wal-kept-green"), check=kept[1], policy=Policy.HOLD, every=5.0),
        ]
    return tuple(found)


def prepare(means: Means, part: Parts) -> Phase:
    """Everything that can be done while blue serves as ever."""
    clients = client_routes(means)
    return Phase(
        name=PREPARE,
        owner="database",
        items=(
            part.preflight_gate(),
            *part.readiness(),
            *baseline(means),
            *approvals(means, PREPARE),
            part.record_of_blue(),
            *part.backups(),
            *part.ttl_lowered(),
            *(item for route in clients for item in route.ttl_lowered()),
            *(item for pair in means.pairs for item in replicated(means.words(pair), pair)),
            *part.green_attached(),
            *part.green_healthy("green-healthy"),
            *part.green_tested(),
            *part.ttl_waited_out(),
            *(item for route in clients for item in (*route.ttl_waited_out(), *route.led_to_blue())),
            *own_steps(means, "prepare"),
            *changes_compared(means),
            # Nobody is waited for inside the window.
            *(approvals(means, WINDOW) if means.pairs else ()),
        ),
    )


def window(means: Means, part: Parts) -> tuple[Phase, ...]:
    """The only part in which writes wait; undone by itself when it takes too long before its commit point.

    Where both sides share their databases no write has to wait, and there is none.
    """
    environment, pairs = means.environment, means.pairs
    if not pairs:
        return ()
    immediate = environment.shift.strategy == "immediate"
    stopped = workers_stopped(means)
    phase = Phase(
        name=WINDOW,
        owner="database",
        budget=environment.window.budget,
        overrun=Policy.UNDO if environment.window.on_overrun == "undo" else Policy.HOLD,
        supervised=True,
        # Between the window and `work` background work runs on neither side.
        handed_on=tuple(item.name for item in stopped),
        items=(
            *(directions(pair, "way-back-prepared", TOWARDS_GREEN, BOTH) for pair in pairs),
            writes_refused(means, "green"),
            last_changes_compared(means),
            fits_the_window(means),
            # Before the workers: undoing goes the other way, and an own step that cannot be undone must not keep them stopped.
            *own_steps(means, "window-before"),
            *stopped,
            *part.maintenance(on=True),
            Switchover.of(*pairs, name="switchover", token=means.token),
            *(part.traffic(Share.of(0), Share.of(100)) if immediate else ()),
            *(directions(pair, "way-back-follows", BOTH, TOWARDS_BLUE) for pair in pairs),
            writes_refused(means, "blue"),
            rollback_ready(means),
            *(item for route in client_routes(means) for item in route.drained()),
            *own_steps(means, "window-after"),
            *part.probe_write(serving="green" if immediate else "blue"),
            *part.maintenance(on=False),
        ),
    )
    return (phase,)


def work(means: Means) -> tuple[Phase, ...]:
    """Green's background work begins when green has the writes and nobody waits any more."""
    started = workers_started(means)
    items = (*configuration(means), *started, *final_logs(means))
    taken_on = tuple(item.name for item in started)
    return (Phase(name=WORK, owner="application", items=items, taken_on=taken_on),) if items else ()


def shift(means: Means, part: Parts) -> tuple[Phase, ...]:
    """Traffic moves share by share, each with health before it and a soak after it."""
    wanted = means.environment.shift
    # What moved before the step that failed has no soak to watch it.
    failed = Policy(wanted.on_failure)
    if wanted.strategy == "immediate":
        arrived = (*part.arrived(Share.of(100)), *part.observed(100))
        well = all_well(means, "shift-100")
        whole = (*arrived, *part.smoke_after_shift(), part.soak(100, wanted.soaks[-1]), *well)
        return (Phase(name="shift-100", owner="traffic", on_failure=failed, items=whole),)
    phases: list[Phase] = []
    before = Share.of(0)
    for number, (percent, soak) in enumerate(zip(wanted.shares, wanted.soaks, strict=True)):
        share = Share.of(percent)
        items: list[Item] = [*part.green_healthy(f"green-healthy-{percent:g}"), *part.traffic(before, share)]
        items += [*part.arrived(share), *part.observed(percent)]
        if number == 0:
            items = [*own_steps(means, "shift-before"), *items]
            items += part.smoke_after_shift()
        name = f"shift-{percent:g}"
        items = [*approvals(means, name), *items, part.soak(percent, soak), *all_well(means, name)]
        items += share_compared(means, percent)
        phases.append(Phase(name=name, owner="traffic", on_failure=failed, items=tuple(items)))
        before = share
    return tuple(phases)


def bake(means: Means, part: Parts) -> Phase:
    """Green carries everything; the way back is kept warm, and the checklist is worked off."""
    return Phase(
        name=BAKE,
        owner="application",
        items=(
            *approvals(means, BAKE),
            *own_steps(means, "bake"),
            *part.checklist(),
            *part.blue_drained(),
            part.baked(),
            *all_well(means, BAKE),
            *part.ttl_restored(),
            *(item for route in client_routes(means) for item in route.ttl_restored()),
            *approvals(means, END),
        ),
    )


def green_carries_all(means: Means) -> Gate:
    """Every hostname's share is where the cutover left it."""
    stands = tuple((one.name, Stands(one.share(Share.of(0), Share.of(100)))) for one in carried(means))
    return Gate(name="green-carries-all", check=AllOf(stands), deadline=60.0, on_fail=Policy.HOLD)


def finish(means: Means) -> Plan:
    """Removes the way back, on purpose and for good; blue keeps its fence, because taking it off would open blue."""
    items: list[Item] = [item for pair in means.pairs for item in finished(means.words(pair), pair)]
    items += marks_gone(blue_green(means))
    if not items:  # a plan of nothing leaves no entry, and the run would stay unfinished for ever
        items.append(green_carries_all(means))
    return Plan(
        name="finish",
        environment=means.environment.name,
        phases=(Phase(name="finish", owner="decision", items=tuple(items)),),
        guards=guards(means)[:1],
        configuration=bound_to(means.environment),
    )
