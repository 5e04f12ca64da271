"""False rollbacks and detection delays of our verdict and of others', on simulated traffic."""

import math
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from cutover.bench.other_judges import Argo, FixedThreshold, Flagger, Judge, Kayenta, LookedAtAgain
from cutover.bench.our_judge import Sequential
from cutover.bench.simulated_cutover import HEALTHY, PHASES, TICK, Fault, Phase, Service, Weather, factor_for
from cutover.core.binomial import interval
from cutover.metrics.family import Family, part_of_pass
from cutover.metrics.tally import Tally

SOON = 60.0  # seconds within which a fault should be found
PATIENCE = 1800.0  # seconds after which a fault counts as never found
RECORDED = 3600.0  # seconds of blue alone that are the baseline of a phase without it


def judges() -> list[Judge]:
    """A new one of each for one cutover; ours is the first."""
    return [Sequential(), FixedThreshold(), Kayenta(), Flagger(), Argo(), LookedAtAgain()]


NAMES = [judge.name for judge in judges()]


@dataclass(frozen=True)
class Faulty:
    """A fault in one phase: what the traffic is, green's share, and after how many seconds it begins (`fault.after`)."""

    fault: Fault
    service: Service
    share: float

    def __str__(self) -> str:
        green = self.service.per_second * self.share
        return f"{self.fault.name}, {green:g} requests/s on green ({self.share * 100:g} %)"


BUSY = Service(1000, 0.01)
FIVE_POINTS = Fault("+5 points of errors", more=0.05)
FAULTS = (
    Faulty(FIVE_POINTS, BUSY, 0.05),
    Faulty(Fault("+5 points of errors after 40 min", more=0.05, after=2400), BUSY, 0.25),
    Faulty(Fault("errors at 7 %", more=0.06), BUSY, 0.05),
    Faulty(Fault("errors at 12 %", more=0.11), BUSY, 0.05),
    Faulty(Fault("2 % new errors, none on blue", more=0.02), Service(1000, 0.0, incidents=0.0), 0.05),
    Faulty(Fault("p95 +150 ms, all requests 150 ms longer", longer=0.15), BUSY, 0.05),
    Faulty(Fault("p95 +150 ms, all 1.6 times as long", factor=factor_for(0.15)), BUSY, 0.05),
    Faulty(Fault("slow leak, +10 points an hour", leak=0.1), BUSY, 0.25),
)
BY_TRAFFIC = tuple(
    Faulty(FIVE_POINTS, Service(per_green / share, 0.01), share)
    for share in (0.05, 0.5)
    for per_green in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
)


@dataclass
class Found:
    """How one judge did in one scenario: the delay of each run in seconds, infinite where it never found the fault."""

    scenario: str
    judge: str
    delays: list[float] = field(default_factory=list)
    early: int = 0
    """Runs that it ended before there was a fault; they have no delay."""

    def quantile(self, part: float) -> float:
        return sorted(self.delays)[max(0, math.ceil(part * len(self.delays)) - 1)] if self.delays else math.inf

    def within(self, seconds: float) -> float:
        """The part of all runs, those that ended too early among them."""
        return sum(delay <= seconds for delay in self.delays) / max(1, len(self.delays) + self.early)

    def document(self) -> dict[str, Any]:
        delays = [delay if delay < math.inf else None for delay in self.delays]
        return {"scenario": self.scenario, "judge": self.judge, "ended_before": self.early, "delays": delays}


@dataclass
class Rollbacks:
    """How many healthy cutovers one judge took back, and how many of those had no incident."""

    judge: str
    runs: int = 0
    back: int = 0
    quiet: int = 0
    quiet_back: int = 0
    said: list[str] = field(default_factory=list)

    def bounds(self) -> tuple[float, float]:
        """The 95 % interval of the rate, exact (Clopper and Pearson)."""
        return interval(self.back, self.runs, 0.05) if self.runs else (0.0, 1.0)

    def document(self) -> dict[str, Any]:
        return {"judge": self.judge, "runs": self.runs, "taken_back": self.back, "interval_95": self.bounds(),
                "without_incident": self.quiet, "of_them_taken_back": self.quiet_back}  # fmt: skip


def healthy_service(dice: Random) -> Service:
    """1 to 1,000 requests a second, none to 3 % of errors."""
    return Service(10 ** dice.uniform(0, 3), dice.choice((0.0, 0.001, 0.01, 0.03)))


def healthy(runs: int, seed: int, say: Callable[[str], None], *, slow: bool = True) -> list[Rollbacks]:
    """So many whole cutovers without a fault: four phases, three hours, a look each five seconds."""
    counted = {name: Rollbacks(name) for name in NAMES}
    for run in range(runs):
        dice = Random(f"{seed}/healthy/{run}")
        service = healthy_service(dice)
        weather = Weather(dice, service, sum(seconds for _, seconds in PHASES))
        waiting, at = judges(), 0.0
        if not slow:
            waiting = [Sequential(slower=None), *waiting[1:]]
        for share, seconds in PHASES:
            phase = Phase(share, at)
            at += seconds
            phase.grow(dice, weather, service, HEALTHY, at, slow=slow)
            for judge in list(waiting):
                if first(judge, phase) is not None:
                    waiting.remove(judge)
                    counted[judge.name].said.append(f"run {run}, share {share:g}: {getattr(judge, 'said', '')}")
        for name, one in counted.items():
            back = all(judge.name != name for judge in waiting)
            one.runs, one.back = one.runs + 1, one.back + back
            one.quiet, one.quiet_back = one.quiet + weather.quiet, one.quiet_back + (weather.quiet and back)
        if (run + 1) % 100 == 0:
            say(f"{run + 1} of {runs} healthy cutovers")
    return list(counted.values())


