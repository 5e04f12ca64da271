"""A condition's text as words and signs with their columns, and the error that points at one of them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite

from cutover.core.errors import CutoverError

LONGEST = 500
_SIGNS = {"≥": ">=", "≤": "<=", "≠": "!=", "==": "=", "<>": "!=", "−": "-", "×": "x", "*": "x"}
_TOKEN = re.compile(
    r"(?P<number>[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*(?:[.-][A-Za-z0-9_]+)*)"
    r"|(?P<sign>>=|<=|==|!=|<>|[≥≤≠><=%/+−×*-])",
    re.ASCII,
)
_SHOWABLE = re.compile(r"[A-Za-z0-9_.-]{1,40}", re.ASCII)


class ConditionError(CutoverError):
    """A text that is no condition: `column` counts from 1, `reason` is one line that quotes nothing but words and figures."""

    exit_code = 3

    def __init__(self, text: str, column: int, reason: str) -> None:
        self.text, self.column, self.reason = text, column, reason
        start, end = max(0, column - 61), column + 59
        line = "".join(c if c.isprintable() else "·" for c in text[start:end])
        super().__init__(f"{line}\n{' ' * (column - 1 - start)}^ {reason}")

    @property
    def brief(self) -> str:
        """The same in one line without the text."""
        return f"column {self.column}: {self.reason}"


@dataclass(frozen=True)
class Token:
    """One word, number or sign; `kind` is word, number, sign or end."""

    kind: str
    text: str
    column: int
    value: float = 0.0

    def __str__(self) -> str:
        return "nothing more" if self.kind == "end" else self.text if _SHOWABLE.fullmatch(self.text) else "this"


def tokens(text: str) -> tuple[Token, ...]:
    """The tokens of `text`, ended by one of kind end; raises ConditionError for a sign that is none of ours."""
    if len(text) > LONGEST:
        raise ConditionError(text, LONGEST + 1, f"a condition has at most {LONGEST} characters")
    found, at = [], 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            raise ConditionError(text, at + 1, "this sign has no place in a condition")
        found.append(_token(text, match))
        at = match.end()
    return (*found, Token("end", "", len(text.rstrip(" \t")) + 1))


def _token(text: str, match: re.Match[str]) -> Token:
    kind, written, column = str(match.lastgroup), match[0], match.start() + 1
    if kind != "number":
        return Token(kind, _SIGNS.get(written, written), column)
    value = float(written.replace("_", ""))
    if not isfinite(value):
        raise ConditionError(text, column, "the number is too large")
    return Token(kind, written, column, value)


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean X?)` with the nearest of `known`, or nothing where none is near."""
    known = tuple(known)
    near = get_close_matches(word[:80].lower(), known, n=1, cutoff=0.55)
    return f" (did you mean {near[0]}?)" if near else ""
