"""The end of blue as a plan: unused for its time, saved, taken out of the traffic's way, and deleted piece by piece."""

import socket
import time
from typing import Any, assert_never

from cutover.aws.alb_gone import BalancerGone, TargetGroupGone
from cutover.aws.gone import Gone
from cutover.aws.rds import InstanceGone
from cutover.core.errors import StepFailed
from cutover.core.gate import Check, Gate, Policy
from cutover.core.plain import plain
from cutover.core.plan import Item, Phase, Plan
from cutover.core.share import Share
from cutover.environment import InstanceResource, LoadBalancerResource, TargetGroupResource
from cutover.plans.backup import backup_of, document_of
from cutover.plans.carriers import carried
from cutover.plans.checks import AllOf
from cutover.plans.claimed import marks_gone
from cutover.plans.ended import Archived, Confirmed, GreenServes, RetentionOver, Stands
from cutover.plans.means import Means
from cutover.postgres.dump import Dumped
from cutover.postgres.pair import DatabasePair
from cutover.postgres.unused import NobodyThere

ASKED = 60.0  # seconds until what is asked before the end must be well


def decommission(means: Means) -> Plan:
    """The plan of one environment; building it opens nothing and asks nobody."""
    phases = (unused(means), kept(means), plumbing(means), resources(means), unmarked(means))
    return Plan(
        name="decommission",
        environment=means.environment.name,
        phases=tuple(phase for phase in phases if phase.items),
        rebinds=True,  # who may stay, or what is deleted, is often corrected between two confirmations
        configuration=means.environment.model_dump(
            mode="json",
            exclude={
                "world": True,
                "description": True,
                "rehearsed_on": True,
                "rehearsal": True,
                "state": True,
                "notify": True,
                "console": True,
                "aws": {"rates"},
            },
        ),
    )


def unused(means: Means) -> Phase:
    """Nothing is touched before all of this is well."""
    words = means.environment.decommission
    users = _clients(means) + [(one.name, Stands(one.share(Share.of(0), Share.of(100)))) for one in carried(means)]
    users += [check for one in carried(means) for check in one.left()]
    return Phase(
        name="unused",
        owner="decision",
        items=(
            Gate(name="retention-over", check=retention_over(means), deadline=0.0, on_fail=Policy.HOLD),
            *_green_alone(means),
            Gate(
                name="nobody-uses-blue",
                check=AllOf(tuple(users)),
                deadline=ASKED,
                hold=words.quiet,
                on_fail=Policy.HOLD,
            ),
        ),
    )


def _green_alone(means: Means) -> list[Gate]:
    check = GreenServes(means.pairs)
    return [Gate(name="green-alone-serves", check=check, deadline=ASKED, on_fail=Policy.HOLD)] if means.pairs else []


def _clients(means: Means) -> list[tuple[str, Check]]:
    spared = means.environment.decommission.spared
    return [(pair.named("clients"), NobodyThere(pair.blue, spared)) for pair in means.pairs]


def retention_over(means: Means) -> RetentionOver:
    words = means.environment.decommission
    return RetentionOver(means.environment.name, words.retention, words.remind, means.history)


def kept(means: Means) -> Phase:
    """What outlives blue."""
    backups = tuple(backup_of(means, pair, "final") for pair in means.pairs)
    return Phase(name="kept", owner="database", items=(*backups, archived(means)))


def archived(means: Means) -> Archived:
    path, shown = means.file("archive.json")

    def content() -> Any:
        record = document_of(means.file("record-of-blue.json")[0])
        if record is None:
            raise StepFailed(
                f"the record of blue is not on this machine ({means.file('record-of-blue.json')[1]}): bring it here from the one "
                "that prepared the cutover, or save one now: invoke backup --env " + means.environment.name
            )
        return {
            "environment": means.environment.name,
            "archived_at": time.time(),
            "record_of_blue": record,
            "backups": [_kept_where(means, pair) for pair in means.pairs],
            "journal": [plain(vars(entry)) for entry in means.history()],
        }

    def run() -> str:
        entries = means.history()
        return entries[-1].run if entries else ""

    return Archived(name="archived", path=path, shown=shown, run=run, content=content)


def _kept_where(means: Means, pair: DatabasePair) -> dict[str, str]:
    step = backup_of(means, pair, "final")
    if isinstance(step, Dumped):
        return {"step": step.name, "host": socket.gethostname(), "file": str(step.file)}
    return {"step": step.name, "where": step.resource}


def plumbing(means: Means) -> Phase:
    """Blue leaves what carries the traffic, where it has stood at 0 since the bake."""
    items = tuple(item for one in carried(means) for item in one.retired())
    return Phase(name="plumbing", owner="traffic", items=items)


def resources(means: Means) -> Phase:
    """Each resource after a confirmation of its own."""
    items: list[Item] = []
    blue_is_there = True
    for words in means.environment.decommission.resources:
        step = _gone(means, words)
        confirmed = Confirmed(means.environment.name, step.resource, means.confirmed)
        items.append(Gate(name=f"confirmed-{step.name}", check=confirmed, deadline=0.0, on_fail=Policy.HOLD))
        if blue_is_there and _clients(means):  # between the first look and the confirmation may lie weeks
            check = AllOf(tuple(_clients(means)))
            items.append(Gate(name=f"still-unused-{step.name}", check=check, deadline=ASKED, on_fail=Policy.HOLD))
        items.append(step)
        blue_is_there = blue_is_there and not isinstance(words, InstanceResource)
    return Phase(name="resources", owner="decision", items=tuple(items))


def unmarked(means: Means) -> Phase:
    """Last of all, because whoever goes on with the end of blue shows a token where records change."""
    before = Plan(name="decommission", environment=means.environment.name, phases=(plumbing(means),))
    return Phase(name="unmarked", owner="traffic", items=tuple(marks_gone(before)))


def _gone(means: Means, words: TargetGroupResource | LoadBalancerResource | InstanceResource) -> Gone:
    aws, name = means.aws, f"{words.kind}-{words.name}-deleted"
    match words:
        case TargetGroupResource():
            return TargetGroupGone(name=name, aws=aws, identifier=words.name)
        case LoadBalancerResource():
            records = tuple(name for one in carried(means) for name in one.names())
            serving = tuple(group for one in carried(means) for group in one.serving_groups())
            return BalancerGone(name=name, aws=aws, identifier=words.name, names=records, kept=serving)
        case InstanceResource():
            final = f"cut-{means.environment.name}-{words.name}-last"
            return InstanceGone(
                name=name,
                aws=aws,
                identifier=words.name,
                final_snapshot=final,
                serving=tuple(pair.green.hosts for pair in means.pairs),
            )
        case unknown:
            assert_never(unknown)
