"""The switchover step: (blue, green) from open/fenced over fenced/fenced to fenced/open, and the same way back."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, combinations
from typing import Any, ClassVar

from cutover.core.step import Command, Step
from cutover.postgres.clients import Clients
from cutover.postgres.pair import DatabasePair
from cutover.postgres.session import Database
from cutover.postgres.sides import AND, BEFORE, COMMITTED, SWITCHED, Sides, read_sides, sides_shell, together
from cutover.postgres.switch import Switch
from cutover.postgres.turning import ReadyToSwitch

PARTLY_FENCED = Sides(f"fenced{AND}open", "fenced")
PARTLY_OPENED = Sides("fenced", f"fenced{AND}open")


@dataclass(frozen=True, kw_only=True)
class Switchover(Step[Sides]):
    """Moves writes to the other side, losing none.

    One transaction per database locks every table of the writing side, waits until a marker row has arrived on the other
    side, sets the sequences there, and then fences the writing side: when the last of them has committed, one goes
    forward. If the program dies before it, the server rolls back and nothing has happened; between it and the opening of
    the other side nobody can write, and `invoke resume` (or the supervisor by itself) opens it. No database is opened
    before all are fenced, so that none serves from the other side alone.
    """

    commit_point: ClassVar[bool] = True

    pairs: tuple[DatabasePair, ...]
    token: Callable[[], int] = field(default=lambda: 0, compare=False, repr=False)
    before: Sides = BEFORE
    after: Sides = SWITCHED
    between: frozenset[Sides] = frozenset({COMMITTED})
    settle: float = 20.0

    @property
    def resource(self) -> str:
        return "writes"

    @classmethod
    def of(cls, *pairs: DatabasePair, **about: Any) -> "Switchover":
        """The step for these databases; where clients are led to a side, where that is is a part of its states."""
        before, after = BEFORE, SWITCHED
        partly = {PARTLY_FENCED, PARTLY_OPENED} if len(pairs) > 1 else set()
        seen = {COMMITTED, *partly}
        routes = [pair.pool for pair in pairs if pair.pool is not None]
        if routes:
            before, after = replace(BEFORE, clients="blue"), replace(SWITCHED, clients="green")
            led = {BEFORE, SWITCHED, *partly}
            seen |= {replace(sides, clients=clients) for sides in led for clients in _clients(routes)}
        return cls(pairs=pairs, before=before, after=after, between=frozenset(seen - {before, after}), **about)

    def observe(self) -> Sides:
        return together([_seen(pair) for pair in self.pairs])

    def commands(self, target: Sides) -> Sequence[Command]:
        if target.green == "open":
            ready = [ReadyToSwitch(one.blue, one.green, one.from_blue, one.from_green) for one in self.pairs]
            return (*ready, Switch(tuple(one.towards_green() for one in self.pairs), self.token))
        ready = [ReadyToSwitch(one.green, one.blue, one.from_green, one.from_blue) for one in self.pairs]
        return (*ready, Switch(tuple(one.towards_blue() for one in self.pairs), self.token))

    def committed(self, seen: Sides) -> bool:
        partly_opened = PARTLY_OPENED if self.after.green == "open" else PARTLY_FENCED
        return replace(seen, clients="") in (COMMITTED, partly_opened, replace(self.after, clients=""))

    def past_commit(self) -> bool:
        # Known from the databases alone.
        return self.committed(together([read_sides(pair.blue, pair.green) for pair in self.pairs]))

    def evidence(self) -> Mapping[str, Any]:
        found = {
            pair.name: _last_switch(pair.green if self.after.green == "open" else pair.blue) for pair in self.pairs
        }
        noted = {name: timings for name, timings in found.items() if timings}
        if len(self.pairs) == 1 or not noted:
            return noted.get(self.pairs[0].name, {})
        pause = max(timings["milliseconds"]["pause"] for timings in noted.values())
        return {"milliseconds": {"pause": pause}, "databases": noted}

    def check_shell(self) -> str:
        lines = []
        for pair in self.pairs:
            lines.append(sides_shell(pair.blue, pair.green))
            if pair.pool is not None:
                lines.append(pair.pool.where_shell())
        return "\n".join(lines)


def _seen(pair: DatabasePair) -> Sides:
    seen = read_sides(pair.blue, pair.green)
    # While both refuse writes one of them has to be opened, whether the clients' route answers or not.
    return seen if pair.pool is None or seen == COMMITTED else replace(seen, clients=pair.pool.where())


def _clients(routes: Sequence[Clients]) -> Iterator[str]:
    """Every word that `together` may give for where the clients of several databases are led to."""
    places = sorted({place for route in routes for place in route.states})
    most = min(len(routes), len(places))
    for found in chain.from_iterable(combinations(places, number) for number in range(1, most + 1)):
        yield AND.join(found)


def _last_switch(opened: Database) -> Mapping[str, Any]:
    with opened.open("state") as session:
        found = session.rows("SELECT timings, compared FROM cutover.switches ORDER BY at DESC LIMIT 1")
    return {"milliseconds": found[0][0], "compared": found[0][1]} if found else {}
