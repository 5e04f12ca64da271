"""What the twin's shop counts and logs, and whether a query of the environment asks for nothing else."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cutover.metrics.log_query import LogQuery, Unclear
from cutover.metrics.units import TIMES
from cutover.rehearsal.spans import Shorter
from cutover.world.shop_log import FIELDS

_SCRAPED = frozenset({"side", "job", "instance"})
_SHOP = _SCRAPED | {"version"}
SERIES: Mapping[str, frozenset[str]] = {
    "shop_requests_total": _SHOP | {"method", "route", "status"},
    "shop_request_seconds_bucket": _SHOP | {"le"},
    "shop_request_seconds_sum": _SHOP,
    "shop_request_seconds_count": _SHOP,
    "shop_database_retries_total": _SHOP,
    "shop_payment_errors_total": _SHOP,
    "process_resident_memory_bytes": _SCRAPED,
    "process_cpu_seconds_total": _SCRAPED,
    "up": _SCRAPED,
    "ALERTS": _SCRAPED | {"alertname", "alertstate", "severity"},
}
"""The series of the twin's Prometheus, with their labels."""
VALUES: Mapping[str, frozenset[str]] = {
    "route": frozenset({"/api/checkout", "/api/products/{id}", "/api/search", "/creators/{id}", "/health", "/metrics"}),
    "job": frozenset({"shop"}),
    "side": frozenset({"{side}", "blue", "green"}),
    "version": frozenset({"v1", "v2"}),
}
"""What a label may be that is asked for by its value: what somebody asks the shop for all the time."""
_TOKEN = re.compile(
    r"(?P<space>\s+|#[^\n]*)"
    r"|(?P<string>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`)"
    r"|(?P<range>\[[^\]\"'`]*\])"
    r"|(?P<number>[0-9][0-9a-zA-Z_.]*)"
    r"|(?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r"|(?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^=<>(){},@])"
)
_LISTS = ("by", "without", "on", "ignoring", "group_left", "group_right")
_AGGREGATED = ("sum", "min", "max", "avg", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile")
_JOINED = ("and", "or", "unless", "bool")
_DURATION = re.compile(r"\[\s*(\d+)(ms|s|m|h|d)\s*\]")


class NotThere(Exception):
    """The twin's shop has nothing of the kind; the message says what."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


def promql(query: str, shorter: Shorter) -> str:
    """The query with shorter ranges, if every series, label and route that it names is there; raises NotThere."""
    tokens = list(_tokens(query))
    _named(tokens)
    parts, done = [], 0
    for token in tokens:
        if token.kind == "range":
            parts += [query[done : token.at], _range(token.text, shorter)]
            done = token.at + len(token.text)
    return "".join([*parts, query[done:]])


def log(query: str) -> None:
    """Raises NotThere where the shop's access log has not every field that is asked for."""
    try:
        read = LogQuery.parse(query.replace("{side}", "blue"))
    except Unclear as error:
        raise NotThere(str(error)) from None
    asked = {one.field for one in (*read.where, *read.of)} | ({read.field} if read.field else set())
    if missing := sorted(asked - set(FIELDS)):
        raise NotThere(f"its log has no field {', '.join(missing)}")


def _tokens(query: str) -> Iterator[_Token]:
    at = 0
    while at < len(query):
        match = _TOKEN.match(query, at)
        if match is None:
            raise NotThere("the query cannot be read")
        if match.lastgroup != "space":
            yield _Token(str(match.lastgroup), match[0], at)
        at = match.end()


def _named(tokens: list[_Token]) -> None:
    """Goes through the series that are named, each with what is asked of its labels."""
    number, series = 0, ""
    while number < len(tokens):
        token = tokens[number]
        following = tokens[number + 1].text if number + 1 < len(tokens) else ""
        if token.kind == "word" and token.text in ("offset", "start", "end"):
            raise NotThere(f"`{token.text}` moves the time of the query")
        if token.kind == "word" and token.text in _LISTS:
            number = _after_list(tokens, number + 1)
            continue
        if token.text == "@":
            raise NotThere("`@` moves the time of the query")
        if token.text == "{":
            number, series = _matched(tokens, number + 1, series), ""
            continue
        if token.kind == "sign":
            series = ""
        if token.kind == "word" and following != "(" and token.text not in (*_AGGREGATED, *_JOINED):
            series = token.text
            if series not in SERIES:
                raise NotThere(f"there is no {series}")
        number += 1


def _after_list(tokens: list[_Token], number: int) -> int:
    if number >= len(tokens) or tokens[number].text != "(":
        return number
    return next((n + 1 for n in range(number, len(tokens)) if tokens[n].text == ")"), len(tokens))


def _matched(tokens: list[_Token], number: int, series: str) -> int:
    """The place after the braces; raises NotThere for a label, or a label's value, that there is not."""
    while number < len(tokens) and tokens[number].text != "}":
        if tokens[number].text == ",":
            number += 1
            continue
        three = tokens[number : number + 3]
        if [one.kind for one in three] != ["word", "sign", "string"]:
            raise NotThere("the query cannot be read")
        label, sign, value = (one.text for one in three)
        if label not in SERIES.get(series, frozenset()):
            raise NotThere(f"{series or 'a series without a name'} has no label {label}")
        if sign == "=" and value[1:-1] not in VALUES.get(label, {value[1:-1]}):
            raise NotThere(f"{series} has no {label} {value}")
        number += 3
    if number >= len(tokens):
        raise NotThere("the query cannot be read")
    return number + 1


def _range(text: str, shorter: Shorter) -> str:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise NotThere(f"the range {text} is more than one duration")
    seconds = int(match[1]) * TIMES[match[2]]
    shortened = shorter.span(seconds)
    return text if shortened == seconds else f"[{round(shortened)}s]"
