"""What checks and partitions allow a column, as far as their usual forms say; whatever else they want is found by trying."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cutover.rehearsal.catalog import Table

_NUMBER = r"\(?'?(-?\d+(?:\.\d+)?)'?\)?(?:::[a-z0-9 (),]+)?"
_CAST = r"(?:::[a-z0-9_ .\"\[\]()]+?)?"
_CLASSES = {
    "space": r"\s",
    "digit": "0-9",
    "alpha": "a-zA-Z",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "xdigit": "0-9a-fA-F",
}


@dataclass(frozen=True)
class Limits:
    """One of these choices; between these numbers; a text of so many characters that all the patterns take; in one of these spans."""

    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    shortest: int = 0
    longest: int | None = None
    patterns: tuple[tuple[str, bool], ...] = ()
    """Regular expressions, each with whether upper and lower case are one."""
    spans: tuple[tuple[datetime, datetime], ...] = ()
    wanted: bool = False
    """Never NULL: a check says so, or a partition has no place for it."""

    def fits(self, text: str) -> bool:
        """Whether every pattern takes the text; one that Python does not read takes all."""
        return all(_takes(pattern, text, folded) for pattern, folded in self.patterns) and (
            self.shortest <= len(text) <= (self.longest or len(text))
        )

    def and_also(self, checks: Iterable[str], column: str) -> "Limits":
        """With what these checks say of the column."""
        found = self
        for check in checks:
            found = _read(found, check, column)
        return found


def _takes(pattern: str, text: str, folded: bool) -> bool:
    for name, there in _CLASSES.items():
        pattern = pattern.replace(f"[:{name}:]", there)
    try:
        return re.search(pattern, text, re.IGNORECASE if folded else 0) is not None
    except re.error:
        return True


def limits_of(table: Table) -> Mapping[str, Limits]:
    """The limits of each column that has any."""
    found = {column.name: Limits().and_also(table.checks, column.name) for column in table.columns}
    key = re.fullmatch(r'(LIST|RANGE) \("?([^",()]+)"?\)', table.partition_key)
    if key is not None:
        found[key[2]] = _parted(found.get(key[2], Limits()), table.bounds)
    return found


def _read(limits: Limits, check: str, column: str) -> Limits:
    """One check; a disjunction says nothing that could be relied on."""
    name = rf'\(?(?:"{re.escape(column)}"|\b{re.escape(column)}\b)\)?{_CAST}'
    if " OR " in check:
        return limits
    if (among := re.search(rf"{name} = ANY \(+ARRAY\[(.*?)\]", check)) is not None:
        quoted = re.findall(r"'((?:[^']|'')*)'", among[1])
        limits = replace(limits, choices=tuple(one.replace("''", "'") for one in quoted) or _bare(among[1]))
    for sign, value in re.findall(rf"{name} (>=|<=|>|<) {_NUMBER}", check):
        limits = _bounded(limits, sign, float(value))
    for sign, value in re.findall(rf"(?:char_length|length|character_length)\({name}\) (>=|<=|>|<|=) (\d+)", check):
        size = int(value)
        if sign in (">=", ">", "="):
            limits = replace(limits, shortest=max(limits.shortest, size + (sign == ">")))
        if sign in ("<=", "<", "="):
            limits = replace(limits, longest=size - (sign == "<"))
    for folded, pattern in re.findall(rf"{name} ~(\*?) '((?:[^']|'')*)'", check):
        limits = replace(limits, patterns=(*limits.patterns, (pattern.replace("''", "'"), bool(folded))))
    for like in re.findall(rf"{name} ~~ '((?:[^']|'')*)'", check):
        form = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in like.replace("''", "'"))
        limits = replace(limits, patterns=(*limits.patterns, (f"^{form}$", False)))
    if re.search(rf"{name} IS NOT NULL", check):
        limits = replace(limits, wanted=True)
    return limits


def _bounded(limits: Limits, sign: str, value: float) -> Limits:
    little = 1.0 if value == int(value) else 0.01
    if sign in (">", ">="):
        return replace(limits, least=value + (little if sign == ">" else 0))
    return replace(limits, most=value - (little if sign == "<" else 0))


def _bare(listed: str) -> tuple[str, ...]:
    return tuple(re.findall(r"-?\d+(?:\.\d+)?", listed))


def _parted(limits: Limits, bounds: Iterable[str]) -> Limits:
    """What has a partition."""
    choices, spans = list[str](), list[tuple[datetime, datetime]]()
    least, most = None, None
    for bound in bounds:
        if (listed := re.match(r"FOR VALUES IN \((.*)\)", bound)) is not None:
            choices += re.findall(r"'((?:[^']|'')*)'", listed[1]) or _bare(listed[1])
        elif (ends := re.match(r"FOR VALUES FROM \('?([^')]+)'?\) TO \('?([^')]+)'?\)", bound)) is not None:
            try:
                spans.append((_moment(ends[1]), _moment(ends[2])))
            except ValueError:
                numbers = [float(one) for one in ends.groups() if re.fullmatch(r"-?\d+(\.\d+)?", one)]
                least = min([*numbers, least if least is not None else float("inf")])
                most = max([*(n - 1 for n in numbers), most if most is not None else float("-inf")])
    return replace(
        limits,
        choices=tuple(choices) or limits.choices,
        spans=tuple(spans),
        least=least if least is not None else limits.least,
        most=most if most is not None else limits.most,
        wanted=True,
    )


def _moment(text: str) -> datetime:
    read = datetime.fromisoformat(text)
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
