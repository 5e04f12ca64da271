"""The stream: every line once, whatever is in between; and clients that are slow, many, or have logged out."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import requests
from shop_floor import Desk, answering
from wire import Page, cookie_of, listening

from cutover.console.door import Patience
from cutover.console.sessions import Session
from cutover.console.stream import MOST, MOST_OF_ONE


@pytest.fixture
def cookie(desk: Desk) -> str:
    return cookie_of(desk.browser())


def test_a_stream_begins_with_all_panels_and_goes_on_with_what_changes(desk: Desk, cookie: str) -> None:
    with listening(desk, cookie, "?after=3") as stream:
        assert stream.until(5) == [4, 5]
        assert b"text/event-stream" in stream.head and b"cache-control: no-store" in stream.head
        assert stream.until_kind("panels") == {"state": "<p>open</p>", "share": "<p>0 %</p>"}
        assert [identity for kind, identity, _ in stream.events if kind == "lines"] == ["4", "5"]
        desk.shown.panel("share", "<p>10 %</p>")
        assert stream.until_kind("panels", 2) == {"share": "<p>10 %</p>"}
        html = "<li>&lt;script&gt;\r\n\u2028data: x\n\nevent: panels</li>"
        seq = desk.shown.write(html)
        assert stream.until(seq) == [4, 5, 6]
        assert stream.events[-1][2]["html"] == html


def test_a_stream_that_says_nothing_of_where_it_begins_begins_now(desk: Desk, cookie: str) -> None:
    with listening(desk, cookie) as stream:
        stream.until_kind("panels")
        assert stream.until(desk.shown.write()) == [6]


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "1" * 19, "%00"])
def test_what_is_no_place_is_refused(desk: Desk, cookie: str, after: str) -> None:
    answer = requests.get(f"{desk.address}/events?after={after}", headers={"Cookie": cookie}, timeout=10)
    assert answer.status_code == 400


def test_a_reconnect_at_every_place_loses_and_doubles_nothing(cookie: str) -> None:
    """After each event that can be the last one that a browser has had, while lines are being written all the time."""
    with answering(lines=3) as desk:
        own = cookie_of(desk.browser())
        had: list[int] = []
        last: str | None = None
        while len(had) < 60:
            with listening(desk, own, "?after=0", last=last) as stream:
                desk.shown.write()
                desk.shown.write()
                # One line, two, three …, and then the connection is cut, mid-event or not.
                stream.until(int(last or 0) + 1 + len(had) % 3)
                seen = stream.seqs[: 1 + len(had) % 3]
                had += seen
                last = str(seen[-1])
        assert had == list(range(1, len(had) + 1))


def test_every_cut_in_the_bytes_of_a_stream_can_be_mended(desk: Desk, cookie: str) -> None:
    """A browser counts an event when its empty line has come, and not before."""
    with listening(desk, cookie, "?after=0") as stream:
        stream.until(5)
        whole = stream.raw
    for cut in range(whole.index(b"event: lines"), len(whole)):
        had = [
            int(block.split(b"id: ")[1].split(b"\n")[0])
            for block in whole[:cut].split(b"\n\n")[:-1]
            if b"id: " in block
        ]
        answer = desk.shown.lines(after=had[-1] if had else 0)
        assert had + [line.seq for line in answer] == [1, 2, 3, 4, 5]


def test_last_event_id_wins(desk: Desk, cookie: str) -> None:
    with listening(desk, cookie, "?after=1", last="4") as stream:
        assert stream.until(5) == [5]


def test_more_lines_than_one_piece_come_in_order(cookie: str) -> None:
    with answering(lines=1234) as desk, listening(desk, cookie_of(desk.browser()), "?after=0") as stream:
        assert stream.until(1234) == list(range(1, 1235))


def test_a_journal_that_is_shorter_than_what_a_page_has_is_another_one(desk: Desk, cookie: str) -> None:
    with listening(desk, cookie, "?after=6") as stream:
        stream.until_kind("anew")
        assert stream.ends() and not stream.seqs
    with listening(desk, cookie, "?after=5") as stream:
        stream.until_kind("panels")
        desk.shown.kept = desk.shown.kept[:1]
        desk.shown.tell()
        stream.until_kind("anew")


def test_it_says_now_and_then_that_it_is_there() -> None:
    with answering(beat=0.05) as desk, listening(desk, cookie_of(desk.browser())) as stream:
        stream.until_kind("beat", 3)
        assert b"\n: still here\n" in b"\n" + stream.raw


def test_logging_out_ends_the_streams_of_that_session_alone(desk: Desk, cookie: str) -> None:
    browser = desk.browser()
    with (
        listening(desk, cookie) as other,
        listening(desk, cookie_of(browser)) as one,
        listening(desk, cookie_of(browser)) as two,
    ):
        for stream in (other, one, two):
            stream.until_kind("panels")
        browser.post(f"{desk.address}/session/end", json={}, timeout=10)
        assert one.ends() and two.ends()
        desk.shown.write()
        assert other.until(6) == [6]


def test_the_end_of_the_console_ends_streams_and_leaves_nothing_behind() -> None:
    with answering(lines=1) as desk, many(desk, 3) as streams:
        desk.console.end()
        assert all(stream.ends() for stream in streams)


@contextmanager
def many(desk: Desk, number: int) -> Iterator[list[Page]]:
    """So many open streams of one session, each of which has had its first line."""
    cookie = cookie_of(desk.browser())
    with ExitStack() as opened:
        streams = [opened.enter_context(listening(desk, cookie, "?after=0")) for _ in range(number)]
        for stream in streams:
            stream.until(1)
        yield streams


def test_a_page_too_many_is_told_when_to_come_again() -> None:
    with answering(lines=1) as desk:
        browser = desk.browser()
        session = desk.console.sessions.find(next(iter(dict(browser.cookies).values())))
        assert isinstance(session, Session)
        session.streams = MOST_OF_ONE - 1
        with listening(desk, cookie_of(browser), "?after=0") as stream:
            stream.until(1)
            answer = browser.get(f"{desk.address}/events", timeout=10)
            assert answer.status_code == 503 and answer.headers["retry-after"] == "10"
            session.streams = 1
        assert MOST_OF_ONE < MOST


def test_200_pages_get_every_line_once_while_one_never_reads() -> None:
    """The one that never reads is dropped: its socket is closed, and its memory given back."""
    with answering(lines=1, patience=Patience(taken=2.0)) as desk:
        with listening(desk, cookie_of(desk.browser()), "?after=0", receive=2048) as deaf, many(desk, 200) as streams:
            assert desk.streams() == 201
            # Far more than any kernel keeps for it: what is conflated is kept for nobody.
            for number in range(40):
                desk.shown.panel("state", f"<p>{number} {'x' * 30_000}</p>")
                seq = desk.shown.write()
                for stream in streams:
                    assert stream.until(seq) == list(range(1, seq + 1))
                    stream.forget_panels()
            desk.wait_for(lambda: desk.streams() == 200)
            assert dropped(deaf)
            seq = desk.shown.write()
            assert all(stream.until(seq)[-1] == seq for stream in streams)
        desk.wait_for(lambda: desk.streams() == 0)


@pytest.mark.parametrize(
    "patience",
    [Patience(taken=0.5, acknowledged=1000), Patience(taken=1000, acknowledged=0.5)],
    ids=["ours", "the kernel's"],
)
def test_who_never_reads_is_dropped_by_us_and_by_the_kernel(patience: Patience) -> None:
    """Ours is for what no longer fits into the kernel, on any system; the kernel's for the little that does."""
    with answering(lines=1, patience=patience) as desk:
        desk.shown.panel("state", "x" * (5_000_000 if patience.taken < 1 else 100_000))
        with listening(desk, cookie_of(desk.browser()), "?after=0", receive=2048) as deaf:
            desk.wait_for(lambda: desk.streams() == 1)
            desk.wait_for(lambda: desk.streams() == 0)
            assert dropped(deaf)


