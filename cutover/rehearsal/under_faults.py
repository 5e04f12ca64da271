"""The twin under faults: the same plan walked again while something goes wrong in it, with the same proofs after it."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cutover.core.plan import Plan
from cutover.faults import places
from cutover.faults.catalogue import FAULTS
from cutover.faults.fault import BARE
from cutover.faults.ground import Ground
from cutover.faults.places import BY_NAME, FORWARD
from cutover.faults.schedule import Schedule, Strike, drawn
from cutover.faults.trial import Result, tried
from cutover.rehearsal.stage import Say, Stage

ALL = "all"
OFTEN = 0.5  # seconds between two looks at what a run waits for
REASON = "a fault"
PATIENT = 3.0
"""Times as long as without a fault a way may take, and FEW seconds more."""
FEW = 150.0
ONLY_THERE = ("disk-full-journal", "disk-full-green")
"""Faults that need file systems of their own, which the twin has not."""


@dataclass
class TwinGround(Ground):
    """The twin's world with links, over which the program reaches blue, green and AWS; its own plan, unlike `invoke faults`."""

    name: str = ""
    answered: Callable[[], None] = lambda: None
    """Says yes for the people that a run waits for."""
    _looked: float = 0.0

    @property
    def repository(self) -> Path:
        return self.root / "repository"

    def program(self, task: str) -> Sequence[str]:
        return (sys.executable, "-m", "cutover.cli.main")

    def small(self, folder: str) -> Path:
        """The journal lies where the other legs have it: what was measured before stays known."""
        return self.home / "world"

    def fault_environment(self, name: str, **changes: Any) -> str:
        return self.name

    def meanwhile(self) -> None:
        if time.monotonic() - self._looked > OFTEN:
            self._looked = time.monotonic()
            self.answered()

    @property
    def file(self) -> Path:
        """The twin's own environment."""
        return self.repository / "environments" / f"{self.name}.yaml"

    def led_over_links(self, text: str) -> None:
        """Writes the twin's file so that the links' addresses count; the servers find each other directly."""
        words = json.loads(text)
        words.pop("world")
        databases = [words["database"]] if "database" in words else list(words["databases"].values())
        for one in databases:
            if one["blue"] == "env:SHOP_BLUE_DSN":  # the shop's, which the links lead to
                one |= {"blue_from_green": "env:BLUE_DIRECT", "green_from_blue": "env:GREEN_DIRECT"}
        self.file.write_text(json.dumps(words), encoding="utf-8")


@dataclass(frozen=True)
class UnderFaults:
    """Walks schedules of faults in the stage, whose blue serves; `seconds` is how long the longest way took without any."""

    stage: Stage
    text: str
    answered: Callable[[], None]
    seconds: float
    say: Say
    results: list[Result] = field(default_factory=list)

    def all_of(self, schedules: Sequence[Schedule]) -> list[Result]:
        """What became of each; raises BenchFailed where the twin does not stand any more."""
        ground = self._ground()
        ground.link()
        try:
            ground.led_over_links(self.text)
            for schedule in schedules:
                for result in tried(ground, self._here(schedule)):
                    self.results.append(result)
                    self.say(f"{', '.join(result.strikes)}: {result.word} ({result.path}; {result.seconds:g} s)")
        finally:
            ground.unlink()
            ground.end_commands()
            ground.file.write_text(self.text, encoding="utf-8")  # a twin that is kept leads over no link
        return self.results

    def _ground(self) -> TwinGround:
        name = self.stage.app.environment.name
        return TwinGround(
            root=self.stage.commands.home.parent,
            name=name,
            answered=self.answered,
            longest=PATIENT * self.seconds + FEW,
            killed_before_resume=f"after passed:{first_soak(self.stage.app.plan)}",
            one_database=_one_database(self.stage),
            before_traffic=before_traffic(self.stage.app.plan),
            added={"cutover": ("--again", REASON)},
        )

    def _here(self, schedule: Schedule) -> Schedule:
        there = places_of(self.stage.app.plan)
        return Schedule(
            tuple(replace(one, place=replace(one.place, at=there[one.place.name])) for one in schedule.strikes)
        )


