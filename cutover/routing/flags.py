"""The flags of a store as this process knows them: the last ones that were read hold, however the store fares."""

import json
import os
import threading
import time
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from cutover.routing import forking, keys, telling
from cutover.routing.flag import BUCKETS, Flag, FlagWrong
from cutover.routing.override import override, variable
from cutover.routing.store import Store, StoreTrouble

PATIENCE = 2.0
"""Seconds that a start waits for a store that is asked by a thread; until it answers, legacy does."""
AFTER_TROUBLE = 0.05
clock = time.perf_counter


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What holds for one flag in this process, and why."""

    name: str
    flag: Flag | None
    """As last read; None while the store has not shown one."""
    share: Decimal
    """The effective share in percent."""
    override: bool | None = None
    odd_override: str = ""
    """A value of the environment variable that is neither true, false nor unset, and is ignored."""
    age: float | None = None
    """Seconds since the store was last found to say so; None: never."""
    trouble: str = ""
    """Why the store, or this flag in it, cannot be read now."""


class Cell:
    """What holds for one flag, kept by its routers; `now` changes in one move: (buckets, hash of the salt)."""

    __slots__ = ("flag", "name", "now", "odd", "override", "salt", "trouble", "variable")

    def __init__(self, name: str) -> None:
        self.name, self.variable = name, variable(name)
        self.flag: Flag | None = None
        self.override: bool | None = None
        self.odd = self.trouble = ""
        self.salt = name
        self.now = (0, keys.prefix(name))

    def set(self) -> None:
        """Puts into force what flag and override say."""
        flag = self.flag
        salt = flag.salted if flag else self.name
        buckets = flag.buckets if flag else 0
        if self.override is not None:
            buckets = BUCKETS if self.override else 0
        if (buckets, salt) != (self.now[0], self.salt):
            hashed = self.now[1] if salt == self.salt else keys.prefix(salt)
            self.salt, self.now = salt, (buckets, hashed)


class Flags:
    """The flags of one store; nothing here raises because of the store, or waits for it.

    A store that is `inline` is looked at by the requests themselves, at most once in `every` seconds and by one of them at a
    time; any other by a daemon thread, whose look lasts until the store notifies or `every` is over. What cannot be read stays
    as it was last read; a flag that a readable store no longer has is off.

    `kept` is a file in which the thread keeps what it read, so that a start while the store is gone has it too.
    """

    def __init__(
        self,
        store: Store,
        *,
        every: float | None = None,
        environ: Mapping[str, str] = os.environ,
        patience: float = PATIENCE,
        kept: str | os.PathLike[str] | None = None,
    ) -> None:
        self.store = store
        self.due: float
        """When the next request has to look (perf_counter)."""
        self._every = every if every is not None else 0.005 if store.inline else 5.0
        self._pace = (
            self._every if store.inline else min(self._every, AFTER_TROUBLE)
        )  # where a thread reads, only overrides
        self._environ = environ
        self._cells: MutableMapping[str, Cell] = {}
        self._flags: Mapping[str, Flag | FlagWrong] = {}
        self._mark: object = self  # equal to no mark
        self._seen_at: float | None = None
        self._trouble = ""
        self._first = threading.Event()
        self._closed = threading.Event()
        self._kept = kept
        if kept is not None:
            self._remember(kept)
        self.forked()
        forking.remember(self)
        self.look(clock())
        if not store.inline:
            self._first.wait(patience)

    def forked(self) -> None:
        self._looking, self._filling = threading.Lock(), threading.RLock()
        over, self._closed = self._closed.is_set(), threading.Event()
        if over:
            self._closed.set()
        self._thread: threading.Thread | None = None
        self.due = 0.0

    def close(self) -> None:
        """Ends the thread after its present look; what was last read goes on holding."""
        self._closed.set()

    def cell(self, name: str) -> Cell:
        """What holds for this flag, to be kept; it follows the store. Raises FlagWrong for what cannot be a name."""
        with self._filling:
            if (found := self._cells.get(name)) is None:
                found = Cell(Flag(name=name).name)
                self._fill(found)
                self._cells = {**self._cells, name: found}
        return found

    def get(self, name: str) -> Flag | None:
        """The flag as last read, without the override; None for one that the store does not have."""
        return self.standing(name).flag

    def standing(self, name: str) -> Standing:
        """What holds for this flag now, and why; raises FlagWrong for what cannot be a name."""
        self.look(clock())
        cell = self.cell(name)
        return Standing(
            name=name,
            flag=cell.flag,
            share=Decimal(cell.now[0]) / 100,
            override=cell.override,
            odd_override=cell.odd,
            age=self.age(),
            trouble=self._trouble or cell.trouble,
        )

    def age(self) -> float | None:
        """Seconds since the store was last found to say what holds; None while it has never answered."""
        if self.store.inline:
            self.look(clock())
        seen = self._seen_at
        return None if seen is None else max(0.0, clock() - seen)

    def look(self, now: float) -> None:
        """Follows the environment, and an inline store, if nobody else is just doing so; never raises."""
        if now < self.due or not self._looking.acquire(blocking=False):
            return
        try:
            self.due = now + self._pace
            if self.store.inline:
                self._read()
            elif self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._follow, name="cutover-flags", daemon=True)
                self._thread.start()
            for cell in self._cells.values():
                if override(self._environ, cell.variable) != (cell.override, cell.odd):
                    with self._filling:
                        self._fill(cell)
        except Exception as error:  # noqa: BLE001  an application goes on serving with what it knows, whatever broke here
            self.due = now + max(self._pace, AFTER_TROUBLE)
            self._failed(error)
        finally:
            self._looking.release()

    def _follow(self) -> None:
        """What the thread does."""
        pause = 0.1
        while not self._closed.is_set():
            try:
                before, mark = self._mark, self._read()
                self._first.set()
                if mark != before and self._kept is not None:
                    self._keep(self._kept)
                pause = 0.1
                self.store.wait(mark, self._every)
            except Exception as error:  # noqa: BLE001  a store of others may raise what it likes
                self._failed(error)
                self._closed.wait(pause)
                pause = min(2 * pause, 5.0)

    def _remember(self, kept: str | os.PathLike[str]) -> None:
        from cutover.routing.file_store import FileStore

        with suppress(StoreTrouble):  # nothing was kept yet, or not whole: the store will say
            self._flags = FileStore(kept).all()

    def _keep(self, kept: str | os.PathLike[str]) -> None:
        documents = {name: flag.document() for name, flag in self._flags.items() if isinstance(flag, Flag)}
        partial = f"{os.fspath(kept)}.{os.getpid()}.partial"
        try:
            with open(partial, "w", encoding="utf-8") as file:
                json.dump(documents, file, ensure_ascii=False, indent=2)
            os.replace(partial, kept)
        except OSError as error:
            telling.warn(self._where(), f"flags cannot be kept in {os.fspath(kept)}: {error.strerror or error}")

    def _read(self) -> object:
        began, mark = clock(), self.store.mark()
        if mark != self._mark:
            found = self.store.all()
            with self._filling:
                self._flags, self._mark = found, mark
                for cell in self._cells.values():
                    self._fill(cell)
        self._seen_at, self._trouble = began, ""
        return mark

    def _fill(self, cell: Cell) -> None:
        found = self._flags.get(cell.name)
        if isinstance(found, FlagWrong):
            cell.trouble = str(found)
            telling.warn(f"flag {cell.name}", f"cannot be read, and stays as it was: {found}")
        else:
            cell.flag, cell.trouble = found, ""
        cell.override, cell.odd = override(self._environ, cell.variable)
        if cell.odd:
            telling.warn(f"flag {cell.name}", f"{cell.variable} is neither true, false nor unset, and is ignored")
        cell.set()

    def _failed(self, error: Exception) -> None:
        # The text of another's exception may hold a password of the store.
        self._trouble = (str(error) if isinstance(error, StoreTrouble) else "") or type(error).__name__
        telling.warn(self._where(), f"flags stay as they were last read: {self._trouble}")

    def _where(self) -> str:
        with suppress(Exception):
            return self.store.where
        return type(self.store).__name__
