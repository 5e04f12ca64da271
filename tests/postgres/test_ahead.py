"""A commit is sent to the target before its own server shows it: for a moment the target is ahead, and nothing differs."""

from collections.abc import Callable

import psycopg
from moves import caught_up, planted
from pairs import Pair

from cutover.postgres.comparable import same_tables
from cutover.postgres.rowhash import PINNED
from cutover.postgres.session import Session
from cutover.postgres.suspects import Settled, recheck

AHEAD = "UPDATE public.queue SET state = 'odd' WHERE id = 3"
BACK = "UPDATE public.queue SET state = 'even' WHERE id = 3"


class Counting:
    """A session that tells how many markers were written, before each of them."""

    def __init__(self, session: Session, told: Callable[[int], None]) -> None:
        self._session, self._told = session, told
        self.side, self.label, self.written = session.side, session.label, 0

    def run(self, sql: str) -> None:
        self.written += 1
        self._told(self.written)
        self._session.run(sql)


def looked_again(pair: Pair, told: Callable[[int], None]) -> Settled:
    with (
        pair.blue.open("test", settings=PINNED) as ours,
        pair.green.open("test", settings=PINNED) as theirs,
        pair.blue.open("test") as marks,
    ):
        (queue,) = [table for table in same_tables(ours, theirs) if table.name == "public.queue"]
        return recheck(queue, [("3",)], ours, theirs, Counting(marks, told), 20.0)  # type: ignore[arg-type]


def test_a_commit_that_the_source_does_not_show_yet_is_no_difference(prepared: Pair) -> None:
    """It is shown after two looks that were the same on both sides."""
    with psycopg.connect(prepared.dsns["blue"]) as writer, planted(prepared.green, AHEAD, "SELECT 1"):
        writer.execute(AHEAD)
        settled = looked_again(prepared, lambda number: writer.commit() if number == 4 else None)
    assert (settled.real, settled.unproven) == ({}, []) and settled.looks >= 4
    prepared.sql("blue", BACK)
    caught_up(prepared.blue, prepared.green)


def test_a_long_transaction_does_not_hide_a_difference(prepared: Pair) -> None:
    with psycopg.connect(prepared.dsns["blue"]) as writer, planted(prepared.green, AHEAD, BACK):
        writer.execute("SELECT pg_current_xact_id()")
        settled = looked_again(prepared, lambda number: None)
        writer.rollback()
    assert settled.real == {("3",): "different"} and settled.unproven == []
