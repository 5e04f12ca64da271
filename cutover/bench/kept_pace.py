"""Whether a run keeps its pace while a console and all who look at it are there: the same run with and without, by turns."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cutover.bench import paced_run
from cutover.bench.figures import BenchFailed, Limit, Line, Reference, Spread
from cutover.bench.onlookers import onlookers
from cutover.bench.served_console import served_console
from cutover.bench.staged import Staged

OVERHEAD = 2.0  # percent
ALONE = "the same without a console"
PREFIX = "cutover-bench-"
LONGEST = 600.0  # seconds for the runs of one round


@dataclass(frozen=True)
class Steps:
    """So many runs for each of the pauses (seconds), each of `hostnames` × `shares` steps, seen by so many streams."""

    rounds: int
    runs: int
    hostnames: int
    shares: int
    pauses: Sequence[float]
    streams: int


def kept_pace(steps: Steps, say: Callable[[str], None]) -> Iterator[Line]:
    """Two lines for each pause: the seconds of a step, and by how much they were longer with the console."""
    alone: list[list[float]] = []
    seen: list[list[float]] = []
    used: list[float] = []
    for number in range(steps.rounds):
        for watched in (False, True) if number % 2 == 0 else (True, False):
            if watched:
                took, part = _watched(steps)
                seen.append(took)
                used.append(part)
            else:
                alone.append(_alone(steps))
        told = ", ".join(f"{1000 * one:.1f} ms" for one in (*alone[-1], *seen[-1]))
        say(f"round {number + 1}: a step took {told}")
    count = steps.runs * steps.hostnames * steps.shares
    for place, pause in enumerate(steps.pauses):
        figure = f"{count} steps, each with a pause of {1000 * pause:g} ms" if pause else f"{count} steps without pause"
        by_turns = Spread.of(1000 * one[place] for one in seen), Spread.of(1000 * one[place] for one in alone)
        told = f"{steps.streams} streams, a page, and a client that never reads; the console used {Spread.of(used, '%').short()} of a core"
        yield from beside(figure, "a step", by_turns, told)


def beside(figure: str, what: str, by_turns: tuple[Spread, Spread], seen: str) -> Iterator[Line]:
    """The two lines of what was measured with the console and without it, turn by turn."""
    ours, alone = by_turns
    more = Spread.of((100 * (a / b - 1) for a, b in zip(ours.samples, alone.samples, strict=True)), "%")
    yield Line(f"{figure}: {what}", ours, (Reference(ALONE, alone),), (), seen)
    yield Line(f"{figure}: longer by", more, (), (Limit("median", OVERHEAD),), "of each turn and its own reference")


@contextmanager
def paced_stage(hostnames: int, shares: int) -> Iterator[Staged]:
    """A repository folder with the environment of `paced_run`; removed afterwards."""
    stage = Staged(Path(tempfile.mkdtemp(prefix=PREFIX)))
    try:
        stage.make_folder()
        stage.home.mkdir()
        paced_run.environment(stage.repository / "environments", stage.root, hostnames, shares)
        yield stage
    finally:
        stage.close()


def _alone(steps: Steps) -> list[float]:
    with paced_stage(steps.hostnames, steps.shares) as stage:
        return _walked(stage, steps)


def _watched(steps: Steps) -> tuple[list[float], float]:
    """Beside the seconds of a step, which part of a core the console used meanwhile, in percent."""
    with (
        paced_stage(steps.hostnames, steps.shares) as stage,
        served_console(stage, paced_run.NAME) as console,
        onlookers(console, steps.streams),
    ):
        used, began = console.cpu(), time.monotonic()
        took = _walked(stage, steps)
        return took, 100 * (console.cpu() - used) / (time.monotonic() - began)


def _walked(stage: Staged, steps: Steps) -> list[float]:
    """The seconds of a step for each pause; raises BenchFailed."""
    command = [sys.executable, "-m", "cutover.bench.paced_run", str(steps.runs), *map(str, steps.pauses)]
    done = subprocess.run(
        command,
        cwd=stage.repository,
        env=stage.variables(),
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    if done.returncode:
        raise BenchFailed(f"the run ended with {done.returncode}: {done.stderr[-2000:]}")
    return [float(one) for one in json.loads(done.stdout)]