def first(judge: Judge, phase: Phase) -> int | None:
    """The tick at which it takes green back; None when it does not."""
    return next((tick for tick in range(1, phase.ticks + 1) if judge.asked(phase, tick)), None)


def found(scenario: Faulty, runs: int, seed: int, only: Sequence[str] = NAMES, *, slow: bool = True) -> list[Found]:
    """So many runs of one fault; each until all judges found it, or for half an hour."""
    results = {name: Found(str(scenario), name) for name in only}
    after = scenario.fault.after
    for run in range(runs):
        dice = Random(f"{seed}/{scenario}/{run}")
        weather = Weather(dice, scenario.service, after + PATIENCE)
        phase, waiting = Phase(scenario.share, 0.0), [judge for judge in judges() if judge.name in only]
        if not slow:
            waiting = [Sequential(slower=None) if isinstance(judge, Sequential) else judge for judge in waiting]
        while waiting and phase.ticks * TICK < after + PATIENCE:
            phase.grow(dice, weather, scenario.service, scenario.fault, (phase.ticks + 1) * TICK, slow=slow)
            for judge in [judge for judge in waiting if judge.asked(phase, phase.ticks)]:
                waiting.remove(judge)
                delay = phase.ticks * TICK - after
                if delay > 0:
                    results[judge.name].delays.append(delay)
                else:
                    results[judge.name].early += 1
        for judge in waiting:
            results[judge.name].delays.append(math.inf)
    return list(results.values())


@dataclass(frozen=True)
class Alone:
    """How often a healthy phase with all traffic on green failed against the recorded baseline."""

    name: str
    runs: int
    back: int

    def bounds(self) -> tuple[float, float]:
        """The 95 % interval of the rate, exact (Clopper and Pearson)."""
        return interval(self.back, self.runs, 0.05)

    def document(self) -> dict[str, Any]:
        return {"phase": self.name, "runs": self.runs, "failed": self.back,
                "interval_95": self.bounds()}  # fmt: skip


def alone(runs: int, seed: int) -> Iterator[Alone]:
    """An hour at 100 % with the hour before as baseline: without incidents, with one, and with so many errors spared."""
    for name, incidents, spared in (
        ("100 % on green, no incident", False, False),
        ("100 % on green, one common incident", True, False),
        ("100 % on green, one common incident, its errors spared", True, True),
    ):
        back = 0
        for run in range(runs):
            dice = Random(f"{seed}/alone/{run}")
            service = healthy_service(dice)
            calm = Service(service.per_second, service.errors, incidents=0.0)
            weather = Weather(dice, calm, 0.0)
            if incidents:
                weather.befalls(RECORDED + 600, 120.0, 0.3)
            before = Phase(0.0, 0.0)
            before.grow(dice, weather, calm, HEALTHY, RECORDED, slow=False)
            phase = Phase(1.0, RECORDED)
            phase.grow(dice, weather, calm, HEALTHY, 2 * RECORDED, slow=False)
            requests, errors = before.blue[-1]
            costs = math.ceil(120 * 0.3 * service.per_second * 2 * 2) if spared else 0
            judge = Sequential(slower=None, baseline=Tally(requests, errors), spared=costs)
            back += first(judge, phase) is not None
        yield Alone(name, runs, back)


@dataclass(frozen=True)
class Again:
    """How many healthy cutovers were ever called worse, where each share was taken `passes` times."""

    name: str
    passes: int
    runs: int
    back: int
    quiet: int
    quiet_back: int
    """How many had no incident, and how many of these were called worse."""

    def bounds(self) -> tuple[float, float]:
        """The 95 % interval of the rate, exact (Clopper and Pearson)."""
        return interval(self.back, self.runs, 0.05)

    def document(self) -> dict[str, Any]:
        return {"method": self.name, "passes": self.passes, "runs": self.runs, "called_worse": self.back,
                "interval_95": self.bounds(), "without_incident": self.quiet,
                "of_them_called_worse": self.quiet_back}  # fmt: skip


def taken_again(runs: int, seed: int, passes: Sequence[int] = (1, 3, 6)) -> list[Again]:
    """Healthy cutovers whose every share is taken several times, each time for as long as the share is held.

    Beside it what would be if each pass began with the whole alpha of its share; by errors only.
    """
    family = Family(tests=1, phases=len(PHASES))
    methods: tuple[tuple[str, Callable[[int], float]], ...] = (
        ("ours: each pass has its part", part_of_pass),
        ("each pass with all of it", lambda number: 1.0),
    )
    counted = []
    for often in passes:
        back = dict.fromkeys((name for name, _ in methods), 0)
        quiet, quiet_back = 0, dict(back)
        for run in range(runs):
            dice = Random(f"{seed}/again/{often}/{run}")
            service = healthy_service(dice)
            weather = Weather(dice, service, often * sum(seconds for _, seconds in PHASES))
            called: set[str] = set()
            at = 0.0
            for share, seconds in PHASES:
                for number in range(1, often + 1):
                    phase = Phase(share, at)
                    at += seconds
                    phase.grow(dice, weather, service, HEALTHY, at, slow=False)
                    for name, part in methods:
                        judge = Sequential(family=family, part=part(number), slower=None)
                        if name not in called and first(judge, phase) is not None:
                            called.add(name)
            quiet += weather.quiet
            for name in called:
                back[name] += 1
                quiet_back[name] += weather.quiet
        counted += [Again(name, often, runs, count, quiet, quiet_back[name]) for name, count in back.items()]
    return counted


def machine() -> str:
    """The machine in a line."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
