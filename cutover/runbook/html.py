"""Self-contained HTML: no script, nothing from elsewhere, and every value that is not markup yet is escaped."""

import re
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from cutover.core.plain import span, spelled, text
from cutover.plan_words import on_fail, overrun
from cutover.reviewed import BLIND
from cutover.runbook.decision import Code, Node
from cutover.runbook.markdown import visible


def page(template: str, **values: Any) -> str:
    """One template as a page; texts are put on one line each, without what nobody can see."""
    return _templates().get_template(template).render(values)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        finalize=lambda value: value if isinstance(value, Markup) else visible(value),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.filters.update(_filters())
    return environment


def _filters() -> dict[str, Callable[..., Any]]:
    return {
        "command": command,
        "typed": lambda commands: "\n".join(one.shell() for one in commands),
        "paragraphs": paragraphs,
        "said": said,
        "span": span,
        "state": text,
        "unseen": lambda now: "not observed" if now.startswith(BLIND) else now,
        "overrun": overrun,
        "on_fail": lambda entry: on_fail(entry.gate, entry.phase, committed=entry.committed),
        "day": lambda at: time.strftime("%Y-%m-%d", time.gmtime(at)),
        "moment": lambda at: time.strftime("%Y-%m-%d %H:%M", time.gmtime(at)),
    }


def command(lines: str) -> Markup:
    """Lines as they are; what nobody would see when pasting them is spelled out."""
    return escape(spelled(lines.strip("\n")))


def paragraphs(docstring: str) -> Markup:
    """A docstring as paragraphs; what stands in single backticks becomes code."""
    blocks = [visible(block) for block in re.split(r"\n\s*\n", docstring) if block.strip()]
    return Markup("\n").join(Markup("<p>{}</p>").format(_spans(block)) for block in blocks)


def _spans(block: str) -> Markup:
    parts = re.split(r"(?<!`)`([^`]+)`(?!`)", block)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts)
    )


def said(node: Node) -> Markup:
    """The words of a decision's node."""
    return Markup("").join(
        Markup("<code>{}</code>").format(visible(part)) if isinstance(part, Code) else escape(_on_a_line(part))
        for part in node.words
    )


def _on_a_line(words: str) -> str:
    start, end = " " * words[:1].isspace(), " " * words[-1:].isspace()
    return f"{start}{visible(words)}{end}"
