"""What a contradiction is, and how values are read from plain data that may be wrong in any way."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

from cutover.environment.problem import Loc, dotted
from cutover.environment.reading import seconds


@dataclass(frozen=True)
class Contradiction:
    """What is wrong at `loc`; `other` is the place that it does not fit to."""

    loc: Loc
    reason: str
    other: Loc | None = None


def sides(data: object, path: tuple[str, ...], what: str, place: Loc = ()) -> Iterator[Contradiction]:
    """Blue and green under `path` are not the same."""
    blue, green = at(data, *path, "blue"), at(data, *path, "green")
    if blue is not None and isinstance(blue, (str, type(green))) and str(blue) == str(green):
        yield Contradiction((*place, *path, "green"), f"is the same {what} as blue's", (*place, *path, "blue"))


def at(data: object, *path: str) -> Any:
    """The value under these keys, None where one is missing."""
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def items(data: object) -> list[tuple[str, Any]]:
    """The entries of a mapping, none of anything else."""
    return [(str(key), value) for key, value in data.items()] if isinstance(data, Mapping) else []


def name_of(value: object) -> str:
    """A DNS name in comparable form; empty for anything else."""
    return value.removesuffix(".").lower() if isinstance(value, str) else ""


def whole_of(value: object) -> int | None:
    """A whole number, None for anything else."""
    return int(str(value)) if re.fullmatch(r"0|[1-9][0-9]{0,17}", str(value), re.ASCII) else None


def seconds_of(value: object, default: float) -> float | None:
    """A duration in seconds, `default` where it is missing, None where it is wrong."""
    try:
        return default if value is None else seconds(value)
    except PydanticCustomError:
        return None


def ttl_fits(holder: object, place: Loc) -> Iterator[Contradiction]:
    """The TTL during a cutover is at most the normal one."""
    normal, cutover = (whole_of(at(holder, "ttl", key)) for key in ("normal", "cutover"))
    if normal is not None and cutover is not None and cutover > normal:
        here: Loc = (*place, "ttl")
        yield Contradiction((*here, "cutover"), "must not be longer than the normal TTL", (*here, "normal"))


def with_line(contradiction: Contradiction, line: int) -> str:
    """The reason, with the place and line of what it does not fit to."""
    if contradiction.other is None:
        return contradiction.reason
    return f"{contradiction.reason} ({dotted(contradiction.other)}, line {line})"
