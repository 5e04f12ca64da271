"""When checkpoints are due: counted from the switch by what the journal recorded, so that a restart skips and doubles none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cutover.core.journal import Entry, Position

CHECKPOINT = "checkpoint"
LATE = 300.0  # seconds after its moment in which a checkpoint is not called late


@dataclass(frozen=True)
class Rhythm:
    """A checkpoint every `every` seconds, from `since` until `until` seconds after the switch."""

    since: float
    until: float
    every: float


@dataclass(frozen=True)
class Due:
    """The checkpoint that is to be done now: its moment and those missed before it, in seconds after the switch, and how late it is."""

    moment: float
    missed: tuple[float, ...]
    late: float


def moments(at: Iterable[float], rhythms: Iterable[Rhythm]) -> list[float]:
    """Every moment once, in order."""
    found = set(at)
    for one in rhythms:
        count = int((one.until - one.since) // one.every)
        found |= {one.since + number * one.every for number in range(count + 1) if one.since or number}
    return sorted(found)


def switched_at(position: Position, commit: Iterable[str]) -> float | None:
    """When the writes went to green; None where they have not, or a way back is under way."""
    if position.leg is None or position.leg.direction != "forward":
        return None
    done = [position.converged_at[name] for name in commit if name in position.done and name in position.converged_at]
    return max(done) if done else None


def newest(entries: Sequence[Entry], switched: float) -> Entry | None:
    """The newest checkpoint that was recorded since the switch."""
    return next((one for one in reversed(entries) if one.kind == CHECKPOINT and one.data["switched"] == switched), None)


def due(wanted: Sequence[float], switched: float, last: Entry | None, now: float) -> Due | None:
    """What is to be done now; of several that were missed one is done, late, and the others are named."""
    after = float(last.data["moment"]) if last is not None else 0.0
    over = [moment for moment in wanted if after < moment <= now - switched]
    return Due(over[-1], tuple(over[:-1]), now - switched - over[-1]) if over else None
