"""Two operators of one run, of whom the first is stopped anywhere and wakes up anywhere: the real engine and the real store.

The store's objects are in memory. What a step changes is a small model of the three kinds of resources with the conditions
that the real ones have: databases look at the fencing token in their transactions, Route 53 takes a batch only over the very
records that were listed and the very mark beside them, which holds a token; a load balancer takes anything.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from turns import Actor, Turns

from cutover.core import killpoint
from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError, LeaseLost, StepFailed
from cutover.core.journal import Journal
from cutover.core.lease import Lease
from cutover.core.plan import Phase, Plan
from cutover.core.run import Run
from cutover.core.step import Command, Step
from cutover.state.s3 import S3State

Fencing = Literal["fenced", "stopped in the gap", "records without a mark", "unfenced"]
GAP = ("stopped in the gap", "records without a mark", "unfenced")
"""Where a point lies between asking for the lease and sending."""
RUN = "r1"
START = {"sql": "blue", "dns": "0", "alb": "0"}
END = {"sql": "green", "dns": "100", "alb": "100"}


class Memory:
    """Objects with S3's conditions; each call is a point at which the other operator may come in."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._kept: dict[str, tuple[bytes, str]] = {}
        self._tags = 0

    def get(self, key: str) -> tuple[bytes, str] | None:
        self._turns.point()
        return self._kept.get(key)

    def put_new(self, key: str, body: bytes) -> str | None:
        self._turns.point()
        return self._put(key, body) if key not in self._kept else None

    def replace(self, key: str, body: bytes, tag: str) -> str | None:
        self._turns.point()
        return self._put(key, body) if key in self._kept and self._kept[key][1] == tag else None

    def list(self, prefix: str) -> Sequence[tuple[str, str]]:
        self._turns.point()
        return sorted((key, tag) for key, (_, tag) in self._kept.items() if key.startswith(prefix))

    def _put(self, key: str, body: bytes) -> str:
        self._tags += 1
        self._kept[key] = (body, str(self._tags))
        return str(self._tags)


@dataclass
class World:
    """What is there, and what an operator did to it whose time was over."""

    fencing: Fencing
    turns: Turns = field(default_factory=Turns)
    values: dict[str, str] = field(default_factory=lambda: dict(START))
    highest: int = 0
    """The newest token that was shown to the databases."""
    claimed: int = 0
    """The newest token with which somebody has claimed the name, from when on they rely on what they see there."""
    mark: int = 0
    """The token in the mark beside the records; 0 is none."""
    newest: int = 0
    """The newest lease."""
    stale: list[str] = field(default_factory=list)
    wall: float = 1_000_000.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.wall

    def sleep(self, seconds: float) -> None:
        self.wall += max(seconds, 0.001)
        self.turns.point()

    def set(self, key: str, value: str, token: int) -> None:
        """An effect: stale when a newer token was shown there, or where none can be shown, when there is a newer lease."""
        if token < {"sql": self.highest, "dns": self.claimed}.get(key, self.newest):
            self.stale.append(key)
        self.values[key] = value


@dataclass(frozen=True)
class Operator:
    """One process: its own view of the store, and its lease once it has it."""

    world: World
    state: S3State
    leases: list[Lease] = field(default_factory=list)

    @property
    def token(self) -> int:
        return self.leases[-1].token

    def may_write(self) -> None:
        if self.world.fencing != "unfenced":
            self.state.check(self.leases[-1])
        if self.world.fencing in GAP:
            self.world.turns.point()

    def listed_mark(self) -> int:
        self.world.turns.point()
        if self.world.fencing in ("fenced", "stopped in the gap") and self.world.mark > self.token:
            raise LeaseLost("the name has seen a newer token")
        return self.world.mark

    def batch(self, mark: int, seen: str | None, after: str | None) -> None:
        """What Route 53 takes whole or not at all: mark and records are as listed, and both are swapped."""
        world = self.world
        self.may_write()
        marked = world.fencing in ("fenced", "stopped in the gap")
        if (marked and world.mark != mark) or (
            world.fencing != "unfenced" and seen is not None and world.values["dns"] != seen
        ):
            raise StepFailed("InvalidChangeBatch")
        if seen is not None and after is not None and seen != after:
            world.set("dns", after, self.token)
        world.mark, world.claimed = self.token, max(world.claimed, self.token)

    def claim(self, steps: Sequence[Step[Any]]) -> None:
        """As the real one: nothing to do where our token is there, or a batch of the mark alone, tried again."""
        if any(isinstance(step, Move) and step.key == "dns" for step in steps):
            for _ in range(10):
                mark = self.listed_mark()
                if mark == self.token:
                    return
                try:
                    self.batch(mark, None, None)
                    return
                except StepFailed:
                    continue


