"""Contradictions between a hostname's carrier and the witnesses of its share."""

from collections.abc import Iterator, Mapping
from typing import Any

from cutover.environment.plain_data import Contradiction, at, items, sides
from cutover.environment.problem import Loc


def witnesses(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Every contradiction under `observed` of a hostname."""
    for key, entry in items(data.get("hostnames")):
        observed, place = at(entry, "observed"), ("hostnames", key, "observed")
        kind = at(entry, "carrier", "kind")
        kind = str(kind) if isinstance(kind, str) else None
        carrier: Loc = ("hostnames", key, "carrier")
        if _yes(at(observed, "dns")) and kind not in (None, "route53"):
            reason = "the name servers say nothing about a share that no record carries"
            yield Contradiction((*place, "dns"), reason, carrier)
        if _yes(at(entry, "carrier", "private")):
            for word in ("dns", "tag"):
                if _yes(at(observed, word)) or isinstance(at(observed, word), Mapping):
                    reason = "the name servers of a private zone cannot be asked, so nothing could be drawn"
                    yield Contradiction((*place, word), reason, (*carrier, "private"))
        if _yes(at(observed, "requests")) and kind not in (None, "alb"):
            yield Contradiction((*place, "requests"), "counts target groups, and the carrier has none", carrier)
        yield from _tag(at(observed, "tag"), (*place, "tag"), data, kind)
        yield from _logs(at(observed, "logs"), (*place, "logs"), kind)


def _tag(tag: object, place: Loc, data: Mapping[str, Any], kind: str | None) -> Iterator[Contradiction]:
    if not isinstance(tag, Mapping):
        return
    if (tag.get("header") is None) == (tag.get("field") is None):
        yield Contradiction(place, "needs either `header` or `field`, and not both")
    yield from sides(tag, (), "value", place)
    if tag.get("port") == "srv" and kind != "route53" and at(data, "dns", "servers") is None:
        yield Contradiction((*place, "port"), "srv needs `dns.servers`, who are asked for the SRV record")


def _logs(logs: object, place: Loc, kind: str | None) -> Iterator[Contradiction]:
    if not isinstance(logs, Mapping):
        return
    named = [logs.get(side) is not None for side in ("blue", "green")]
    known = kind == "alb" and str(logs.get("format") or "alb") == "alb"
    if not all(named) and (any(named) or not known):
        yield Contradiction(place, "needs `blue` and `green`, as the lines of the log call the sides")
    yield from sides(logs, (), "value", place)


def _yes(value: object) -> bool:
    return value is True or str(value) == "true"
