"""Time that its owner moves."""

from collections.abc import Callable


def nothing(_: str) -> None:
    """What happens at a moment when nobody waits for one."""


class FakeClock:
    """Time moves only when somebody sleeps; `at` holds what happens when a moment of monotonic time has come."""

    def __init__(self, passes: Callable[[str], None] = nothing) -> None:
        self.wall, self.mono = 1_000_000.0, 100.0
        self.at: list[tuple[float, Callable[[], None]]] = []
        self._passes = passes

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        seconds = max(seconds, 0.0005)
        self.wall, self.mono = self.wall + seconds, self.mono + seconds
        for due in [entry for entry in self.at if entry[0] <= self.mono]:
            self.at.remove(due)
            due[1]()
        self._passes("waiting")

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        self.at.append((self.mono + seconds, do))
