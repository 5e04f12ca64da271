"""Threads that run one at a time, each from one point to the next, in an order that the test decides."""

import threading
from collections.abc import Callable


class Stopped(BaseException):
    """The test is over for this thread."""


def _closed() -> threading.Lock:
    """A gate that lets one through for each release; quicker than a semaphore."""
    lock = threading.Lock()
    lock.acquire()
    return lock


class Actor:
    """One thread; it stands still at every point until it gets its turn."""

    def __init__(self, turns: "Turns", work: Callable[[], None]) -> None:
        self.points = 0
        self.over = False
        self.failure: BaseException | None = None
        self._turn = _closed()
        self._turns, self._work = turns, work
        self._dropped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._turn.acquire()
        self._turns.here.actor = self
        try:
            if not self._dropped:
                self._work()
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - told to whoever gave the turn
            self.failure = error
        self.over = True
        self._turns.back.release()

    def wait(self) -> None:
        self.points += 1
        self._turns.back.release()
        self._turn.acquire()
        if self._dropped:
            raise Stopped

    def go(self, points: int = 1) -> bool:
        """Lets it run that many points further; False when it has ended."""
        for _ in range(points):
            if self.over:
                break
            self._turn.release()
            assert self._turns.back.acquire(timeout=60), "the thread waits for something that no turn gives it"
            if self.failure is not None:
                raise self.failure
        return not self.over

    def finish(self) -> None:
        while self.go():
            pass

    def drop(self) -> None:
        """Ends it where it stands."""
        self._dropped = True
        while not self.over:
            self._turn.release()
            self._turns.back.acquire(timeout=60)
        self._thread.join(timeout=60)


class Turns:
    """Gives the turns; `point` is what the actors' work calls wherever somebody else may come in between."""

    def __init__(self) -> None:
        self.back = _closed()
        self.here = threading.local()

    def point(self, _: str = "") -> None:
        actor = getattr(self.here, "actor", None)
        if actor is not None:
            actor.wait()