@dataclass(frozen=True)
class Set(Command):
    """Brings one resource from any of the known states to `after`."""

    operator: Operator
    key: str
    known: frozenset[str]
    after: str

    def run(self, deadline: Deadline) -> None:
        world, token = self.operator.world, self.operator.token
        fenced = world.fencing != "unfenced"
        if self.key == "sql":
            world.turns.point()
            self._shown(fenced)
        mark = self.operator.listed_mark() if self.key == "dns" else 0
        world.turns.point()
        seen = world.values[self.key]
        if seen not in self.known:
            raise StepFailed("changed under our hands")
        if self.key == "dns":
            self.operator.batch(mark, seen, self.after)  # also where there is nothing to change
            return
        if seen == self.after:
            return
        if self.key == "sql":
            world.turns.point()
            self._shown(fenced)  # in the transaction that has the effect
        else:
            self.operator.may_write()  # a read of the store: a point of its own
        world.set(self.key, self.after, token)

    def _shown(self, fenced: bool) -> None:
        world = self.operator.world
        if fenced and self.operator.token < world.highest:
            raise LeaseLost("the databases have seen a newer token")
        world.highest = max(world.highest, self.operator.token)

    def shell(self) -> str:
        return f"set {self.key} {self.after}"


@dataclass(frozen=True, kw_only=True)
class Move(Step[str]):
    """Moves one resource."""

    operator: Operator
    key: str
    commit_point = True

    @property
    def resource(self) -> str:
        return self.key

    def observe(self) -> str:
        self.operator.world.turns.point()
        return self.operator.world.values[self.key]

    def committed(self, seen: str) -> bool:
        return self.key == "sql" and seen == "green"

    def commands(self, target: str) -> Sequence[Command]:
        return (Set(self.operator, self.key, frozenset({self.before, self.after}) | self.between, target),)

    def check_shell(self) -> str:
        return f"look at {self.key}"


def plan(operator: Operator) -> Plan:
    """The writes move, then the traffic by two providers."""

    def move(name: str, key: str, before: str, after: str) -> Move:
        return Move(name=name, key=key, before=before, after=after, operator=operator, settle=5.0)

    return Plan(
        name="cutover",
        environment="model",
        phases=(
            Phase(
                name="window", owner="database", supervised=True, items=(move("switchover", "sql", "blue", "green"),)
            ),
            Phase(name="shift", owner="traffic", items=(move("d", "dns", "0", "100"), move("a", "alb", "0", "100"))),
        ),
    )


class Story:
    """One schedule, told from a seed."""

    def __init__(self, seed: int, fencing: Fencing) -> None:
        self._random = random.Random(seed)
        self.world = World(fencing)
        objects = Memory(self.world.turns)
        self.first, self.second = (Operator(self.world, S3State(objects, "memory", clock=self.world)) for _ in range(2))
        self.ended = ""
        self.told: list[str] = []

    def run_of(self, operator: Operator) -> Run:
        journal = Journal(operator.state, operator.leases[-1], RUN)
        return Run(plan(operator), journal, clock=self.world, patience=5.0, claim=operator.claim)

    def _works(self) -> None:
        try:
            self.run_of(self.first).forward()
        except CutoverError as error:
            self.told.append(type(error).__name__)

    def _takes_over(self) -> None:
        holder = self.first.leases[-1]
        self.second.leases.append(self.second.state.acquire(who="second", operation="rollback", take_over=holder.id))
        self.world.newest = self.second.token
        back = self._random.random() < 0.5
        for _ in range(10):
            run = self.run_of(self.second)
            leg = run.journal.position().leg
            try:
                if back and leg is not None and leg.outcome != "rolled-back":
                    run.back(reason="r")
                elif not back or leg is None:
                    run.forward()
                self.ended = "back" if back and leg is not None else "forward"
                return
            except CutoverError:
                continue
        raise AssertionError("the second operator got nowhere")

    def tell(self, points: int) -> None:
        """The first operator gets as far as `points`, and stops; the second takes over; the first wakes up meanwhile."""
        killpoint.install(self.world.turns.point)
        self.first.leases.append(self.first.state.acquire(who="first", operation="cutover"))
        self.world.newest = self.first.token
        sleeper = Actor(self.world.turns, self._works)
        other = Actor(self.world.turns, self._takes_over)
        try:
            sleeper.go(points)
            other.go(self._random.randrange(0, 200))
            while not (sleeper.over and other.over):
                actor = self._random.choice((sleeper, other))
                actor.go(self._random.randrange(1, 12))
        finally:
            killpoint.install(None)
            sleeper.drop()
            other.drop()

    def points_alone(self) -> int:
        """How many points the first operator has when nobody disturbs it."""
        killpoint.install(self.world.turns.point)
        try:
            self.first.leases.append(self.first.state.acquire(who="first", operation="cutover"))
            self.world.newest = self.first.token
            actor = Actor(self.world.turns, self._works)
            actor.finish()
            actor.drop()
        finally:
            killpoint.install(None)
        assert self.world.values == END and not self.told
        return actor.points
