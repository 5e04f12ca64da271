"""Contradictions between channels, routes, levels and texts."""

from collections.abc import Iterator, Mapping
from typing import Any

from cutover.environment.plain_data import Contradiction, at, items, seconds_of
from cutover.environment.problem import Loc, did_you_mean
from cutover.notify.texts import DEFAULTS, EVENTS, unknown_words, words_of


def notices(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Every contradiction under `notify`."""
    words = data.get("notify")
    channels = [name for name, _ in items(at(words, "channels"))]
    for key in ("routes", "escalation"):
        for number, entry in enumerate(_list(at(words, key))):
            yield from _known(at(entry, "to"), ("notify", key, number, "to"), channels)
    for number, entry in enumerate(_list(at(words, "routes"))):
        place: Loc = ("notify", "routes", number)
        for at_event, event in enumerate(_list(at(entry, "events"))):
            if isinstance(event, str) and event.isprintable() and event not in EVENTS:
                near = did_you_mean(str(event), EVENTS) or f": {', '.join(EVENTS)}"
                yield Contradiction((*place, "events", at_event), f"is no event{near}")
        if str(at(entry, "least")) == "none" and not at(entry, "events"):
            yield Contradiction((*place, "least"), "takes nothing: with `none` the events are named")
    yield from _rising(at(words, "escalation"), "escalation", "after")
    yield from _rising(at(words, "updates"), "updates", "until")
    for name, entry in items(at(words, "channels")):
        yield from _login(entry, ("notify", "channels", name))
    for name, written in items(at(words, "texts")):
        place = ("notify", "texts", name)
        if name not in DEFAULTS:
            yield Contradiction(place, f"is no text{did_you_mean(name, DEFAULTS) or ': ' + ', '.join(DEFAULTS)}")
        elif isinstance(written, str) and (unknown := unknown_words(name, written)):
            known = ", ".join(f"{{{word}}}" for word in sorted(words_of(name)))
            count = f"{len(unknown)} name{'s' if len(unknown) > 1 else ''}"
            yield Contradiction(place, f"has {count} in braces that nothing is filled in for; known here: {known}")


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _known(names: object, place: Loc, channels: list[str]) -> Iterator[Contradiction]:
    for number, name in enumerate(_list(names)):
        if isinstance(name, str) and name not in channels:
            near = did_you_mean(str(name), channels)
            yield Contradiction(
                (*place, number), f"is none of the channels{near}", ("notify", "channels") if channels else None
            )


def _rising(entries: object, key: str, word: str) -> Iterator[Contradiction]:
    last = -1.0
    for number, entry in enumerate(_list(entries)):
        seconds = seconds_of(at(entry, word), -1.0)
        if seconds is None or seconds < 0:
            continue
        if seconds <= last:
            yield Contradiction(("notify", key, number, word), "must be later than the one before it")
        last = seconds


def _login(entry: object, place: Loc) -> Iterator[Contradiction]:
    user, password = at(entry, "user"), at(entry, "password")
    if (user is None) != (password is None):
        yield Contradiction(
            (*place, "user" if user is not None else "password"), "needs `user` and `password`, or neither"
        )
    if user is not None and str(at(entry, "security")) == "none":
        yield Contradiction(
            (*place, "security"), "nobody logs in over an open line: write starttls or tls", (*place, "user")
        )
