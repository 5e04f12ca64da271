"""The pages: complete in themselves, legible in both themes, and whatever stands in a journal stays where it was put."""

import json
import re
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from report.walked import Policy, Walked, errors

from cutover.core.journal import Entry
from cutover.core.plain import plain
from cutover.curves import Curve
from cutover.report.pages import TEMPLATES, html, markdown, rendered, written

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</title></svg></style><iframe src='http://evil.example'>",
    "a | b | c",
    "`rm -rf /` ``` ```` ```\n```bash\nx",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "two\nlines\r\n\n# a heading\n\n- a list",
    "\u202eevil\u2066 \u200b",
    '" onload="alert(1)',
    "' style='x",
    "{{ 7 * 7 }} {% raw %}",
    "[click](javascript:alert(1)) ![x](http://evil.example/y)",
    "&lt;b&gt; &#124;",
    "]]> <!-- -->",
    "url(http://evil.example/z)",
]
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "header", "h1", "span", "p", "strong", "nav", "a", "main", "section"),
    *("h2", "dl", "div", "dt", "dd", "figure", "figcaption", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"),
    *("pre", "code", "footer", "svg", "desc", "line", "rect", "text", "polyline", "polygon", "circle"),
}  # fmt: skip
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "class", "id", "aria-labelledby", "aria-label", "href", "scope"),
    *("open", "tabindex", "viewbox", "width", "height", "role", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "points"),
    "text-anchor",
}  # fmt: skip


