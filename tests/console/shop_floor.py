"""What a console shows and does in these tests, and a console that answers on a free port."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from cutover.console.door import Patience
from cutover.console.server import Console
from cutover.console.sessions import Person, Role, Sessions
from cutover.console.shown import Line
from cutover.core.errors import Refused

OPERATOR = Person("anna@desk", frozenset({Role.OPERATOR}))
APPROVER = Person("bert@desk", frozenset({Role.APPROVER}))
VIEWER = Person("carla@desk", frozenset())
ONCE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


class Journal:
    """Lines and panels in memory, which a test adds to."""

    environment = "shop"

    def __init__(self, lines: int = 0) -> None:
        self.kept: list[Line] = [Line(seq, f"<li>entry {seq}</li>") for seq in range(1, lines + 1)]
        self.shown: dict[str, tuple[int, str]] = {"state": (1, "<p>open</p>"), "share": (1, "<p>0 %</p>")}
        self.told: list[Callable[[], None]] = []

    def page(self) -> Mapping[str, Any]:
        return {}

    def panels(self) -> Mapping[str, tuple[int, str]]:
        return dict(self.shown)

    def newest(self) -> int:
        return self.kept[-1].seq if self.kept else 0

    def lines(self, *, after: int | None = None, before: int | None = None, most: int = 200) -> Sequence[Line]:
        if after is not None:
            return self.kept[after : after + most]
        return self.kept[: (before - 1) if before is not None else None][-most:]

    def curves(self) -> Mapping[str, Any]:
        return {"share": [[0.0, 0.0], [1.0, 10.0]]}

    def on_change(self, call: Callable[[], None]) -> None:
        self.told.append(call)

    def write(self, html: str = "") -> int:
        """One line more; its seq."""
        seq = self.newest() + 1
        self.kept.append(Line(seq, html or f"<li>entry {seq}</li>"))
        self.tell()
        return seq

    def panel(self, name: str, html: str) -> None:
        self.shown[name] = (self.shown[name][0] + 1, html)
        self.tell()

    def tell(self) -> None:
        for call in self.told:
            call()


@dataclass
class Buttons:
    """Remembers what was done; `hold` is held up until a test opens the gate, `rollback` is refused."""

    needs: Mapping[str, Role] = field(
        default_factory=lambda: {"hold": Role.OPERATOR, "rollback": Role.OPERATOR, "approve": Role.APPROVER, "break": Role.VIEWER}
    )  # fmt: skip
    done: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    of: Counter[str] = field(default_factory=Counter)
    """How many of a verb go on now."""
    most: Counter[str] = field(default_factory=Counter)

    def do(self, verb: str, who: str, words: Mapping[str, str]) -> str:
        self.of[verb] += 1
        self.most[verb] = max(self.most[verb], self.of[verb])
        self.begun.set()
        try:
            if verb == "hold":
                assert self.gate.wait(20)
            self.done.append((verb, who, dict(words)))
            if verb == "rollback":
                raise Refused("nothing to go back from", next_command="invoke status --env shop")
            if verb == "break":
                raise KeyError("a secret")
            return f"{verb} was asked for"
        finally:
            self.of[verb] -= 1


@dataclass
class Desk:
    """A console that answers, and what stands behind it."""

    console: Console
    shown: Journal
    buttons: Buttons
    heard: list[str]
    browsers: list[requests.Session] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.console.port}"

    def streams(self) -> int:
        """How many event streams the server holds open."""
        return self.console.streams.open

    def wait_for(self, so: Callable[[], bool]) -> None:
        """Waits until it is so, for as long as a test may take."""
        end = time.monotonic() + 30
        while not so():
            assert time.monotonic() < end, "it did not come to be so"
            time.sleep(0.01)

    def token(self, person: Person = OPERATOR) -> str:
        return self.console.link(person).partition("#")[2]

    def own(self, **more: str) -> dict[str, str]:
        """The headers of a request that the page itself makes."""
        return {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/json", **more}

    def browser(self, person: Person = OPERATOR) -> requests.Session:
        """Logged in; its headers are those of the page."""
        browser = requests.Session()
        browser.trust_env = False
        self.browsers.append(browser)
        answer = browser.post(
            f"{self.address}/session", json={"token": self.token(person)}, headers=self.own(), timeout=10
        )
        assert answer.status_code == 204, answer.text
        page = browser.get(self.address, timeout=10).text
        browser.headers.update({**self.own(), "X-Cutover-Token": page.partition('data-token="')[2].partition('"')[0]})
        return browser

    def ask(self, browser: requests.Session, verb: str, **words: str) -> requests.Response:
        """What a button sends."""
        given = {"environment": "shop", "reason": "as agreed", "once": ONCE, **words}
        return browser.post(f"{self.address}/do/{verb}", json=given, timeout=20)


@contextmanager
def answering(
    *,
    lines: int = 0,
    patience: Patience | None = None,
    sessions: Sessions | None = None,
    beat: float = 15.0,
    proxied: Sequence[str] = (),
    port: int = 0,
) -> Iterator[Desk]:
    """A console on this port, or a free one, ended and waited for at the end."""
    shown, buttons, heard, ready = Journal(lines), Buttons(), list[str](), threading.Event()
    console = Console(
        shown, buttons, sessions or Sessions(), proxied, heard.append, ready.set, patience or Patience(), beat
    )
    console.open(port)
    desk = Desk(console, shown, buttons, heard)
    server = threading.Thread(target=console.serve, name="console")
    server.start()
    try:
        assert ready.wait(20), "the console does not answer"
        yield desk
    finally:
        for browser in desk.browsers:
            browser.close()
        buttons.gate.set()
        console.end()
        server.join(20)
        assert not server.is_alive(), "the console does not end"
