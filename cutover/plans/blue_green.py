"""The whole cutover as one list, read from top to bottom; the rollback is its inverse, and nothing else."""

from cutover.core.gate import Gate, Guard, Policy
from cutover.core.plan import Item, Phase, Plan
from cutover.core.share import Share
from cutover.plans.means import Means
from cutover.plans.parts import Parts
from cutover.postgres.baseline import SameRows, Validated
from cutover.postgres.invariants import FitsTheWindow, Follows, OneWriter
from cutover.postgres.kit import FenceKit
from cutover.postgres.readiness import Analyzed, ViewsRefreshed
from cutover.postgres.replication import Publication, Subscription
from cutover.postgres.switchover import Switchover
from cutover.postgres.watching import SchemaHolds, WalKept
from cutover.postgres.way_back import BOTH, TOWARDS_BLUE, TOWARDS_GREEN, Directions, WayBack

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
    blue, green, limit = means.blue, means.green, means.environment.database.wal_limit_bytes
    return (
        Guard(name="one-writer", check=OneWriter(blue, green), policy=Policy.FREEZE),
        Guard(name="schema-holds", check=SchemaHolds(blue, green), policy=Policy.HOLD, every=10.0),
        Guard(name="wal-kept-blue", check=WalKept(blue, limit), policy=Policy.HOLD, every=5.0),
        Guard(name="wal-kept-green", check=WalKept(green, limit), policy=Policy.HOLD, every=5.0),
    )


def prepare(means: Means, part: Parts) -> Phase:
    """Everything that can be done while blue serves as ever."""
    blue, green, database = means.blue, means.green, means.environment.database
    copy_timeout = database.copy_timeout
    return Phase(
        name=PREPARE,
        owner="database",
        items=(
            part.preflight_gate(),
            part.record_of_blue(),
            *part.ttl_lowered(),
            FenceKit(name="fence-kit-blue", database=blue, before="absent", after="open"),
            FenceKit(name="fence-kit-green", database=green, before="absent", after="fenced"),
            Publication(name="publication-blue", database=blue, before="absent", after="present"),
            Publication(name="publication-green", database=green, before="absent", after="present"),
            Subscription(
                name="green-follows-blue",
                source=blue,
                address=means.blue_for_green,
                target=green,
                copy=True,
                empties=True,
                before="absent",
                after="following",
                settle=copy_timeout,
                expected=30.0,
            ),
            WayBack(name="blue-follows-green", source=green, address=means.green_for_blue, target=blue),
            Gate(
                name="green-caught-up",
                check=Follows(blue, green),
                deadline=copy_timeout,
                on_rollback=SameRows(blue, green),
            ),
            Validated(name="rows-validated", source=blue, target=green, before="not validated", after="validated"),
            Analyzed(name="green-analyzed", database=green),
            ViewsRefreshed(name="green-views-refreshed", database=green),
            *part.green_attached(),
            *part.green_healthy("green-healthy"),
            *part.green_tested(),
            *part.ttl_waited_out(),
        ),
    )


def window(means: Means, part: Parts) -> Phase:
    """The only part in which writes wait; undone by itself when it takes too long before its commit point."""
    blue, green, environment = means.blue, means.green, means.environment
    immediate = environment.shift.strategy == "immediate"
    return Phase(
        name=WINDOW,
        owner="database",
        budget=environment.window.budget,
        overrun=Policy.UNDO if environment.window.on_overrun == "undo" else Policy.HOLD,
        supervised=True,
        items=(
            directions(means, "way-back-prepared", TOWARDS_GREEN, BOTH),
            Gate(
                name="fits-the-window",
                check=FitsTheWindow(blue, green, environment.database.lag_limit_bytes),
                deadline=environment.window.budget / 2,
            ),
            *part.maintenance(on=True),
            Switchover.through(
                means.pool,
                name="switchover",
                blue=blue,
                green=green,
                blue_for_green=means.blue_for_green,
                green_for_blue=means.green_for_blue,
                fence=part.fence(),
                token=means.token,
            ),
            *(part.traffic(Share.of(0), Share.of(100)) if immediate else ()),
            directions(means, "way-back-follows", BOTH, TOWARDS_BLUE),
            Gate(name="rollback-ready", check=Follows(green, blue), deadline=15.0, on_fail=Policy.HOLD),
            *part.probe_write(serving="green" if immediate else "blue"),
            *part.maintenance(on=False),
        ),
    )


def directions(means: Means, name: str, before: str, after: str) -> Directions:
    """One move of the directions in which changes flow; before the switchover and after it."""
    return Directions(
        name=name,
        blue=means.blue,
        green=means.green,
        blue_for_green=means.blue_for_green,
        green_for_blue=means.green_for_blue,
        before=before,
        after=after,
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
        items=(*part.checklist(), part.way_back_warm(), *part.ttl_restored()),
    )


def finish(means: Means) -> Plan:
    """Removes the way back, on purpose and for good; blue keeps its fence, because taking it off would open blue."""
    blue, green = means.blue, means.green
    return Plan(
        name="finish",
        environment=means.environment.name,
        phases=(
            Phase(
                name="finish",
                owner="decision",
                items=(
                    Subscription(
                        name="blue-stops-following",
                        source=green,
                        address=means.green_for_blue,
                        target=blue,
                        copy=False,
                        before="following",
                        after="absent",
                        one_way=True,
                        settle=120.0,
                    ),
                    Subscription(
                        name="green-stops-following",
                        source=blue,
                        address=means.blue_for_green,
                        target=green,
                        copy=True,
                        before="following",
                        after="absent",
                        one_way=True,
                        settle=120.0,
                    ),
                    Publication(
                        name="publication-green-gone", database=green, before="present", after="absent", one_way=True
                    ),
                    Publication(
                        name="publication-blue-gone", database=blue, before="present", after="absent", one_way=True
                    ),
                    FenceKit(name="fence-kit-green-gone", database=green, before="open", after="absent", one_way=True),
                ),
            ),
        ),
        guards=(Guard(name="one-writer", check=OneWriter(blue, green), policy=Policy.FREEZE),),
        configuration=means.environment.model_dump(mode="json", exclude={"world", "description"}),
    )
