"""When something was written, and whether a person who left a word knew of it: by the journal's order, not by two machines' clocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Moment:
    """An entry's place in the journal: its wall time for people and its number for the order."""

    at: float
    seq: int


@dataclass(frozen=True)
class Standing:
    """Why a run stands still: `guard` saw something `since`; for `seconds` (None: until a person decides), then `then`."""

    guard: str
    since: Moment
    seen: str
    seconds: float | None
    then: str

    @property
    def at(self) -> float:
        return self.since.at


def knew(word: Mapping[str, Any], moment: Moment) -> bool:
    """Whether who left this word had read the entry: the clock of another machine may be minutes off, in either direction.

    `after` in a word is the number of the newest entry that its author had read; a word without it is known by its time alone.
    """
    after = word.get("after")
    return int(after) >= moment.seq if isinstance(after, int) else float(word.get("at", 0)) >= moment.at
