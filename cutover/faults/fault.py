"""What a fault is: what is done to the world at a place of the program, and how it is taken away again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cutover.bench.typed import Running
from cutover.faults.ground import Ground

IN_WINDOW = ("locked", "back-locked", "commit", "back-commit", "committed", "back-committed")
IN_SHIFT = ("shift-50", "back-shift", "shift-100", "bake", "resume")
BARE = "faults"  # the environment of the faults that need nothing more
PAST_DEADLINES = 14.0  # seconds: longer than any question to a server may take
SHORT = 3.0
UNTIL_OVER = 60.0  # seconds: healed when the program has ended, at the latest then


@dataclass(frozen=True)
class Scene:
    """Where a fault happens: the ground, the environment's name, and the program that stands at a place.

    `running` is None where the program has not started yet.
    """

    ground: Ground
    environment: str
    running: Running | None


Act = Callable[[Scene], object]


def nothing(scene: Scene) -> None:
    """For a fault that heals by itself."""


@dataclass(frozen=True)
class Fault:
    """One fault; `lasts` is for how many seconds, where the program does not end sooner.

    `lacking` says in words what it needs and this machine has not, empty when there is nothing. `words` are what its
    environment (`environment`) says beside the bare one's.
    """

    name: str
    why: str
    inject: Act
    heal: Act = nothing
    lasts: float = PAST_DEADLINES
    lacking: Callable[[], str] = field(default=str)
    environment: str = BARE
    words: Mapping[str, Any] = field(default_factory=dict)
    variables: Callable[[Ground], Mapping[str, str]] = lambda ground: {}
    """What the program is started with."""
    first: tuple[str, ...] = IN_WINDOW
    """The places where it does most, which are tried before the others."""
    of_program: bool = False
    """It is done to the program itself, so it needs one that runs."""
