"""A command that takes long says how far it is; meanwhile interrupts, holds and guards are heeded as in any other wait."""

import threading
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
from cutover.core.telling import heard, noted, say, tried_again


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


@dataclass(frozen=True, kw_only=True)
class PutThrottled(Put):
    """Its store answers the third question only, and the first command after two tries."""

    def observe(self) -> Any:
        for number in (1, 2):
            self.world.clock.sleep(1.0)
            tried_again("store Look", "Throttling")
            say(f"attempt {number + 1}")
        return super().observe()


def throttled(w: World, **more: Any) -> Plan:
    step = PutThrottled(name="copy", key="k", before="a", after="b", settle=60.0, world=w)
    return Plan(name="cutover", environment="toy", phases=(Phase(name="only", owner="me", items=(step,)),), **more)


def test_what_a_look_waits_for_is_shown_and_recorded_once_with_its_count() -> None:
    w = World(values={"k": "a"})
    started = w.run(throttled(w))
    started.run.forward()
    looks = [event.data["seen"] for event in started.events if event.kind == "looking"]
    assert looks == ["attempt 2", "attempt 3"] * 2
    entries = {entry.kind: entry.data for entry in w.store.kept}
    assert w.kinds().count("call-failed") == w.kinds().count("calls-repeated") == 1
    assert entries["call-failed"] == {"step": "copy", "call": "store Look", "error": "Throttling"}
    assert entries["calls-repeated"] == {"step": "copy", "times": {"store Look": 4}}


def test_an_interrupt_ends_a_look_that_waits() -> None:
    w = World(values={"k": "a"})
    started = w.run(throttled(w))
    w.clock.later(1.5, lambda: started.interrupt.set(2))
    with pytest.raises(Interrupted):
        started.run.forward()
    assert w.ran == [] and "intent" not in w.kinds()


def test_what_the_journal_or_a_guard_waits_for_is_shown_and_ends_nothing() -> None:
    """A store that is throttled itself must neither be stopped inside an entry nor be asked to write that down."""
    w = World(values={"k": "a"})
    append, passed = w.store.append, Script([Finding.passed("fits")] * 50)

    def slowly(*arguments: Any) -> Any:
        tried_again("s3 PutObject", "SlowDown")
        say("the store waits")
        return append(*arguments)

    class Waits(Script):
        """Waits for its source."""

        def look(self) -> Finding:
            tried_again("cloudwatch GetMetricData", "Throttling")
            say("the guard waits")
            return passed.look()

    w.store.append = slowly  # type: ignore[method-assign, assignment]
    guard = Guard(name="metrics", check=Waits([]), policy=Policy.HOLD, every=0.0)
    started = w.run(plan(w, guards=(guard,)))
    started.run.forward()
    seen = {
        event.data["seen"] for event in started.events if event.kind == "looking" and event.data["item"] == "meanwhile"
    }
    assert seen == {"the store waits", "the guard waits"}
    assert "call-failed" not in w.kinds() and w.values["k"] == "b"


def test_each_thread_has_its_own_ears() -> None:
    here, notes = list[str](), list[str]()

    def elsewhere() -> None:
        say("from another thread")
        tried_again("call", "why")

    with heard(here.append), noted(lambda call, why: notes.append(call)):
        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
        say("from here")
    assert here == ["from here"] and notes == []
