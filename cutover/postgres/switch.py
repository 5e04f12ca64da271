"""The switch: the transactions that fence the sources are the commit point, and then the targets are opened.

Before their COMMIT, death of this process gives the sources their writes back (the servers roll back, at the latest after
the dead-man timeout); after it one rolls forward. Several databases go side by side and wait for each other: none commits
its fence before all are ready to, and none is opened before all are fenced. Going back is the same code with the sides
swapped.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError
from cutover.core.killpoint import reached
from cutover.core.step import Command
from cutover.postgres.clients import Clients
from cutover.postgres.moving import Fence, Move, Moving, SwitchRefused
from cutover.postgres.session import Database
from cutover.postgres.switch_script import script

T = TypeVar("T")


@dataclass(frozen=True)
class Switch(Command):
    """Moves the writes of all databases; `token` is the fencing token of whoever may do that now."""

    kill_points: ClassVar[tuple[str, ...]] = (
        "switch: connected",
        "switch: clients paused",
        "switch: begun",
        "switch: locked",
        "switch: marked",
        "switch: caught up",
        "switch: compared",
        "switch: sequences set",
        "switch: way back set",
        "switch: triggers on",
        "switch: triggers off",
        "switch: fenced, not committed",
        "switch: committed",
        "switch: open, not committed",
        "switch: opened",
        "switch: clients directed",
        "switch: old sessions sent away",
    )

    moves: tuple[Move, ...]
    token: Callable[[], int] = field(default=lambda: 0, compare=False, repr=False)

    @classmethod
    def one(
        cls,
        source: Database,
        target: Database,
        fence: Fence,
        token: Callable[[], int] = lambda: 0,
        pool: Clients | None = None,
    ) -> "Switch":
        """The switch of a single database."""
        return cls((Move(source, target, fence, pool),), token)

    def run(self, deadline: Deadline) -> None:
        with ExitStack() as stack:
            moving = [Moving.begun(move, self.token(), stack) for move in self.moves]
            reached("switch: connected")
            _each(moving, Moving.claim)
            _each(moving, Moving.look)  # after the token: who moved the writes before that is seen now
            to_fence = [one for one in moving if one.state == ("open", "fenced")]
            to_open = [one for one in moving if one.state != ("fenced", "open")]
            self._refuse_strange(moving, to_fence, to_open)
            began = self._fence_or_let_go(to_fence, deadline) if to_fence else time.monotonic()
            if to_open:
                _open(to_open)
            _direct(moving)  # who died between opening and this has left them
            reached("switch: clients directed")
            pause = time.monotonic() - began
            self._send_away(moving)
            _each(moving, Moving.settle)
            _each(to_open, lambda one: one.record(pause))

    def _refuse_strange(self, moving: list[Moving], to_fence: list[Moving], to_open: list[Moving]) -> None:
        known = (("open", "fenced"), ("fenced", "fenced"), ("fenced", "open"))
        if odd := [one for one in moving if one.state not in known]:
            raise SwitchRefused(f"{'; '.join(map(str, odd))}: not ours to switch")
        if to_fence and len(to_open) < len(moving):
            raise SwitchRefused(f"{'; '.join(map(str, moving))}: one serves already, another was not fenced; not ours")

    def _fence_or_let_go(self, moving: list[Moving], deadline: Deadline) -> float:
        """The fence; when it is given up before its commit point, paused clients go on at the source."""
        try:
            return self._fence(moving, deadline)
        except Exception:
            _each(moving, Moving.let_go)
            with suppress(CutoverError):
                _each(moving, Moving.settle)
            raise

    def _fence(self, moving: list[Moving], deadline: Deadline) -> float:
        """Everything up to the commit point, in one open transaction per database; returns when the pause began."""
        try:
            _each(moving, lambda one: one.prepare(deadline))
            began = time.monotonic()
            _each(moving, Moving.pause_clients)
            reached("switch: clients paused")
            if not any(one.move.pool for one in moving):
                began = time.monotonic()
            _each(moving, Moving.lock)
            reached("switch: locked")
            _each(moving, lambda one: one.catch_up(deadline))
            reached("switch: caught up")
            _each(moving, Moving.compare)
            reached("switch: compared")
            _each(moving, Moving.set_sequences)
            reached("switch: sequences set")
            _each(moving, Moving.set_way_back)
            reached("switch: way back set")
            _each(moving, Moving.shut)
            if deadline.expired:
                raise SwitchRefused("the time budget ran out before the commit point")
            reached("switch: fenced, not committed")
        except BaseException:
            for one in moving:
                one.give_up()
            raise
        _each(moving, Moving.commit)
        reached("switch: committed")
        return began

    def _send_away(self, moving: list[Moving]) -> None:
        first = _each(moving, Moving.send_away)
        reached("switch: old sessions sent away")
        time.sleep(max(move.fence.late_starters for move in self.moves))
        for one, began in zip(moving, first, strict=True):
            one.send_late_ones_away(began)

    def shell(self) -> str:
        return script(self.moves)


def _open(moving: list[Moving]) -> None:
    """All or, as far as we can help it, none: an older holder is refused before anything of his has taken effect."""
    try:
        _each(moving, Moving.unlock)
        reached("switch: open, not committed")
    except BaseException:
        for one in moving:
            one.stay_shut()
        raise
    _each(moving, Moving.open)
    reached("switch: opened")


def _direct(moving: list[Moving]) -> None:
    """A route that fails is told when the clients of all others go on."""
    try:
        _each(moving, Moving.direct_clients)
    finally:
        # When all are directed: what is loaded anew for one would disturb those of another who are just going on.
        _each(moving, Moving.resume_clients)


def _each(moving: Sequence[Moving], part: Callable[[Moving], T]) -> list[T]:
    """Does one part for every database at once; returns, or raises the first error, when all have ended."""
    if len(moving) == 1:
        return [part(moving[0])]
    if not moving:
        return []
    with ThreadPoolExecutor(len(moving), thread_name_prefix="switch") as pool:
        under_way = [pool.submit(part, one) for one in moving]
    return [one.result() for one in under_way]
