"""Contradictions between figures, their sources and their presets."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cutover.aws import cost, metric_query
from cutover.environment.measured import FIGURE, PRESETS, SIDED
from cutover.environment.plain_data import Contradiction, at, items, sides
from cutover.environment.problem import Loc, did_you_mean
from cutover.metrics import log_query, probe

SQL = re.compile(r"(?i)\s*(select|with|table|values)\b")


def metrics(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Every contradiction under `metrics`."""
    sources = {name: entry for name, entry in items(at(data, "metrics", "sources")) if name.isprintable()}
    for name, entry in sources.items():
        yield from _source(data, entry, ("metrics", "sources", name))
    for name, entry in items(at(data, "metrics", "figures")):
        if isinstance(entry, Mapping) and re.fullmatch(FIGURE, name):
            yield from _figure(entry, ("metrics", "figures", name), sources)
    yield from _cost(data, sources)


def _cost(data: Mapping[str, Any], sources: Mapping[str, Any]) -> Iterator[Contradiction]:
    figures = {name: entry for name, entry in items(at(data, "metrics", "figures")) if re.fullmatch(FIGURE, name)}
    for name, _ in items(at(data, "metrics", "cost", "used")):
        place: Loc = ("metrics", "cost", "used", name)
        if name not in figures:
            there = ", ".join(figures) or "there are none"
            yield Contradiction(place, f"is none of the figures: {there}{did_you_mean(name, figures)}")
            continue
        kind, preset = str(at(sources.get(str(at(figures[name], "source"))), "kind")), at(figures[name], "preset")
        known = PRESETS.get(kind, {}).get(str(preset))
        unit = at(figures[name], "unit") or (known.unit if known else None)
        if unit is not None and str(unit) != "/s":
            yield Contradiction(
                place, "is priced by what it counts, and so has to be measured in /s", place[:1] + ("figures", name)
            )


def _source(data: Mapping[str, Any], entry: object, place: Loc) -> Iterator[Contradiction]:
    kind = at(entry, "kind")
    if kind == "prometheus":
        if (at(entry, "user") is None) != (at(entry, "password") is None):
            yield Contradiction(place, "needs `user` and `password`, or neither")
        if at(entry, "token") is not None and at(entry, "user") is not None:
            yield Contradiction((*place, "token"), "there is a user as well: one of them only", (*place, "user"))
    if kind == "redis" and at(entry, "user") is not None and at(entry, "password") is None:
        yield Contradiction((*place, "user"), "needs a `password`, too")
    if kind in ("json-lines", "probe"):
        yield from sides(entry, (), "file" if kind == "json-lines" else "address", place)
    if kind == "postgres":
        known = [name for name, _ in items(data.get("databases")) if name.isprintable()]
        wanted = at(entry, "database")
        if wanted is not None and str(wanted) not in known:
            there = f"{', '.join(known)}{did_you_mean(str(wanted), known)}" if known else "there is only one"
            yield Contradiction((*place, "database"), f"is none of the databases: {there}")
        if wanted is None and len(known) > 1:
            yield Contradiction(place, f"needs `database`, the one to ask: {', '.join(known)}", ("databases",))


def _figure(entry: Mapping[str, Any], place: Loc, sources: Mapping[str, Any]) -> Iterator[Contradiction]:
    name = entry.get("source")
    if name is None:
        return
    if str(name) not in sources:
        there = ", ".join(sources) or "there are none yet: metrics.sources"
        yield Contradiction((*place, "source"), f"is none of the sources: {there}{did_you_mean(str(name), sources)}")
        return
    kind = str(at(sources[str(name)], "kind"))
    if kind not in PRESETS:
        return
    preset, query, of = entry.get("preset"), entry.get("query"), dict(items(entry.get("of")))
    if (preset is None) == (query is None):
        yield Contradiction(place, "needs either `preset` or `query`, and not both")
        return
    if preset is None:
        if of:
            yield Contradiction((*place, "of"), "belongs to a preset; write it into the query")
        if entry.get("unit") is None:
            yield Contradiction(place, "needs a `unit`, in which the query's answer is measured")
        yield from _both(entry, [(query, (*place, "query"))], kind, place)
        yield from _readable(kind, query, (*place, "query"))
        return
    known = PRESETS[kind]
    if str(preset) not in known:
        there = ", ".join(known) or "it has none: write a query"
        yield Contradiction((*place, "preset"), f"is none of {kind}: {there}{did_you_mean(str(preset), known)}")
        return
    words = [word for word in known[str(preset)].about if word != "side"]
    for word in words:
        if word not in of:
            yield Contradiction((*place, "of"), f"needs `{word}`, which the preset is about")
    for word in of:
        if word not in words:
            there = ", ".join(words) or "it is about nothing that has to be said"
            yield Contradiction((*place, "of", word), f"is no word of the preset: {there}{did_you_mean(word, words)}")
    if "side" not in known[str(preset)].about and set(of) == set(words):
        yield from _both(entry, [(text, (*place, "of", word)) for word, text in of.items()], kind, place)


def _both(entry: Mapping[str, Any], texts: list[tuple[Any, Loc]], kind: str, place: Loc) -> Iterator[Contradiction]:
    """A figure of both sides has to ask for each; a figure of one side has no text for the other."""
    named = any(isinstance(text, Mapping) or "{side}" in str(text) for text, _ in texts)
    both = str(entry.get("side") or "both") == "both"
    if both and kind not in SIDED and not named:
        where = texts[0][1] if texts else place
        reason = "asks the same for both sides: put {side} into it, write {blue: …, green: …}, or `side: green`"
        yield Contradiction(where, reason)
    for text, where in texts:
        if isinstance(text, Mapping):
            if not both:
                yield Contradiction(where, "is for both sides, and the figure for one only", (*place, "side"))
            else:
                yield from sides(text, (), "text", where)


def _readable(kind: str, query: object, where: Loc) -> Iterator[Contradiction]:
    texts = list(query.values()) if isinstance(query, Mapping) else [query]
    for text in texts:
        if isinstance(text, str) and (wants := _wants(kind, str(text).replace("{side}", "blue"))):
            yield Contradiction(where, wants)
            return


def _wants(kind: str, text: str) -> str:
    """What the source's language looks like, when this is not it; never the text itself."""
    match kind:
        case "cloudwatch":
            return _unread(metric_query.MetricQuery.parse, text, metric_query.Unclear, metric_query.WANTS)
        case "cost-explorer":
            return _unread(cost.asked_for, text, cost.Unclear, cost.WANTS)
        case "json-lines":
            return _unread(log_query.LogQuery.parse, text, log_query.Unclear, log_query.WANTS)
        case "probe":
            what, _, path = text.strip().partition(" ")
            return "" if what in ("latency", "status", "failed") and path.startswith("/") else f"wants {probe.WANTS}"
        case "postgres":
            return "" if SQL.match(text) else "wants SQL that begins with SELECT, WITH, TABLE or VALUES"
        case "redis":
            wants = "a sum of INFO's fields, such as 100 * used_memory / maxmemory"
            return _unread(lambda sum_: ast.parse(" ".join(sum_.split()), mode="eval"), text, Exception, wants)
    return ""


def _unread(parse: Callable[[str], object], text: str, error: type[Exception], wants: str) -> str:
    try:
        parse(text)
    except error:
        return f"wants {wants}"
    return ""
