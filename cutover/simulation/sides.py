"""Two sides with rows, what follows between them, and customers who never stop writing."""

from dataclasses import dataclass, field
from random import Random

from cutover.core.errors import LeaseLost

BLUE, GREEN = "blue", "green"
OPEN, FENCED = "open", "fenced"
BATCH = 3  # rows that arrive on the other side in one moment


class Violation(BaseException):
    """What must never be; not an Exception, because the engine takes those for failed commands."""


@dataclass
class Side:
    """Rows by their idempotency keys; `log` are the keys that customers wrote here, oldest first, without what followed.

    `follows` is how far the other side's log has arrived here, None where nothing follows. `lock` is whose transaction
    lets customers wait, `token` the newest that was shown to this side.
    """

    name: str
    state: str
    rows: set[int] = field(default_factory=set)
    log: list[int] = field(default_factory=list)
    follows: int | None = None
    lock: object | None = None
    token: int = 0

    def admit(self, token: int) -> None:
        """The check inside of a transaction; raises LeaseLost for a token that is older than one seen here."""
        if token < self.token:
            raise LeaseLost(f"{self.name} has seen token {self.token}; {token} is void")
        self.token = token


@dataclass
class Sides:
    """Both sides; `stalled` is for how many moments nothing arrives on the other one."""

    blue: Side = field(default_factory=lambda: Side(BLUE, OPEN))
    green: Side = field(default_factory=lambda: Side(GREEN, FENCED))
    stalled: int = 0

    def of(self, name: str) -> Side:
        return self.blue if name == BLUE else self.green

    def other(self, side: Side) -> Side:
        return self.green if side is self.blue else self.blue

    def replicate(self) -> None:
        """What is written on one side arrives on the other one that follows it, a little later."""
        if self.stalled:
            self.stalled -= 1
            return
        for side in (self.blue, self.green):
            if side.follows is None:
                continue
            new = self.other(side).log[side.follows : side.follows + BATCH]
            side.follows += len(new)
            for key in new:
                if key in side.rows:
                    raise Violation(f"write {key} was done on both sides: {side.name} had it when it arrived there")
                side.rows.add(key)

    def copy_to_green(self) -> None:
        """The first copy, after which green follows."""
        if self.green.follows is None:
            self.green.rows, self.green.follows = set(self.blue.rows), len(self.blue.log)

    def open(self, side: Side, acknowledged: set[int]) -> None:
        """Opens a side; raises Violation when the other one is open or an acknowledged write is missing."""
        side.state = OPEN
        if self.other(side).state == OPEN:
            raise Violation("both sides accept writes")
        missing = acknowledged - side.rows
        if missing:
            raise Violation(
                f"{len(missing)} acknowledged write(s) are not on {side.name}, which was opened: {sorted(missing)[:5]}"
            )


@dataclass
class Customer:
    """Writes one thing after the other, and the same again with the same key until an answer comes.

    Who comes through the web waits for the end of maintenance; a job with a connection of its own does not.
    """

    number: int
    web: bool
    count: int = 0

    @property
    def key(self) -> int:
        return self.count * 10 + self.number

    def write(self, sides: Sides, random: Random, acknowledged: set[int]) -> None:
        """One try; the request or the answer may be lost."""
        side = sides.blue if sides.blue.state == OPEN else sides.green
        if side.state != OPEN or side.lock is not None:
            return
        luck = random.random()
        if luck < 0.1:
            return
        if self.key not in side.rows:
            side.rows.add(self.key)
            side.log.append(self.key)
        if luck > 0.2:
            acknowledged.add(self.key)
            self.count += 1
