"""Who is let in, how often, and for how long."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import requests
from shop_floor import OPERATOR, VIEWER, Desk, answering

from cutover.console.sessions import (
    FAILURES,
    MOST,
    PAUSE,
    SESSION_IDLE,
    SESSION_LIFE,
    TOKEN_LIFE,
    NotLetIn,
    Person,
    Role,
    Sessions,
    TooManyTries,
)


class Hands(SimpleNamespace):
    """Two clocks, which a test moves."""

    wall: float = 1_000_000.0
    mono: float = 100.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody waits here")

    def go(self, seconds: float) -> None:
        self.wall, self.mono = self.wall + seconds, self.mono + seconds


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def timed(hands: Hands) -> Iterator[Desk]:
    """A console whose clock is moved by hand."""
    with answering(lines=1, sessions=Sessions(hands)) as desk:
        yield desk


def login(desk: Desk, token: str) -> requests.Response:
    return requests.post(f"{desk.address}/session", json={"token": token}, headers=desk.own(), timeout=10)


def test_a_link_lets_its_person_in_once(desk: Desk) -> None:
    token = desk.token(VIEWER)
    answer = login(desk, token)
    assert answer.status_code == 204 and not answer.content
    cookie, *flags = answer.headers["set-cookie"].split("; ")
    assert cookie.startswith(f"cutover-console-{desk.console.port}=")
    assert {flag.lower() for flag in flags} == {"httponly", "max-age=43200", "path=/", "samesite=strict"}
    page = requests.get(desk.address, headers={"Cookie": cookie}, timeout=10).text
    assert "carla@desk" in page and 'data-roles="viewer"' in page and "<li>entry 5</li>" in page
    again = login(desk, token)
    assert again.status_code == 403 and "set-cookie" not in again.headers and "used" in again.text


def test_without_a_session_there_is_the_login_page_and_nothing_of_the_run(desk: Desk) -> None:
    for cookie in ("", f"cutover-console-{desk.console.port}=x", "cutover-console-1=x", "=;;=,\x7f"):
        page = requests.get(desk.address, headers={"Cookie": cookie}, timeout=10)
        assert page.status_code == 200 and "entry" not in page.text and "data-token" not in page.text
    for path in ("/events", "/lines?before=3", "/curves"):
        answer = requests.get(desk.address + path, timeout=10)
        assert answer.status_code == 401 and "entry" not in answer.text, path
    assert requests.get(f"{desk.address}/session", timeout=10).json() == {"person": None}


def test_the_cookie_of_another_console_is_no_session_here(desk: Desk) -> None:
    with answering() as other:
        cookie = login(other, other.token()).headers["set-cookie"].partition("=")[2].partition(";")[0]
        asked = {"Cookie": f"cutover-console-{desk.console.port}={cookie}"}
        assert "data-token" not in requests.get(desk.address, headers=asked, timeout=10).text


def test_a_link_is_too_old_after_ten_minutes(timed: Desk, hands: Hands) -> None:
    late, just = timed.token(), timed.token()
    hands.go(TOKEN_LIFE)
    assert login(timed, just).status_code == 204
    hands.go(0.1)
    assert login(timed, late).status_code == 403


def test_wrong_tokens_are_counted_and_keep_nobody_out_who_has_a_link(timed: Desk, hands: Hands) -> None:
    right = timed.token()
    for number in range(FAILURES):
        assert login(timed, f"wrong {number}").status_code == 403
    refused = login(timed, "wrong, too")
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) == PAUSE
    assert login(timed, right).status_code == 204, "or anybody could lock all others out"
    assert login(timed, right).status_code == 429, "it was used"
    hands.go(PAUSE - 1)
    assert login(timed, "wrong again").headers["retry-after"] == "1"
    hands.go(1)
    assert login(timed, "wrong again").status_code == 403


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": 5}', b"{", b"[" * 60_000, b'{"token": "\\ud800"}'])
def test_what_is_no_token_lets_nobody_in(desk: Desk, body: bytes) -> None:
    answer = requests.post(f"{desk.address}/session", data=body, headers=desk.own(), timeout=10)
    assert answer.status_code in (400, 403) and "set-cookie" not in answer.headers and not desk.heard


def test_reload_keeps_the_session_and_logging_out_ends_it(desk: Desk) -> None:
    browser = desk.browser()
    assert "data-token" in browser.get(desk.address, timeout=10).text
    kept = dict(browser.cookies)
    assert browser.get(f"{desk.address}/session", timeout=10).json() == {"person": "anna@desk"}
    answer = browser.post(f"{desk.address}/session/end", json={}, timeout=10)
    assert answer.status_code == 204 and "cutover-console" in answer.headers["set-cookie"] and not dict(browser.cookies)
    # Whoever has kept the cookie has nothing by it.
    browser.cookies.update(kept)
    assert "data-token" not in browser.get(desk.address, timeout=10).text
    assert desk.ask(browser, "approve").status_code == 401


def test_who_logs_in_anew_is_nobody_else_any_more(desk: Desk) -> None:
    browser = desk.browser(OPERATOR)
    old = dict(browser.cookies)
    assert browser.post(f"{desk.address}/session", json={"token": desk.token(VIEWER)}, timeout=10).status_code == 204
    assert browser.get(f"{desk.address}/session", timeout=10).json() == {"person": "carla@desk"}
    asked = requests.get(f"{desk.address}/session", cookies=old, timeout=10)
    assert asked.json() == {"person": None}


@pytest.mark.parametrize("asleep", [False, True])
def test_a_session_ends_when_it_is_idle_or_old_though_the_machine_slept(hands: Hands, asleep: bool) -> None:
    def go(seconds: float) -> None:
        hands.wall += seconds
        hands.mono += 0 if asleep else seconds

    sessions = Sessions(hands)
    cookie, session = sessions.enter(sessions.invite(OPERATOR))
    go(SESSION_IDLE)
    assert sessions.find(cookie) is session
    sessions.used(session)
    go(SESSION_IDLE)
    assert sessions.find(cookie) is session
    go(1)
    assert sessions.find(cookie) is None and session.ended

    cookie, session = sessions.enter(sessions.invite(OPERATOR))
    for _ in range(int(SESSION_LIFE // SESSION_IDLE)):
        go(SESSION_IDLE)
        assert sessions.find(cookie) is session
        sessions.used(session)
    go(1)
    assert sessions.find(cookie) is None


def test_a_clock_that_is_set_back_makes_no_link_young_again(hands: Hands) -> None:
    sessions = Sessions(hands)
    token = sessions.invite(OPERATOR)
    hands.go(TOKEN_LIFE + 1)
    hands.wall -= 3600
    with pytest.raises(NotLetIn):
        sessions.enter(token)


def test_a_stream_alone_does_not_keep_a_session(timed: Desk, hands: Hands) -> None:
    browser = timed.browser()
    hands.go(SESSION_IDLE)
    for path in ("/events", "/curves", "/session"):
        assert browser.head(timed.address + path, timeout=10).status_code in (200, 405)
    hands.go(1)
    assert browser.head(f"{timed.address}/events", timeout=10).status_code == 401


def test_links_and_sessions_are_bounded(hands: Hands) -> None:
    sessions = Sessions(hands)
    tokens = [sessions.invite(Person(str(number), frozenset({Role.OPERATOR}))) for number in range(MOST + 1)]
    with pytest.raises(NotLetIn):
        sessions.enter(tokens[0])
    cookies = [sessions.enter(token)[0] for token in tokens[1:]]
    first = cookies[0]
    assert sessions.find(first) is not None
    sessions.enter(sessions.invite(OPERATOR))
    assert sessions.find(first) is None and all(sessions.find(cookie) for cookie in cookies[1:])


def test_nothing_that_opens_the_door_is_kept_as_it_is(hands: Hands) -> None:
    sessions = Sessions(hands)
    token, used = sessions.invite(OPERATOR), sessions.invite(OPERATOR)
    cookie, session = sessions.enter(used)
    kept = f"{vars(sessions)} {session!r}"
    assert len(token) == len(cookie) == len(session.token) == 43  # 256 bits in base64
    assert not any(secret in kept for secret in (token, used, cookie, session.token))
    with pytest.raises(NotLetIn):
        sessions.enter(used)
    for _ in range(FAILURES - 1):
        with pytest.raises(NotLetIn):
            sessions.enter("wrong")
    with pytest.raises(TooManyTries):
        sessions.enter("wrong")
    sessions.enter(token)
