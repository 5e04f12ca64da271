"""What the engine itself takes for a step: plans of steps that do nothing, beside the same entries merely appended."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cutover.bench.figures import Line, Reference, Spread
from cutover.core.clock import Deadline
from cutover.core.journal import Journal
from cutover.core.plan import Phase, Plan
from cutover.core.run import Run
from cutover.core.step import Command, Step
from cutover.state.sqlite import SqliteState

ALONE = "its entries, appended"


@dataclass(frozen=True)
class SetIt(Command):
    """Sets one value in memory."""

    values: dict[str, int] = field(repr=False, compare=False)
    key: str
    value: int

    def run(self, deadline: Deadline) -> None:
        self.values[self.key] = self.value

    def shell(self) -> str:
        return f"set {self.key} {self.value}"


@dataclass(frozen=True, kw_only=True)
class InMemory(Step[int]):
    """Moves a value in memory."""

    values: dict[str, int] = field(repr=False, compare=False)

    def observe(self) -> int:
        return self.values.get(self.name.removesuffix("-undo"), 0)

    def commands(self, target: int) -> Sequence[Command]:
        return (SetIt(self.values, self.resource, target),)

    def check_shell(self) -> str:
        return f"show {self.resource}"


def walked(rounds: int, sizes: Sequence[int], say: Callable[[str], None]) -> Iterator[Line]:
    """A line for each number of steps: milliseconds of a step, there and back, journal in SQLite."""
    for size in sizes:
        ours, alone = [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                took, entries = _there_and_back(Path(folder), size)
                ours.append(1000 * took / (2 * size))
                alone.append(1000 * _appended(Path(folder), entries) / (2 * size))
        say(f"{size} steps: {Spread.of(ours).short()} each")
        beside = (Reference(ALONE, Spread.of(alone)),)
        seen = "there and back; each observed, written down, run, observed again, written down"
        yield Line(f"a step of a plan of {size:,} steps", Spread.of(ours), beside, seen=seen)


def _there_and_back(folder: Path, size: int) -> tuple[float, Sequence[tuple[str, dict[str, object]]]]:
    """The seconds, and what was written."""
    values: dict[str, int] = {}
    steps = tuple(InMemory(name=f"step-{number}", before=0, after=1, values=values) for number in range(size))
    plan = Plan(name="cutover", environment="bench", phases=(Phase(name="work", owner="bench", items=steps),))
    state = SqliteState(folder / "journal.sqlite")
    lease = state.acquire(who="bench", operation="cutover")
    run = Run(plan, Journal(state, lease, "one"))
    began = time.perf_counter()
    run.forward()
    run.back(reason="bench")
    took = time.perf_counter() - began
    entries = [(entry.kind, dict(entry.data)) for entry in state.entries("one")]
    state.release(lease)
    state.close()
    return took, entries


def _appended(folder: Path, entries: Sequence[tuple[str, dict[str, object]]]) -> float:
    state = SqliteState(folder / "bare.sqlite")
    lease = state.acquire(who="bench", operation="cutover")
    began = time.perf_counter()
    for kind, said in entries:
        state.append("one", kind, said, lease)
    took = time.perf_counter() - began
    state.release(lease)
    state.close()
    return took
