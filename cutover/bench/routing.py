"""Every figure of the routing library, each beside its reference in the same run: `invoke bench routing`."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata

from cutover.bench import routed_calls, spread_of_keys
from cutover.bench.figures import Figures, Line, attempted, machine, parts_named


@dataclass(frozen=True)
class Scale:
    """How much is measured: `samples` of calls, `quiet` rounds of what varies little, `ids` that are spread, `calls` of threads."""

    samples: int
    quiet: int
    ids: int
    calls: int
    targets: bool = True

    def rounds(self, number: int) -> "Scale":
        """With another number of rounds, where the default is more."""
        return replace(self, samples=number, quiet=min(number, self.quiet))


FULL = Scale(samples=100, quiet=5, ids=1_000_000, calls=200_000)
QUICK = Scale(samples=3, quiet=1, ids=2000, calls=2000, targets=False)

Part = Callable[[Scale], Iterable[Line]]
PARTS: dict[str, Part] = {
    "decision": lambda scale: routed_calls.decisions(scale.samples),
    "call": lambda scale: routed_calls.overheads(scale.samples),
    "threads": lambda scale: routed_calls.eight_threads(scale.quiet, scale.calls),
    "file": lambda scale: routed_calls.visible(scale.samples),
    "memory": lambda scale: spread_of_keys.weight(scale.quiet),
    "import": lambda scale: spread_of_keys.importing(scale.quiet),
    "even": lambda scale: spread_of_keys.even(scale.ids),
    "independent": lambda scale: spread_of_keys.independent(scale.ids),
}


def chosen(only: str) -> Sequence[str]:
    """The parts named, separated by commas, or all; raises ConfigurationRefused for one that is not known."""
    return parts_named(PARTS, only)


def measure(parts: Sequence[str], scale: Scale, say: Callable[[str], None]) -> Figures:
    """Measures these parts one after another; one that fails says so in a line of its own."""
    title = "Routing figures" if scale.targets else "Routing figures, too small to mean anything"
    figures = Figures(title, ", ".join([*_versions(), machine()]))
    for name in parts:
        say(f"{name}:")
        for line in attempted(name, partial(PARTS[name], scale), say):
            figures.lines.append(line if scale.targets else replace(line, limits=()))
    return figures


def _versions() -> Iterable[str]:
    for name in ("UnleashClient", "openfeature-sdk"):
        with suppress(metadata.PackageNotFoundError):
            yield f"{name} {metadata.version(name)}"
