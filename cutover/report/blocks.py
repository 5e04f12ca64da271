"""What a page consists of, before it is HTML or Markdown: both are made of the same blocks, so neither says more than the other."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from cutover.core.plain import span

NOTHING = "–"


@dataclass(frozen=True)
class Words:
    """A sentence; `kind` is `gap` for what is not known, `bad` for what went wrong, `good` for what was proven well."""

    text: str
    kind: str = ""
    what: str = "words"


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    rows: Sequence[tuple[str, str]]
    what: str = "facts"


@dataclass(frozen=True)
class Table:
    """Rows of text; `bad` are the numbers of those that want a look, `code` the columns that are typed or named by the tool."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    bad: frozenset[int] = frozenset()
    code: frozenset[int] = frozenset()
    empty: str = "none"
    what: str = "table"


@dataclass(frozen=True)
class Picture:
    """One picture, drawn for a wide and for a narrow screen, and the table that says the same."""

    title: str
    caption: str
    draw: Callable[[float], Markup]
    twin: Table
    what: str = "picture"


@dataclass(frozen=True)
class Code:
    """Commands as they were sent."""

    title: str
    note: str
    text: str
    what: str = "code"


@dataclass(frozen=True)
class Fold:
    """What is shown when somebody asks for it; Markdown shows it at once."""

    title: str
    parts: Sequence["Block"]
    is_open: bool = False
    what: str = "fold"


Block = Words | Facts | Table | Picture | Code | Fold


@dataclass(frozen=True)
class Section:
    """One chapter of the report."""

    name: str
    title: str
    parts: Sequence[Block] = field(default_factory=tuple)


def when(at: float | None) -> str:
    """A moment, UTC."""
    return NOTHING if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at)) + " UTC"


def took(seconds: float | None) -> str:
    """A duration."""
    if seconds is None:
        return NOTHING
    return f"{1000 * seconds:.0f} ms" if 0 <= seconds < 0.1 else span(seconds)


def milliseconds(value: float | None) -> str:
    return "not measured" if value is None else f"{value:,.0f} ms"


def paused(one: Mapping[str, Any]) -> str:
    """The customers' pause at a switch, or why it is not known."""
    return one["customers_missing"] or milliseconds(one["customers_ms"])


def known(value: object) -> str:
    """A value as text, a dash where there is none."""
    return NOTHING if value in (None, "") else str(value)
