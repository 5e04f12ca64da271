"""The plan that a shape means, over the model: prepare, a window with the switchover, shifts with soaks, bake."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cutover.core.gate import Check, Finding, Gate, Guard, Policy
from cutover.core.plan import Item, Phase, Plan
from cutover.core.step import Step
from cutover.simulation.shape import Shape
from cutover.simulation.sides import FENCED, OPEN
from cutover.simulation.steps import Both, Put
from cutover.simulation.switching import MoveWrites, Switch

START: Mapping[str, Any] = {
    "ttl": 300, "subscription": "absent", "left": "off", "right": "off", "maintenance": "off", "workers": "blue",
    "share-a": 0, "share-b": 0, "share-c": 0, "alarm": "plain",
}  # fmt: skip
SETTLE = 5.0


@dataclass(frozen=True, kw_only=True)
class Shift(Put):
    """Moves a host's share of traffic, because requests follow weights."""

    @property
    def lane(self) -> str:
        return "traffic"


@dataclass(frozen=True, kw_only=True)
class Looked(Check):
    """Asks the model how something is."""

    writes: ClassVar[bool] = False
    name: str
    desk: Any = field(repr=False, compare=False)
    """Has `look(name)`."""

    def look(self) -> Finding:
        found = self.desk.look(self.name)
        assert isinstance(found, Finding)
        return found

    def shell(self) -> str:
        return f"look {self.name}"


def plan_of(shape: Shape, desk: Any, *, kind: type[Plan] = Plan, command: type[MoveWrites] = MoveWrites) -> Plan:
    """The plan of one process over its desk; `kind` and `command` are what a test breaks on purpose."""
    part = _Parts(shape, desk)
    phases = [part.prepare(), part.window(command)]
    phases += [part.work()] if shape.workers else []
    phases += part.shifts()
    phases.append(part.bake())
    guards = tuple(
        Guard(
            name=f"guard-{number}",
            check=Looked(name=f"guard-{number}", desk=desk),
            policy=one.policy,
            stands=one.stands,
            investigate=one.investigate,
            during=tuple(p.name for p in phases if not p.supervised) if one.stands or one.investigate else (),
        )
        for number, one in enumerate(shape.guards)
    )
    return kind(name="cutover", environment="model", phases=tuple(phases), guards=guards)


@dataclass(frozen=True)
class _Parts:
    shape: Shape
    desk: Any

    def put(self, name: str, key: str, before: object, after: object, *, standing: bool = False) -> Put:
        return Put(name=name, key=key, before=before, after=after, standing=standing, world=self.desk, settle=SETTLE)

    def gate(self, name: str, *, face: bool = False, hold: float = 0.0, on_fail: Policy = Policy.STOP) -> Gate:
        check = Looked(name=name, desk=self.desk)
        back = Looked(name=f"{name}-back", desk=self.desk) if face else None
        return Gate(name=name, check=check, on_rollback=back, hold=hold, deadline=8.0, on_fail=on_fail)

    def approved(self) -> tuple[Gate, ...]:
        if self.shape.approval is None:
            return ()
        check = Looked(name="approval", desk=self.desk)
        # As in production: a no starts what the environment says, and whoever says nothing holds it.
        return (
            Gate(
                name="approval",
                check=check,
                deadline=600.0,
                on_fail=self.shape.approval,
                on_timeout=Policy.HOLD,
                detaches=True,
            ),
        )

    def compared(self, phase: str) -> tuple[Gate, ...]:
        return (self.gate("compared"),) if self.shape.compared == phase else ()

    def prepare(self) -> Phase:
        kit = Both(
            name="kit",
            keys=("left", "right"),
            before=("off", "off"),
            after=("on", "on"),
            between=frozenset({("on", "off"), ("off", "on")}),
            world=self.desk,
            settle=SETTLE,
        )
        extras: tuple[Item, ...] = (self.put("ttl-down", "ttl", 300, 5), kit) if self.shape.extras else ()
        subscribed = self.put("subscribe", "subscription", "absent", "present", standing=True)
        items = (self.gate("preflight"), *extras, subscribed, self.gate("caught-up"), *self.compared("prepare"))
        return Phase(name="prepare", owner="data", items=items)

    def window(self, command: type[MoveWrites]) -> Phase:
        switchover = Switch(
            name="switchover",
            before=(OPEN, FENCED),
            after=(FENCED, OPEN),
            between=frozenset({(FENCED, FENCED)}),
            desk=self.desk,
            command=command,
            settle=10.0,
        )
        stopped = (self.put("workers-off", "workers", "blue", "nobody"),) if self.shape.workers else ()
        return Phase(
            name="window",
            owner="data",
            budget=self.shape.budget,
            overrun=self.shape.overrun,
            supervised=True,
            handed_on=tuple(step.name for step in stopped),
            items=(
                *self.compared("window"),
                *stopped,
                self.put("maintenance-on", "maintenance", "off", "on"),
                self.gate("lag", face=True),
                switchover,
                *(self.shares(0, 100) if self.shape.immediate else ()),
                self.gate("probe", face=True),
                self.put("maintenance-off", "maintenance", "on", "off"),
            ),
        )

    def work(self) -> Phase:
        started = self.put("workers-on", "workers", "nobody", "green")
        return Phase(name="work", owner="application", items=(started,), taken_on=(started.name,))

    def shares(self, before: int, after: int) -> tuple[Step[Any], ...]:
        return tuple(
            Shift(
                name=f"{host}-{after}", key=f"share-{host}", before=before, after=after, world=self.desk, settle=SETTLE
            )
            for host in self.shape.hosts
        )

    def shifts(self) -> list[Phase]:
        phases, before = [], 0
        for percent in self.shape.shares:
            moved = () if self.shape.immediate else self.shares(before, percent)
            asked = self.approved() if percent == 100 else ()
            soak = self.gate(f"soak-{percent}", hold=self.shape.hold, on_fail=self.shape.soak)
            items: tuple[Item, ...] = (*asked, *moved, soak)
            phases.append(
                Phase(name=f"shift-{percent}", owner="traffic", items=items, on_failure=self.shape.on_failure)
            )
            before = percent
        return phases

    def bake(self) -> Phase:
        items = (self.put("alarm-new", "alarm", "plain", "new"), self.gate("checklist"))
        return Phase(name="bake", owner="traffic", items=items)


def after(plan: Plan) -> dict[str, Any]:
    """The values when all of the plan is done."""
    values = dict(START)
    for _, step in plan.steps():
        if isinstance(step, Both):
            values.update(zip(step.keys, step.after, strict=True))
        elif isinstance(step, Put):
            values[step.key] = step.after
    return values