class Read(HTMLParser):
    """What a browser would make of a page: its elements, their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def ended(**more: Any) -> dict[str, Any]:
    run = Walked(guards=lambda w: (errors(w, at=50, policy=Policy.ROLLBACK),), asks=True)
    run.go()
    return run.report(**more)


def with_text(value: Any, words: Iterator[str]) -> Any:
    """The same data with hostile words in place of every text."""
    match value:
        case str():
            return next(words)
        case dict():
            return {key: with_text(one, words) for key, one in value.items()}
        case list() | tuple():
            return [with_text(one, words) for one in value]
    return value


def hostile(seed: int) -> dict[str, Any]:
    """The report of a run in whose entries, words and figures every text that means nothing to the program is hostile."""
    run = Walked(guards=lambda w: (errors(w, at=50, policy=Policy.ROLLBACK),), asks=True)
    run.go()
    run.says("approve", "decision")
    words = (HOSTILE[(seed + n) % len(HOSTILE)] for n in range(10**9))
    kept = run.world.store.kept
    means = {"direction", "plan", "outcome", "policy", "cause", "to", "until", "percent"}  # what says how a run went
    for number, entry in enumerate(kept):
        told = {key: value if key in means else with_text(plain(value), words) for key, value in entry.data.items()}
        kept[number] = replace(entry, data=told)
    more = Entry(0, "r1", kept[-1].at, 1, "checkpoint", {}, "", "")
    for kind in ("call-failed", "calls-repeated", "command-failed", "retrying", "unexpected", "overrun", "override"):
        data = {
            key: next(words) for key in ("step", "call", "error", "seen", "wanted", "who", "reason", "phase", "what")
        }
        kept.append(replace(more, seq=kept[-1].seq + 1, kind=kind, data={**data, "times": {next(words): 3}}))
    bad = {"moment": 60.0, "decision": next(words), "seen": next(words), "file": next(words), "switched": 1.0}
    kept.append(replace(more, seq=kept[-1].seq + 1, data=bad))
    kept.append(
        replace(more, seq=kept[-1].seq + 1, kind="notify-failed", data={"given_up": [{"channel": next(words), "error": next(words), "key": "k"}]})
    )  # fmt: skip
    wishes = [
        ("approve", {"who": next(words), "at": next(words), "gate": "go", "role": next(words), "comment": next(words)}),
        (next(words), {"who": next(words), "at": kept[-1].at, "reason": next(words)}),
    ]
    curves = [Curve(next(words), side, "%", ((kept[0].at, 1.0), (kept[-1].at, 2.0)), "stale", next(words)) for side in ("blue", "green")]  # fmt: skip
    return run.report(wishes=wishes, curves=curves, curves_missing=next(words), customers_missing=next(words))


@pytest.mark.parametrize("seed", range(len(HOSTILE)))
def test_nothing_in_a_journal_becomes_an_element(seed: int) -> None:
    document = hostile(seed)
    page = Read(html(document))
    assert page.open == []
    assert set(page.elements) <= ALLOWED, set(page.elements) - ALLOWED
    strange = {(tag, name) for tag, name, _ in page.attributes if name not in ATTRIBUTES}
    assert not strange
    assert {value[:1] for _, name, value in page.attributes if name == "href"} == {"#"}
    assert "alert(1)" in "".join(page.words)  # as words they are there
    for char in "\x1b\x07\u202e\u2066\u200b":
        assert char not in "".join(page.words)


@pytest.mark.parametrize("seed", range(len(HOSTILE)))
def test_nothing_in_a_journal_becomes_markdown(seed: int) -> None:
    page = markdown(hostile(seed))
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(page)
    inside = [child for token in tokens for child in token.children or ()]
    kinds = {token.type for token in [*tokens, *inside]}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "code_block", "autolink", "blockquote_open"}
    # Markdown leaves out the cells that a row has too many: they are counted in the text.
    tables = re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE)
    for table in tables:
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(bars) == 1, table
    assert len(tables) > 8 and not any(char in page for char in "\x1b\x07\u202e\u2066\u200b")
    headings = [
        tokens[n + 1].content for n, token in enumerate(tokens) if token.type == "heading_open" and token.tag == "h2"
    ]
    assert headings[0] == "At a glance" and len(headings) == 13


@pytest.mark.parametrize("seed", [0, 5, 7])
def test_the_document_is_exact(seed: int) -> None:
    document = hostile(seed)
    text = rendered(document)["report.json"]
    assert json.loads(text) == json.loads(json.dumps(document))
    found = json.loads(text)
    assert any("\x1b[31m" in str(one["seen"]) or "\u202e" in str(one["seen"]) for one in found["differences"]["events"])


def test_the_page_needs_nothing_and_runs_nothing() -> None:
    page = html(ended())
    read = Read(page)
    assert not {"script", "link", "img", "iframe", "object", "embed", "form", "base"} & set(read.elements)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|javascript:", page)
    policy = next(value for tag, name, value in read.attributes if tag == "meta" and value.startswith("default-src"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert page.startswith("<!DOCTYPE html>")
    assert not [name for _, name, _ in read.attributes if name.startswith("on")]


def test_every_picture_has_a_title_and_a_table_beside_it() -> None:
    document = ended()
    page = html(document)
    pictures = re.findall(r"<svg [^>]*role=\"img\"><title>([^<]+)</title>", page)
    assert len(pictures) == page.count("<svg ") and len(pictures) % 2 == 0  # a wide and a narrow one of each
    figures = re.findall(r"<figure>.*?</figure>", page, re.DOTALL)
    assert figures and all("<summary>The same as a table</summary>" in one and "<table>" in one for one in figures)
    for box in re.findall(r'viewBox="0 0 (\d+) (\d+)"', page):
        assert box[0] in ("960", "360") and int(box[1]) < 2000
    numbers = [float(one) for one in re.findall(r'(?:x|y|width|height|x1|x2|cx)="(-?[\d.]+)"', page)]
    assert all(-1 <= one <= 2000 for one in numbers)


def test_html_and_markdown_have_the_same_chapters_and_tables() -> None:
    document = ended()
    page, twin = html(document), markdown(document)
    chapters = re.findall(r"<h2[^>]*>([^<]+)</h2>", page)
    assert chapters == [line[3:] for line in twin.splitlines() if line.startswith("## ")]
    tables = len(re.findall(r"^\| --- ", twin, re.MULTILINE))
    assert tables == page.count("<table>")


def contrast(one: str, two: str) -> float:
    """WCAG 2.2, contrast ratio of two colours #rrggbb."""

    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_both_themes_have_enough_contrast(theme: int) -> None:
    style = (TEMPLATES / "report.css").read_text()
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", style.split("@media (prefers-color-scheme: dark)")[theme]))
    for words in ("ink", "soft", "link", "bad"):
        assert contrast(colours[words], colours["page"]) >= 4.5, words
    assert contrast(colours["ink"], colours["card"]) >= 4.5 and contrast(colours["soft"], colours["card"]) >= 4.5
    for shape in ("blue", "green", "forward", "back", "bad", "wait", "good"):
        for behind in ("page", "bandone", "bandtwo", "bandback"):
            assert contrast(colours[shape], colours[behind]) >= (3.0 if behind == "page" else 2.5), (shape, behind)
    if theme == 0:
        assert (colours["blue"], colours["green"]) == ("#1f77b4", "#2ca02c")
    assert ".line.green { stroke: var(--green); stroke-dasharray" in style  # not by colour alone


def test_the_files_are_their_owners_and_are_written_over(tmp_path: Path) -> None:
    document = ended()
    folder = tmp_path / "deep" / "reports"
    paths = written(document, folder)
    assert [path.name for path in paths] == ["report.html", "report.md", "report.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    before = paths[0].read_bytes()
    written({**document, "description": "another"}, folder)
    assert paths[0].read_bytes() != before and len(list(folder.iterdir())) == 3
