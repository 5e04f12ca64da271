"""The console in Chromium: a link's fragment, what stays on the page and what comes, and no complaint of any kind."""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from shop_floor import APPROVER, OPERATOR, Desk, answering

from cutover.console.sessions import Person, Sessions

if TYPE_CHECKING:
    from playwright.sync_api import Page

NASTY = (
    '"><script>hit = 1</script><img src="x" onerror="hit = 1"><svg/onload=\'hit = 1\'>{{7*7}}</li></ol>&#60;script&#62;'
)


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Asked for before the page, so that it ends after it: a page whose console is gone complains."""
    with answering(lines=5) as desk:
        yield desk


def let_in(page: "Page", desk: Desk, person: Person = OPERATOR) -> None:
    page.goto(desk.console.link(person))
    page.wait_for_selector("#log")
    expect(page.locator("#connection")).to_have_text("live")


def lines(page: "Page") -> list[str]:
    return page.locator("#log li").all_text_contents()


def wait_for_line(page: "Page", text: str) -> None:
    expect(page.locator("#log li").last).to_have_text(text)


def expected(complaints: list[str], pattern: str) -> None:
    """The complaints are these and no others; they are over with."""
    assert complaints and all(re.search(pattern, one) for one in complaints), complaints
    complaints.clear()


def test_a_link_logs_in_and_leaves_no_trace_of_its_token(desk: Desk, page: "Page") -> None:
    link = desk.console.link(OPERATOR)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(link)
    page.wait_for_selector("#log")
    assert page.url == f"{desk.address}/" and lines(page) == [f"entry {seq}" for seq in range(1, 6)]
    assert (
        page.evaluate("document.cookie") == ""
        and page.evaluate("Object.keys({...localStorage, ...sessionStorage})") == []
    )
    assert not any(link.partition("#")[2] in url for url in asked)
    page.go_back()
    assert link.partition("#")[2] not in page.evaluate("location.href")
    page.goto(desk.address)
    assert page.locator("body").get_attribute("data-roles") == "operator viewer"


def test_reload_keeps_the_session_and_logging_out_ends_it(desk: Desk, page: "Page") -> None:
    let_in(page, desk)
    page.reload()
    page.wait_for_selector("#log")
    page.click("#logout")
    page.wait_for_selector("#told")
    page.go_back()
    assert page.locator("#log").count() == 0
    page.goto(desk.address)
    assert page.locator("#log").count() == 0 and desk.streams() == 0


def test_a_link_that_was_used_says_so(desk: Desk, new_page: "Callable[[], Page]", complaints: list[str]) -> None:
    link = desk.console.link(OPERATOR)
    first, second = new_page(), new_page()
    first.goto(link)
    first.wait_for_selector("#log")
    second.goto(link)
    second.wait_for_selector("#told[data-refused]")
    assert "was used" in second.inner_text("#told") and second.url == f"{desk.address}/"
    expected(complaints, r"status of 403")


def test_a_link_that_is_pasted_into_the_open_page_changes_the_person(desk: Desk, page: "Page") -> None:
    let_in(page, desk)
    page.evaluate("link => { location.href = link }", desk.console.link(APPROVER))
    expect(page.locator("body")).to_have_attribute("data-roles", "approver viewer")
    assert "#" not in page.url


def test_panels_and_lines_come_by_themselves_and_nothing_typed_is_lost(desk: Desk, page: "Page") -> None:
    desk.shown.panel("share", '<input id="why"><details id="more"><summary>more</summary>text</details>')
    let_in(page, desk)
    page.fill("#why", "half a sentence")
    page.evaluate("document.getElementById('why').setSelectionRange(3, 5)")
    page.click("#more summary")
    page.focus("#why")
    desk.shown.panel(
        "share", '<p id="new">10 %</p><input id="why"><details id="more"><summary>more</summary>text</details>'
    )
    page.wait_for_selector("#new")
    kept = page.evaluate(
        "(why => [document.activeElement === why, why.value, why.selectionStart, why.selectionEnd, document.getElementById('more').open])"
        "(document.getElementById('why'))"
    )
    assert kept == [True, "half a sentence", 3, 5, True]
    desk.shown.write("<li>entry 6</li>")
    wait_for_line(page, "entry 6")
    assert lines(page) == [f"entry {seq}" for seq in range(1, 7)]


def test_what_is_escaped_stays_text_everywhere(desk: Desk, page: "Page") -> None:
    """Through the first paint, a panel, a line, and the name of a person."""
    from markupsafe import escape

    html = str(escape(NASTY))
    desk.shown.panel("state", f"<p>{html}</p>")
    desk.shown.write(f"<li>{html}</li>")
    let_in(page, desk, Person(NASTY, frozenset()))
    assert page.inner_text("#state") == NASTY and lines(page)[-1] == NASTY and NASTY in page.inner_text("header")
    desk.shown.panel("share", f"<b>{html}</b>")
    desk.shown.write(f"<li>{html}!</li>")
    wait_for_line(page, NASTY + "!")
    assert page.inner_text("#share") == NASTY
    assert page.evaluate("typeof hit") == "undefined" and page.locator("main img, main script, main svg").count() == 0


def test_what_is_not_escaped_by_mistake_does_nothing_either(desk: Desk, page: "Page", complaints: list[str]) -> None:
    desk.shown.panel("state", NASTY)
    let_in(page, desk)
    desk.shown.panel("share", "<form action='https://evil.example'><button id='send'>x</button></form>" + NASTY)
    desk.shown.write(f"<li>{NASTY}</li>")
    expect(page.locator("main img")).to_have_count(3)
    page.evaluate("document.getElementById('send').click()")
    page.evaluate("new Promise(done => setTimeout(done))")
    assert page.evaluate("[typeof hit, location.href]") == ["undefined", f"{desk.address}/"]
    expected(complaints, r"CSP: |Content Security Policy|status of 404")


def test_another_page_in_the_same_browser_does_nothing(desk: Desk, page: "Page", complaints: list[str]) -> None:
    let_in(page, desk)
    page.goto("about:blank")
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        page.evaluate(
            """([address, kind]) => fetch(address, {method: "POST", mode: "no-cors", credentials: "include",
                headers: {"Content-Type": kind}, body: "{}"}).catch(() => 0)""",
            [f"{desk.address}/do/break", kind],
        )
    read = page.evaluate("address => fetch(address, {credentials: 'include'}).then(one => one.text(), () => 'refused')", f"{desk.address}/curves")  # fmt: skip
    framed = page.evaluate(
        """address => new Promise(done => { const frame = document.createElement("iframe"); frame.src = address
            frame.onload = () => { try { done(frame.contentDocument.body.innerText) } catch { done("refused") } }
            document.body.append(frame) })""",
        desk.address,
    )
    assert read == framed == "refused" and not desk.buttons.done
    complaints.clear()  # each was refused in Chromium's own words


def test_a_lost_connection_is_said_and_mended_without_a_line_lost_or_doubled(
    page: "Page", complaints: list[str]
) -> None:
    """The console is ended and begun again on the same port, with the same sessions, while lines are written."""
    sessions = Sessions()
    with answering(lines=5, sessions=sessions) as first:
        let_in(page, first)
        port = first.console.port
    page.wait_for_selector("#connection.lost")
    assert re.search(r"connection lost since \d\d:\d\d:\d\d UTC", page.inner_text("#connection"))
    with answering(lines=9, sessions=sessions, port=port) as second:
        page.wait_for_selector("#connection.live")
        second.shown.write()
        wait_for_line(page, "entry 10")
        assert lines(page) == [f"entry {seq}" for seq in range(1, 11)]
        [cookie] = [one["value"] for one in page.context.cookies() if "value" in one]
        session = sessions.find(cookie)
        assert session is not None
        sessions.end(session)
        second.shown.write()
        expect(page.locator("#connection")).to_contain_text("logged out")
        page.goto("about:blank")
        expected(complaints, r"status of 401|ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE")


def test_a_journal_that_begins_anew_loads_the_page_again(desk: Desk, page: "Page") -> None:
    let_in(page, desk)
    desk.shown.kept = desk.shown.kept[:2]
    desk.shown.tell()
    expect(page.locator("#log li")).to_have_count(2)


def test_a_line_that_says_nothing_any_more_is_given_up_and_taken_again(page: "Page") -> None:
    """Something between drops the connection without a word: the browser itself would wait for ever."""
    with answering(lines=5, beat=3600.0) as desk:
        page.clock.install()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/events" in request.url else None)
        let_in(page, desk)
        desk.shown.write()
        wait_for_line(page, "entry 6")
        page.clock.fast_forward("00:39")
        page.evaluate("0")
        assert asked == [f"{desk.address}/events?after=5"]
        page.clock.fast_forward("00:10")
        desk.wait_for(lambda: page.evaluate("0") == 0 and len(asked) == 2)
        assert asked[1] == f"{desk.address}/events?after=6"
        expect(page.locator("#connection")).to_have_text("live")
        desk.shown.write()
        wait_for_line(page, "entry 7")
        assert lines(page) == [f"entry {seq}" for seq in range(1, 8)]
        page.goto("about:blank")


@pytest.mark.parametrize(("verb", "times"), [("break", 1), ("rollback", 2)])
def test_what_failed_is_not_tried_again_by_another_press_and_what_was_refused_is(
    desk: Desk, page: "Page", complaints: list[str], verb: str, times: int
) -> None:
    button = f'<button id="b" data-verb="{verb}" data-needs="viewer" data-label="Do" data-says="" data-command="">Do</button>'
    desk.shown.panel("state", button)
    let_in(page, desk)
    page.click("#b")
    page.fill("#ask-reason", "as agreed")
    page.fill("#ask-environment", "shop")
    for number in (1, 2):
        with page.expect_response(f"**/do/{verb}"):
            page.click("#ask-go")
        expect(page.locator("#ask-told")).to_contain_text("next: invoke status")
        assert len(desk.buttons.done) == min(number, times)
    expected(complaints, r"status of (409|500)")
