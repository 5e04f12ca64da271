"""Two real servers, 16 and 18, with the shop's schema and a few thousand rows; one pair for all tests of this folder."""

from collections.abc import Iterator

import pytest
from changed import AGAIN
from moves import blue_switch, caught_up, caught_up_both, planted, prepare, undo_late
from pairs import Pair, made_again, serving, tiny_on

from cutover.core.clock import Deadline
from cutover.postgres.baseline import ForgetBaseline, RecordBaseline
from cutover.postgres.sides import BEFORE, read_sides
from cutover.postgres.validation import validate


@pytest.fixture(scope="session")
def pair() -> Iterator[Pair]:
    """Both servers running, nothing of ours in them."""
    with serving("PAIR") as found:
        yield found


@pytest.fixture(scope="session")
def followed(pair: Pair) -> Pair:
    """The pair with kit, publications and both subscriptions: blue open, green fenced."""
    prepare(pair.blue, pair.green)
    return pair


@pytest.fixture
def prepared(followed: Pair) -> Iterator[Pair]:
    """The prepared pair for one test; goes back to open/fenced, and says when the test left something else."""
    pair = followed
    assert read_sides(pair.blue, pair.green) == BEFORE
    yield pair
    try:
        _as_before(pair)
    except BaseException:  # what one test left must not fail all that come after it
        made_again(pair)
        prepare(pair.blue, pair.green)
        raise


def _as_before(pair: Pair) -> None:
    left = read_sides(pair.blue, pair.green)
    if left != BEFORE:
        undo_late(pair.blue, pair.green)
    assert left == BEFORE, f"the test left {left}"
    assert not pair.sql("blue", "SELECT gid FROM pg_prepared_xacts")
    caught_up_both(pair.blue, pair.green)


@pytest.fixture
def validated(prepared: Pair) -> Iterator[Pair]:
    """A recorded validation; afterwards everything is as it was, and equal."""
    RecordBaseline(prepared.blue, prepared.green).run(Deadline.after(60.0))
    yield prepared
    ForgetBaseline(prepared.blue).run(Deadline.after(10.0))
    with planted(prepared.green, "TRUNCATE public.tricky, public.notes, public.queue", "SELECT 1"):
        for statement in (*AGAIN, "UPDATE public.queue SET id = 5 WHERE id = 77", "TRUNCATE public.queue",
                          "INSERT INTO public.queue SELECT i, 'even' FROM generate_series(1, 5) i"):  # fmt: skip
            prepared.sql("blue", statement)
    caught_up(prepared.blue, prepared.green)
    assert validate(prepared.blue, prepared.green).status == "equal"


@pytest.fixture
def switched(prepared: Pair) -> Iterator[Pair]:
    """The prepared pair with green writing; goes back afterwards."""
    blue_switch(prepared.blue, prepared.green)
    yield prepared
    blue_switch(prepared.green, prepared.blue)


@pytest.fixture(scope="session")
def tiny(pair: Pair) -> Pair:
    """A small database of its own on the same servers, for what is done many times; nothing of ours is in it."""
    return tiny_on(pair, "TINY")
