"""A run of many quick steps that needs no servers: shares in files, each step with a pause, walked by the real engine.

`python -m cutover.bench.paced_run RUNS PAUSE…` in the repository folder of a stage: for each pause, in seconds, so many runs in the
environment's journal; prints the seconds that one step took for each pause, as a JSON list.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from cutover.app import App, open_environment
from cutover.core.clock import Deadline
from cutover.core.gate import Gate
from cutover.core.journal import Journal, State
from cutover.core.lease import Lease
from cutover.core.plan import Phase, Plan
from cutover.core.run import Run
from cutover.core.share import Share
from cutover.core.step import Command
from cutover.machine.flag_file import FileShare

NAME = "paced"
WORDS = """\
name: paced
description: Many quick steps
owners: {{decision: a, database: b, traffic: c, application: d}}
database: {{name: shop, blue: env:BLUE, green: env:GREEN}}
hostnames:
{hostnames}
shift: {{shares: {shares}, soak: 0s}}
metrics:
  sources: {{file: {{kind: command}}}}
  figures:
    share: {{source: file, query: {{blue: "cat {file}", green: "tail -n 1 {file}"}}, unit: count}}
"""


@dataclass(frozen=True)
class Pause(Command):
    """Waits as a step's real work does, for so many seconds."""

    seconds: float

    def run(self, deadline: Deadline) -> None:
        time.sleep(self.seconds)

    def shell(self) -> str:
        return f"sleep {self.seconds:g}"


@dataclass(frozen=True, kw_only=True)
class PacedShare(FileShare):
    """A share in a file, after a pause."""

    pause: float

    def commands(self, target: Share | str) -> Sequence[Command]:
        return (Pause(self.pause), *super().commands(target))


def environment(directory: Path, files: Path, hostnames: int, shares: int) -> None:
    """Writes the environment: so many hostnames, each carried by a file below `files`, and so many shares up to 100 %."""
    named = {f"shop-{number}": files / f"shop-{number}" for number in range(hostnames)}
    lines = [
        f"  {name}: {{host: {name}.example.com, carrier: {{kind: file, file: {file}}}}}" for name, file in named.items()
    ]
    for file in named.values():
        file.write_text("0\n", encoding="utf-8")
    percents = [100 * number // shares for number in range(1, shares + 1)]
    text = WORDS.format(hostnames="\n".join(lines), shares=percents, file=next(iter(named.values())))
    (directory / f"{NAME}.yaml").write_text(text, encoding="utf-8")


def main() -> None:
    runs, pauses = int(sys.argv[1]), [float(word) for word in sys.argv[2:]]
    app = open_environment(NAME)
    state = app.state()
    lease = state.acquire(who="bench", operation="cutover")
    took = []
    for pause in pauses:
        plan = paced(app, pause)
        seconds = [walked(app, plan, state, lease, f"pause-{pause:g}-{number}") for number in range(runs)]
        took.append(sum(seconds) / runs / len(list(plan.steps())))
    state.release(lease)
    state.close()
    app.close()
    print(json.dumps(took))


def paced(app: App, pause: float) -> Plan:
    """The steps of the environment's own plan that shift traffic, each with a pause; nothing else."""
    return replace(app.plan, guards=(), phases=tuple(_paced(app.plan, pause)))


def _paced(plan: Plan, pause: float) -> Iterator[Phase]:
    for phase in plan.phases:
        steps = tuple(_with_pause(item, pause) for item in phase.items if isinstance(item, FileShare))
        if steps:
            yield replace(phase, items=steps)


def _with_pause(step: FileShare, pause: float) -> PacedShare:
    return PacedShare(**{one.name: getattr(step, one.name) for one in fields(step)}, pause=pause)


def walked(app: App, plan: Plan, state: State, lease: Lease, run: str) -> float:
    """Walks it from blue to green; the seconds that this took. What the environment's plan has before it stands there as done."""
    for _, step in plan.steps():
        if isinstance(step, FileShare):
            step.file.write_text("0\n", encoding="utf-8")
    for kind, data in before(app, plan):
        state.append(run, kind, data, lease)
    runs = Run(plan, Journal(state, lease, run))
    began = time.monotonic()
    runs.forward()
    return time.monotonic() - began


def before(app: App, plan: Plan) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries of everything that comes before the first of these steps."""
    yield "leg-started", {"direction": "forward", "plan": plan.name, "digest": plan.digest(), "who": "bench"}
    for phase in app.plan.phases:
        if phase.name == plan.phases[0].name:
            break
        for item in phase.items:
            if isinstance(item, Gate):
                yield "passed", {"gate": item.name, "seen": "well", "data": {}, "undoes": []}
            else:
                data = {"step": item.name, "seen": "done", "undoes": [], "seconds": 0.1, "evidence": {}}
                yield "converged", data
    yield "leg-ended", {"outcome": "interrupted"}


if __name__ == "__main__":
    main()
