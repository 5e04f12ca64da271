"""A script of SQL as its statements, each with its line: what psql would send, one by one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_DOLLAR = re.compile(r"\$([A-Za-z_\x80-\uffff][A-Za-z0-9_\x80-\uffff]*)?\$")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Statement:
    """One statement without its semicolon, or one command of psql, at a line of the file."""

    text: str
    line: int

    @property
    def is_meta(self) -> bool:
        return self.text.startswith("\\")

    @property
    def words(self) -> str:
        """The statement on one line in capitals, without its comments: what it begins with says what it is."""
        return " ".join(re.sub(r"--[^\n]*", " ", self.text).upper().split())


def statements(script: str) -> Iterator[Statement]:
    """The statements of the script; a command of psql ends with its line."""
    start, at, depth = 0, 0, 0
    while at < len(script):
        char = script[at]
        if not script[start:at].strip() and char == "\\":
            end = script.find("\n", at)
            end = len(script) if end < 0 else end
            yield Statement(script[at:end].strip(), script.count("\n", 0, at) + 1)
            start = at = end
            continue
        jump = _past(script, at)
        if jump > at:
            at = jump
            continue
        # In the body of a function written as BEGIN ATOMIC … END a semicolon ends no statement.
        if (word := _WORD.match(script, at)) is not None:
            depth += _opens(script, start, word, depth)
            at = word.end()
            continue
        if char == ";" and depth <= 0:
            yield from _whole(script, start, at)
            start = at + 1
        at += 1
    yield from _whole(script, start, len(script))


def _opens(script: str, start: int, word: re.Match[str], depth: int) -> int:
    said = word[0].upper()
    if said == "ATOMIC" and script[start : word.start()].upper().rstrip().endswith("BEGIN"):
        return 1
    if depth and said == "CASE":
        return 1
    return -1 if depth and said == "END" else 0


def _past(script: str, at: int) -> int:
    """The end of the comment, string, quoted name or dollar-quoted text that begins here; `at` where none does."""
    two = script[at : at + 2]
    if two == "--":
        end = script.find("\n", at)
        return len(script) if end < 0 else end
    if two == "/*":
        end = script.find("*/", at + 2)
        return len(script) if end < 0 else end + 2
    if script[at] in "'\"":
        return _quoted(script, at)
    if script[at] == "$" and (tag := _DOLLAR.match(script, at)) is not None:
        end = script.find(tag[0], tag.end())
        return len(script) if end < 0 else end + len(tag[0])
    return at


def _quoted(script: str, at: int) -> int:
    quote, escapes = script[at], script[at - 1 : at] in ("E", "e") and script[at] == "'"
    place = at + 1
    while place < len(script):
        if escapes and script[place] == "\\":
            place += 2
            continue
        if script[place] == quote:
            if script[place + 1 : place + 2] != quote:
                return place + 1
            place += 1
        place += 1
    return len(script)


def _whole(script: str, start: int, end: int) -> Iterator[Statement]:
    text = script[start:end]
    bare = re.sub(r"^(\s+|--[^\n]*(\n|$)|/\*.*?\*/)+", "", text, flags=re.DOTALL)
    if bare.strip():
        skipped = len(text) - len(bare)
        yield Statement(bare.strip(), script.count("\n", 0, start + skipped) + 1)
