"""A tiny world in memory for the engine's tests: resources in a dict, steps that move them, faults, time that is owned."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cutover.core import killpoint
from cutover.core.clock import Deadline, Interrupt
from cutover.core.errors import LeaseLost, Unreachable
from cutover.core.gate import Check, Finding
from cutover.core.journal import Entry, Journal
from cutover.core.lease import Lease
from cutover.core.leg import Supervisor
from cutover.core.plan import Plan
from cutover.core.run import Run
from cutover.core.step import Command, Step
from cutover.core.walk import Event
from cutover.simulation.clock import FakeClock
from cutover.simulation.steps import Both, Killed, Put, SetValue

__all__ = ["Both", "FakeClock", "Killed", "Put", "SetValue"]  # of the model: the tests take them from here

OPEN, FENCED = "open", "fenced"
LEASE = Lease(id="toy", token=1, who="tester", host="here", pid=1, started=1, since=0.0, operation="test")


class TwoWritableSides(BaseException):
    """What must never be; not an Exception, because the engine takes those for failed commands."""


class MemoryStore:
    """Entries in a list, refused once a newer token exists."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.kept, self.words, self.token = clock, list[Entry](), list[tuple[str, Mapping[str, Any]]](), 1

    def append(self, run: str, kind: str, data: Mapping[str, Any], lease: Lease) -> Entry:
        if lease.token != self.token:
            raise LeaseLost("somebody took over")
        entry = Entry(len(self.kept) + 1, run, self.clock.now(), lease.token, kind, dict(data), "", "")
        self.kept.append(entry)
        return entry

    def entries(self, run: str | None = None) -> Sequence[Entry]:
        return [entry for entry in self.kept if run is None or entry.run == run]

    def wish(self, run: str, kind: str, data: Mapping[str, Any]) -> None:
        self.words.append((kind, data))

    def wishes(self, run: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
        return list(self.words)


class AnswerLost(Unreachable):
    """Of an adapter whose reads may be late."""

    shows_within = 10.0


@dataclass
class World:
    """What the "processes" share. `faults` maps a label like `share=10` to what its next command runs do."""

    clock: FakeClock = field(default_factory=FakeClock)
    values: dict[str, Any] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)
    unreachable: dict[str, int] = field(default_factory=dict)
    command_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)

    def put(self, key: str, value: Any) -> None:
        """One effect, with whatever fault was ordered for it."""
        label = f"{key}={value}"
        self.ran.append(label)
        self.clock.sleep(self.command_seconds)
        fault = self.faults[label].pop(0) if self.faults.get(label) else ""
        if fault == "before":
            raise ConnectionError("lost before the effect")
        if fault == "lost":
            self.clock.later(2.0, lambda: self.values.__setitem__(key, value))
            raise AnswerLost("the answer was lost, and reads are late")
        if fault == "late":
            self.clock.later(2.0, lambda: self.values.__setitem__(key, value))
        elif fault == "stray":
            self.values[key] = "stray"
        elif fault != "nothing":
            self.values[key] = value
        if self.values.get("blue") == self.values.get("green") == OPEN:
            raise TwoWritableSides(label)
        if fault == "after":
            raise ConnectionError("lost after the effect")

    def see(self, key: str) -> Any:
        left = self.unreachable.get(key, 0)
        if left:
            self.unreachable[key] = left - 1
            raise Unreachable(f"{key} does not answer")
        return self.values[key]

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.store.kept]

    def run(self, plan: Plan, *, supervisor: Supervisor | None = None, patience: float = 20.0) -> "Started":
        """A fresh process over the same world."""
        interrupt = Interrupt()
        events: list[Event] = []
        run = Run(
            plan,
            Journal(self.store, LEASE, "r1"),
            clock=self.clock,
            interrupt=interrupt,
            listen=events.append,
            supervisor=supervisor,
            who="tester",
            patience=patience,
        )
        return Started(run, interrupt, events)


@dataclass
class Started:
    run: Run
    interrupt: Interrupt
    events: list[Event]

    @property
    def done(self) -> tuple[str, ...]:
        return self.run.journal.position().done


@dataclass(frozen=True)
class Fence(Command):
    """Fences one side, then opens the other; the fence is the commit point."""

    kill_points: ClassVar[tuple[str, ...]] = ("switch: locked", "switch: fenced")
    world: World = field(repr=False, compare=False)
    target: tuple[str, str]

    def run(self, deadline: Deadline) -> None:
        closing, opening = ("blue", "green") if self.target[1] == OPEN else ("green", "blue")
        killpoint.reached("switch: locked")
        self.world.put(closing, FENCED)
        if self.world.values[closing] != FENCED:
            raise ConnectionError("the fence does not hold")
        killpoint.reached("switch: fenced")
        self.world.put(opening, OPEN)

    def shell(self) -> str:
        return f"switch to {'/'.join(self.target)}"


@dataclass(frozen=True, kw_only=True)
class Switch(Step[tuple[str, str]]):
    """Moves the writes from one side to the other, because only one side may accept them."""

    commit_point: ClassVar[bool] = True
    world: World = field(repr=False, compare=False)

    def observe(self) -> tuple[str, str]:
        return self.world.see("blue"), self.world.see("green")

    def commands(self, target: tuple[str, str]) -> Sequence[Command]:
        return (Fence(self.world, target),)

    def check_shell(self) -> str:
        return "see blue green"

    def committed(self, seen: tuple[str, str]) -> bool:
        return seen == self.after or seen in self.between


@dataclass
class Script(Check):
    """Says the findings of its script in turn, the last one for ever; asked for its own sake."""

    script: list[Finding]
    asked: int = 0

    def look(self) -> Finding:
        self.asked += 1
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def shell(self) -> str:
        return "ask"


@dataclass
class Ask(Check):
    """Answers what a function answers; asked for its own sake."""

    answer: Callable[[], Finding]

    def look(self) -> Finding:
        return self.answer()

    def shell(self) -> str:
        return "ask"


def well(seen: str = "well") -> Script:
    return Script([Finding.passed(seen)])


def ill(seen: str = "ill") -> Script:
    return Script([Finding.failed(seen, "mend it")])


def killed_at(number: int, do: Callable[[], Any]) -> str | None:
    """Runs `do` and dies at kill point `number` (from 0); the point's name, or None when it was not reached."""
    seen: list[str] = []

    def hook(name: str) -> None:
        seen.append(name)
        if len(seen) == number + 1:
            raise Killed(name)

    killpoint.install(hook)
    try:
        do()
    except Killed as death:
        return str(death)
    finally:
        killpoint.install(None)
    return None
