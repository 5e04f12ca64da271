"""Values of any type of PostgreSQL as text, from a seed: what a column, its checks and its partitions allow."""

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cutover.rehearsal.catalog import Column, Table, Type
from cutover.rehearsal.limits import Limits

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = 300 * 86_400  # seconds after it
NULLS = 0.15
WORDS = [
    "amber",
    "basin",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "haven",
    "islet",
    "jetty",
    "knoll",
    "larch",
    "mosel",
    "north",
    "ochre",
    "pearl",
    "quartz",
    "river",
]
CANDIDATES: Sequence[Callable[[random.Random, int], str]] = (
    lambda dice, n: f"{dice.choice(WORDS)}-{n}",
    lambda dice, n: f"{dice.choice(WORDS)}{n}",
    lambda dice, n: f"{dice.choice(WORDS)}_{n}",
    lambda dice, n: f"{dice.choice(WORDS)}{n}@example.test",
    lambda dice, n: f"https://example.test/{n}",
    lambda dice, n: f"{dice.choice(WORDS)[:3].upper()}-{n:06d}",
    lambda dice, n: f"{dice.choice(WORDS)[:3].upper()}{n:04d}",
    lambda dice, n: f"#{dice.randrange(1 << 24):06x}",
    lambda dice, n: f"+49{dice.randrange(10**9, 10**10)}",
    lambda dice, n: dice.choice(("DE", "FR", "JP", "US", "BR", "ZA")),
    lambda dice, n: dice.choice(("EUR", "USD", "JPY", "BRL")),
    lambda dice, n: dice.choice(("de", "en", "ja", "pt")),
    lambda dice, n: dice.choice(("de-DE", "en-US", "ja-JP")),
    lambda dice, n: f"{n % 100}.{n % 10}.{n % 7}",
    lambda dice, n: f"{dice.randrange(10**11, 10**12)}",
    lambda dice, n: "".join(dice.choice("0123456789abcdef") for _ in range(40)),
    lambda dice, n: "".join(dice.choice("0123456789abcdef") for _ in range(64)),
    lambda dice, n: f"/{dice.choice(WORDS)}/{n}",
    lambda dice, n: dice.choice(WORDS).title(),
    lambda dice, n: f"{dice.randrange(24):02d}:{dice.randrange(60):02d}",
)
"""Texts of usual forms; the first that a pattern takes is what a column with such a check gets."""


class NoValue(Exception):
    """There is no value of this type that the generator knows to make; the message names it."""


