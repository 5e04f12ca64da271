"""The switchover in small: the commands and their order are those of the real one (DESIGN, "Going back safely")."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cutover.core import killpoint
from cutover.core.clock import Deadline
from cutover.core.step import Command, Step
from cutover.simulation.sides import FENCED, OPEN, Side

POINTS = ("switch: locked", "switch: caught up", "switch: way back set", "switch: fenced", "switch: opened")
POLL = 0.05


@dataclass(frozen=True)
class MoveWrites(Command):
    """Locks one side, waits until the other has everything, fences it, and opens the other; the fence is the commit point."""

    kill_points: ClassVar[tuple[str, ...]] = POINTS
    desk: Any = field(compare=False, repr=False)
    """Has `sides`, `world` with clock and acknowledged writes, and the `token` of whoever runs the command."""
    target: tuple[str, str]

    def run(self, deadline: Deadline) -> None:
        sides = self.desk.world.sides
        closing, opening = (sides.blue, sides.green) if self.target[1] == OPEN else (sides.green, sides.blue)
        self.desk.meets("switch")
        # Whatever is there to do: an older holder who wakes up is refused on either side from now on.
        closing.admit(self.desk.token)
        opening.admit(self.desk.token)
        if opening.state != OPEN:
            if closing.state != FENCED:
                self.close(closing, opening, deadline)
            killpoint.reached("switch: fenced")
            opening.admit(self.desk.token)
            opening.follows = None
            sides.open(opening, self.desk.world.acknowledged)
        killpoint.reached("switch: opened")
        self.desk.answers("switch")

    def close(self, closing: Side, opening: Side, deadline: Deadline) -> None:
        """The position is captured inside of the transaction that locks, and the fence is its commit."""
        mine = self.lock(closing)
        try:
            killpoint.reached("switch: locked")
            self.caught_up(opening, len(closing.log), deadline)
            killpoint.reached("switch: caught up")
            self.set_way_back(closing, opening, mine)
            killpoint.reached("switch: way back set")
            self.fence(closing, mine)
        except Exception:
            if closing.lock is mine:
                closing.lock = None
            raise

    def lock(self, closing: Side) -> object:
        """Customers wait from now on; a transaction that stood idle is ended by the server."""
        closing.lock = mine = object()
        return mine

    def caught_up(self, opening: Side, marker: int, deadline: Deadline) -> None:
        """Waits until the marker has arrived; raises when it does not in time."""
        while opening.follows is None or opening.follows < marker:
            if deadline.expired or opening.follows is None:
                raise TimeoutError(f"{opening.name} has {opening.follows} of {marker}")
            self.desk.world.clock.sleep(min(POLL, deadline.remaining()))

    def set_way_back(self, closing: Side, opening: Side, mine: object) -> None:
        """From before the first write of the side that is opened on."""
        self.goes_on(closing, mine)
        closing.follows = len(opening.log)

    def fence(self, closing: Side, mine: object) -> None:
        self.goes_on(closing, mine)
        closing.admit(self.desk.token)
        closing.state, closing.lock = FENCED, None

    def goes_on(self, closing: Side, mine: object) -> None:
        """Raises where the transaction is not open any more."""
        if closing.lock is not mine:
            raise ConnectionError("the transaction was ended by the server")

    def shell(self) -> str:
        return f"switch to {' '.join(self.target)}"


@dataclass(frozen=True, kw_only=True)
class Switch(Step[tuple[str, str]]):
    """Moves the writes from one side to the other, because only one side may accept them."""

    commit_point: ClassVar[bool] = True
    command: type[MoveWrites] = field(default=MoveWrites, repr=False, compare=False)
    desk: Any = field(repr=False, compare=False)

    def observe(self) -> tuple[str, str]:
        return self.desk.see("blue"), self.desk.see("green")

    def commands(self, target: tuple[str, str]) -> Sequence[Command]:
        return (self.command(self.desk, target),)

    def check_shell(self) -> str:
        return "see blue green"

    def committed(self, seen: tuple[str, str]) -> bool:
        return seen == self.after or seen in self.between
