"""Values of more than one part: lists with a rule, the soak, the checklist."""

import re
from collections.abc import Hashable, Mapping
from itertools import pairwise
from typing import TypeVar

from cutover.environment.reading import DURATION_SCHEMA, Reads, seconds, wrong

Item = TypeVar("Item", bound=Hashable)


def distinct(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """`items`, none of them given twice."""
    if len(set(items)) < len(items):
        raise wrong("names the same thing twice")
    return items


def one_to_four(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """`items`, as many as fit into one condition of a listener rule beside the others (AWS: 5 values in a rule)."""
    if not 1 <= len(items) <= 4:
        raise wrong("needs one to four entries")
    return items


def rising_to_100(shares: tuple[float, ...]) -> tuple[float, ...]:
    """`shares`, each more than the one before, the last one 100."""
    if any(second <= first for first, second in pairwise(shares)):
        raise wrong("must rise from each share to the next")
    if not shares or shares[-1] != 100:
        raise wrong("must end with 100")
    return shares


def _soak(value: object) -> float | tuple[float, ...]:
    if isinstance(value, (list, tuple)):
        return tuple(seconds(item) for item in value)
    return seconds(value)


soak_reader = Reads(
    _soak, {"anyOf": [*DURATION_SCHEMA["anyOf"], {"type": "array", "minItems": 1, "items": DURATION_SCHEMA}]}
)


def pytest_expression(written: str) -> str:
    """`written`, an expression that pytest -k will be able to read: words with and, or, not and parentheses."""
    words = re.sub(r"[A-Za-z0-9_.\[\]-]+", lambda m: m[0] if m[0] in ("and", "or", "not") else "x", written)
    try:
        compile(words, "", "eval")
    except (SyntaxError, RecursionError, MemoryError):
        raise wrong("is not an expression that pytest -k reads, such as `checkout and not refund`") from None
    return written


def checklist_items(value: object) -> object:
    """The file's form, name → expression, list of them, or {smoke: …}, {attest: ROLE}, {command: …}, {figure: …}, as a list of items.

    Shapes that are none of these pass through; the items' model refuses them.
    """
    if not isinstance(value, Mapping):
        return value
    items: list[dict[str, object]] = []
    for name, asked in value.items():
        if isinstance(asked, Mapping):
            items.append({**asked, "name": name})
        elif isinstance(asked, list) and asked and all(isinstance(one, str) for one in asked):
            items.append({"name": name, "smoke": " or ".join(f"({one})" if " " in one else one for one in asked)})
        else:
            items.append({"name": name, "smoke": asked})
    return items
