"""One entry of the journal as a line: a sign, what it is about, and what it says; its commands and data beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutover.core.journal import Entry
from cutover.core.plain import span, text

STEPS, GATES, GUARDS, LEGS, PEOPLE, OTHER = "steps", "gates", "guards", "legs", "people", "other"
GROUPS = {
    STEPS: (
        "intent",
        "converged",
        "skipped",
        "command-failed",
        "unexpected",
        "call-failed",
        "calls-repeated",
        "retrying",
    ),
    GATES: ("waiting", "passed", "failed", "noted", "hold-begun", "hold-broken", "watched"),
    GUARDS: ("guard-failed", "guard-cleared", "standing", "standing-ended", "checkpoint", "rollback-too-dear"),
    LEGS: (
        "leg-started",
        "leg-resumed",
        "leg-ended",
        "phase-entered",
        "phase-left",
        "overrun",
        "recovering",
        "plan-changed",
    ),
    PEOPLE: ("override", "told", "acknowledged"),
}
SIGNS = {
    "converged": ("✓", "well"),
    "passed": ("✓", "well"),
    "guard-cleared": ("✓", "well"),
    "skipped": ("=", "quiet"),
    "intent": ("▶", "busy"),
    "failed": ("✗", "bad"),
    "guard-failed": ("✗", "bad"),
    "unexpected": ("✗", "bad"),
    "command-failed": ("!", "warn"),
    "call-failed": ("!", "warn"),
    "retrying": ("!", "warn"),
    "overrun": ("!", "warn"),
    "noted": ("!", "warn"),
    "standing": ("!", "warn"),
    "override": ("!", "warn"),
    "hold-broken": ("!", "warn"),
    "plan-changed": ("!", "warn"),
    "leg-started": ("●", "busy"),
    "leg-ended": ("■", "busy"),
}
HIDDEN = ("commands", "taken", "cleared", "half_done", "data", "evidence", "undoes", "digest")


@dataclass(frozen=True)
class Said:
    """`group` is one of this module's words; `tone` is well, bad, warn, busy or quiet."""

    group: str
    sign: str
    tone: str
    about: str
    words: str
    commands: tuple[str, ...] = ()


def said(entry: Entry) -> Said:
    """The line of an entry; of a kind that is not known here, its data."""
    group = next((group for group, kinds in GROUPS.items() if entry.kind in kinds), OTHER)
    sign, tone = SIGNS.get(entry.kind, ("·", "quiet"))
    data = entry.data
    about = str(
        data.get("step") or data.get("gate") or data.get("guard") or data.get("phase") or data.get("plan") or ""
    )
    commands = data.get("commands") or ()
    shells = tuple(str(one) for one in commands) if isinstance(commands, list | tuple) else ()
    try:
        words = _words(entry.kind, data)
    except (KeyError, TypeError, ValueError):  # an entry of another version
        words = _rest(data)
    return Said(group, sign, tone, about, words, shells)


def state(value: Any) -> str:
    """A recorded state for a person: a share as percent, anything else as it is."""
    if isinstance(value, Mapping) and set(value) == {"percent"}:
        return f"{float(value['percent']):g} %"
    return text(value)


def _words(kind: str, data: Mapping[str, Any]) -> str:
    match kind:
        case "leg-started":
            where = f"back to the end of {data['to']}" if data.get("to") else str(data["direction"])
            return ", ".join(
                part for part in (f"goes {where}", f"by {data.get('who') or 'nobody'}", data.get("reason")) if part
            )
        case "leg-resumed":
            return ", ".join(
                part for part in (f"goes on, by {data.get('who') or 'nobody'}", data.get("reason")) if part
            )
        case "leg-ended":
            complaints = "; ".join(str(one) for one in data.get("complaints") or ())
            return ": ".join(part for part in (f"ends: {data['outcome']}", data.get("error"), complaints) if part)
        case "phase-entered":
            return "begins" + (f", budget {span(float(data['budget']))}" if data.get("budget") else "")
        case "phase-left":
            return f"ends after {span(float(data['seconds']))}"
        case "intent":
            return f"{state(data['before'])} → {state(data['after'])}; seen {state(data['seen'])}"
        case "converged":
            return f"{state(data['seen'])} after {span(float(data.get('seconds', 0.0)))}{_pause(data)}"
        case "skipped":
            return f"already {state(data['seen'])}"
        case "waiting":
            return f"{data['verdict']}: {data['seen']}"
        case "hold-begun":
            return f"soak of {span(float(data['seconds']))} begins"
        case "guard-failed":
            return f"{data['seen']} → {data['policy']}"
        case "standing":
            after = (
                f"in {span(float(data['seconds']))}: {data['then']}"
                if data.get("seconds") is not None
                else "until a person decides"
            )
            return f"stands still: {data['seen']} ({after})"
        case "standing-ended" if data["outcome"] == "borne":
            return f"{data['who']} says to go on: {data['reason']}"
        case "standing-ended":
            return f"{data['outcome']}: {data['seen']}"
        case "override":
            return f"{data['what']}; {data['reason']} ({data.get('who') or 'nobody'})"
        case "unexpected":
            return f"seen {state(data['seen'])}, wanted {data['wanted']}"
        case "checkpoint":
            return f"{data['seen']} → {data['decision']}"
    if "seen" in data:
        return state(data["seen"])
    return str(data["error"]) if "error" in data else _rest(data)


def _pause(data: Mapping[str, Any]) -> str:
    timings = (data.get("evidence") or {}).get("milliseconds") or {}
    return f"; writes waited {float(timings['pause']):.0f} ms at the database" if "pause" in timings else ""


def _rest(data: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in data.items() if key not in HIDDEN}, ensure_ascii=False, default=str)
