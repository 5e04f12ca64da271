"""What the operator console costs a run, and how soon its page is there: `invoke bench console`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from cutover.bench.chromium import version
from cutover.bench.figures import Figures, Line, attempted, machine, parts_named, postgres
from cutover.bench.first_heard import first_heard
from cutover.bench.kept_pace import Steps, kept_pace
from cutover.bench.painted import drawn, painted
from cutover.bench.whole_cutovers import Whole, whole_cutovers

Say = Callable[[str], None]


@dataclass(frozen=True)
class Scale:
    """How much is measured: `words` lines that are heard, `loads` of a run of `entries`, `draws` of `points`."""

    steps: Steps
    whole: Whole
    words: int
    loads: int
    entries: int
    draws: int
    points: int
    targets: bool = True

    def rounds(self, number: int) -> "Scale":
        """With another number of rounds; a whole cutover takes a minute, and is not done more often than by default."""
        return replace(
            self,
            steps=replace(self.steps, rounds=number),
            whole=replace(self.whole, rounds=min(number, self.whole.rounds)),
            words=number,
            loads=number,
            draws=number,
        )


FULL = Scale(
    Steps(rounds=10, runs=10, hostnames=4, shares=10, pauses=(0.05, 0.0), streams=200),
    Whole(rounds=5, rows=20_000, streams=200),
    words=20, loads=10, entries=5000, draws=20, points=36_000,
)  # fmt: skip
QUICK = Scale(
    Steps(rounds=1, runs=1, hostnames=2, shares=2, pauses=(0.01, 0.0), streams=20),
    Whole(rounds=1, rows=500, streams=20),
    words=1, loads=1, entries=120, draws=1, points=360, targets=False,
)  # fmt: skip

PARTS: dict[str, Callable[[Scale, Say], Iterable[Line]]] = {
    "steps": lambda scale, say: kept_pace(scale.steps, say),
    "cutover": lambda scale, say: whole_cutovers(scale.whole, say),
    "paint": lambda scale, say: painted(scale.loads, scale.entries, say),
    "draw": lambda scale, say: drawn(scale.draws, scale.points, say),
    "word": lambda scale, say: first_heard(scale.words, scale.steps.streams, say),
}


def chosen(only: str) -> Sequence[str]:
    """The parts named, separated by commas, or all; raises ConfigurationRefused for one that is not known."""
    return parts_named(PARTS, only)


def measure(parts: Sequence[str], scale: Scale, say: Say) -> Figures:
    """Measures these parts one after another; one that fails says so in a line of its own."""
    title = "Console figures" if scale.targets else "Console figures, too small to mean anything"
    figures = Figures(title, f"{postgres()}, {version()}, {machine()}")
    for name in parts:
        say(f"{name}:")
        for line in attempted(name, partial(PARTS[name], scale, say), say):
            figures.lines.append(line if scale.targets else replace(line, limits=()))
    return figures
