"""Every figure of the engine itself, each beside its reference in the same run: `invoke bench engine`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from cutover.bench.appends import appends
from cutover.bench.figures import Figures, Line, attempted, machine, parts_named, postgres
from cutover.bench.starts import starts
from cutover.bench.walked_steps import walked

Say = Callable[[str], None]


@dataclass(frozen=True)
class Scale:
    """How often each is measured, how many entries make a round, and how long the plans are."""

    rounds_of: int
    entries: int
    steps: tuple[int, ...]
    targets: bool = True

    def rounds(self, number: int) -> "Scale":
        return replace(self, rounds_of=number)


FULL = Scale(rounds_of=10, entries=200, steps=(10, 100, 1000))
QUICK = Scale(rounds_of=1, entries=5, steps=(5,), targets=False)

PARTS: dict[str, Callable[[Scale, Say], Iterable[Line]]] = {
    "journal": lambda scale, say: appends(scale.rounds_of, scale.entries, say),
    "steps": lambda scale, say: walked(scale.rounds_of, scale.steps, say),
    "start": lambda scale, say: starts(scale.rounds_of, say),
}


def chosen(only: str) -> Sequence[str]:
    """The parts named, separated by commas, or all; raises ConfigurationRefused for one that is not known."""
    return parts_named(PARTS, only)


def measure(parts: Sequence[str], scale: Scale, say: Say) -> Figures:
    """Measures these parts one after another; one that fails says so in a line of its own."""
    title = "Engine figures" if scale.targets else "Engine figures, too small to mean anything"
    figures = Figures(title, f"{postgres()}, {machine()}")
    for name in parts:
        say(f"{name}:")
        for line in attempted(name, partial(PARTS[name], scale, say), say):
            figures.lines.append(line if scale.targets else replace(line, limits=()))
    return figures
