"""The runbooks as HTML: the same pages, with places that links lead to and nothing from elsewhere."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from browsing import DESKTOP, PHONE, axe, shown, sideways
from hostile import NASTY, configured
from playwright.sync_api import Page
from runbook_toy import book

from cutover.app import open_environment
from cutover.core.errors import ConfigurationRefused
from cutover.runbook import Book, extract_commands, render
from cutover.runbook.compose import book_of
from cutover.runbook.html_pages import as_html, html_pages

SHAPE = """() => [...document.querySelectorAll("body *")].map(one => [one.tagName, one.className].join(" "))"""
SCREENS = [(DESKTOP, "light"), (PHONE, "dark")]  # each size and each scheme once
Written = Callable[[Book], dict[str, str]]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes the pages of a book; name → address."""

    def write(one: Book) -> dict[str, str]:
        pages = html_pages(one)
        for name, html in pages.items():
            (tmp_path / name).write_text(html, encoding="utf-8")
        return {name: (tmp_path / name).as_uri() for name in pages}

    return write


@pytest.mark.parametrize(("size", "scheme"), SCREENS)
def test_every_page_of_production_can_be_read_on_any_screen(
    page: Page, written: Written, size: tuple[int, int], scheme: str
) -> None:
    for name, address in written(book_of(open_environment("prod"))).items():
        page.goto(address)
        shown(page, size, scheme)
        assert axe(page) == [], name
        assert sideways(page) == 0, name


def test_every_link_leads_somewhere(page: Page, written: Written) -> None:
    pages = written(book_of(open_environment("prod")))
    places, links = {}, []
    for name, address in pages.items():
        page.goto(address)
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
        assert len(ids) == len(set(ids)), name
        places[name] = set(ids)
        links += [(name, link) for link in page.evaluate("[...document.links].map(one => one.getAttribute('href'))")]
    assert len(links) > 50
    for name, link in links:
        file, _, place = link.partition("#")
        assert (file or name) in places, (name, link)
        assert not place or place in places[file or name], (name, link)


def test_commands_are_the_same_to_the_letter(page: Page, written: Written) -> None:
    for name, address in written(book()).items():
        page.goto(address)
        blocks = page.evaluate("[...document.querySelectorAll('pre code')].map(one => one.textContent)")
        markdown = render(book())[name.replace(".html", ".md")]
        assert {command for _, _, command in extract_commands(markdown)} <= set(blocks), name


def test_boxes_notes_tables_and_diagrams(page: Page, written: Written) -> None:
    pages = written(book(protected=True))
    page.goto(pages["CUTOVER-RUNBOOK.html"])
    markdown = render(book(protected=True))["CUTOVER-RUNBOOK.md"]
    assert page.locator("li.task > .box, li.task > p > .box").count() == markdown.count("- [ ] ")
    assert page.locator(".note.caution").inner_text().startswith("Caution This is production.")
    assert page.locator("blockquote").count() == 0
    assert page.locator("details pre").count() == 1
    page.locator("summary").click()
    assert page.locator("details pre").inner_text().startswith("flowchart TD")
    assert page.locator("[aria-current=page]").inner_text() == "Cutover"
    assert "cutover:do" not in page.content() and "[!" not in page.locator("main").inner_text()


def test_no_value_makes_an_element_of_its_own(page: Page, written: Written) -> None:
    plain = {}
    for name, address in written(configured("x")).items():
        page.goto(address)
        plain[name] = page.evaluate(SHAPE)
    for value in NASTY:
        try:
            pages = written(configured(value))
        except ConfigurationRefused:
            continue  # a command that nobody could see whole
        for name, address in pages.items():
            page.goto(address)
            assert page.evaluate(SHAPE) == plain[name], (value, name)


def test_raw_html_and_images_are_words() -> None:
    html = as_html(
        'text <img src=x onerror=alert(1)> ![a](b.png)\n\n<script>x</script>\n\n<a id="x" onclick="y"></a>\n'
    )
    assert re.findall(r"<(\w+)", html) == ["p", "a", "p"]
    assert 'href="b.png"' in html and "&lt;script&gt;" in html and "&lt;a id=" in html


def test_headings_have_places_of_their_own() -> None:
    html = as_html('# Same\n\n## Same\n\n<a id="same-2"></a>\n\n## Same\n\n## 1. Phase `a b`\n')
    assert re.findall(r'id="([^"]+)"', html) == ["same", "same-1", "same-2", "same-3", "1-phase-a-b"]
