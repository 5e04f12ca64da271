"""The pages, rendered: equal books give equal bytes."""

import shlex
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cutover import plan_words as words
from cutover.core.plain import span, text
from cutover.core.step import Step
from cutover.plan_words import Zone
from cutover.runbook import decision, markdown
from cutover.runbook.book import Book
from cutover.runbook.chart import plan_chart
from cutover.runbook.entries import Chapter, Entry, chapters, final_states, first_zone, remaining, takeable
from cutover.runbook.extract import fenced
from cutover.runbook.markdown import Markdown

ROLES = ("decision", "database", "traffic", "application")


def render(book: Book) -> dict[str, str]:
    """File name → text, of all runbooks.

    Raises ConfigurationRefused when a command holds a character that nobody can see when pasting it.
    """
    forward = chapters(book.plan, start=first_zone(book.plan))
    last = chapters(book.finish, start=Zone.ROLLBACK) if book.finish else ()
    back = chapters(book.plan.inverse(takeable(book.plan)), start=Zone.ROLLBACK)
    page = _Page(book, _zone_places(forward, last))
    ending = chapters(book.decommission, start=Zone.FINISHED) if book.decommission else ()
    return {
        "CUTOVER-RUNBOOK.md": page.render("cutover.md.j2", chapters=forward, chart=plan_chart(forward, last)),
        "ROLLBACK-RUNBOOK.md": page.render(
            "rollback.md.j2",
            back=True,
            chapters=back,
            tree=decision.tree(book),
            remaining=remaining(forward, book.plan, back),
            asked=decision.asked(book),
            kept=[step for _, step in book.plan.steps() if step.standing],
        ),
        "POST-CUTOVER-CHECKLIST.md": page.render("checklist.md.j2", final=final_states(book.plan)),
        "ARCHIVE-RUNBOOK.md": page.render(
            "archive.md.j2", chapters=last, plans=[book.plan, *([book.finish] if book.finish else [])]
        ),
        **(
            {"DECOMMISSION-RUNBOOK.md": page.render("decommission.md.j2", chapters=ending, plans=[book.decommission])}
            if book.decommission
            else {}
        ),
    }


class _Page:
    """Renders templates in which every value that is not Markdown yet is escaped as prose."""

    def __init__(self, book: Book, zone_places: dict[str, Markdown]) -> None:
        self.book, self.zone_places = book, zone_places

    def render(self, template: str, **values: Any) -> str:
        env = shlex.quote(self.book.environment)
        context: dict[str, Any] = {
            "book": self.book,
            "roles": ROLES,
            "back": False,
            "plans": [self.book.plan],
            "zone_places": self.zone_places,
            "prepare": Markdown(_prepare(self.book)),
            "invoke": lambda task: Markdown(f"invoke {task} --env {env}"),
            "mark": markdown.marker,
            "anchor": markdown.anchor,
        }
        return tidy(_templates().get_template(template).render({**context, **values}))


def filled(template: str, **values: Any) -> str:
    """One template with these values, each escaped as prose where it is not Markdown yet."""
    return tidy(_templates().get_template(template).render(values))


@cache
def _templates() -> Environment:
    environment = markdown_templates(Path(__file__).parent / "templates")
    environment.filters.update(_filters())
    return environment


def markdown_templates(folder: Path) -> Environment:
    """Templates of Markdown, in which every value that is not Markdown yet is escaped as prose."""
    # Not Jinja's own escaping, which is HTML's: `finalize` sees every expression, so no template can forget it.
    return Environment(
        loader=FileSystemLoader(folder),
        finalize=lambda value: value if isinstance(value, Markdown) else markdown.prose(value),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def _filters() -> dict[str, Callable[..., Any]]:
    return {
        "code": markdown.code,
        "state": lambda state: markdown.code(text(state)),
        "cell": markdown.cell,
        "paragraphs": markdown.paragraphs,
        "fence": markdown.fence,
        "span": span,
        "overrun": words.overrun,
        "on_failure": words.on_failure,
        "guard_policy": words.guard_policy,
        "on_fail": lambda entry: words.on_fail(entry.gate, entry.phase, committed=entry.committed),
        "on_fail_back": lambda entry: words.on_fail_back(commit_ahead=entry.commit_ahead),
        "mermaid": decision.as_mermaid,
        "tree_text": decision.as_text,
    }


def _prepare(book: Book) -> str:
    lines = [book.prepare_shell.strip("\n")] if book.prepare_shell.strip() else []
    lines += [f': "${{{name}:?is not set}}"' for name in book.variables]
    return "\n".join(lines) or ":"


def _zone_places(forward: tuple[Chapter, ...], last: tuple[Chapter, ...]) -> dict[str, Markdown]:
    commit = next(
        (e for c in forward for e in c.entries if (e.zone, e.zone_after) == (Zone.CANCEL, Zone.ROLLBACK)), None
    )
    one_way = next(
        (e for c in (*forward, *last) for e in c.entries if isinstance(e.item, Step) and e.item.one_way), None
    )
    switch = markdown.code(commit.item.name) if commit else None
    end = f"until {markdown.code(one_way.item.name)} has run" if one_way else "until the end"
    return {
        Zone.CANCEL.value: Markdown(f"until {switch} {_switched(commit)}" if commit else "nowhere"),
        Zone.ROLLBACK.value: Markdown(f"from {switch} {end}" if switch else f"from the first step {end}"),
        Zone.FINISHED.value: Markdown(f"from {markdown.code(one_way.item.name)}" if one_way else "nowhere"),
    }


def _switched(entry: Entry) -> str:
    return "has committed" if entry.step.commit_point else "has begun"


def tidy(page: str) -> str:
    """`page` with one empty line where templates left several, and one line end at its end; fences stay as they are."""
    lines: list[str] = []
    for line, place in fenced(page):
        words = line if place == "inside" else line.rstrip()
        if words or place == "inside" or (lines and lines[-1]):
            lines.append(words)
    return "\n".join(lines).strip("\n") + "\n"
