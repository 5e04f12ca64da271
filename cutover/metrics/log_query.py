"""What is asked of a log of JSON lines: `share where status >= 500 of route != "/health"`, `p95 duration_ms`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any

WANTS = (
    "`count`, `rate`, `share`, or p95, avg, min, max, sum with a field; then `where field >= value and …`, "
    "and for a share `of field = value and …`"
)
FIELD = r"[A-Za-z_@][A-Za-z0-9_@-]*(?:\.[A-Za-z0-9_@-]+)*"
TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(<=|>=|!=|=|<|>)|([^\s<>=!"]+))')
LONGEST = 4000
COUNTS, FIELDS = ("count", "rate", "share"), ("avg", "min", "max", "sum")


class Unclear(Exception):
    """The text is no such question; the message says at which column."""


@dataclass(frozen=True)
class Condition:
    """A field (dots lead into nested objects) compared with a value; a line without the field fulfils only `!=`."""

    field: str
    sign: str
    value: str | float | bool | None

    def holds(self, line: Mapping[str, Any]) -> bool:
        seen = field_of(line, self.field)
        if self.sign in ("=", "!="):
            return _same(seen, self.value) is (self.sign == "=")
        number = number_of(seen)
        if number is None or not isinstance(self.value, float):
            return False
        return {
            "<": number < self.value,
            "<=": number <= self.value,
            ">": number > self.value,
            ">=": number >= self.value,
        }[self.sign]


@dataclass(frozen=True)
class LogQuery:
    """`what` is count, rate (a second), share (percent), a quantile from 0 to 1, or avg, min, max, sum of `field`."""

    what: str | float
    field: str = ""
    where: tuple[Condition, ...] = ()
    of: tuple[Condition, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "LogQuery":
        """Raises Unclear."""
        tokens: Sequence[_Token] = _tokens(text)
        if not tokens:
            raise Unclear(f"wants {WANTS}")
        first, rest = tokens[0], tokens[1:]
        what: str | float = first.text
        field = ""
        quantile = re.fullmatch(r"p([0-9]{1,2}(?:\.[0-9]+)?)", first.text)
        if quantile or first.text in FIELDS:
            what = float(quantile[1]) / 100 if quantile else what
            if not rest or not re.fullmatch(FIELD, rest[0].text) or rest[0].text in ("where", "of"):
                raise Unclear(f"column {first.column}: needs the field behind it")
            field, rest = rest[0].text, rest[1:]
        elif first.text not in COUNTS:
            raise Unclear(f"column {first.column}: wants {WANTS}")
        where, rest = _conditions("where", rest)
        of, rest = _conditions("of", rest) if what == "share" else ((), rest)
        if rest:
            raise Unclear(f"column {rest[0].column}: is not expected there; {WANTS}")
        if what == "share" and not where:
            raise Unclear("a share needs `where`: the lines that are counted among all")
        return cls(what, field, where, of)


def latency_field(text: str) -> tuple[str, float]:
    """From `FIELD in ms` or `FIELD in s`: the field, and how many seconds its unit has. Raises Unclear."""
    found = re.fullmatch(rf"({FIELD})\s+in\s+(ms|s)", text.strip())
    if found is None:
        raise Unclear("wants a field with its unit, such as `duration in ms`")
    return found[1], 0.001 if found[2] == "ms" else 1.0


def field_of(line: Mapping[str, Any], name: str) -> Any:
    """The field's value, None where there is none; a key that has the dots itself comes first."""
    if name in line:
        return line[name]
    found: Any = line
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def number_of(value: Any) -> float | None:
    """A number, or text that is one; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def moment_of(value: object) -> float | None:
    """Seconds since 1970; numbers too large for seconds are milliseconds, and text without a zone is UTC.

    None for what is no time, and ValueError for text that is no date.
    """
    if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
        read = datetime.fromisoformat(value)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    number = number_of(value)
    if number is None or not isfinite(number):
        return None
    return number / 1000 if number > 1e11 else number


def _same(seen: Any, value: str | float | bool | None) -> bool:
    if isinstance(value, float):
        return number_of(seen) == value
    return seen is value if value is None or isinstance(value, bool) else str(seen) == value and seen is not None


@dataclass(frozen=True)
class _Token:
    text: str
    column: int
    quoted: bool = False


def _tokens(text: str) -> list[_Token]:
    if len(text) > LONGEST:
        raise Unclear(f"column {LONGEST + 1}: a question has at most {LONGEST} characters")
    found: list[_Token] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise Unclear(f"column {at + 1}: cannot be read")
        written = match[1] or match[2] or match[3]
        plain = re.sub(r"\\(.)", r"\1", written[1:-1]) if match[1] else written
        found.append(_Token(plain, match.start(match.lastindex or 0) + 1, bool(match[1])))
        at = match.end()
    return found


def _conditions(word: str, tokens: Sequence[_Token]) -> tuple[tuple[Condition, ...], Sequence[_Token]]:
    if not tokens or tokens[0].text != word or tokens[0].quoted:
        return (), tokens
    found: list[Condition] = []
    while True:
        column = tokens[0].column
        three, tokens = tokens[1:4], tokens[4:]
        if (
            len(three) < 3
            or not re.fullmatch(FIELD, three[0].text)
            or three[1].text not in ("=", "!=", "<", "<=", ">", ">=")
        ):
            raise Unclear(f"column {column}: wants FIELD, one of = != < <= > >=, and a value behind it")
        found.append(Condition(three[0].text, three[1].text, _value(three[2], three[1].text)))
        if not tokens or tokens[0].text != "and" or tokens[0].quoted:
            return tuple(found), tokens


def _value(token: _Token, sign: str) -> str | float | bool | None:
    number = None if token.quoted else number_of(token.text)
    if sign not in ("=", "!=") and number is None:
        raise Unclear(f"column {token.column}: {sign} compares with a number")
    if token.quoted or number is not None:
        return token.text if number is None else number
    return {"true": True, "false": False, "null": None}.get(token.text, token.text)
