"""The switchover step: (blue, green) from open/fenced over fenced/fenced to fenced/open, and the same way back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from cutover.core.step import Command, Step
from cutover.postgres.pgbouncer import PAUSED, Pool
from cutover.postgres.session import Database
from cutover.postgres.sides import BEFORE, COMMITTED, SWITCHED, Sides, read_sides, sides_shell
from cutover.postgres.switch import Fence, Switch
from cutover.postgres.turning import ReadyToSwitch


@dataclass(frozen=True, kw_only=True)
class Switchover(Step[Sides]):
    """Moves writes to the other side, losing none.

    One transaction locks every table of the writing side, waits until a marker row has arrived on the other side, sets
    the sequences there, and then fences the writing side: its COMMIT is the point from which one goes forward. If the
    program dies before it, the server rolls back and nothing has happened; between it and the opening of the other
    side nobody can write, and `invoke resume` (or the supervisor by itself) opens it.
    """

    commit_point: ClassVar[bool] = True

    blue: Database
    green: Database
    fence: Fence
    token: Callable[[], int] = field(default=lambda: 0, compare=False, repr=False)
    blue_for_green: Database | None = None
    green_for_blue: Database | None = None
    """How the servers reach each other, where that is another address than ours."""
    pool: Pool | None = None
    before: Sides = BEFORE
    after: Sides = SWITCHED
    between: frozenset[Sides] = frozenset({COMMITTED})
    settle: float = 20.0

    @property
    def resource(self) -> str:
        return "writes"

    @classmethod
    def through(cls, pool: Pool | None, **about: Any) -> "Switchover":
        """The step; with a pool, where the clients are directed to is a part of its states."""
        if pool is None:
            return cls(**about)
        before, after = replace(BEFORE, clients="blue"), replace(SWITCHED, clients="green")
        seen = {
            replace(sides, clients=to) for sides in (BEFORE, COMMITTED, SWITCHED) for to in ("blue", "green", PAUSED)
        }
        return cls(pool=pool, before=before, after=after, between=frozenset(seen - {before, after}), **about)

    def observe(self) -> Sides:
        seen = read_sides(self.blue, self.green)
        return seen if self.pool is None else replace(seen, clients=self.pool.where())

    def commands(self, target: Sides) -> Sequence[Command]:
        blue, green = self.blue, self.green
        from_blue, from_green = self.blue_for_green or blue, self.green_for_blue or green
        if target.green == "open":
            ready, switch = ReadyToSwitch(blue, green, from_blue, from_green), Switch(blue, green, self.fence)
        else:
            ready, switch = ReadyToSwitch(green, blue, from_green, from_blue), Switch(green, blue, self.fence)
        return (ready, replace(switch, token=self.token, pool=self.pool))

    def committed(self, seen: Sides) -> bool:
        return (seen.blue, seen.green) in (("fenced", "fenced"), (self.after.blue, self.after.green))

    def evidence(self) -> Mapping[str, Any]:
        opened = self.green if self.after.green == "open" else self.blue
        with opened.open("state") as session:
            timings = session.value("SELECT timings FROM cutover.switches ORDER BY at DESC LIMIT 1")
        return {"milliseconds": timings} if timings else {}

    def check_shell(self) -> str:
        sides = sides_shell(self.blue, self.green)
        return sides if self.pool is None else f"{sides}\n{self.pool.where_shell()}"
