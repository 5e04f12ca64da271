"""Who is told what, in words for a runbook."""

from collections.abc import Iterator

from cutover.core.plain import span
from cutover.environment import Notify
from cutover.environment.notify import RhythmWords

_LEAST = {
    "detail": "everything",
    "info": "what is information, or more urgent",
    "warning": "warnings, and what is critical",
    "critical": "what is critical",
}


def told(words: Notify) -> tuple[tuple[str, str], ...]:
    """What is told, and the channels that it goes to, in the order in which people hear of it; nothing where nobody does."""
    return tuple(_rows(words)) if words.channels else ()


def _rows(words: Notify) -> Iterator[tuple[str, str]]:
    if not words.routes:
        yield _LEAST["info"], _channels(words, tuple(words.channels))
    for route in words.routes:
        what = [_LEAST[route.least]] if route.least != "none" else []
        what += [f"the events {', '.join(route.events)}"] if route.events else []
        yield "; ".join(what), _channels(words, route.to)
    for level in words.escalation:
        yield f"what is critical, and nobody has taken on for {span(level.after)}", _channels(words, level.to)


def _channels(words: Notify, names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} ({words.channels[name].kind})" for name in names)


def rhythm(updates: tuple[RhythmWords, ...]) -> str:
    """When people hear how it stands."""
    if not updates:
        return "every 1 h until 8 h after the switch, then every 4 h until 24 h after it"
    return ", then ".join(f"every {span(one.every)} until {span(one.until)} after the switch" for one in updates)
