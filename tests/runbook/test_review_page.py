"""The plan's page for review: what an operator reads there, on any screen, whatever the values are."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from browsing import DESKTOP, PHONE, axe, shown, sideways
from hostile import NASTY, configured
from playwright.sync_api import Page
from runbook_toy import book

from cutover.app import open_environment
from cutover.plan_rows import document_of
from cutover.rehearsed import UNTIMED, Rehearsed, Took
from cutover.reviewed import BLIND
from cutover.runbook import Book
from cutover.runbook.compose import book_of
from cutover.runbook.markdown import visible
from cutover.runbook.review import review

NOON = 1_763_985_600.0  # 2025-11-24 12:00 UTC
SCREENS = [(DESKTOP, "light"), (PHONE, "dark")]  # each size and each scheme once
SHAPE = """() => [...document.querySelectorAll("*")].map(one => [one.tagName, one.className, one.getAttributeNames().join()].join(" "))"""
Shows = Callable[..., Page]


def states(one: Book, **given: str) -> Mapping[str, str]:
    """Every step at its start, but for those that are given."""
    return {step.name: given.get(step.name, str(step.before)) for _, step in one.plan.steps()}


def page_of(one: Book, times: Rehearsed = UNTIMED, **given: str) -> str:
    return review(one, document_of(one.plan, states(one, **given), times), times, at=NOON)


@pytest.fixture
def shows(page: Page, tmp_path: Path) -> Shows:
    def opened(html: str) -> Page:
        path = tmp_path / "review.html"
        path.write_bytes(html.encode())
        page.goto(path.as_uri())
        return page

    return opened


def words(page: Page, selector: str) -> str:
    return " ".join(page.locator(selector).first.inner_text().split())


@pytest.mark.parametrize(("size", "scheme"), SCREENS)
@pytest.mark.parametrize("name", ["prod", "local-flag"])
def test_a_committed_environment_can_be_read_on_any_screen(
    shows: Shows, name: str, size: tuple[int, int], scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path))
    one = book_of(open_environment(name, read_only=True))
    page = shows(page_of(one))
    shown(page, size, scheme)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert axe(page) == []
    assert sideways(page) == 0


def test_counts_digests_and_the_command_that_approves(shows: Shows) -> None:
    one = book()
    page = shows(page_of(one, ttl="5"))
    document = document_of(one.plan, states(one, ttl="5"), UNTIMED)
    assert (
        words(page, ".counts")
        == "6 to change 0 irreversible 1 holds already 4 gates 1 guard about 1 h 4 s and 10 min of soaks"
    )
    facts = words(page, ".facts")
    assert document["plan_digest"] in facts
    assert f"invoke cutover --env toy --yes --approve {document['start_digest']}" in facts
    assert "never measured: toy has no record of these steps" in facts
    assert page.locator("#step-ttl .sign").inner_text() == "="
    assert page.locator("#step-replication .sign").inner_text() == "+"
    assert page.locator("#step-maintenance-off .sign").inner_text() == "−"
    assert page.locator("#step-switchover .sign").inner_text() == "~"


def test_what_cannot_be_observed_stands_at_the_top_and_approves_nothing(shows: Shows) -> None:
    page = shows(page_of(book(), ttl=f"{BLIND}the server is away", switchover=f"{BLIND}the server is away"))
    assert "2 of 7 steps could not be observed" in words(page, ".note.warning")
    assert "the server is away (2)" in words(page, ".note.warning")
    assert "--approve" not in words(page, ".facts")
    assert "now not observed" in words(page, "#step-ttl .small")


def test_times_say_where_and_when_they_were_measured(shows: Shows) -> None:
    took = {"ttl": Took(240.0, NOON, "staging", "r7")}
    page = shows(
        page_of(book(), Rehearsed(took, {"prepare": Took(3000.0, NOON, "staging", "r7")}, ("the record of toy: gone",)))
    )
    assert "last took 4 min on staging, 2025-11-24" in words(page, "#step-ttl .small")
    assert "last took never measured" in words(page, "#step-replication .small")
    assert "from run r7 on staging, 2025-11-24 Not read: the record of toy: gone" in words(page, ".facts")
    assert "last took 50 min on staging" in words(page, "section")


def test_undo_and_what_has_none(shows: Shows) -> None:
    page = shows(page_of(book()))
    assert "undo following → none" in words(page, "#step-replication .small")
    assert "kept by a rollback" in words(page, "#step-replication")
    crossing = page.locator("#step-switchover + .crossing")
    assert "From here it is no cancel any more but a rollback" in crossing.inner_text()
    assert page.locator(".crossing").count() == 1
    later = words(page, "#later-finish >> xpath=..")
    assert "invoke finish --env toy" in later and "way-back" in later and "✕ no way back" in later


def test_every_link_leads_to_a_place_on_the_page(shows: Shows) -> None:
    page = shows(page_of(book()))
    links = page.locator("a").all()
    assert len(links) == 4
    for link in links:
        target = str(link.get_attribute("href"))
        assert re.fullmatch(r"#[a-z0-9-]+", target)
        assert page.locator(target).count() == 1
        link.click()
        assert page.evaluate("location.hash") == target


def test_on_paper_all_of_it_is_there_and_nothing_is_dark(shows: Shows) -> None:
    page = shows(page_of(book()))
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".line").is_hidden()
    assert page.locator("#step-switchover").is_visible()


def test_no_value_makes_an_element_of_its_own(shows: Shows) -> None:
    plain = shows(page_of(configured("x"))).evaluate(SHAPE)
    for value in set(NASTY) - {"\ud800"}:  # which no digest takes
        one = configured(value)
        page = shows(page_of(one))
        assert page.evaluate(SHAPE) == plain, value
        assert words(page, "h1") == f"Cutover of {visible(f'e{value}')}".strip(), value
    assert axe(page) == []  # which looks at elements, and each value makes the same ones


def test_the_page_asks_for_nothing_and_runs_nothing() -> None:
    html = page_of(configured("</script><script src=//x.example>"))
    head = html.split("</head>")[0]
    assert "default-src 'none'; style-src 'unsafe-inline'" in head
    assert not re.search(r"<(script|link|img|iframe|object|form|base)\b", html)
    assert "url(" not in head and "@import" not in head
