"""The steps of a model: they move values, because a value is the simplest resource."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.core.clock import Deadline
from cutover.core.step import Command, Step


class Killed(BaseException):
    """The process died here."""


@dataclass(frozen=True)
class SetValue(Command):
    """Sets one value."""

    world: Any = field(repr=False, compare=False)
    """Has `put(key, value)` and `see(key)`, with whatever goes wrong there."""
    key: str
    value: Any

    def run(self, deadline: Deadline) -> None:
        self.world.put(self.key, self.value)

    def shell(self) -> str:
        return f"put {self.key} {self.value}"


@dataclass(frozen=True, kw_only=True)
class Put(Step[Any]):
    """Moves one value, because a value is the simplest resource."""

    world: Any = field(repr=False, compare=False)
    key: str

    @property
    def resource(self) -> str:
        return self.key

    def observe(self) -> Any:
        return self.world.see(self.key)

    def commands(self, target: Any) -> Sequence[Command]:
        return (SetValue(self.world, self.key, target),)

    def check_shell(self) -> str:
        return f"see {self.key}"


@dataclass(frozen=True, kw_only=True)
class Both(Step[tuple[Any, Any]]):
    """Moves two values with two commands, so that half-done work can be seen."""

    world: Any = field(repr=False, compare=False)
    keys: tuple[str, str]

    def observe(self) -> tuple[Any, Any]:
        return self.world.see(self.keys[0]), self.world.see(self.keys[1])

    def commands(self, target: tuple[Any, Any]) -> Sequence[Command]:
        return tuple(SetValue(self.world, key, value) for key, value in zip(self.keys, target, strict=True))

    def check_shell(self) -> str:
        return f"see {' '.join(self.keys)}"
