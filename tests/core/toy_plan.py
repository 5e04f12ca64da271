"""The model of a whole cutover: prepare, a window with a commit point, three shifts, bake."""

from collections.abc import Mapping
from dataclasses import replace

from toy_world import FENCED, OPEN, Ask, Both, Put, Switch, World, well

from cutover.core.gate import Check, Gate, Guard, Policy
from cutover.core.plan import Phase, Plan

START = {
    "ttl": 300, "subscription": "absent", "left": "off", "right": "off", "maintenance": "off",
    "blue": OPEN, "green": FENCED, "share": 0, "alarm": "plain",
}  # fmt: skip
END = {
    "ttl": 5, "subscription": "present", "left": "on", "right": "on", "maintenance": "off",
    "blue": FENCED, "green": OPEN, "share": 100, "alarm": "new",
}  # fmt: skip
BACK = {**START, "subscription": "present"}  # standing work is kept
AFTER_UNDO = {**START, "ttl": 5, "subscription": "present", "left": "on", "right": "on"}


def world() -> World:
    return World(values=dict(START))


def plan(
    w: World, checks: Mapping[str, Check] | None = None, guards: tuple[Guard, ...] = (), **policies: Policy
) -> Plan:
    """The plan over `w`; `checks` replaces the check of a gate by its name, `policies` what its failure starts."""

    def check(name: str) -> Check:
        return Ask(((checks or {}).get(name) or well()).look)  # one class for all: the digest covers it

    def gate(name: str, *, face: bool = False, hold: float = 0.0, since: str | None = None) -> Gate:
        return Gate(
            name=name,
            check=check(name),
            on_rollback=check(f"{name}-undo") if face else None,
            hold=hold,
            since=since,
            deadline=5.0,
            on_fail=policies.get(name.replace("-", "_"), Policy.STOP),
        )

    def put(name: str, key: str, before: object, after: object, *, standing: bool = False) -> Put:
        return Put(name=name, key=key, before=before, after=after, world=w, settle=5.0, standing=standing)

    def shift(before: int, after: int) -> Phase:
        items = (put(f"share-{after}", "share", before, after), gate(f"soak-{after}", hold=4.0, since=f"share-{after}"))
        return Phase(name=f"shift-{after}", owner="traffic", items=items)

    kit = Both(
        name="kit", keys=("left", "right"), before=("off", "off"), after=("on", "on"),
        between=frozenset({("on", "off"), ("off", "on")}), world=w, settle=5.0,
    )  # fmt: skip
    switch = Switch(
        name="switchover", before=(OPEN, FENCED), after=(FENCED, OPEN), between=frozenset({(FENCED, FENCED)}), world=w
    )
    return Plan(
        name="cutover",
        environment="toy",
        guards=guards,
        phases=(
            Phase(
                name="prepare",
                owner="data",
                items=(
                    gate("preflight"),
                    put("ttl-down", "ttl", 300, 5),
                    put("subscribe", "subscription", "absent", "present", standing=True),
                    kit,
                    gate("caught-up"),
                ),
            ),
            Phase(
                name="window",
                owner="data",
                budget=60.0,
                overrun=Policy.UNDO,
                supervised=True,
                items=(
                    put("maintenance-on", "maintenance", "off", "on"),
                    gate("lag", face=True),
                    replace(switch, settle=5.0),
                    gate("probe", face=True),
                    put("maintenance-off", "maintenance", "on", "off"),
                ),
            ),
            shift(0, 10),
            shift(10, 50),
            shift(50, 100),
            Phase(name="bake", owner="traffic", items=(put("alarm-new", "alarm", "plain", "new"), gate("checklist"))),
        ),
    )
