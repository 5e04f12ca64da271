"""A store that fails, hangs and heals when it is told to."""

import threading
from collections.abc import Hashable, Mapping

from cutover.routing import Flag, FlagWrong, MemoryStore, Unavailable


class Fickle(MemoryStore):
    """A store in memory with a switch: `trouble` is raised by every look; `gate` is waited for before one."""

    def __init__(self, *flags: Flag, inline: bool = True, where: str = "memory") -> None:
        super().__init__(*flags)
        self.inline, self.where = inline, where
        self.trouble: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.looks = 0

    def mark(self) -> Hashable:
        self.looks += 1
        self.gate.wait()
        if self.trouble:
            raise self.trouble
        return super().mark()

    def all(self) -> Mapping[str, Flag | FlagWrong]:
        if self.trouble:
            raise self.trouble
        return super().all()

    def wait(self, mark: Hashable, seconds: float) -> None:
        if self.trouble:
            raise self.trouble
        super().wait(mark, seconds)


GONE = Unavailable("postgres:flags: connection refused")
