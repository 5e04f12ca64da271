"""A command that takes long says how far it is; meanwhile interrupts, holds and guards are heeded as in any other wait."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from toy_world import Put, Script, SetValue, World

from cutover.core.clock import Deadline
from cutover.core.errors import CutoverError, Interrupted
from cutover.core.gate import Finding, Guard, Policy
from cutover.core.plan import Phase, Plan
from cutover.core.step import Command
from cutover.core.telling import say


@dataclass(frozen=True)
class Slowly(SetValue):
    """Says three words on the way."""

    def run(self, deadline: Deadline) -> None:
        for percent in (0, 50, 100):
            self.world.clock.sleep(1.0)
            say(f"{percent} %")
        super().run(deadline)


@dataclass(frozen=True, kw_only=True)
class PutSlowly(Put):
    """Moves one value in its own time, as a copy does."""

    world: World = field(repr=False, compare=False)

    def commands(self, target: Any) -> Sequence[Command]:
        return (Slowly(self.world, self.key, target),)


def plan(w: World, **more: Any) -> Plan:
    step = PutSlowly(name="copy", key="k", before="a", after="b", settle=60.0, world=w)
    return Plan(name="cutover", environment="toy", phases=(Phase(name="only", owner="me", items=(step,)),), **more)


def test_what_a_command_says_is_shown() -> None:
    w = World(values={"k": "a"})
    started = w.run(plan(w))
    started.run.forward()
    looks = [event.data for event in started.events if event.kind == "looking"]
    assert [(look["item"], look["seen"]) for look in looks] == [("copy", "0 %"), ("copy", "50 %"), ("copy", "100 %")]
    say("nobody listens any more")


def test_an_interrupt_ends_the_command_and_the_next_walk_repeats_it() -> None:
    w = World(values={"k": "a"})
    started = w.run(plan(w))
    w.clock.later(1.5, lambda: started.interrupt.set(2))
    with pytest.raises(Interrupted):
        started.run.forward()
    assert w.ran == [] and "command-failed" not in w.kinds()
    w.run(plan(w)).run.resume()
    assert w.ran == ["k=b"]


def test_a_guard_that_fails_meanwhile_stops_the_command() -> None:
    w = World(values={"k": "a"})
    looks = Script([Finding.passed("fits"), Finding.failed("keeps too much")])
    guard = Guard(name="wal", check=looks, policy=Policy.HOLD, every=1.0)
    with pytest.raises(CutoverError, match="keeps too much"):
        w.run(plan(w, guards=(guard,))).run.forward()
    assert w.ran == [] and "guard-failed" in w.kinds()
