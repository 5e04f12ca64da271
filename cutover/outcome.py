"""The result document of a cutover or a rollback: what was done, how long writes waited, and whether one was lost."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cutover.app import App
from cutover.core.errors import CutoverError
from cutover.core.journal import Entry
from cutover.customers import Pause, Switched, switches, write_pause
from cutover.net.ledger import Ledger
from cutover.notify.record import OURS as TELLING
from cutover.postgres.pair import DatabasePair
from cutover.postgres.session import Database
from cutover.postgres.sides import read_sides

SCHEMA = "cutover.result/1"
CHUNK = 5000


def result(app: App, run: str, outcome: str, *, since: float, rollback: bool = False) -> dict[str, Any]:
    """The document; `since` is when the command began (seconds since the epoch). Figures that nobody measured are null.

    `write_pause_missing` says why the customers' pause is null where writes were acknowledged before the switch, and none after.
    """
    state = app.state()
    try:
        entries = [entry for entry in state.entries(run)] if run else []
    finally:
        state.close()
    # What is told to people after the end is none of the time that the run took.
    mine = [entry for entry in entries if entry.at >= since and entry.kind not in TELLING]
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "outcome": outcome,
        "run": run,
        "plan_digest": app.plan.digest(),
        "phases": _phases(mine),
        "write_pause_ms": None,
        "write_pause_missing": "",
        "database_pause_ms": _database_pause(switches(mine)),
        "requests": None,
        "failed_reads": None,
        "failed_writes": None,
        "acknowledged_writes": None,
        "lost_writes": None,
        "duplicated_writes": None,
        "rows_validated": _rows_validated(mine),
    }
    if rollback:
        document["rollback_seconds"] = round(mine[-1].at - mine[0].at, 3) if mine else 0.0
    if entries and app.environment.ledger is not None:
        document |= _customers(app, entries, mine, since)
    return document


def _phases(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    phases: list[dict[str, Any]] = []
    begun: dict[str, float] = {}
    for entry in entries:
        if entry.kind == "phase-entered":
            begun[entry.data["phase"]] = entry.at
        elif entry.kind == "phase-left" and entry.data["phase"] in begun:
            name = entry.data["phase"]
            phases.append({"name": name, "start": begun[name], "seconds": round(entry.at - begun[name], 3)})
    return phases


def _database_pause(switched: Sequence[Switched]) -> float | None:
    return next((one.database_ms for one in reversed(switched) if one.database_ms is not None), None)


def _rows_validated(entries: Sequence[Entry]) -> int | None:
    rows = [
        int(found["rows"])
        for entry in entries
        for found in (entry.data.get("evidence") or {}, entry.data.get("data") or {})
        if "rows" in found
    ]
    return max(rows, default=None)


def _customers(app: App, entries: Sequence[Entry], mine: Sequence[Entry], since: float) -> Mapping[str, Any]:
    ledger = Ledger(app.means.ledger_path())
    seen = ledger.between(since, time.time())
    switched = switches(mine)
    pause = write_pause(ledger, switched[-1]) if switched else Pause()
    keys = ledger.between(entries[0].at, time.time()).acknowledged
    lost, doubled = missing_and_doubled(app, keys)
    return {
        "write_pause_ms": None if pause.ms is None else round(pause.ms, 1),
        "write_pause_missing": pause.missing,
        "requests": seen.requests,
        "failed_reads": seen.failed_reads,
        "failed_writes": seen.failed_writes,
        "acknowledged_writes": len(keys),
        "lost_writes": lost,
        "duplicated_writes": doubled,
    }


def missing_and_doubled(app: App, keys: Sequence[str]) -> tuple[int | None, int | None]:
    """How many acknowledged keys the serving side lacks, and how many it has more than once; None when it cannot be asked."""
    question = app.environment.ledger_keys
    if question is None:
        return None, None
    try:
        side = serving(app.means.ledger_pair())
        found: Counter[str] = Counter()
        with side.open("ledger") as session:
            for at in range(0, len(keys), CHUNK):
                found.update(str(row[0]) for row in session.rows(question, [list(keys[at : at + CHUNK])], timeout=60.0))
    except CutoverError:
        return None, None
    return sum(key not in found for key in keys), sum(count > 1 for count in found.values())


def serving(pair: DatabasePair) -> Database:
    """The side that accepts writes (blue when neither is prepared); raises Unreachable."""
    sides = read_sides(pair.blue, pair.green)
    # After `finish` green has no fence any more, and blue keeps its own.
    return pair.green if sides.green == "open" or sides.blue == "fenced" else pair.blue
