"""The toy plan of the engine's tests, told to channels in memory."""

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "core"))

from toy_plan import plan, world
from toy_world import LEASE, World

from cutover.core.clock import Deadline
from cutover.core.journal import Journal
from cutover.core.run import Run
from cutover.core.watch import Event
from cutover.notices import Notices
from cutover.notify.desk import Desk
from cutover.notify.message import Message, NotDelivered, Severity
from cutover.notify.route import Route

__all__ = ["Dead", "Kept", "Telling", "World", "a_desk", "plan", "world"]


@dataclass
class Kept:
    """A channel that keeps what it was given; `fails` are the first tries that do not arrive."""

    fails: int = 0
    got: list[Message] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.Lock)

    def takes(self, message: Message) -> bool:
        return True

    def deliver(self, message: Message, deadline: Deadline) -> None:
        with self._lock:
            if self.fails > 0:
                self.fails -= 1
                raise NotDelivered("not today", pause=0.0)
            self.got.append(message)

    @property
    def keys(self) -> list[str]:
        return [message.key for message in self.got]

    @property
    def events(self) -> list[str]:
        return [message.event for message in self.got]


@dataclass
class Dead:
    """A channel whose calls never come back, until the test is over."""

    released: threading.Event = field(default_factory=threading.Event)
    asked: int = 0

    def takes(self, message: Message) -> bool:
        return True

    def deliver(self, message: Message, deadline: Deadline) -> None:
        self.asked += 1
        self.released.wait(60)


def a_desk(**channels: Any) -> Desk:
    return Desk("toy", channels, [Route(tuple(channels), Severity.DETAIL)], flush=10.0)


@dataclass
class Telling:
    """A fresh process over the world, which tells people."""

    world: World
    desk: Desk
    plan: Any
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = Journal(self.world.store, LEASE, "r1")
        self.notices = Notices(self.desk, self.journal, self.plan, clock=self.world.clock)
        self.run = Run(
            self.plan,
            self.journal,
            clock=self.world.clock,
            listen=self.notices.listening(self.events.append),
            who="tester",
            patience=20.0,
        )

    def carried_out(self, action: Callable[[Run], Any]) -> Any:
        """What a conductor does: the action, and in any case the last words."""
        try:
            return action(self.run)
        finally:
            self.notices.close()

    def died(self) -> None:
        """What a test does after a death: the threads of a process that is gone are gone as well."""
        for lane in self.notices.outbox._lanes.values():
            lane.stop.set()
            lane.last()
        for lane in self.notices.outbox._lanes.values():
            lane.join(10)


def told(w: World, desk: Desk, action: Callable[[Run], Any] = Run.forward, **plans: Any) -> Any:
    return Telling(w, desk, plan(w, **plans)).carried_out(action)


def without_flush(desk: Desk) -> Desk:
    return replace(desk, flush=0.2)
