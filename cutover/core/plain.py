"""States and findings as plain data: what the journal stores, digests cover and messages print."""

import dataclasses
import hashlib
import json
import math
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any


def plain(value: Any) -> Any:
    """`value` as JSON types only, the same for equal values; raises TypeError for anything without a plain form."""
    kind = type(value)  # most of what is asked for, by the shortest way: every entry of a journal passes here
    if kind is str or kind is int or value is None:
        return value
    if kind is dict:
        return {str(k): plain(v) for k, v in value.items()}
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Enum():
            return plain(value.value)
        case Decimal() | PurePath():
            return str(value)
        case Mapping():
            return {str(k): plain(v) for k, v in value.items()}
        case set() | frozenset():
            return sorted((plain(v) for v in value), key=canonical)
        case list() | tuple():
            return [plain(v) for v in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.repr}
    raise TypeError(f"{type(value).__name__} has no plain form")


def canonical(value: Any) -> str:
    """`value` as JSON with sorted keys and no white space."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """The sha256 of the canonical form, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def text(value: Any) -> str:
    """`value` for a person: a state that says itself what it is, or its plain form."""
    if isinstance(value, Enum):
        return str(value.value)
    if "__str__" in vars(type(value)):
        return str(value)
    return canonical(value)


_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def is_invisible(char: str) -> bool:
    """Whether a terminal acts on the character, or shows nothing of it."""
    return unicodedata.category(char) in _INVISIBLE


def spelled(text: str) -> str:
    """Lines of text in which every character that a person would not see is spelled out, as in `‹U+202E›`."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(f"‹U+{ord(c):04X}›" if is_invisible(c) and c not in "\n\t" else c for c in text)


_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def span(seconds: float) -> str:
    """Seconds for a person: `0.2 s`, `90 s`, `24 h`, `7 d 12 h`."""
    if seconds < 120:
        return f"{round(seconds, 1):g} s"
    left, parts = round(seconds), []
    for size, unit in _UNITS:
        # A day or two is better said in hours.
        if left >= size and not (unit == "d" and seconds <= 172_800):
            parts.append(f"{left // size} {unit}")
            left %= size
    if left:
        parts.append(f"{left} s")
    return " ".join(parts[:2])
