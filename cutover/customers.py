"""What a run was for the customers, by their ledger: how long writes paused at each switch, what failed, how fast answers came."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from cutover.core.clock import Deadline
from cutover.core.journal import Entry
from cutover.core.step import UNDO
from cutover.net.ledger import LONGEST_REQUEST, Ledger

SWITCHOVER = "switchover"


@dataclass(frozen=True)
class Switched:
    """One move of the writes, by its recorded begin and end; `database_ms` is the pause that the database itself measured."""

    step: str
    began: float
    ended: float
    database_ms: float | None

    @property
    def is_back(self) -> bool:
        return self.step.endswith(UNDO)


@dataclass(frozen=True)
class Pause:
    """The longest time around a switch in which no write of a customer was acknowledged, in milliseconds.

    `ms` is None where nothing was noted of it, and where no acknowledgement came after the switch: then `missing` says since
    when, and until when one was looked for.
    """

    ms: float | None = None
    missing: str = ""


@dataclass(frozen=True)
class Piece:
    """The requests that ended in one piece of the run's time: how many, how many failed, and the 95th percentile in ms."""

    at: float
    requests: int
    failed: int
    p95_ms: float | None


def switches(entries: Sequence[Entry]) -> list[Switched]:
    """Every move of the writes that came to its end, oldest first."""
    found: list[Switched] = []
    begun: dict[str, float] = {}
    for entry in entries:
        step = str(entry.data.get("step", ""))
        if not step.startswith(SWITCHOVER):
            continue
        if entry.kind == "intent":
            begun = {step: begun.get(step, entry.at)}  # one that was taken up again began with its first try
        elif entry.kind == "converged":
            timings = (entry.data.get("evidence") or {}).get("milliseconds") or {}
            pause = float(timings["pause"]) if "pause" in timings else None
            found.append(Switched(step, begun.pop(step, entry.at), entry.at, pause))
    return found


def write_pause(ledger: Ledger, one: Switched) -> Pause:
    """Of the times between two acknowledged writes that reach into the switch, the longest.

    The one before and the one after are looked for as far away as a request may last. A switch before which none was noted
    counts from its begin.
    """
    until = min(one.ended + LONGEST_REQUEST, time.time())
    lines = ledger.lines(one.began - LONGEST_REQUEST, one.ended)
    acks = sorted(float(line["ack"]) for line in lines if line["kind"] == "write" and line["ok"])
    acks = [ack for ack in acks if one.began - LONGEST_REQUEST <= ack <= until]
    if not acks:
        return Pause()
    if acks[0] > one.began:
        acks.insert(0, one.began)
    if acks[-1] < one.ended:
        return Pause(missing=f"no write was acknowledged from {_clock(acks[-1])} to {_clock(until)}")
    reaching = [later - ack for ack, later in pairwise(acks) if later > one.began and ack < one.ended]
    return Pause(1000 * max(reaching, default=0.0))


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(at)) + f".{int(at * 10) % 10} UTC"


def by_time(ledger: Ledger, since: float, until: float, pieces: int, deadline: Deadline) -> tuple[list[Piece], str]:
    """The span in so many pieces, and what is missing of it: a ledger that cannot be read before the deadline ends early."""
    width = max((until - since) / pieces, 1.0)
    took: dict[int, list[float]] = {}
    failed: dict[int, int] = {}
    missing = ""
    for line in ledger.lines(since, until):
        ended = float(line["ack"])
        if not since <= ended <= until:
            continue
        if deadline.expired:
            missing = f"read up to {ended - since:.0f} s after its begin only: the ledger is long"
            break
        place = int((ended - since) / width)
        took.setdefault(place, []).append((ended - float(line["at"])) * 1000)
        failed[place] = failed.get(place, 0) + (not line["ok"])
    found = [Piece(since + (n + 0.5) * width, len(took[n]), failed[n], _p95(sorted(took[n]))) for n in sorted(took)]
    return found, missing or ("" if found else "the ledger has no request of that time")


def _p95(ordered: Sequence[float]) -> float | None:
    return ordered[max(0, math.ceil(len(ordered) * 0.95) - 1)] if ordered else None
