"""The post-mortem file of a rollback, begun from the journal; what a person has made of it is never touched."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cutover.core.back import UNDO
from cutover.core.hidden import hidden
from cutover.core.journal import Entry
from cutover.core.plain import text
from cutover.runbook.pages import filled

DUE = 86_400.0  # seconds after the rollback within which the post-mortem is to be written
TOLD = (
    "leg-started", "leg-resumed", "leg-ended", "phase-entered", "phase-left", "intent", "converged", "failed", "noted",
    "guard-failed", "unexpected", "overrun", "command-failed", "retrying", "recovering", "plan-changed",
    "notified", "notify-failed",
)  # fmt: skip
BAD = ("failed", "guard-failed", "unexpected", "overrun", "command-failed", "noted", "notify-failed")


def incident(
    environment: str,
    entries: Sequence[Entry],
    *,
    waiting_period: float,
    users: str = "",
    metrics: Sequence[str] = (),
    answers: Sequence[str] = (),
    logs: Sequence[tuple[str, Sequence[str]]] = (),
    record: str = "",
) -> str:
    """The file's text, from the entries of one run that was rolled back, and from what was captured.

    `metrics` and `answers` are lines, `logs` titles with lines, and `record` is the file that has all of it.
    """
    turned = _turned(entries)
    back = next((entry for entry in entries if entry.seq == turned), entries[-1])
    ended = next((e for e in reversed(entries) if e.kind == "leg-ended"), entries[-1])
    return filled(
        "incident.md.j2",
        environment=environment,
        run=entries[0].run,
        began=_when(entries[0].at),
        turned=_when(back.at),
        ended=_when(ended.at),
        due=_when(ended.at + DUE),
        next_try=_when(ended.at + waiting_period),
        outcome=str(ended.data.get("outcome", "not ended")),
        who=str(back.data.get("who") or "the tool, by its policy"),
        why=str(back.data.get("reason") or "no reason was given"),
        pause=_pause(entries),
        users=users or "(nothing is prepared)",
        seen=[_detail(entry) for entry in entries if entry.kind in BAD],
        metrics=metrics,
        answers=answers,
        logs=logs,
        record=record,
        timeline=[(_when(e.at), str(e.seq), e.kind, _detail(e)) for e in entries if e.kind in TOLD],
    )


def place(folder: Path, run: str, at: float) -> Path:
    """Where the file of a run that was taken back at `at` is: DATE-RUN.md."""
    return folder / f"{time.strftime('%Y-%m-%d', time.gmtime(at))}-{run}.md"


def start(path: Path, text: str, mode: int = 0o644) -> bool:
    """Writes a file that nobody has yet; False when it is there, whatever stands in it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        half.touch(mode=0o600)
        half.write_text(hidden(text), encoding="utf-8", newline="\n")
        half.chmod(mode)
        # Made whole or not at all, and only where nobody has one: a link does not replace what is there.
        os.link(half, path)
    except FileExistsError:
        return False
    finally:
        half.unlink(missing_ok=True)
    return True


def _turned(entries: Sequence[Entry]) -> int:
    """The entry with which the last way back began that was not the undoing of a window."""
    backs = [e for e in entries if e.kind == "leg-started" and e.data.get("direction") == "back"]
    return next((e.seq for e in reversed(backs) if e.data.get("cause") != UNDO), 0)


def _pause(entries: Sequence[Entry]) -> str:
    spans = [
        f"{timings['pause']:.0f} ms ({entry.data['step']})"
        for entry in entries
        if entry.kind == "converged" and (timings := (entry.data.get("evidence") or {}).get("milliseconds"))
    ]
    return ", ".join(spans) or "not measured"


def _detail(entry: Entry) -> str:
    data = entry.data
    subject = next((str(data[key]) for key in ("step", "gate", "guard", "phase", "plan") if data.get(key)), "")
    about = [
        _shown(data, key) for key in ("direction", "outcome", "reason", "seen", "wanted", "error", "policy", "seconds")
    ]
    about += [f"{len(data[key])} messages" for key in ("delivered", "given_up") if data.get(key)]
    return "; ".join(part for part in (subject, *about) if part) or "–"


def _shown(data: Any, key: str) -> str:
    if data.get(key) in (None, ""):
        return ""
    value = data[key] if isinstance(data[key], str) else text(data[key])
    return f"{key}: {value[:300]}"


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at)) + " UTC"