def dropped(deaf: Page) -> bool:
    """Whether the server has thrown this connection away; reads what the kernel had kept of it."""
    try:
        while deaf.line.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return True


def test_a_page_that_goes_away_is_forgotten(desk: Desk, cookie: str) -> None:
    with listening(desk, cookie) as stream:
        stream.until_kind("panels")
        assert desk.streams() == 1
    desk.wait_for(lambda: desk.streams() == 0)


def test_older_lines_and_curves_are_asked_for(desk: Desk) -> None:
    browser = desk.browser()
    found = browser.get(f"{desk.address}/lines?before=3", timeout=10).json()
    assert found == {"lines": [{"seq": 1, "html": "<li>entry 1</li>"}, {"seq": 2, "html": "<li>entry 2</li>"}]}
    for wrong in ("", "x", "-1", "9" * 30):
        assert browser.get(f"{desk.address}/lines?before={wrong}", timeout=10).status_code == 400
    assert browser.get(f"{desk.address}/curves", timeout=10).json() == json.loads(json.dumps(desk.shown.curves()))


def test_changes_that_come_from_many_threads_are_all_seen(desk: Desk, cookie: str) -> None:
    with listening(desk, cookie, "?after=5") as stream:
        lock = threading.Lock()

        def write() -> None:
            for _ in range(50):
                with lock:
                    desk.shown.write()

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert stream.until(205) == list(range(6, 206))
        for thread in threads:
            thread.join(20)
