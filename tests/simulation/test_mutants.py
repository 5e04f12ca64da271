"""Engines that are broken on purpose: the simulator finds each of them out, or it would find nothing."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cutover.core import killpoint
from cutover.core.clock import Deadline
from cutover.core.journal import Entry, Journal
from cutover.core.plan import Plan
from cutover.simulation.sides import Side
from cutover.simulation.simulator import Engine, simulate
from cutover.simulation.store import SealedStore
from cutover.simulation.switching import MoveWrites

MOST = 1000


class SkipsTheIntent(Journal):
    """Runs the commands without having written down that it will."""

    def append(self, kind: str, **data: Any) -> Entry:
        return self.entries()[-1] if kind == "intent" else super().append(kind, **data)


class CapturesBeforeTheFence(MoveWrites):
    """Waits for a position that was captured while customers still wrote."""

    def close(self, closing: Side, opening: Side, deadline: Deadline) -> None:
        self.caught_up(opening, len(closing.log), deadline)
        mine = self.lock(closing)
        self.set_way_back(closing, opening, mine)
        self.fence(closing, mine)


@dataclass(frozen=True, kw_only=True)
class UndoesOutOfOrder(Plan):
    """Takes back what was taken first before what was taken last."""

    def inverse(
        self,
        taken: Collection[str],
        *,
        to: str | None = None,
        everything: bool = False,
        half_done: Collection[str] = (),
    ) -> Plan:
        right = super().inverse(taken, to=to, everything=everything, half_done=half_done)
        with unchecked():
            return replace(right, phases=right.phases[::-1])


@contextmanager
def unchecked() -> Iterator[None]:
    """Plans that do not chain may be made; the check of the plan itself must not be what finds the mutant out."""
    checks = Plan.__post_init__
    Plan.__post_init__ = lambda self: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        Plan.__post_init__ = checks  # type: ignore[method-assign]


class ForgetsVerdicts(Journal):
    """Writes down that a check failed, and does not latch it: it is asked again in the same pass."""

    def append(self, kind: str, **data: Any) -> Entry:
        if kind != "failed":
            return super().append(kind, **data)
        killpoint.reached(f"before failed:{data['gate']}")
        entry = super().append("saw-a-failure", **data)
        killpoint.reached(f"after failed:{data['gate']}")
        return entry


class AnybodyWrites(SealedStore):
    """Asks nobody for a token, in the journal or before a call; and the test lets the sides forget theirs."""

    def check(self, token: int) -> None:
        pass


def test_nothing_is_found_in_the_engine_as_it_is() -> None:
    assert not [seed for seed in range(100) if simulate(seed).violation]


MUTANTS: Mapping[str, Engine] = {
    "skips the intent": Engine(journal=SkipsTheIntent),
    "captures the position before the fence": Engine(switch=CapturesBeforeTheFence),
    "undoes out of order": Engine(plan=UndoesOutOfOrder),
    "forgets verdicts": Engine(journal=ForgetsVerdicts),
    "no fencing token": Engine(store=AnybodyWrites),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_engine_is_found_out(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if mutant == "no fencing token":
        monkeypatch.setattr(Side, "admit", lambda side, token: None)
    for seed in range(MOST):
        result = simulate(seed, engine=MUTANTS[mutant])
        if result.violation and not simulate(seed).violation:
            print(f"{mutant}: found in {seed + 1} seeds: {result.violation}")
            return
    raise AssertionError(f"{mutant}: not found in {MOST} seeds")
