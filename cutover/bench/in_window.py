"""Comparing what changed since the last full pass, before the fence and inside it, beside a full pass in the same run."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from cutover.bench.figures import BenchFailed, Limit, Line, Reference, Spread
from cutover.bench.rig import PATIENCE, Rig, caught_up, rig
from cutover.bench.switching import get_ready
from cutover.core.clock import Deadline
from cutover.postgres.changes import Changes
from cutover.postgres.rowhash import PINNED
from cutover.postgres.session import Session

CHANGE = "UPDATE shop.order_lines SET quantity = quantity %% 100 + 1 WHERE order_id %% %s = %s"
KEYLESS = "INSERT INTO public.loose SELECT gen_random_uuid() FROM generate_series(1, %s)"
# With an origin of its own the damage is not sent to blue, as little as what green has from blue.
DAMAGE = """SET session_replication_role = replica;
SELECT pg_replication_origin_create('bench'); SELECT pg_replication_origin_session_setup('bench');
UPDATE shop.order_lines SET quantity = 101 WHERE order_id = 1 AND line_no = 1"""
TOUCH = "UPDATE shop.order_lines SET quantity = 102 WHERE order_id = 1 AND line_no = 1"
FULL = "full pass"
LIMIT = (Limit(FULL, 0.35),)


def in_window(rows: int, rounds: int, keyless: int, say: Callable[[str], None]) -> Iterator[Line]:
    """Nobody else writes: what is measured is the comparison alone. One row in a thousand changes, a tenth of them late."""
    full, before, inside, without_key = [], [], [], []
    say(f"two servers, {rows} rows, {keyless} in a table without key")
    with rig(rows, 0) as made:
        with made.blue.open("bench") as blue:
            blue.run(KEYLESS, [keyless], timeout=60.0)
        caught_up(made)
        for number in range(rounds):
            began = time.monotonic()
            get_ready(made, "forward")
            full.append(time.monotonic() - began)
            _change(made, CHANGE, 1000, number)
            with ExitStack() as stack:
                ours, theirs = (
                    stack.enter_context(side.open("bench", settings=PINNED)) for side in (made.blue, made.green)
                )
                began = time.monotonic()
                changes = _followed(ours, theirs)
                changes.settle(Deadline.after(PATIENCE))
                before.append(time.monotonic() - began)
                _change(made, CHANGE, 10_000, number)
                began = time.monotonic()
                _none(changes.differing())
                inside.append(time.monotonic() - began)
                _change(made, KEYLESS, 10)
                began = time.monotonic()
                _none(changes.differing())
                without_key.append(time.monotonic() - began)
            say(f"round {number + 1} is over")
        found = _damaged(made)
    passes = (Reference(FULL, Spread.of(full, "s")),)
    yield Line("changed rows before the fence, writes go on", Spread.of(before, "s"), passes, LIMIT,
               f"{rows:,} rows, 1 in 1,000 changed")  # fmt: skip
    yield Line("changed rows inside the fence", Spread.of(inside, "s"), passes, LIMIT,
               f"1 in 10,000 changed; 1 planted, {found} found", failed=found != 1)  # fmt: skip
    yield Line("inside the fence, with a table without key", Spread.of(without_key, "s"), passes, LIMIT,
               f"{keyless:,} rows without key, 10 written")  # fmt: skip


def _change(made: Rig, sql: str, *params: int) -> None:
    with made.blue.open("bench") as blue:
        blue.run(sql, params, timeout=60.0)
    caught_up(made)


def _followed(ours: Session, theirs: Session) -> Changes:
    changes = Changes.recorded_on(ours, theirs)
    if changes is None:
        raise BenchFailed("no validation is recorded")
    return changes


def _none(differing: list[str]) -> None:
    if differing:
        raise BenchFailed(f"equal sides were said to differ: {'; '.join(differing[:3])}")


def _damaged(made: Rig) -> int:
    """How many differences the comparison inside the fence names when one row that has just changed is wrong on green."""
    with made.blue.open("bench", settings=PINNED) as ours, made.green.open("bench", settings=PINNED) as theirs:
        changes = _followed(ours, theirs)
        changes.settle(Deadline.after(PATIENCE))
        _change(made, TOUCH)
        with made.green.open("bench") as green:
            green.run(DAMAGE)
        return len(changes.differing())
