"""Which recorded times tell how long a step or a phase takes: those that were measured whole."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cutover.core.back import REOPENED
from cutover.core.journal import Entry
from cutover.core.leg import BACK

BEGINS = {"intent": "step", "phase-entered": "phase"}
ENDS = {"converged": "step", "phase-left": "phase"}


@dataclass
class _Walk:
    """One run as far as it was read: how often each step and phase that has not ended was begun, and whether that was cut."""

    going_back: bool = False
    reopening: bool = False
    begun: dict[str, int] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)


def whole(entries: Sequence[Entry]) -> Iterator[tuple[Entry, bool]]:
    """Each `converged` and `phase-left` whose `seconds` are those of all of it, oldest first, and whether that was on the way back.

    Left out is what was begun more than once, or went on after its process had died: that says how long the rest took. So is
    the window that was finished forward because its way back failed.
    """
    walks: dict[str, _Walk] = {}
    for entry in entries:
        walk = walks.setdefault(entry.run, _Walk())
        if entry.kind == "leg-started":
            back = entry.data["direction"] == BACK
            kept = walk if not back and not walk.going_back else _Walk()
            walks[entry.run] = _Walk(back, entry.data.get("cause") == REOPENED, kept.begun, kept.cut)
        elif entry.kind == "leg-resumed":
            walk.cut |= set(walk.begun)
        elif entry.kind in BEGINS:
            about = _about(entry, BEGINS[entry.kind])
            walk.begun[about] = walk.begun.get(about, 0) + 1
        elif entry.kind in ENDS:
            about = _about(entry, ENDS[entry.kind])
            times, cut = walk.begun.pop(about, 0), about in walk.cut
            walk.cut.discard(about)
            if times <= 1 and not cut and not walk.reopening:
                yield entry, walk.going_back


def _about(entry: Entry, what: str) -> str:
    return f"{what} {entry.data[what]}"
