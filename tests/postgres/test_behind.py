"""How far blue is behind green after the switch: bytes, rows and time while its apply waits, and what stops it."""

from collections.abc import Iterator

import psycopg
import pytest
from moves import caught_up, until
from pairs import Pair

from cutover.core.gate import Verdict
from cutover.plans.rollback_cost import RollbackAffordable
from cutover.postgres.behind import Behind, behind


@pytest.fixture
def held_up(switched: Pair) -> Iterator[Pair]:
    """Green has 2,000 rows more than blue, whose apply waits for a lock."""
    with psycopg.connect(switched.dsns["blue"]) as holder:
        holder.execute("LOCK TABLE public.queue IN ACCESS EXCLUSIVE MODE")
        switched.sql("green", "INSERT INTO public.queue SELECT 1000000 + i, 'behind' FROM generate_series(1, 2000) i")
        until(lambda: behind(switched.green, switched.blue).bytes > 50_000, what="blue is behind")
        yield switched
        holder.rollback()
    switched.sql("green", "DELETE FROM public.queue WHERE id > 1000000")
    caught_up(switched.green, switched.blue)


def test_a_side_that_follows_is_nearly_there(prepared: Pair) -> None:
    caught_up(prepared.blue, prepared.green)
    found = behind(prepared.blue, prepared.green)
    assert not found.trouble and found.bytes < 1_000_000
    assert "MB behind" in str(found)


def test_what_blue_lacks_is_counted_about(held_up: Pair) -> None:
    found = behind(held_up.green, held_up.blue)
    assert not found.trouble and found.bytes > 50_000
    assert found.rows is not None and found.rows > 50, found
    assert f"about {found.rows} rows" in str(found)


def test_a_bound_says_when_going_back_is_too_dear(held_up: Pair) -> None:
    from types import SimpleNamespace

    means = SimpleNamespace(pairs=(SimpleNamespace(green=held_up.green, blue=held_up.blue),))
    near = RollbackAffordable(means, 10_000, None).look()  # type: ignore[arg-type]
    assert near.verdict is Verdict.FAIL and "at most 0.01 MB" in near.seen
    assert RollbackAffordable(means, 10**12, None).look().verdict is Verdict.PASS  # type: ignore[arg-type]


def test_nobody_follows(prepared: Pair) -> None:
    prepared.sql("green", "ALTER SUBSCRIPTION cut_blue_green DISABLE")
    try:
        until(lambda: bool(behind(prepared.blue, prepared.green).trouble), what="nobody follows")
        assert "is not connected" in str(behind(prepared.blue, prepared.green))
    finally:
        prepared.sql("green", "ALTER SUBSCRIPTION cut_blue_green ENABLE")
    caught_up(prepared.blue, prepared.green)


def test_what_is_not_known_is_said() -> None:
    assert str(Behind("shop", trouble="no answer")) == "shop: not known: no answer"
