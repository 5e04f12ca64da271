"""The panels and lines of the page as HTML; every value that comes from a journal, a source or a file is escaped."""

import time
from collections.abc import Mapping
from typing import Any

import jinja2

from cutover.console.said import said
from cutover.console.timeline import AHEAD, DONE, FAILED, NOTED, NOW, SKIPPED, STOPPED, UNDONE
from cutover.core.journal import Entry
from cutover.core.plain import span

PANELS = ("head", "now", "decide", "controls", "commands", "timeline", "sides", "cost", "triggers")
SIGNS = {
    DONE: ("✓", "well"),
    SKIPPED: ("=", "held"),
    NOW: ("▶", "now"),
    STOPPED: ("■", "stopped"),
    FAILED: ("✗", "bad"),
    AHEAD: ("·", "ahead"),
    UNDONE: ("↩", "undone"),
    NOTED: ("!", "warn"),
}
VERDICTS = {
    "pass": ("✓", "well"),
    "fail": ("✗", "bad"),
    "insufficient": ("…", "quiet"),
    "blind": ("?", "warn"),
    "not asked": ("·", "quiet"),
}


def clock(at: float) -> str:
    """The time of day in UTC."""
    return time.strftime("%H:%M:%S", time.gmtime(at))


def day(at: float) -> str:
    """Date and time in UTC, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))


def iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("cutover.console"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals |= {
    "clock": clock,
    "day": day,
    "iso": iso,
    "span": lambda seconds: span(float(seconds)),
    "sign": lambda state: SIGNS[state][0],
    "slug": lambda state: SIGNS[state][1],
    "verdict": lambda word: VERDICTS[word],
}


def panel(name: str, values: Mapping[str, Any]) -> str:
    """The HTML of the panel of that name."""
    return _TEMPLATES.get_template(f"panels/{name}.html.j2").render(values)


def line(entry: Entry) -> str:
    """An entry as an `<li>` of the log."""
    return _TEMPLATES.get_template("line.html.j2").render(entry=entry, said=said(entry))
