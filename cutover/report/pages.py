"""A report as three files: HTML that needs nothing else, its Markdown twin, and the document itself."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cutover.core.plain import spelled
from cutover.report.blocks import Table, when
from cutover.report.gantt import NARROW, WIDE
from cutover.report.sections import sections
from cutover.runbook.files import replaced
from cutover.runbook.markdown import Markdown, cell, code, fence, visible
from cutover.runbook.pages import markdown_templates, tidy

TEMPLATES = Path(__file__).parent / "templates"
OWNERS = 0o600  # as the journal itself: who may read it is for its owner to say


def rendered(document: Mapping[str, Any]) -> dict[str, str]:
    """File name → text."""
    return {
        "report.html": html(document),
        "report.md": markdown(document),
        "report.json": json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    }


def written(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Writes the three files, each whole or not at all, for their owner's eyes; raises OSError."""
    pages = rendered(document)
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)
    return [replaced(folder / name, page, OWNERS) for name, page in pages.items()]


def html(document: Mapping[str, Any]) -> str:
    """The page; every value in it is escaped, and it loads and runs nothing."""
    style = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))
    told = {"style": style, "wide": WIDE, "narrow": NARROW, "mood": _mood(document)}
    page = _html().get_template("report.html.j2").render(document=document, sections=sections(document), **told)
    return "\n".join(line for line in page.splitlines() if line.strip()) + "\n"


def markdown(document: Mapping[str, Any]) -> str:
    """The same blocks; of a picture its table, of what folds all of it."""
    page = _markdown().get_template("report.md.j2").render(document=document, sections=sections(document))
    return tidy(page)


def _mood(document: Mapping[str, Any]) -> str:
    outcome = document["outcome"]
    if outcome["under_way"] or outcome["outcome"] in ("until", "waiting"):
        return "waits"
    if outcome["complaints"]:
        return "bad"
    return "well" if outcome["outcome"] == "done" else "back" if outcome["outcome"] == "rolled-back" else "bad"


@cache
def _html() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        # What a person cannot see, or turns the text round, is of no use in a page that is read.
        finalize=lambda value: value if isinstance(value, Markup) else visible(value),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(when=when, spelled=_preformatted)
    return environment


def _preformatted(text: str) -> Markup:
    """Lines as they are, escaped."""
    return Markup.escape(spelled(text))


@cache
def _markdown() -> Environment:
    environment = markdown_templates(TEMPLATES)
    # What a macro of these templates gives is Markdown already.
    environment.filters.update(when=when, code=code, cells=_row, raw=Markdown)
    environment.filters["fence"] = lambda text: fence(spelled(text), "report")
    environment.globals["bare"] = Table((), ())
    return environment


def _row(row: Sequence[str], table: Table) -> Markdown:
    """One row of a table."""
    told = (
        cell(code(one)) if number in table.code and visible(one) else cell(one or " ") for number, one in enumerate(row)
    )
    return Markdown("| " + " | ".join(told) + " |")
