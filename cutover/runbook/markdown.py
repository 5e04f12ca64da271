"""Text into Markdown, bash fences and Mermaid, so that no value can leave the place it was put."""

import hashlib
import re
import unicodedata
from urllib.parse import quote

from cutover.core.errors import ConfigurationRefused
from cutover.core.plain import is_invisible

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?", re.DOTALL)
_MEANS_SOMETHING = re.compile(r"[\\`*_\[\]<>~$&]")
_STARTS_A_BLOCK = re.compile(r"^(?:[#+=-]|\d+(?=[.)](?:\s|$)))")
_PLAIN_IN_MERMAID = " .,:/()-+=?'_"


class Markdown(str):
    """Text that is Markdown already; everything else is escaped where it is put into a page."""


def visible(value: object) -> str:
    """`value` on one line, without terminal sequences, control characters and marks that turn the text round."""
    seen = (c for c in _ANSI.sub("", str(value)) if c.isspace() or not is_invisible(c))
    return " ".join("".join(seen).split())


def prose(value: object) -> Markdown:
    """`value` as words: nothing in it is markup, a table's bar included."""
    words = _MEANS_SOMETHING.sub(lambda found: "\\" + found[0], visible(value)).replace("|", "&#124;") or "(empty)"
    return Markdown(_STARTS_A_BLOCK.sub(_without_its_meaning, words))


def _without_its_meaning(start: re.Match[str]) -> str:
    return start[0] + "\\" if start[0].isdigit() else "\\" + start[0]


def spaced(words: str) -> Markdown:
    """`words` as prose that keeps the blank at either end, for words that stand beside code."""
    start, end = words[:1].isspace(), words[-1:].isspace()
    return Markdown(f"{' ' * start}{prose(words)}{' ' * end}" if words.strip() else " " * start)


def code(value: object) -> Markdown:
    """`value` as a code span."""
    inside = visible(value)
    if not inside:
        return Markdown("(empty)")
    ticks = "`" * (_longest_run(inside) + 1)
    pad = " " if "`" in (inside[0], inside[-1]) else ""
    return Markdown(f"{ticks}{pad}{inside}{pad}{ticks}")


def paragraphs(docstring: str) -> Markdown:
    """A docstring as paragraphs; what stands in single backticks becomes a code span."""
    blocks = [block for block in re.split(r"\n\s*\n", docstring) if block.strip()]
    return Markdown("\n\n".join(_paragraph(visible(block)) for block in blocks))


def _paragraph(block: str) -> str:
    parts = re.split(r"(?<!`)`([^`]+)`(?!`)", block)
    return "".join(code(part) if index % 2 else spaced(part) for index, part in enumerate(parts))


def cell(value: object) -> Markdown:
    """`value` for a cell of a table: a bar stays a bar, in a code span too."""
    inside = value if isinstance(value, Markdown) else prose(value)
    return Markdown(inside.replace("|", "\\|"))


def fence(text: str, where: str, language: str = "bash") -> Markdown:
    """`text` as a fenced block, unchanged but for empty lines around it.

    Raises ConfigurationRefused when a terminal would act on a character of it: a pasted command must be what is seen.
    """
    body = text.strip("\n")
    for char in body:
        if is_invisible(char) and char not in "\n\t":
            raise ConfigurationRefused(
                [f"{visible(where)}: the command contains U+{ord(char):04X}, which a person cannot see when pasting it"]
            )
    ticks = "`" * max(3, _longest_run(body) + 1)
    return Markdown(f"{ticks}{language}\n{body}\n{ticks}")


def marker(kind: str, name: str) -> Markdown:
    """The comment that says what the next fence does, and for which step."""
    # A comment may not contain a double dash.
    return Markdown(f"<!-- cutover:{kind} {quote(name, safe=':@', errors='replace').replace('--', '-%2D')} -->")


def anchor(kind: str, name: str) -> Markdown:
    """A link target that depends on nothing but `kind` and `name`."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if slug != name:
        slug = f"{slug}-{hashlib.sha256(name.encode('utf-8', 'backslashreplace')).hexdigest()[:6]}".strip("-")
    return Markdown(f"{kind}-{slug}")


def label(value: object) -> Markdown:
    """`value` as a quoted Mermaid label; Mermaid's own entities stand for what it would act on."""
    return Markdown('"' + "".join(_in_mermaid(c) for c in visible(value) or "(empty)") + '"')


def _in_mermaid(char: str) -> str:
    if char.isalnum() or char in _PLAIN_IN_MERMAID:
        return char
    if char.isascii():
        return f"#{ord(char)};"
    return char if unicodedata.category(char) in ("Sm", "Pd", "Po", "Mn", "Mc") else "?"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