def _one_database(stage: Stage) -> tuple[str, ...]:
    """What is typed so that a command is about the shop's database, where there are several."""
    return ("--database", stage.shop.name) if stage.shop.name else ()


def first_soak(plan: Plan) -> str:
    """The gate after which a run is killed that is to be taken up again: green has its first visitors."""
    return next(item.name for _, item in plan.walk() if item.name.startswith("soak-"))


def before_traffic(plan: Plan) -> str:
    """The first phase from the window on at whose end this plan lets a run stop."""
    awaited = plan.awaited_after(places.STOPS_AFTER)
    return places.STOPS_AFTER if awaited is None else awaited.name


def places_of(plan: Plan) -> Mapping[str, str]:
    """Where in this plan each place is at which a fault can come; a place that it has not is left out."""
    steps = [step for _, step in plan.steps()]
    traffic = [step for phase, step in plan.steps() if phase.name.startswith("shift-") and _carries(step.name)]
    back = plan.inverse({step.name for step in steps})
    first_back = next((step.name for _, step in back.steps() if _carries(step.name)), "")
    known = {place.name: place.at for place in places.PLACES}
    if traffic and first_back:
        known |= {
            "shift-50": f"before command {traffic[0].name}:0",
            "shift-100": f"before command {traffic[-1].name}:0",
            "back-shift": f"before command {first_back}:0",
        }
    else:
        for name in ("shift-50", "shift-100", "back-shift"):
            del known[name]
    return {name: at for name, at in known.items() if _there(plan, at)}


def _carries(step: str) -> bool:
    return step.startswith("traffic-")


def _there(plan: Plan, at: str) -> bool:
    """Whether the gate or step that a place names is one of the plan."""
    name = at.rpartition(":")[0].rpartition(" ")[2] if at.startswith("before command") else at.partition(":")[2]
    if not at or at.startswith("switch:") or name.endswith("-undo"):
        return True
    return any(name == phase.name for phase in plan.phases) or any(name == item.name for _, item in plan.walk())


def wanted(text: str, plan: Plan) -> list[Schedule]:
    """The schedules that `--faults` asks for: every fault where it does most, or those that are drawn from seeds.

    Raises ValueError for anything else.
    """
    there = places_of(plan)
    if text != ALL:
        return [_possible(int(one), there) for one in text.split(",")]
    cells = []
    for number, fault in enumerate(_faults()):
        names = [name for name in fault.first if name in there and Strike(fault, BY_NAME[name]).possible]
        if names:  # goes round from fault to fault, so that each place has seen some
            cells.append(Schedule((Strike(fault, BY_NAME[names[number % len(names)]]),)))
    return cells


def _faults() -> Iterator[Any]:
    return (fault for fault in FAULTS if fault.environment == BARE and fault.name not in ONLY_THERE)


def _possible(seed: int, there: Mapping[str, str]) -> Schedule:
    """What is drawn from the seed, without what there is not in a twin; from the seeds after it where nothing is left."""
    if seed < 0:
        raise ValueError(f"a seed is no less than 0, and {seed} is")
    names = {fault.name for fault in _faults()}
    while True:
        found = [one for one in drawn(seed).strikes if one.fault.name in names and one.place.name in there]
        if found:
            return Schedule(tuple(found))
        seed += 1


def documents(results: Sequence[Result]) -> list[dict[str, Any]]:
    """What became of each way under faults, for the record."""
    return [
        {
            "faults": list(one.strikes),
            "way": one.leg or FORWARD,
            "outcome": one.outcome,
            "typed": one.path,
            "problems": list(one.problems),
            "missed": list(one.missed),
            "acknowledged_writes": one.acknowledged,
            "longest_without_a_write": one.gap,
            "seconds": one.seconds,
        }
        for one in results
    ]
