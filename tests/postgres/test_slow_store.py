"""A journal that takes 50 ms for each call: writes do not wait for it, neither on the way there nor on the way back."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moves import window_plan
from pairs import Pair

from cutover.core import killpoint
from cutover.core.journal import Entry, Journal
from cutover.core.lease import Lease
from cutover.core.run import Run
from cutover.postgres.sides import BEFORE, SWITCHED, read_sides
from cutover.state.sqlite import SqliteState

SLOW = 0.05  # seconds
PAUSED, WRITING = "switch: clients paused", "switch: opened"


class Slow(SqliteState):
    """A store far away, which notes when it is asked for what."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[str] = []

    def _far(self, what: str) -> None:
        self.asked.append(what)
        time.sleep(SLOW)

    def append(self, run: str, kind: str, data: Mapping[str, Any], lease: Lease) -> Entry:
        self._far(f"append {kind}")
        return super().append(run, kind, data, lease)

    def wishes(self, run: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
        self._far("wishes")
        return super().wishes(run)

    def check(self, lease: Lease) -> None:
        self._far("check")
        super().check(lease)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Slow]:
    """Between two points of the switch it notes the points, too."""
    store = Slow(tmp_path / "journal.sqlite")
    killpoint.install(lambda name: store.asked.append(name) if name.startswith("switch: ") else None)
    yield store
    killpoint.install(None)
    store.close()


def in_the_pause(store: Slow) -> list[str]:
    """What the store was asked for while writes waited."""
    begun, ended = store.asked.index(PAUSED), store.asked.index(WRITING)
    return [what for what in store.asked[begun:ended] if not what.startswith("switch: ")]


def test_the_write_pause_holds_no_call_of_the_store(prepared: Pair, store: Slow) -> None:
    plan = window_plan(prepared.blue, prepared.green)
    phases = tuple(replace(phase, supervised=True, budget=60.0) for phase in plan.phases)
    lease = store.acquire(who="test", operation="slow")
    run = Run(replace(plan, phases=phases), Journal(store, lease, "slow"), patience=20.0)
    run.forward()
    assert read_sides(prepared.blue, prepared.green) == SWITCHED
    assert in_the_pause(store) == []
    kinds = [what for what in store.asked if what.startswith("append")]
    assert "append intent" in kinds and "append converged" in kinds and "wishes" not in store.asked
    store.asked.clear()
    run.back(reason="test")
    assert read_sides(prepared.blue, prepared.green) == BEFORE
    assert in_the_pause(store) == []
