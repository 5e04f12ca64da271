"""A whole cutover of the local world and its way back with a console and all who look at it, and without, by turns."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cutover.bench.figures import BenchFailed, Line, NotMeasured, Spread
from cutover.bench.kept_pace import PREFIX, beside
from cutover.bench.onlookers import onlookers
from cutover.bench.served_console import served_console
from cutover.bench.staged import Staged
from cutover.world import world

NAME = "shown"
BASE = "local"
CUSTOMERS = 40  # requests per second


@dataclass(frozen=True)
class Whole:
    """So many turns in a shop of so many rows, seen by so many streams."""

    rounds: int
    rows: int
    streams: int


@dataclass
class Took:
    """Of each cutover and its way back: the seconds of all steps together, and both write pauses in milliseconds."""

    steps: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    acknowledged: int = 0


def whole_cutovers(whole: Whole, say: Callable[[str], None]) -> Iterator[Line]:
    """Four lines: the steps' time and the write pauses, each with the console beside the same without."""
    alone, seen = Took(), Took()
    used: list[float] = []
    stage = Staged(Path(tempfile.mkdtemp(prefix=PREFIX)))
    try:
        if not (stage.source / "environments" / f"{BASE}.yaml").exists():
            raise NotMeasured(f"environments/{BASE}.yaml is not here: run it in the repository's folder")
        stage.make_folder()
        stage.environment(NAME, base=BASE, smoke=None, checklist=None)
        world.up(stage.home, rows=whole.rows, rate=CUSTOMERS, log=say)
        there_and_back(stage, Took())  # the first one also copies
        for number in range(whole.rounds):
            for watched in (False, True) if number % 2 == 0 else (True, False):
                if not watched:
                    there_and_back(stage, alone)
                    continue
                with served_console(stage, NAME) as console, onlookers(console, whole.streams):
                    before, began = console.cpu(), time.monotonic()
                    there_and_back(stage, seen)
                    used.append(100 * (console.cpu() - before) / (time.monotonic() - began))
            say(f"round {number + 1}: the steps took {alone.steps[-1]:.2f} s, with a console {seen.steps[-1]:.2f} s")
    finally:
        stage.close()
    told = f"{seen.acknowledged + alone.acknowledged} acknowledged: 0 lost, 0 doubled; the console used {Spread.of(used, '%').short()} of a core"
    figure = "cutover and way back of the local world"
    yield from beside(figure, "all steps", (Spread.of(seen.steps, "s"), Spread.of(alone.steps, "s")), told)
    forth_and_back = (Spread.of(seen.pauses), Spread.of(alone.pauses))
    pause, longer = beside(figure, "write pauses, both ways together", forth_and_back, "at the database")
    yield pause
    yield Line("write pauses, both ways together: longer by", longer.ours, (), (), longer.seen)


def there_and_back(stage: Staged, took: Took) -> None:
    """A cutover and its way back, added to `took`; raises BenchFailed where one fails, or a write is lost or there twice."""
    begun = len(stage.entries(NAME)) if (stage.home / "world" / f"{NAME}.sqlite").exists() else 0
    first = stage.cutover(NAME).ended(0)
    stage.supervisors_gone()
    stage.rollback(NAME).ended(0)
    stage.supervisors_gone()
    converged = [one.data for one in stage.entries(NAME)[begun:] if one.kind == "converged"]
    timings = [(data.get("evidence") or {}).get("milliseconds") or {} for data in converged]
    pauses = [float(one["pause"]) for one in timings if "pause" in one]
    if len(pauses) != 2:
        raise BenchFailed(f"{len(pauses)} write pauses in the journal; wanted is one each way")
    promised = stage.seen_since(first.began)
    lost, doubled = stage.lost_and_doubled(promised, "blue")
    if lost or doubled:
        raise BenchFailed(f"{len(lost)} writes lost and {len(doubled)} doubled")
    took.steps.append(sum(float(data.get("seconds", 0.0)) for data in converged))
    took.pauses.append(sum(pauses))
    took.acknowledged += len(promised.acknowledged)
