"""The parts of the plan that are there once for each database, and those that look at all of them together."""

from collections.abc import Iterator

from cutover.core.gate import Check, Gate, Policy
from cutover.core.plan import Item
from cutover.environment import Database
from cutover.plans.checks import AllOf
from cutover.plans.copying import rows_copied, schema_kept, tables_made
from cutover.plans.means import Means
from cutover.postgres.baseline import LOOK, ChangesCompared, SameRows, Validated
from cutover.postgres.ddl_guard import DdlGuard
from cutover.postgres.fence_proof import WritesRefused
from cutover.postgres.invariants import FitsTheWindow, Follows, WayBackWarm
from cutover.postgres.kit import FenceKit
from cutover.postgres.pair import DatabasePair
from cutover.postgres.readiness import Analyzed, ViewsRefreshed
from cutover.postgres.replication import Publication, Subscription
from cutover.postgres.way_back import Directions, WayBack


def replicated(words: Database, pair: DatabasePair) -> Iterator[Item]:
    """One database, fenced on green, copied, following in both directions, compared row by row."""
    blue, green, named = pair.blue, pair.green, pair.named
    yield from tables_made(words, pair)
    yield FenceKit(name=named("fence-kit-blue"), database=blue, before="absent", after="open")
    yield FenceKit(name=named("fence-kit-green"), database=green, before="absent", after="fenced")
    yield Publication(name=named("publication-blue"), database=blue, before="absent", after="present")
    yield Publication(name=named("publication-green"), database=green, before="absent", after="present")
    yield DdlGuard(name=named("ddl-guard-blue"), database=blue)
    yield DdlGuard(name=named("ddl-guard-green"), database=green)
    yield from rows_copied(words, pair)
    yield WayBack(name=named("blue-follows-green"), source=green, address=pair.from_green, target=blue)
    yield Gate(
        name=named("green-caught-up"),
        check=Follows(blue, green),
        deadline=words.copy_timeout,
        on_rollback=SameRows(blue, green),
    )
    yield Validated(name=named("rows-validated"), source=blue, target=green, before="not validated", after="validated")
    yield Analyzed(name=named("green-analyzed"), database=green)
    yield ViewsRefreshed(name=named("green-views-refreshed"), database=green)


def directions(pair: DatabasePair, name: str, before: str, after: str) -> Directions:
    """One move of the directions in which changes flow; before the switchover and after it."""
    return Directions(
        name=pair.named(name),
        blue=pair.blue,
        green=pair.green,
        blue_for_green=pair.from_blue,
        green_for_blue=pair.from_green,
        before=before,
        after=after,
    )


def changes_compared(means: Means) -> list[Gate]:
    """Hours may have passed since the validation: what was written meanwhile is compared before the window opens."""
    checks: list[tuple[str, Check]] = [(pair.name, ChangesCompared(pair.blue, pair.green)) for pair in means.pairs]
    longest = max((means.words(pair).copy_timeout for pair in means.pairs), default=0.0)
    return [Gate(name="changes-compared", check=all_of(checks), deadline=longest)] if checks else []


def last_changes_compared(means: Means) -> Gate:
    """The same once more in the window, while nobody waits: it has to fit into half of the budget."""
    most = means.environment.window.budget / 2
    checks: list[tuple[str, Check]] = [
        (pair.name, ChangesCompared(pair.blue, pair.green, within=min(LOOK, most), patience=most))
        for pair in means.pairs
    ]
    return Gate(name="last-changes-compared", check=all_of(checks), deadline=most)


def fits_the_window(means: Means) -> Gate:
    """The window is opened only when catching up is sure to fit, for every database at the same time."""
    checks: list[tuple[str, Check]] = []
    for pair in means.pairs:
        words = means.words(pair)
        fits = FitsTheWindow(pair.blue, pair.green, words.lag_limit_bytes, words.longest_transaction)
        checks.append((pair.name, fits))
    return Gate(name="fits-the-window", check=all_of(checks), deadline=means.environment.window.budget / 2)


def writes_refused(means: Means, side: str) -> Gate:
    """The fence is tried: on green before the window and after the way back, on blue after the switch."""
    databases = [(pair.name, pair.green if side == "green" else pair.blue) for pair in means.pairs]
    check = all_of([(name, WritesRefused(database)) for name, database in databases])
    back, on_fail = (check, Policy.STOP) if side == "green" else (None, Policy.HOLD)
    return Gate(name=f"{side}-refuses-writes", check=check, deadline=15.0, on_rollback=back, on_fail=on_fail)


def rollback_ready(means: Means) -> Gate:
    """What is written on green arrives on blue."""
    checks: list[tuple[str, Check]] = [(pair.name, Follows(pair.green, pair.blue)) for pair in means.pairs]
    return Gate(name="rollback-ready", check=all_of(checks), deadline=15.0, on_fail=Policy.HOLD)


def ways_back(means: Means) -> list[tuple[str, Check]]:
    """Whether blue follows green still, for each database."""
    return [
        (pair.named("way back"), WayBackWarm(pair.blue, pair.green, means.words(pair).lag_limit_bytes))
        for pair in means.pairs
    ]


def all_of(checks: list[tuple[str, Check]]) -> Check:
    """One check of several; the only one needs no frame."""
    return checks[0][1] if len(checks) == 1 else AllOf(tuple(checks))


def finished(words: Database, pair: DatabasePair) -> Iterator[Item]:
    """One database without its way back."""
    blue, green, named = pair.blue, pair.green, pair.named
    for source, address, target, copied in ((green, pair.from_green, blue, False), (blue, pair.from_blue, green, True)):
        yield Subscription(
            name=named(f"{target.side}-stops-following"),
            source=source,
            address=address,
            target=target,
            copy=copied,
            before="following",
            after="absent",
            one_way=True,
            settle=120.0,
        )
    yield Publication(
        name=named("publication-green-gone"), database=green, before="present", after="absent", one_way=True
    )
    yield Publication(
        name=named("publication-blue-gone"), database=blue, before="present", after="absent", one_way=True
    )
    for side, database in (("blue", blue), ("green", green)):
        name = named(f"ddl-guard-{side}-gone")
        yield DdlGuard(name=name, database=database, before="watched", after="absent", one_way=True)
    yield FenceKit(name=named("fence-kit-green-gone"), database=green, before="open", after="absent", one_way=True)
    yield from schema_kept(words, pair)
