"""What the run itself proved: rows compared, commands as executed, checkpoints."""

from collections.abc import Mapping, Sequence
from typing import Any

from cutover.core.journal import Entry
from cutover.plans.checkpoint_schedule import CHECKPOINT
from cutover.report.timeline import LegSpan

COMPARED = ("rows", "compared", "tables", "changed meanwhile", "differences", "warning")


def validation(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Every comparison of rows that came to its end, with what it says of itself."""
    found = []
    for entry in entries:
        told = _told(entry)
        if entry.kind in ("converged", "passed", "failed") and ("rows" in told or "compared" in told):
            name = str(entry.data.get("step") or entry.data.get("gate"))
            of = {key: told[key] for key in COMPARED if key in told}
            seen = entry.data.get("seen")
            seen = seen if isinstance(seen, str) else ""
            found.append({"at": entry.at, "item": name, "verdict": entry.kind, "seen": seen, "data": of})
    return found


def _told(entry: Entry) -> Mapping[str, Any]:
    for key in ("evidence", "data"):
        if isinstance(entry.data.get(key), Mapping) and entry.data[key]:
            return dict(entry.data[key])
    return {}


def commands(legs: Sequence[LegSpan], entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Every intent's commands in the order in which they were sent, with what came of them.

    One that was repeated after a crash stands there as often as it was sent.
    """
    found: list[dict[str, Any]] = []
    open_: dict[str, Any] | None = None
    for entry in entries:
        name = entry.data.get("step")
        if entry.kind == "intent":
            number = sum(1 for leg in legs if leg.began <= entry.at)
            open_ = {"entry": entry.seq, "at": entry.at, "leg": number, "step": str(name)}
            open_ |= {"commands": [str(one) for one in entry.data.get("commands") or ()]}
            open_ |= {"result": "not answered", "seconds": None}
            found.append(open_)
        elif open_ is not None and name == open_["step"]:
            if entry.kind == "converged":
                open_ |= {"result": "done", "seconds": entry.data.get("seconds")}
                open_ = None
            elif entry.kind == "command-failed":
                open_["result"] = f"failed: {entry.data.get('error')}"
            elif entry.kind == "unexpected":
                open_["result"] = f"unexpected: seen {entry.data.get('seen')}"
    return found


def checkpoints(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The checkpoints that were taken after the switch."""
    words = ("moment", "late", "decision", "seen", "file", "sha256")
    return [{"at": e.at, **{key: e.data.get(key) for key in words}} for e in entries if e.kind == CHECKPOINT]
