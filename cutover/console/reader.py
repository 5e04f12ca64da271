"""What the page shows, kept in memory by a thread that reads journal, lease and sources again and again."""

import bisect
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from cutover.app import App, adopt
from cutover.console.board import board, wanted
from cutover.console.charts import charts
from cutover.console.commands import Asked
from cutover.console.known import Known
from cutover.console.looked import Looked
from cutover.console.rendered import PANELS, clock, line, panel
from cutover.console.shown import Line
from cutover.core.journal import Entry
from cutover.core.lease import Lease
from cutover.core.watch import reason

OFTEN = 0.5  # seconds between two readings of the journal
SLOWER = 2.0  # the same for a store that is somebody else's: each reading is a call
UNSEEN = 10  # times as rarely where no page is open
LOOKED_AT = 60.0  # seconds after the last request of a page after which nothing is asked of the world any more
FRESH = 20.0  # seconds after which the panels are written anew all the same: a time may be over by then
STUCK = 15.0  # seconds without a turn after which the page says so
REMEMBERED = 2000  # lines that are kept as HTML


class Reader:
    """One environment as the page shows it; it only reads, and asks the world for nothing while no page is open.

    Whatever goes wrong is words on the page; it goes on trying.
    """

    def __init__(self, app: App, *, often: float | None = None) -> None:
        self.environment = app.environment.name
        self.asked: Callable[[], Sequence[Asked]] = tuple
        """What was asked for from here, the newest first."""
        self._app = app
        self._often = often if often is not None else OFTEN if app.environment.state.name == "sqlite" else SLOWER
        self._known = Known(app)
        app.remembered = self._known.history
        self._looked = Looked(app, self._turn)
        self._panels: dict[str, tuple[int, str]] = {}
        self._entries: Sequence[Entry] = ()
        self._html: OrderedDict[str, str] = OrderedDict()
        self._commands: tuple[tuple[int, int | None, str], ...] = ()
        self._version = 0
        self._written = 0.0
        self._turned = time.monotonic()
        self._seen = time.monotonic()
        self._listeners: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        self._dirty, self._closed = False, False
        self._one_turn(read=True)
        self._threads = [
            threading.Thread(target=one, name=f"console-{one.__name__.strip('_')}", daemon=True)
            for one in (self._go_on, self._watch)
        ]
        for thread in self._threads:
            thread.start()

    def page(self) -> Mapping[str, Any]:
        self._seen = time.monotonic()
        return {"now": time.time(), "charts": charts(self._app), "description": self._app.environment.description}

    def panels(self) -> Mapping[str, tuple[int, str]]:
        with self._changed:
            return dict(self._panels)

    def newest(self) -> int:
        entries = self._entries
        return entries[-1].seq if entries else 0

    def lines(self, *, after: int | None = None, before: int | None = None, most: int = 200) -> Sequence[Line]:
        entries = self._entries
        if after is not None:
            begin = bisect.bisect_right(entries, after, key=lambda one: one.seq)
            chosen = entries[begin : begin + most]
        else:
            end = len(entries) if before is None else bisect.bisect_left(entries, before, key=lambda one: one.seq)
            chosen = entries[max(0, end - most) : end]
        return [Line(entry.seq, self._line(entry)) for entry in chosen]

    def curves(self) -> Mapping[str, Any]:
        self._seen = time.monotonic()
        answer, view = self._looked.figures.answer, self._known.view
        phases = [
            {"name": str(entry.data.get("phase")), "at": entry.at, "begins": entry.kind == "phase-entered"}
            for entry in (view.entries if view is not None else ())
            if entry.kind in ("phase-entered", "phase-left")
        ]
        found = [
            {"figure": one.figure, "side": one.side, "unit": one.unit, "gap": one.gap, "samples": one.samples}
            for one in answer.value or ()
        ]
        return {"at": answer.at, "trouble": answer.trouble, "curves": found, "phases": phases}

    def on_change(self, call: Callable[[], None]) -> None:
        self._listeners.append(call)

    def holder(self) -> Lease | None:
        """Who walks the run now."""
        return self._known.holder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the reading; one that hangs is left to its own deadline."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=2.0)
        self._looked.close()
        if not self._threads[0].is_alive():
            self._known.close()

    # --- the threads ---------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Something new was seen of the world."""
        with self._changed:
            self._dirty = True
            self._changed.notify_all()

    def _go_on(self) -> None:
        read = 0.0
        while True:
            watched = time.monotonic() - self._seen < LOOKED_AT
            often = self._often if watched else self._often * UNSEEN
            with self._changed:
                self._changed.wait_for(lambda: self._dirty or self._closed, self._often)
                if self._closed:
                    return
                dirty, self._dirty = self._dirty, False
            due = time.monotonic() - read >= often
            if due:
                read = time.monotonic()
            self._one_turn(read=due, dirty=dirty, watched=watched)

    def _one_turn(self, *, read: bool, dirty: bool = True, watched: bool = True) -> None:
        """Reads, asks and writes; a defect ends this turn, and is said on the page."""
        try:
            if self._app.environment.world is not None:
                adopt(self._app)  # a local world may have come up, or be another one
            dirty = (read and self._known.read()) or dirty
            dirty = self._of_commands() or dirty
            self._looked.want(wanted(self._app, self._known), watched=watched)
            if dirty or (watched and time.monotonic() - self._written > FRESH):
                self._write()
        except Exception as error:  # noqa: BLE001 - whatever it was: a page that stands still and looks well misleads
            self._put({"head": panel("head", self._trouble(f"what is known cannot be shown: {reason(error)}"))})
        self._turned = time.monotonic()

    def _watch(self) -> None:
        """Says on the page that nothing goes on, where a reading hangs."""
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._closed, STUCK / 3):
                    return
            if time.monotonic() - self._turned > STUCK:
                since = clock(time.time() - (time.monotonic() - self._turned))
                words = f"nothing was read since {since} UTC: the journal's store, or this machine, does not get on"
                self._put({"head": panel("head", self._trouble(words))})

    def _of_commands(self) -> bool:
        """Whether something that was asked for from here has ended, or said more."""
        now = tuple((one.pid, one.code, one.said) for one in self.asked())
        before, self._commands = self._commands, now
        return now != before

    def _write(self) -> None:
        values = {**board(self._app, self._known, self._looked, time.time()), "commands": self.asked()}
        self._written = time.monotonic()
        self._put({name: panel(name, values) for name in PANELS})

    def _put(self, written: Mapping[str, str]) -> None:
        """Whoever listens hears of it when something is another than before."""
        entries = self._known.entries
        with self._changed:
            changed = [name for name, html in written.items() if self._panels.get(name, (0, None))[1] != html]
            for name in changed:
                self._version += 1
                self._panels[name] = (self._version, written[name])
            grown = len(entries) != len(self._entries) or entries[-1:] != self._entries[-1:]
            self._entries = tuple(entries) if grown else self._entries
        if changed or grown:
            for call in self._listeners:
                call()

    def _line(self, entry: Entry) -> str:
        """An entry as HTML, from memory where it was asked for lately; what cannot be told is said by its number."""
        with self._changed:
            if entry.hash in self._html:
                return self._html[entry.hash]
        html = line(entry)
        with self._changed:
            self._html[entry.hash] = html
            while len(self._html) > REMEMBERED:
                self._html.popitem(last=False)
        return html

    def _trouble(self, words: str) -> dict[str, Any]:
        """The head of the page where nothing else can be shown; what was shown before stays below it."""
        return {"environment": self.environment, "description": "", "protected": self._app.environment.protected,
                "trouble": words, "notices": [], "run": None, "unknown": True, "holder": None, "zones": {}, "leg": None,
                "now": time.time()}  # fmt: skip
