"""Contradictions between the comparison of green with blue, its source, and how traffic moves."""

from collections.abc import Iterator, Mapping
from typing import Any

from cutover.environment.compared_to_blue import COUNTER, LEDGER, LINES, is_count, is_latency, is_selector
from cutover.environment.plain_data import Contradiction, at, items, sides
from cutover.environment.problem import did_you_mean

ONE_BY_ONE = ("alb", "lambda")
COUNTING = ("prometheus", "json-lines", LEDGER)
LOGS = COUNTING[1:]
COUNTERS = ("requests", "errors", "latencies")


def comparison(data: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Every contradiction under `comparison`."""
    words = data.get("comparison")
    if not isinstance(words, Mapping):
        return
    yield from _source(data, words)
    for what in COUNTERS:
        yield from _counted(data, words, what)
    if words.get("slower") is not None and words.get("latencies") is None:
        yield Contradiction(("comparison", "slower"), "needs `latencies`, the counter of the buckets")
    if words.get("latencies") is not None and words.get("slower") is None:
        yield Contradiction(("comparison", "latencies"), "needs `slower`: by how much green may take longer")
    if words.get("errors") is not None and words.get("errors") == words.get("requests"):
        yield Contradiction(("comparison", "errors"), "is the counter of all requests", ("comparison", "requests"))
    yield from _margin(words)
    yield from _shares(data, words)


def _kind(data: Mapping[str, Any], words: Mapping[str, Any]) -> str:
    """What counts: prometheus, json-lines, ledger; empty where that is not known."""
    name = str(words.get("source"))
    return LEDGER if name == LEDGER else str(at(data, "metrics", "sources", name, "kind") or "")


def _counted(data: Mapping[str, Any], words: Mapping[str, Any], what: str) -> Iterator[Contradiction]:
    """One of the three texts: of the kind of its source, and not the same for both sides."""
    text, kind = words.get(what), _kind(data, words)
    texts = list(text.values()) if isinstance(text, Mapping) else [text]
    right = is_selector if kind == "prometheus" else is_latency if what == "latencies" else is_count
    if kind in COUNTING and any(isinstance(one, str) and not right(one.strip()) for one in texts):
        wants = COUNTER if kind == "prometheus" else LINES
        yield Contradiction(("comparison", what), f"wants {wants}")
        return
    # A log has a file for each side, and a field its name on both; all else has to tell the sides apart.
    if kind == "json-lines" and not _one_file(data, words) or kind in LOGS and what == "latencies":
        return
    if isinstance(text, Mapping):
        yield from sides(text, (), "counter", ("comparison", what))
    elif isinstance(text, str) and "{side}" not in text and not (kind in LOGS and what == "errors"):
        reason = "counts the same for both sides: put {side} into it, or write {blue: …, green: …}"
        yield Contradiction(("comparison", what), reason)


def _one_file(data: Mapping[str, Any], words: Mapping[str, Any]) -> bool:
    source = at(data, "metrics", "sources", str(words.get("source")))
    return bool(at(source, "blue") == at(source, "green"))


def _source(data: Mapping[str, Any], words: Mapping[str, Any]) -> Iterator[Contradiction]:
    sources = {name: entry for name, entry in items(at(data, "metrics", "sources")) if name.isprintable()}
    wanted = words.get("source")
    if wanted is None:
        return
    if str(wanted) == LEDGER and LEDGER not in sources:
        if data.get("ledger") is None:
            yield Contradiction(("comparison", "source"), "needs `ledger`: what probes and customers noted themselves")
        return
    if str(wanted) not in sources:
        there = ", ".join(sources) or "there are none yet: metrics.sources"
        reason = f"is none of the sources: {there}{did_you_mean(str(wanted), sources)}"
        yield Contradiction(("comparison", "source"), reason)
    elif (kind := at(sources[str(wanted)], "kind")) is not None and str(kind) not in COUNTING:
        reason = "gives no counts: a comparison needs a source of kind prometheus or json-lines, or `ledger`"
        yield Contradiction(("comparison", "source"), reason, ("metrics", "sources", str(wanted), "kind"))


def _margin(words: Mapping[str, Any]) -> Iterator[Contradiction]:
    points, worth = _percent(at(words, "margin", "points"), 1.0), _percent(words.get("worth"), 5.0)
    if points is not None and worth is not None and not points < worth < 100:
        reason = "must lie above the margin's points and below 100 %: what is allowed is not found"
        yield Contradiction(("comparison", "worth"), reason, ("comparison", "margin", "points"))


def _percent(value: object, default: float) -> float | None:
    if value is None:
        return default
    try:
        return float(str(value).strip().removesuffix("%"))
    except ValueError:
        return None


def _shares(data: Mapping[str, Any], words: Mapping[str, Any]) -> Iterator[Contradiction]:
    if at(data, "shift", "strategy") == "immediate":
        reason = "is never asked: with the strategy immediate no share is below 100 %"
        yield Contradiction(("comparison",), reason, ("shift", "strategy"))
    shares = at(data, "shift", "shares")
    if isinstance(shares, (list, tuple)) and shares and all(_percent(one, 0.0) == 100.0 for one in shares):
        reason = "is never asked: no share is below 100 %"
        yield Contradiction(("comparison",), reason, ("shift", "shares"))
    if str(words.get("one_by_one")).lower() != "true":
        return
    for key, entry in items(data.get("hostnames")):
        kind = at(entry, "carrier", "kind")
        if kind is not None and str(kind) not in ONE_BY_ONE:
            reason = (
                f"is not so for a share carried by {kind}: only {' and '.join(ONE_BY_ONE)} divide request by request"
            )
            yield Contradiction(("comparison", "one_by_one"), reason, ("hostnames", key, "carrier", "kind"))
