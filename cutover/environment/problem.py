"""One thing that is wrong with an environment file, and how it is printed."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

Loc = tuple[str | int, ...]

_SHOWABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}|<<")


@dataclass(frozen=True, order=True)
class Problem:
    """A reason to refuse the file: `line` counts from 1, `path` is dotted and empty for the file as a whole."""

    line: int
    path: str
    reason: str

    def render(self, file: str) -> str:
        """The problem as `file:line: path: reason`."""
        return f"{file}:{self.line}: " + (f"{self.path}: " if self.path else "") + self.reason


def shown(key: str) -> str:
    """`key` where it is safe to print; anything else could be a secret or an escape sequence and is only described."""
    return key if _SHOWABLE.fullmatch(key) else f"(a key of {len(key)} characters)"


def dotted(loc: Loc) -> str:
    """`loc` as a path such as `hostnames.shop.carrier.blue` or `shift.shares[2]`."""
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{shown(part)}" if path else shown(part)
    return path


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean X?)` with the nearest of `known`, or nothing where none is near."""
    near = difflib.get_close_matches(word[:80].lower(), list(known), n=1, cutoff=0.55)
    return f" (did you mean {near[0]}?)" if near else ""
