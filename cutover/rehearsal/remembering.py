"""Who reads figures all the time while a rehearsal goes on, so that those without a memory of their own have a past before each leg."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cutover.app import App
from cutover.core.clock import Deadline
from cutover.core.gate import Gate
from cutover.core.series import Span
from cutover.figures import Figures
from cutover.plans.triggered import BaselineSeen

SPAN = 10.0
LEAST = 1.0
"""In seconds: of one reading, and between two of them where samples come more often."""
PATIENCE = 20.0


@contextmanager
def remembering(app: App) -> Iterator[None]:
    """While it lasts, what the plan's baseline is made of is read as often as it has samples; nothing where it has none."""
    asked = [name for _, item in app.plan.walk() if isinstance(item, Gate) for name in _asked(item)]
    if not asked:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_read_on, args=(app, asked, over), name="remembering", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=PATIENCE)


def _asked(gate: Gate) -> tuple[tuple[str, str, float], ...]:
    return gate.check.names if isinstance(gate.check, BaselineSeen) else ()


def _read_on(app: App, asked: list[tuple[str, str, float]], over: threading.Event) -> None:
    figures = Figures(app.means)
    every = max(LEAST, min(step for _, _, step in asked))
    while not over.wait(every):
        now = time.time()
        wanted = {(name, side): Span(now - max(SPAN, step), now, step) for name, side, step in asked}
        figures.read_all(
            wanted, Deadline.after(PATIENCE / 2)
        )  # what cannot be read now is missed by the gate, which says it
