"""What the page shows, kept in memory by a thread that reads journal, lease and sources again and again."""

import bisect
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from cutover.app import App
from cutover.console.board import board, wanted
from cutover.console.charts import charts
from cutover.console.known import Known
from cutover.console.looked import Looked
from cutover.console.rendered import PANELS, line, panel
from cutover.console.shown import Line
from cutover.core.errors import CutoverError
from cutover.core.lease import Lease

OFTEN = 0.5  # seconds between two readings of the journal
SLOWER = 2.0  # the same for a store that is somebody else's: each reading is a call
LOOKED_AT = 60.0  # seconds after the last request of a page after which nothing is asked of the world any more
FRESH = 20.0  # seconds after which the panels are written anew all the same: a time may be over by then


class Reader:
    """One environment as the page shows it; it only reads, and asks the world for nothing while no page is open.

    Raises what opening the store raises at the first reading only as words on the page: it goes on trying.
    """

    def __init__(self, app: App, *, often: float | None = None) -> None:
        self.environment = app.environment.name
        self._app = app
        self._often = often if often is not None else OFTEN if app.environment.state.name == "sqlite" else SLOWER
        self._known = Known(app)
        app.remembered = self._known.history
        self._looked = Looked(app, self._turn)
        self._panels: dict[str, tuple[int, str]] = {}
        self._plain: dict[str, str] = {}
        self._lines: list[Line] = []
        self._version, self._replaced = 0, 0
        self._written = 0.0
        self._asked = time.monotonic()
        self._listeners: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        self._dirty, self._closed = False, False
        self._known.read()
        self._write()
        self._thread = threading.Thread(target=self._go_on, name="console-reader", daemon=True)
        self._thread.start()

    def page(self) -> Mapping[str, Any]:
        self._asked = time.monotonic()
        return {"now": time.time(), "charts": charts(self._app), "description": self._app.environment.description}

    def panels(self) -> Mapping[str, tuple[int, str]]:
        with self._changed:
            return dict(self._panels)

    def newest(self) -> int:
        with self._changed:
            return self._lines[-1].seq if self._lines else 0

    def lines(self, *, after: int | None = None, before: int | None = None, most: int = 200) -> Sequence[Line]:
        with self._changed:
            if after is not None:
                begin = bisect.bisect_right(self._lines, after, key=lambda one: one.seq)
                return self._lines[begin : begin + most]
            end = len(self._lines)
            if before is not None:
                end = bisect.bisect_left(self._lines, before, key=lambda one: one.seq)
            return self._lines[max(0, end - most) : end]

    def curves(self) -> Mapping[str, Any]:
        self._asked = time.monotonic()
        answer = self._looked.figures.answer
        phases = [
            {"name": str(entry.data["phase"]), "at": entry.at, "begins": entry.kind == "phase-entered"}
            for entry in (self._known.view.entries if self._known.view is not None else ())
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
        """Ends the reading."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout=5.0)
        self._looked.close()
        self._known.close()

    # --- the thread ----------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Something new was seen of the world."""
        with self._changed:
            self._dirty = True
            self._changed.notify_all()

    def _go_on(self) -> None:
        read = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._dirty or self._closed, self._often)
                if self._closed:
                    return
                dirty, self._dirty = self._dirty, False
            if time.monotonic() - read >= self._often:
                dirty = self._known.read() or dirty
                read = time.monotonic()
            watched = time.monotonic() - self._asked < LOOKED_AT
            self._looked.want(wanted(self._app, self._known), watched=watched)
            if dirty or (watched and time.monotonic() - self._written > FRESH):
                self._write()

    def _write(self) -> None:
        """Renders what is known; whoever listens hears of it when something is another than before."""
        now = time.time()
        try:
            values = board(self._app, self._known, self._looked, now)
            written = {name: panel(name, values) for name in PANELS}
        except CutoverError as error:  # an environment whose plan does not know what was done
            written = {"head": panel("head", _nothing(self.environment, error.message))}
        if self._known.replaced != self._replaced:
            with self._changed:
                self._lines, self._replaced = [], self._known.replaced
        new = [Line(entry.seq, line(entry)) for entry in self._unwritten()]
        with self._changed:
            for name, html in written.items():
                if self._plain.get(name) != html:
                    self._version += 1
                    self._plain[name] = html
                    self._panels[name] = (self._version, html)
            self._lines += new
            self._written = time.monotonic()
        for call in self._listeners:
            call()

    def _unwritten(self) -> Sequence[Any]:
        entries = self._known.entries
        last = self._lines[-1].seq if self._lines else 0
        begin = bisect.bisect_right(entries, last, key=lambda one: one.seq)
        return entries[begin:]


def _nothing(environment: str, trouble: str) -> dict[str, Any]:
    return {"environment": environment, "description": "", "protected": False, "trouble": trouble, "run": None,
            "holder": None, "zones": {}, "now": time.time()}  # fmt: skip
