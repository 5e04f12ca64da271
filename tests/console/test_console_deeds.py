"""Buttons: who may press them, what has to be typed, and that each press acts once."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
import requests
from shop_floor import APPROVER, ONCE, OPERATOR, VIEWER, Buttons, Desk, answering
from wire import connected, cookie_of, request

from cutover.console import deeds
from cutover.console.people import person, rights
from cutover.console.sessions import Person, Role
from cutover.core.errors import ConfigurationRefused


@pytest.mark.parametrize(
    ("who", "verb", "code", "missing"),
    [
        (OPERATOR, "rollback", 409, ""),
        (OPERATOR, "approve", 403, "approver"),
        (APPROVER, "approve", 200, ""),
        (APPROVER, "rollback", 403, "operator"),
        (VIEWER, "rollback", 403, "operator"),
        (VIEWER, "approve", 403, "approver"),
        (Person("dora", frozenset({Role.OPERATOR, Role.APPROVER})), "approve", 200, ""),
    ],
)
def test_each_verb_asks_for_its_role(desk: Desk, who: Person, verb: str, code: int, missing: str) -> None:
    answer = desk.ask(desk.browser(who), verb)
    assert answer.status_code == code
    assert [one[:2] for one in desk.buttons.done] == ([] if code == 403 else [(verb, who.name)])
    if missing:
        assert f"{who.name} is no {missing}" in answer.json()["error"]


def test_what_was_done_is_said_and_who_did_it_with_which_words(desk: Desk) -> None:
    answer = desk.ask(desk.browser(APPROVER), "approve", role="database", comment=" lag is 0 ", reason="as <agreed>")
    assert answer.json() == {"said": "approve was asked for"}
    given = {"role": "database", "comment": "lag is 0", "reason": "as <agreed>"}
    assert desk.buttons.done == [("approve", "bert@desk", given)]


def test_what_is_refused_says_what_to_type_next(desk: Desk) -> None:
    answer = desk.ask(desk.browser(), "rollback")
    assert answer.status_code == 409
    assert answer.json() == {"error": "nothing to go back from", "next": "invoke status --env shop"}


def test_what_nobody_foresaw_is_told_at_the_terminal_and_not_to_the_page(desk: Desk) -> None:
    answer = desk.ask(desk.browser(), "break")
    assert answer.status_code == 500 and "secret" not in answer.text and answer.json()["next"]
    assert len(desk.heard) == 1 and "KeyError at" in desk.heard[0] and "secret" not in desk.heard[0]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"environment": "sho"}, 409),
        ({"environment": ""}, 409),
        ({"environment": "SHOP"}, 409),
        ({"reason": ""}, 409),
        ({"reason": "  "}, 409),
        ({"once": ""}, 400),
        ({"once": "../../etc"}, 400),
        ({"comment": "two\nlines"}, 400),
        ({"comment": "\x1b[2J"}, 400),
        ({"comment": "\u202eback"}, 400),
        ({"comment": "\ud800"}, 400),
        ({"comment": "x" * (deeds.LONGEST + 1)}, 400),
        ({"a\nb": "x"}, 400),
    ],
)
def test_what_is_not_typed_right_does_nothing(desk: Desk, words: dict[str, str], code: int) -> None:
    answer = desk.ask(desk.browser(), "rollback", **words)
    assert answer.status_code == code and answer.json()["error"] and not desk.buttons.done


@pytest.mark.parametrize("body", ["", "[]", "5", "{", '{"reason": 5}', '{"reason": {"a": "b"}}', "[" * 60_000, "\xff"])
def test_what_is_no_object_of_words_does_nothing(desk: Desk, body: str) -> None:
    browser = desk.browser()
    answer = browser.post(f"{desk.address}/do/rollback", data=body.encode("latin-1"), timeout=10)
    assert answer.status_code == 400 and not desk.buttons.done and not desk.heard


def test_an_unknown_verb_is_none(desk: Desk) -> None:
    assert desk.ask(desk.browser(), "decommission").status_code == 404


def test_a_double_click_acts_once_and_both_hear_what_came_of_it(desk: Desk) -> None:
    browser = desk.browser()
    with ThreadPoolExecutor(8) as clicks:
        answers = [clicks.submit(desk.ask, browser, "hold") for _ in range(8)]
        assert desk.buttons.begun.wait(20)
        desk.buttons.gate.set()
        found = [answer.result(20) for answer in answers]
    assert [(one.status_code, one.json()) for one in found] == [(200, {"said": "hold was asked for"})] * 8
    assert len(desk.buttons.done) == 1
    # And a retry, long after.
    assert desk.ask(browser, "hold").json() == {"said": "hold was asked for"} and len(desk.buttons.done) == 1


def test_a_refusal_is_remembered_too(desk: Desk) -> None:
    browser = desk.browser()
    assert desk.ask(browser, "rollback").json() == desk.ask(browser, "rollback", once=ONCE.upper()).json()
    assert len(desk.buttons.done) == 1


def test_the_same_id_for_something_else_is_refused(desk: Desk) -> None:
    browser, other = desk.browser(), desk.browser(Person("dora", frozenset(Role)))
    desk.ask(browser, "rollback")
    for answer in (desk.ask(browser, "rollback", reason="another"), desk.ask(browser, "break"), desk.ask(other, "rollback")):  # fmt: skip
        assert answer.status_code == 409 and "other words" in answer.json()["error"]
    assert len(desk.buttons.done) == 1


def test_a_page_that_goes_away_takes_nothing_back(desk: Desk) -> None:
    browser = desk.browser()
    body = json.dumps({"environment": "shop", "reason": "as agreed", "once": ONCE}).encode()
    token = browser.headers["X-Cutover-Token"]
    asked = [f"{name}: {value}" for name, value in {**desk.own(), "X-Cutover-Token": str(token)}.items()]
    with connected(desk) as line:
        given = [*asked, f"Cookie: {cookie_of(browser)}", f"Content-Length: {len(body)}"]
        line.sendall(request(desk, "POST /do/hold HTTP/1.1", *given, body=body))
        assert desk.buttons.begun.wait(20)
    desk.buttons.gate.set()
    assert desk.ask(browser, "hold").json() == {"said": "hold was asked for"}
    assert len(desk.buttons.done) == 1


def test_one_of_a_kind_at_a_time_and_others_meanwhile(desk: Desk) -> None:
    browser = desk.browser(Person("dora", frozenset(Role)))
    with ThreadPoolExecutor(4) as clicks:
        holds = [clicks.submit(desk.ask, browser, "hold", once=str(uuid4())) for _ in range(3)]
        assert desk.buttons.begun.wait(20)
        assert desk.ask(browser, "approve", once=str(uuid4())).status_code == 200
        assert desk.buttons.of["hold"] == 1
        desk.buttons.gate.set()
        assert [one.result(20).status_code for one in holds] == [200] * 3
    assert desk.buttons.most["hold"] == 1 and len(desk.buttons.done) == 4


def test_outcomes_are_remembered_as_long_as_a_page_may_ask_again_and_not_for_ever() -> None:
    buttons = Buttons()

    async def pressed(*ids: str) -> None:
        some = deeds.Deeds(buttons, "shop", print, remembered=3)
        for once in ids:
            body = json.dumps({"environment": "shop", "reason": "as agreed", "once": once}).encode()
            assert (await some.do("rollback", OPERATOR, body)).status == 409
        await some.ended()

    ids = [str(uuid4()) for _ in range(5)]
    asyncio.run(pressed(*ids, *ids[-3:]))
    assert len(buttons.done) == 5
    asyncio.run(pressed(*ids, ids[0]))
    assert len(buttons.done) == 5 + 6


def test_what_a_button_has_started_is_over_before_the_console_ends() -> None:
    with answering() as desk:
        browser = desk.browser()
        with ThreadPoolExecutor(1) as clicks:
            answer = clicks.submit(desk.ask, browser, "hold")
            assert desk.buttons.begun.wait(20)
            desk.console.end()
            desk.wait_for(lambda: bool(desk.heard))
            assert desk.heard == ["waits for what was asked for: hold"]
            late = desk.ask(browser, "rollback", once=str(uuid4()))
            assert late.status_code == 503 and "nothing was done" in late.json()["error"]
            desk.buttons.gate.set()
            assert answer.result(20).json() == {"said": "hold was asked for"}
    assert [verb for verb, _, _ in desk.buttons.done] == ["hold"]


def test_a_viewer_sees_no_button_as_theirs(desk: Desk) -> None:
    page = desk.browser(VIEWER).get(desk.address, timeout=10).text
    assert 'data-roles="viewer"' in page
    assert 'data-roles="operator viewer"' in requests.get(desk.address, cookies=desk.browser(OPERATOR).cookies, timeout=10).text  # fmt: skip


PEOPLE = {"anna": ("operator", "approver"), "bert@desk": ("approver",), "bert": ("operator",), "carla": ("viewer",)}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("anna@desk", "approver, operator"),
        ("anna", "approver, operator"),
        ("bert@desk", "approver"),
        ("bert@elsewhere", "operator"),
        ("carla@desk", "viewer"),
        ("mallory@desk", "viewer"),
        ("anna2@desk", "viewer"),
        ("desk@anna", "viewer"),
    ],
)
def test_rights_are_those_of_the_whole_name_or_of_the_part_before_the_at(name: str, wanted: str) -> None:
    assert rights(person(name, PEOPLE, starts=True)) == wanted
    assert rights(person(name, PEOPLE, read_only=True)) == "viewer"


def test_without_people_whoever_starts_the_console_has_all_rights_and_others_look() -> None:
    assert rights(person("anna@desk", None, starts=True)) == "approver, operator"
    assert rights(person("bert", None)) == "viewer"
    assert rights(person("anna@desk", None, starts=True, read_only=True)) == "viewer"
    assert rights(person("anna@desk", {}, starts=True)) == "viewer"


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[2J", "x" * 400])
def test_nobody_has_such_a_name(name: str) -> None:
    with pytest.raises(ConfigurationRefused):
        person(name, None)


def test_threads_do_not_share_an_answer(desk: Desk) -> None:
    """Many people press at once, each with their own id: each acts once."""
    browsers = [desk.browser(Person(f"p{number}", frozenset(Role))) for number in range(6)]
    answers: list[str] = []

    def press(number: int) -> None:
        for _ in range(5):
            answers.append(desk.ask(browsers[number], "approve", once=str(uuid4()), role=str(number)).json()["said"])

    threads = [threading.Thread(target=press, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 30 == len(desk.buttons.done)
    assert all(who == f"p{words['role']}" for _, who, words in desk.buttons.done)
