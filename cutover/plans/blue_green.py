"""The whole cutover as one list, read from top to bottom; the rollback is its inverse, and nothing else."""

from cutover.core.gate import Guard, Policy
from cutover.core.plan import Item, Phase, Plan
from cutover.core.share import Share
from cutover.plans.client_route import client_routes
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
from cutover.plans.means import Means
from cutover.plans.parts import Parts
from cutover.postgres.invariants import OneWriter
from cutover.postgres.switchover import Switchover
from cutover.postgres.watching import SchemaHolds, WalKept
from cutover.postgres.way_back import BOTH, TOWARDS_BLUE, TOWARDS_GREEN

PREPARE, WINDOW, BAKE = "prepare", "window", "bake"


def blue_green(means: Means) -> Plan:
    """The plan of one environment; building it opens nothing and asks nobody."""
    part = Parts(means)
    environment = means.environment
    return Plan(
        name="cutover",
        environment=environment.name,
        phases=(prepare(means, part), window(means, part), *shift(means, part), bake(means, part)),
        guards=guards(means),
        configuration=environment.model_dump(mode="json", exclude={"world", "description"}),
    )


def guards(means: Means) -> tuple[Guard, ...]:
    """What is watched from the first step to the last."""
    watched = [Guard(name="one-writer", check=OneWriter(means.pairs), policy=Policy.FREEZE)]
    for pair in means.pairs:
        blue, green, limit = pair.blue, pair.green, means.words(pair).wal_limit_bytes
        schema, kept = SchemaHolds(blue, green), (WalKept(blue, limit), WalKept(green, limit))
        watched += [
            Guard(name=pair.named("schema-holds"), check=schema, policy=Policy.HOLD, every=10.0),
            Guard(name=pair.named("wal-kept-blue"), check=kept[0], policy=Policy.HOLD, every=5.0),
            Guard(name=pair.named("wal-kept-green"), check=kept[1], policy=Policy.HOLD, every=5.0),
        ]
    return tuple(watched)


def prepare(means: Means, part: Parts) -> Phase:
    """Everything that can be done while blue serves as ever."""
    clients = client_routes(means)
    return Phase(
        name=PREPARE,
        owner="database",
        items=(
            part.preflight_gate(),
            part.record_of_blue(),
            *part.ttl_lowered(),
            *(item for route in clients for item in route.ttl_lowered()),
            *(item for pair in means.pairs for item in replicated(means.words(pair), pair)),
            *part.green_attached(),
            *part.green_healthy("green-healthy"),
            *part.green_tested(),
            *part.ttl_waited_out(),
            *(item for route in clients for item in (*route.ttl_waited_out(), *route.led_to_blue())),
            changes_compared(means),
        ),
    )


def window(means: Means, part: Parts) -> Phase:
    """The only part in which writes wait; undone by itself when it takes too long before its commit point."""
    environment, pairs = means.environment, means.pairs
    immediate = environment.shift.strategy == "immediate"
    return Phase(
        name=WINDOW,
        owner="database",
        budget=environment.window.budget,
        overrun=Policy.UNDO if environment.window.on_overrun == "undo" else Policy.HOLD,
        supervised=True,
        items=(
            *(directions(pair, "way-back-prepared", TOWARDS_GREEN, BOTH) for pair in pairs),
            writes_refused(means, "green"),
            last_changes_compared(means),
            fits_the_window(means),
            *part.maintenance(on=True),
            Switchover.of(*pairs, name="switchover", token=means.token),
            *(part.traffic(Share.of(0), Share.of(100)) if immediate else ()),
            *(directions(pair, "way-back-follows", BOTH, TOWARDS_BLUE) for pair in pairs),
            writes_refused(means, "blue"),
            rollback_ready(means),
            *(item for route in client_routes(means) for item in route.drained()),
            *part.probe_write(serving="green" if immediate else "blue"),
            *part.maintenance(on=False),
        ),
    )


def shift(means: Means, part: Parts) -> tuple[Phase, ...]:
    """Traffic moves share by share, each with health before it and a soak after it."""
    wanted = means.environment.shift
    if wanted.strategy == "immediate":
        return (
            Phase(
                name="shift-100", owner="traffic", items=(*part.smoke_after_shift(), part.soak(100, wanted.soaks[-1]))
            ),
        )
    phases: list[Phase] = []
    before = Share.of(0)
    for number, (percent, soak) in enumerate(zip(wanted.shares, wanted.soaks, strict=True)):
        share = Share.of(percent)
        items: list[Item] = [*part.green_healthy(f"green-healthy-{percent:g}"), *part.traffic(before, share)]
        if number == 0:
            items += part.smoke_after_shift()
        phases.append(Phase(name=f"shift-{percent:g}", owner="traffic", items=(*items, part.soak(percent, soak))))
        before = share
    return tuple(phases)


def bake(means: Means, part: Parts) -> Phase:
    """Green carries everything; the way back is kept warm, and the checklist is worked off."""
    return Phase(
        name=BAKE,
        owner="application",
        items=(
            *part.checklist(),
            part.way_back_warm(),
            *part.ttl_restored(),
            *(item for route in client_routes(means) for item in route.ttl_restored()),
        ),
    )


def finish(means: Means) -> Plan:
    """Removes the way back, on purpose and for good; blue keeps its fence, because taking it off would open blue."""
    items = tuple(item for pair in means.pairs for item in finished(means.words(pair), pair))
    return Plan(
        name="finish",
        environment=means.environment.name,
        phases=(Phase(name="finish", owner="decision", items=items),),
        guards=(Guard(name="one-writer", check=OneWriter(means.pairs), policy=Policy.FREEZE),),
        configuration=means.environment.model_dump(mode="json", exclude={"world", "description"}),
    )
