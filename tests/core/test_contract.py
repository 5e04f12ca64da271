"""The contract suite itself: the model steps hold, and each broken step is found out."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from contract import holds
from toy_world import FENCED, OPEN, Both, Put, Switch, World

from cutover.core import killpoint
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.step import Command, Step

pytestmark = pytest.mark.slow  # long hunts; `invoke test --quick` leaves them out


@pytest.fixture
def quick_path() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of durable appends to a busy disk would take minutes."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def put(w: World, **more: Any) -> Put:
    return Put(name="turn", key="k", before="a", after="b", settle=0.3, world=w, **more)


def both(w: World) -> Both:
    between = frozenset({("a", "b"), ("b", "a")})
    return Both(name="pair", keys=("k", "l"), before=("a", "a"), after=("b", "b"), between=between, world=w, settle=0.3)


def switch(w: World) -> Switch:
    between = frozenset({(FENCED, FENCED)})
    return Switch(name="switchover", before=(OPEN, FENCED), after=(FENCED, OPEN), between=between, world=w, settle=0.3)


def test_the_model_steps_hold(quick_path: Path) -> None:
    w = World(values={"k": "a", "l": "a", "blue": OPEN, "green": FENCED})
    start = dict(w.values)

    def stray() -> None:
        w.values["k"] = "z"

    holds(lambda: put(w), state_dir=quick_path, reset=lambda: w.values.update(start), strays=[stray])
    holds(lambda: put(w, standing=True), state_dir=quick_path)
    holds(lambda: both(w), state_dir=quick_path, strays=[])
    holds(lambda: switch(w), state_dir=quick_path)
    assert list(quick_path.iterdir()) == []


def test_a_one_way_step_holds(quick_path: Path) -> None:
    w = World(values={"k": "a"})
    holds(lambda: put(w, one_way=True), state_dir=quick_path, reset=lambda: w.values.update(k="a"))


@dataclass(frozen=True, kw_only=True)
class NoWhy(Put):
    __doc__ = None


@dataclass(frozen=True, kw_only=True)
class NoBack(Put):
    """Forgets the way back."""

    def commands(self, target: Any) -> Sequence[Command]:
        return super().commands("b")


@dataclass(frozen=True, kw_only=True)
class TouchesWhenItLooks(Put):
    """Changes the world by looking."""

    def observe(self) -> Any:
        seen = self.world.values["k"]
        self.world.values["k"] = "b"
        return seen


@dataclass(frozen=True)
class Toggle(Command):
    """Turns the value over: not repeatable."""

    world: World = field(compare=False, repr=False)

    def run(self, deadline: Deadline) -> None:
        self.world.values["k"] = "a" if self.world.values["k"] == "b" else "b"

    def shell(self) -> str:
        return "toggle"


@dataclass(frozen=True, kw_only=True)
class NotRepeatable(Put):
    """Has a command that may not run twice."""

    def commands(self, target: Any) -> Sequence[Command]:
        return (Toggle(self.world),)


@dataclass(frozen=True, kw_only=True)
class DependsOnTheWorld(Put):
    """Gives other commands when the world has changed."""

    def commands(self, target: Any) -> Sequence[Command]:
        return tuple(super().commands(target)) * (2 if self.world.values["k"] == "b" else 1)


@dataclass(frozen=True, kw_only=True)
class HalfSeen(Both):
    """Takes half-done work for done, and forgets the other half on the way back."""

    def observe(self) -> Any:
        return (self.world.values["k"],) * 2

    def commands(self, target: Any) -> Sequence[Command]:
        return super().commands(target) if target[0] == "b" else super().commands(target)[:1]


@dataclass(frozen=True)
class Named(Toggle):
    kill_points: ClassVar[tuple[str, ...]] = ("never reached",)

    def run(self, deadline: Deadline) -> None:
        killpoint.reached("another")
        self.world.values["k"] = "b"


@dataclass(frozen=True, kw_only=True)
class MissingPoint(Put):
    """Names a kill point that its command never reaches."""

    def commands(self, target: Any) -> Sequence[Command]:
        return (Named(self.world),) if target == "b" else super().commands(target)


@dataclass(frozen=True, kw_only=True)
class EndlessInverse(Put):
    """Gets a new name each time it is turned round."""

    def inverse(self) -> Step[Any]:
        return replace(super().inverse(), name=self.name + "-undo")


BROKEN = [
    (NoWhy, "docstring"),
    (NoBack, "wanted a|stopped"),
    (TouchesWhenItLooks, "not at a|looking changed"),
    (NotRepeatable, "seen|stopped"),
    (MissingPoint, "never reached: .'never reached'"),
    (EndlessInverse, "another step"),
    (DependsOnTheWorld, "depends on what is observed"),
]


@pytest.mark.parametrize(("kind", "complaint"), BROKEN)
def test_a_broken_step_is_found_out(quick_path: Path, kind: type[Put], complaint: str) -> None:
    w = World(values={"k": "a"})
    with pytest.raises((AssertionError, CutoverError), match=complaint):
        holds(
            lambda: kind(name="turn", key="k", before="a", after="b", settle=0.05, world=w),
            state_dir=quick_path,
            reset=lambda: w.values.update(k="a"),
            patience=0.3,
        )


def test_ends_between_are_refused(quick_path: Path) -> None:
    w = World(values={"k": "a"})
    with pytest.raises(AssertionError, match="between holds an end state"):
        holds(lambda: put(w, between=frozenset({"b"})), state_dir=quick_path)


def test_half_done_work_left_behind_is_found_out(quick_path: Path) -> None:
    w = World(values={"k": "a", "l": "a"})

    def make() -> HalfSeen:
        assert (w.values["k"], w.values["l"]) != ("a", "b"), "half-done work was left behind"
        return HalfSeen(name="pair", keys=("k", "l"), before=("a", "a"), after=("b", "b"), world=w, settle=0.05)

    with pytest.raises(AssertionError, match="half-done"):
        holds(make, state_dir=quick_path, reset=lambda: w.values.update(k="a", l="a"))
