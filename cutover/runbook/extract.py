"""A runbook's commands read back from its Markdown, so that tests can run what people would paste."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

_MARKER = re.compile(r"<!-- cutover:(do|check|undo) (\S+) -->")
_FENCE = re.compile(r"(`{3,})(\w*)")


def extract_commands(markdown: str) -> list[tuple[str, str, str]]:
    """Every marked fence in order, as (step or gate, `do` | `check` | `undo`, bash)."""
    found: list[tuple[str, str, str]] = []
    marked: tuple[str, str] | None = None
    body: list[str] = []
    for line, place in fenced(markdown):
        if place == "inside":
            body.append(line)
        elif place == "closes":
            if marked is not None:
                found.append((*marked, "\n".join(body)))
            marked, body = None, []
        elif place == "outside":
            hit = _MARKER.fullmatch(line)
            marked = (unquote(hit[2]), hit[1]) if hit else None
    return found


def fenced(markdown: str) -> Iterator[tuple[str, str]]:
    """Every line with its place: `outside`, `opens`, `inside` or `closes` a fenced block."""
    ticks = ""
    for line in markdown.split("\n"):
        if ticks:
            closes = line.rstrip() == "`" * len(line.rstrip()) and len(line.rstrip()) >= len(ticks)
            yield line, "closes" if closes else "inside"
            ticks = "" if closes else ticks
        elif hit := _FENCE.fullmatch(line):
            ticks = hit[1]
            yield line, "opens"
        else:
            yield line, "outside"