@dataclass
class Values:
    """Values for the columns of one table; the same seed gives the same ones."""

    table: Table
    dice: random.Random
    limits: Mapping[str, Limits] = field(default_factory=dict)
    alone: frozenset[str] = frozenset()
    """Columns that must be unique by themselves."""

    def of(self, column: Column, number: int) -> str | None:
        """The value of a column in the row of that number; None for NULL."""
        limits = self.limits.get(column.name, Limits())
        if not column.not_null and column.name not in self.alone and not limits.wanted and self.dice.random() < NULLS:
            return None
        return self._value(column.type, column.written, limits, number, unique=column.name in self.alone)

    def _value(self, kind: Type, written: str, limits: Limits, number: int, *, unique: bool) -> str:
        if limits.choices:
            return self.dice.choice(limits.choices)
        if kind.kind == "e":
            return self.dice.choice(kind.labels)
        if kind.kind == "d" and kind.inner is not None:
            return self._value(kind.inner, kind.written, limits.and_also(kind.checks, "VALUE"), number, unique=unique)
        if kind.category == "A" and kind.inner is not None:
            return self._array(kind.inner, written.removesuffix("[]"), number)
        if kind.kind == "r" and kind.inner is not None:
            return self._range(kind.inner, limits, number)
        return self._plain(kind, written, limits, number, unique)

    def _array(self, inner: Type, written: str, number: int) -> str:
        parts = [
            self._value(inner, written, Limits(), number + n, unique=False) for n in range(self.dice.randrange(1, 4))
        ]
        return "{" + ",".join(json.dumps(part, ensure_ascii=False) for part in parts) + "}"

    def _range(self, inner: Type, limits: Limits, number: int) -> str:
        ends = [self._value(inner, inner.name, limits, number, unique=False) for _ in range(2)]
        low, high = sorted(ends, key=float) if inner.category == "N" else sorted(ends)
        return "empty" if low == high else f'["{low}","{high}")'

    def _plain(self, kind: Type, written: str, limits: Limits, number: int, unique: bool) -> str:
        dice, name = self.dice, kind.name
        length = int(found[1]) if (found := re.search(r"\((\d+)", written)) else None
        match kind.category:
            case "N":
                return self._number(name, written, limits, number, unique)
            case "S":
                return self._text(limits, length, number, unique)
            case "B":
                return dice.choice(("true", "false"))
            case "D":
                return self._moment(name, limits, number)
            case "T":
                return f"{dice.randrange(1, 100_000)} seconds"
            case "V":
                return "".join(dice.choice("01") for _ in range(length or 1))
            case "I":
                return f"10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(1, 255)}"
            case "G":
                return self._geometry(name)
        match name:
            case "uuid":
                return str(UUID(int=dice.getrandbits(128), version=4))
            case "json" | "jsonb":
                return json.dumps({"n": number, "words": [dice.choice(WORDS), "ü"], "on": dice.random() < 0.5})
            case "bytea":
                return "\\x" + dice.randbytes(8).hex()
            case "tsvector":
                return f"'{dice.choice(WORDS)}':1 '{dice.choice(WORDS)}':2"
            case "tsquery" | "ltree":
                return dice.choice(WORDS)
            case "macaddr" | "macaddr8":
                pairs = 6 if name == "macaddr" else 8
                return ":".join(f"{dice.randrange(256):02x}" for _ in range(pairs))
            case "xml":
                return f"<row n='{number}'/>"
            case "pg_lsn":
                return f"0/{number:X}"
            case "hstore":
                return f'"n"=>"{number}"'
        raise NoValue(f"no value of type {written} is known")

    def _number(self, name: str, written: str, limits: Limits, number: int, unique: bool) -> str:
        precision = re.search(r"numeric\((\d+),(\d+)\)", written)
        digits = int(precision[1]) - int(precision[2]) if precision else {"int2": 4, "int4": 9}.get(name, 9)
        low = limits.least if limits.least is not None else 0
        high = limits.most if limits.most is not None else max(low + 1000, min(10**digits - 1, 100_000))
        if unique:
            return str(int(low) + number)
        if name in ("int2", "int4", "int8", "oid"):
            return str(self.dice.randint(int(-(-low // 1)), int(high)))
        scale = int(precision[2]) if precision else 2
        value = round(self.dice.uniform(low, high), scale)
        return f"{min(max(value, low), high):.{scale}f}"

    def _text(self, limits: Limits, length: int | None, number: int, unique: bool) -> str:
        if limits.patterns:
            for candidate in CANDIDATES:
                text = candidate(self.dice, number)
                if limits.fits(text) and (length is None or len(text) <= length):
                    return text
        if length is not None and length <= 3:
            return "".join(self.dice.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(length))
        text = (
            f"{self.dice.choice(WORDS)} {self.dice.choice(WORDS)} {number}"
            if not unique
            else f"{number} {self.dice.choice(WORDS)}"
        )
        text = text.ljust(int(limits.shortest), "x")
        most = min(filter(None, (length, limits.longest)), default=None)
        return text[: int(most)].rstrip() if most is not None else text

    def _moment(self, name: str, limits: Limits, number: int) -> str:
        if limits.spans:
            first, last = self.dice.choice(limits.spans)
            moment = first + timedelta(seconds=self.dice.random() * max(0.0, (last - first).total_seconds() - 1))
        else:
            moment = BEGAN + timedelta(seconds=self.dice.randrange(SPAN))
        if name == "date":
            return moment.strftime("%Y-%m-%d")
        if name in ("time", "timetz"):
            return moment.strftime("%H:%M:%S+00" if name == "timetz" else "%H:%M:%S")
        return moment.strftime("%Y-%m-%d %H:%M:%S.%f+00" if name == "timestamptz" else "%Y-%m-%d %H:%M:%S.%f")

    def _geometry(self, name: str) -> str:
        x, y = (round(self.dice.uniform(-90, 90), 4) for _ in range(2))
        points = f"({x},{y}),({x + 1},{y + 1})"
        forms = {
            "point": f"({x},{y})",
            "box": points,
            "lseg": f"[{points}]",
            "path": f"[{points}]",
            "polygon": f"({points})",
        }
        forms |= {"circle": f"<({x},{y}),1>", "line": "{1,2,3}"}
        if name not in forms:
            raise NoValue(f"no value of type {name} is known")
        return forms[name]
