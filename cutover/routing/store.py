"""Where flags are kept: what every store promises, and one in memory.

StoreTrouble
├── Unavailable   the store did not answer, or what it has cannot be read; what was known before stays in force
└── Conflict      somebody else changed the flag meanwhile; nothing was written
"""

import threading
from collections.abc import Hashable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

from cutover.routing import forking
from cutover.routing.flag import Flag, FlagWrong


class StoreTrouble(Exception):
    """Any foreseeable failure of a store."""


class Unavailable(StoreTrouble):
    """The store cannot be read or written now; the message says which one and why.

    After `put` it leaves open whether the change was written: read again before you say either.
    """


class Conflict(StoreTrouble):
    """The flag that the store has is not of the version that was expected; `found` is it, or None where there is none."""

    def __init__(self, where: str, flag: Flag, expected: int, found: Flag | None) -> None:
        seen = f"has version {found.version}, changed by {found.author or 'nobody named'}" if found else "is not there"
        wanted = f"version {expected} was expected" if expected else "it was to be a new one"
        super().__init__(f"{where}: {flag.name} {seen}; {wanted}; nothing was written")
        self.found = found


class Store(Protocol):
    """A place of flags that several processes read and write; all methods may be called from any thread.

    No method hangs: each has a time limit of its own, and raises Unavailable after it. None raises anything else, but
    `put` also Conflict. What applications are told of a store goes through `Flags`, which never raises.
    """

    @property
    def where(self) -> str:
        """The place in a word or two, for messages: `file:/etc/shop/flags.json`. Holds no secret."""

    @property
    def inline(self) -> bool:
        """Whether `mark` costs a few microseconds and cannot hang, so that requests themselves may ask; else a thread does."""

    def mark(self) -> Hashable:
        """A cheap value that is another one after every change, also after one by hand or by another process.

        It is taken before `all`: a change that comes in between is then seen at the next look. Never equal for two states; it
        may be another one without a change, now and then, at the price of reading once more.
        """

    def all(self) -> Mapping[str, Flag | FlagWrong]:
        """Every flag by its name, as committed, all at one time.

        One that cannot be read is not left out: what is wrong with it stands in its place (`Flag.read`), so that a mistake in
        one flag keeps no other from being rolled back.
        """

    def put(self, flag: Flag, expected_version: int) -> Flag:
        """Writes the flag if the store's has `expected_version`, in one move; raises Conflict.

        0 is: if there is none, or one that cannot be read.

        Returns it as it now stands, with the version one higher. `flag.version` is not looked at. It is durable before this
        returns, and a crash leaves the old flag or the new one, whole.
        """

    def wait(self, mark: Hashable, seconds: float) -> None:
        """Returns as soon as the mark may have become another, at the latest after so many seconds."""


class MemoryStore:
    """Flags of this process alone: for tests, and for a service that sets them by itself."""

    inline = True
    where = "memory"

    def __init__(self, *flags: Flag) -> None:
        self._flags: Mapping[str, Flag] = {flag.name: flag for flag in flags}
        self._changes = 0
        self.forked()
        forking.remember(self)

    def forked(self) -> None:
        self._changed = threading.Condition()

    def mark(self) -> Hashable:
        return self._changes

    def all(self) -> Mapping[str, Flag | FlagWrong]:
        return MappingProxyType(self._flags)

    def put(self, flag: Flag, expected_version: int) -> Flag:
        with self._changed:
            found = self._flags.get(flag.name)
            if (found.version if found else 0) != expected_version or (found and not expected_version):
                raise Conflict(self.where, flag, expected_version, found)
            stored = replace(flag, version=expected_version + 1)
            self._flags = {**self._flags, flag.name: stored}
            self._changes += 1
            self._changed.notify_all()
            return stored

    def wait(self, mark: Hashable, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._changes != mark, seconds)
