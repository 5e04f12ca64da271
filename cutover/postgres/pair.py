"""One database of the cutover with all that belongs to it: both sides, how they reach each other, its fence, its clients."""

from dataclasses import dataclass, field

from cutover.postgres.clients import Clients
from cutover.postgres.moving import Fence, Move
from cutover.postgres.session import Database


@dataclass(frozen=True)
class DatabasePair:
    """One database on both sides; where several are cut over, each has a name.

    `blue_for_green` and `green_for_blue` are how the servers reach each other, where that is another address than ours.
    """

    blue: Database
    green: Database
    fence: Fence = field(default_factory=Fence)
    blue_for_green: Database | None = None
    green_for_blue: Database | None = None
    pool: Clients | None = None
    """What leads clients to a side, where they do not find it by themselves."""

    @property
    def name(self) -> str:
        return self.blue.name

    @property
    def from_blue(self) -> Database:
        """Blue as green's server reaches it."""
        return self.blue_for_green or self.blue

    @property
    def from_green(self) -> Database:
        """Green as blue's server reaches it."""
        return self.green_for_blue or self.green

    def named(self, item: str) -> str:
        """The name of a plan's item for this database: the item's own where there is only one database."""
        return f"{item}-{self.name}" if self.name else item

    def towards_green(self) -> Move:
        """The move of the writes from blue to green."""
        return Move(self.blue, self.green, self.fence, self.pool, refuses_ddl=True)

    def towards_blue(self) -> Move:
        """The move of the writes from green to blue."""
        return Move(self.green, self.blue, self.fence, self.pool)
