"""Commands and steps: what the engine runs, the runbook prints and the dry-run shows are these objects."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Self, TypeVar

from cutover.core.clock import Deadline

S = TypeVar("S")
UNDO = "-undo"


class Command(ABC):
    """One change to the outside world, as data. Running it twice must be as good as running it once."""

    kill_points: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def run(self, deadline: Deadline) -> None:
        """Makes the change before `deadline`; raises what its technology raises (the engine reads back)."""

    @abstractmethod
    def shell(self) -> str:
        """What a person would type instead: bash, self-contained but for the runbook's variables."""


@dataclass(frozen=True, kw_only=True)
class Step(ABC, Generic[S]):
    """Moves one resource from `before` to `after`; `between` are the states that our own half-done work may show.

    `settle` and `expected` are seconds: how long convergence may take, and how long it usually takes.
    `standing` work is kept by an ordinary rollback, ready for the next try. `one_way` has no inverse.
    """

    name: str
    before: S
    after: S
    between: frozenset[S] = frozenset()
    settle: float = 30.0
    expected: float = 1.0
    one_way: bool = False
    standing: bool = False
    undoes: tuple[str, ...] = ()

    commit_point: ClassVar[bool] = False

    @abstractmethod
    def observe(self) -> S:
        """The resource's state, read from the resource itself within a bounded time; raises Unreachable."""

    @abstractmethod
    def commands(self, target: S) -> Sequence[Command]:
        """The commands that bring the resource to `target` from any of before, between, after."""

    @abstractmethod
    def check_shell(self) -> str:
        """The command with which a person sees the state that `observe` reads."""

    @property
    def resource(self) -> str:
        """What is moved; steps on one resource must chain."""
        return self.name.removesuffix(UNDO)

    @property
    def lane(self) -> str:
        """Neighbouring moves of one lane commute, so going back merges those of one resource into one."""
        return self.resource

    def committed(self, seen: S) -> bool:
        """Whether `seen` lies past this step's commit point (only asked where `commit_point` is set)."""
        return False

    def past_commit(self) -> bool:
        """Whether the resource is past this step's commit point now; raises Unreachable."""
        return self.committed(self.observe())

    def mend(self, seen: S) -> str:
        """What a person types so that the step can go on from a state that nobody expected; empty where nobody knows."""
        return ""

    def evidence(self) -> Mapping[str, Any]:
        """What else the record should keep once the step is done (timings, counts)."""
        return {}

    def progress(self) -> str:
        """What a person who waits for the state may want to see beside it; asked at each look, so it has to be cheap."""
        return ""

    def inverse(self) -> "Step[S]":
        """The way back: the same step with its states swapped."""
        if self.name.endswith(UNDO):
            return replace(self, name=self.name.removesuffix(UNDO), before=self.after, after=self.before, undoes=())
        return replace(self, name=self.name + UNDO, before=self.after, after=self.before, undoes=(self.name,))

    def merged(self, earlier: Self) -> Self:
        """This inverse step and `earlier`, which comes after it on the way back, as one move."""
        return replace(
            self,
            name=earlier.name,
            after=earlier.after,
            between=self.between | earlier.between | {self.after},
            undoes=self.undoes + earlier.undoes,
        )

    def why(self) -> str:
        """The reason that the runbook gives: the class docstring, unless the step brings its own."""
        return inspect.getdoc(type(self)) or ""
