"""What one fault of green led to, by the run's journal and by the customers' own ledger."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.core.journal import Entry

ROLLBACK, PREVIOUS, HOLD, FREEZE = "rollback", "previous-phase", "hold", "freeze"
INVESTIGATED = "investigate then rollback"
WAIT = "wait"
BACK = (ROLLBACK, PREVIOUS, INVESTIGATED)
GUARD = "trigger-"
GRACE = 3.0  # seconds in which customers still go where a DNS answer led them
GREEN = "v2"


@dataclass(frozen=True)
class Documented:
    """What the environment says that a fault leads to: one of `guards` decides, after `before` may have stood still."""

    action: str
    guards: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.action + (f" by {' or '.join(self.guards)}" if self.guards else "")


@dataclass(frozen=True)
class FaultSeen:
    """Times in seconds since the fault; `wrong` is every way in which it was not as documented."""

    guard: str
    verdict: float
    complete: float
    green_last: float | None
    """When green gave its last answer to a customer."""
    last_failed: float | None
    failed: int
    slow: int
    requests: int
    wrong: tuple[str, ...] = ()


def seen_of(
    documented: Documented,
    injected: float,
    entries: Sequence[Entry],
    lines: Iterable[Mapping[str, Any]],
    *,
    undecided: float = 0.0,
) -> FaultSeen:
    """`entries` and `lines` end some time after the action; `undecided` is when `invoke triggers` had too little to judge."""
    since = [entry for entry in entries if entry.at >= injected]
    wrong = [*_other_decisions(documented, since)]
    decided = _verdict(documented, since)
    verdict, guard = (decided.at, decided.data["guard"]) if decided else (undecided, "")
    complete = _complete(documented, since)
    if not verdict:
        wrong.append("nothing was decided")
    if not complete:
        wrong.append(f"{documented.action} was not completed")
    mine = [line for line in lines if line["ack"] >= injected]
    failed = [float(line["ack"]) - injected for line in mine if not line["ok"]]
    of_green = [float(line["ack"]) - injected for line in mine if line["version"] == GREEN]
    wrong += _other_traffic(documented, complete or injected, mine)
    return FaultSeen(
        guard=str(guard).removeprefix(GUARD),
        verdict=(verdict or injected) - injected,
        complete=(complete or injected) - injected,
        green_last=max(of_green, default=None),
        last_failed=max(failed, default=None),
        failed=len(failed),
        slow=sum(bool(line["slow"]) for line in mine),
        requests=len(mine),
        wrong=tuple(wrong),
    )


def _decisions(entries: Iterable[Entry]) -> list[Entry]:
    return [
        entry
        for entry in entries
        if entry.kind == "standing" or (entry.kind == "guard-failed" and entry.data["policy"] != "notify")
    ]


def _word(entry: Entry) -> str:
    """The policy that an entry starts, as the environment writes it."""
    if entry.kind == "guard-failed":
        return str(entry.data["policy"])
    return HOLD if entry.data["seconds"] is None else f"investigate then {entry.data['then']}"


def _verdict(documented: Documented, entries: Sequence[Entry]) -> Entry | None:
    """The first entry by which what is documented begins."""
    for entry in _decisions(entries):
        if entry.data["guard"].removeprefix(GUARD) in documented.guards and _word(entry) == documented.action:
            return entry
    return None


def _other_decisions(documented: Documented, entries: Sequence[Entry]) -> Iterable[str]:
    for entry in _decisions(entries):
        guard, word = entry.data["guard"].removeprefix(GUARD), _word(entry)
        stood = entry.kind == "standing" and guard in documented.before
        then = word == ROLLBACK and documented.action == INVESTIGATED
        if not stood and (guard not in documented.guards or not (word == documented.action or then)):
            yield f"{guard} started {word}, documented is {documented}"


def _complete(documented: Documented, entries: Sequence[Entry]) -> float | None:
    """When green's share was 0 (and the writes were on blue again), the run stood still, had stopped, or waited."""
    if documented.action == HOLD:
        return next((entry.at for entry in entries if entry.kind == "standing"), None)
    if documented.action == WAIT:
        return next((entry.at for entry in entries if entry.kind == "waiting"), None)
    if documented.action == FREEZE:
        ends = (entry.at for entry in entries if entry.kind == "leg-ended" and entry.data["outcome"] == "stopped")
        return next(ends, None)
    undone = [entry for entry in entries if entry.kind in ("converged", "skipped") and entry.data["undoes"]]
    shares = [entry.at for entry in undone if entry.data["step"].startswith("traffic-")]
    writes = [entry.at for entry in undone if entry.data["step"].startswith("switchover")]
    if not shares or bool(writes) != (documented.action != PREVIOUS):
        return None
    return max(shares + writes)


def _other_traffic(documented: Documented, complete: float, lines: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Whom the customers reach once the action is complete."""
    later = [line["version"] for line in lines if line["at"] >= complete + GRACE]
    green = sum(version == GREEN for version in later)
    if not later:
        yield "no customer came afterwards"
    elif documented.action in BACK and green:
        yield f"green answered {green} of {len(later)} requests that began later than {GRACE:g} s after it had no share"
    elif documented.action not in BACK and not green:
        yield f"green answered none of {len(later)} requests, and its share was to stay"
