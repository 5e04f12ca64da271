"""The runbooks as self-contained HTML, from the same Markdown that is committed."""

import re
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from cutover.runbook.book import Book
from cutover.runbook.html import page
from cutover.runbook.pages import render

_ANCHOR = re.compile(r'<a id="([a-z0-9-]+)"></a>')
_COMMENT = re.compile(r"<!-- cutover:\S+ \S+ -->\s*")
_ALERT = re.compile(r"\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\]")
_TASK = "[ ] "
_PAGE_LINK = re.compile(r"([A-Z-]+)\.md(#[a-z0-9-]+)?")


def html_pages(book: Book) -> dict[str, str]:
    """File name → page, of all runbooks; raises what `render` raises."""
    pages = render(book)
    links = [(_title(name), _file(name)) for name in pages]
    return {
        _file(name): page(
            "page.html.j2",
            title=f"{_title(name)}: {book.environment}",
            environment=book.environment,
            pages=links,
            current=_file(name),
            content=as_html(markdown),
        )
        for name, markdown in pages.items()
    }


def _file(name: str) -> str:
    return f"{Path(name).stem}.html"


def _title(name: str) -> str:
    return Path(name).stem.removesuffix("-RUNBOOK").replace("-", " ").capitalize()


def as_html(markdown: str) -> Markup:
    """Our own Markdown as HTML: of raw HTML only the anchors stay, and there are no images."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table").disable("image")
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("html_block", _html)
    parser.add_render_rule("html_inline", _html)
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", _table_close)
    tokens = parser.parse(markdown)
    for at, token in enumerate(tokens):
        match token.type:
            case "heading_open":
                token.attrSet("id", _slug(tokens[at + 1].content))
            case "blockquote_open":
                _alert(tokens, at)
            case "list_item_open":
                _task(tokens, at)
            case "inline" if _ANCHOR.fullmatch(token.content):
                _anchor(tokens, at)
            case "inline":
                _links(token)
    _one_each(tokens)
    # What is written here is ours, and each value in it was escaped on its way.
    return Markup(parser.renderer.render(tokens, parser.options, {}))


def _fence(_: object, tokens: list[Token], at: int, *__: object) -> str:
    token = tokens[at]
    shown = Markup("<pre><code>{}</code></pre>\n").format(token.content.rstrip("\n"))
    if token.info != "mermaid":
        return shown
    return Markup("<details><summary>The same as a diagram, in Mermaid's words</summary>{}</details>\n").format(shown)


def _html(_: object, tokens: list[Token], at: int, *__: object) -> str:
    said = tokens[at].content
    return "" if _COMMENT.fullmatch(said) else escape(said)


def _table_open(*_: object) -> str:
    # What scrolls has to be reached by the keyboard, too.
    return '<div class="wide" role="group" aria-label="table" tabindex="0"><table>\n'


def _table_close(*_: object) -> str:
    return "</table></div>\n"


def _anchor(tokens: list[Token], at: int) -> None:
    """A paragraph that is nothing but an anchor of ours, without the paragraph."""
    hit = _ANCHOR.fullmatch(tokens[at].content)
    tokens[at - 1].hidden = tokens[at + 1].hidden = True
    tokens[at].children = [
        Token("span_open", "span", 1, attrs={"id": hit[1] if hit else ""}),
        Token("span_close", "span", -1),
    ]


def _slug(heading: str) -> str:
    """The heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") or "section"


def _one_each(tokens: list[Token]) -> None:
    """No two headings keep the same anchor, nor one that an element of ours has."""
    taken = {hit[1] for token in tokens if token.type == "inline" and (hit := _ANCHOR.fullmatch(token.content))}
    for token in tokens:
        if token.type == "heading_open":
            wanted = name = str(token.attrGet("id"))
            number = 1
            while name in taken:
                name, number = f"{wanted}-{number}", number + 1
            taken.add(name)
            token.attrSet("id", name)


def _alert(tokens: list[Token], at: int) -> None:
    """GitHub's `> [!WARNING]` as a note with its word in front."""
    inline = tokens[at + 2]
    first = inline.children[0] if inline.type == "inline" and inline.children else None
    hit = _ALERT.fullmatch(first.content) if first is not None else None
    if first is None or hit is None or inline.children is None:
        return
    tokens[at].tag = "div"
    tokens[at].attrSet("class", f"note {hit[1].lower()}")
    level = tokens[at].level
    next(t for t in tokens[at:] if t.type == "blockquote_close" and t.level == level).tag = "div"
    bold = [
        Token("strong_open", "strong", 1),
        Token("text", "", 0, content=hit[1].capitalize()),
        Token("strong_close", "strong", -1),
    ]
    inline.children = [*bold, *inline.children[1:]]


def _task(tokens: list[Token], at: int) -> None:
    """An open item of a list of tasks, with a box to tick on paper."""
    inline = tokens[at + 2] if at + 2 < len(tokens) else None
    if inline is None or inline.type != "inline" or not inline.children or not inline.content.startswith(_TASK):
        return
    first = inline.children[0]
    first.content = first.content.removeprefix(_TASK)
    tokens[at].attrSet("class", "task")
    # Made of nothing that a value could have written: the renderer's rule for it shows this box alone.
    inline.children.insert(
        0, Token("span_open", "span", 1, attrs={"class": "box", "role": "img", "aria-label": "to do"})
    )
    inline.children.insert(1, Token("span_close", "span", -1))


def _links(token: Token) -> None:
    for child, inside in pairwise(token.children or ()):
        if child.type == "link_open" and (hit := _PAGE_LINK.fullmatch(str(child.attrGet("href")))):
            child.attrSet("href", f"{hit[1]}.html{hit[2] or ''}")
            inside.content = inside.content.replace(f"{hit[1]}.md", f"{hit[1]}.html")
