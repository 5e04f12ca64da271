"""Questions that are asked again and again beside the page, each in a thread of its own: one that hangs holds up no other."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cutover.core.watch import reason

T = TypeVar("T")

LATE = 4  # times its own rhythm after which an answer is old


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What was answered last, and when (seconds since the epoch); `trouble` is why there is nothing newer."""

    value: T | None = None
    at: float | None = None
    trouble: str = ""


class Beside(Generic[T]):
    """Asks `ask` every `every` seconds while it is wanted; `changed` is called in that thread with each new answer."""

    every: float
    """Seconds between two questions; whoever asks for much may make it longer."""

    def __init__(self, name: str, ask: Callable[[], T], every: float, changed: Callable[[], None]) -> None:
        self._name, self._ask, self.every, self._changed = name, ask, every, changed
        self._wanted = False
        self._closed = False
        self._turn = threading.Condition()
        self._thread: threading.Thread | None = None
        self._answer: Answer[T] = Answer()
        self._asked = 0.0

    @property
    def answer(self) -> Answer[T]:
        """The newest one; where the question has hung for long, that is its trouble."""
        with self._turn:
            late = time.monotonic() - self._asked if self._asked else 0.0
            if late > LATE * self.every and not self._answer.trouble:
                return Answer(self._answer.value, self._answer.at, f"asked {late:.0f} s ago, and no answer yet")
            return self._answer

    def want(self, wanted: bool) -> None:
        """Whether it is asked from now on; what is not wanted any more is forgotten."""
        with self._turn:
            self._wanted = wanted and not self._closed
            if not wanted:
                self._answer = Answer()
            elif self._thread is None:
                self._thread = threading.Thread(target=self._go_on, name=f"console-{self._name}", daemon=True)
                self._thread.start()
            self._turn.notify_all()

    def close(self) -> None:
        """Ends the asking; a question that hangs is left to its own deadline."""
        with self._turn:
            self._closed, self._wanted = True, False
            self._turn.notify_all()

    def _go_on(self) -> None:
        while True:
            with self._turn:
                if not self._wanted:
                    self._thread = None
                    return
                self._asked = time.monotonic()
            answer = self._one()
            with self._turn:
                self._asked = 0.0
                if self._wanted:
                    self._answer = answer
            self._changed()
            with self._turn:
                self._turn.wait_for(lambda: not self._wanted, self.every)

    def _one(self) -> Answer[T]:
        try:
            return Answer(self._ask(), time.time())
        except Exception as error:  # noqa: BLE001 - any technology's: what cannot be seen is shown as that
            return Answer(self._answer.value, self._answer.at, reason(error))
