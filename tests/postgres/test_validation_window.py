"""What changed since the full validation: compared before the fence, and its last moments by key inside it."""

from functools import partial

import psycopg
import pytest
from changed import CHANGES, WINDOW, following, recorded, sessions
from load import load
from moves import VALIDATING, blue_switch, caught_up, planted, until
from pairs import Pair

from cutover.core.clock import Deadline
from cutover.postgres.baseline import ChangesCompared
from cutover.postgres.changes import ChangedRowsDiffer, Left
from cutover.postgres.moving import SwitchRefused
from cutover.postgres.sides import BEFORE, read_sides


@WINDOW
def test_what_changed_before_and_differs_is_refused_and_blue_serves(
    validated: Pair, change: str, damage: str, named: str
) -> None:
    validated.sql("blue", change)
    caught_up(validated.blue, validated.green)
    with load(validated, writers=1), planted(validated.green, damage, "SELECT 1"):
        # A row without a key, or a truncation, is looked for when nobody writes any more.
        with pytest.raises((ChangedRowsDiffer, SwitchRefused), match=named):
            blue_switch(validated.blue, validated.green, VALIDATING)
        assert read_sides(validated.blue, validated.green) == BEFORE


@WINDOW
def test_what_changes_in_the_last_moments_is_compared_inside_the_fence(
    validated: Pair, change: str, damage: str, named: str
) -> None:
    with following(validated) as (_, told):
        validated.sql("blue", change)
        caught_up(validated.blue, validated.green)
        with planted(validated.green, damage, "SELECT 1"):
            pass
    assert [line for line in told if named.replace("\\", "") in line], told


@WINDOW
def test_what_changes_and_arrives_is_no_difference(validated: Pair, change: str, damage: str, named: str) -> None:
    with following(validated) as (_, told):
        validated.sql("blue", change)
        caught_up(validated.blue, validated.green)
    assert told == []


def test_nothing_is_read_of_a_table_that_nobody_touched(validated: Pair) -> None:
    """Inside the fence the cost is that of the keys that changed, not that of the rows that are there."""
    count = "SELECT sum(seq_scan + coalesce(idx_scan, 0)) FROM pg_stat_user_tables WHERE schemaname = 'shop'"

    others = """SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
      AND pid <> pg_backend_pid() AND application_name <> 'cutover test'"""

    def alone(side: str) -> bool:
        return not validated.sql(side, others)

    def scans() -> list[int]:
        found = []
        for side in ("blue", "green"):
            # A session that ends tells what it has read just before it is gone.
            until(partial(alone, side), 20.0, "the end of who validated before")
            validated.sql(side, "SELECT pg_stat_force_next_flush()")
            found.append(int(validated.sql(side, count)[0][0]))
        return found

    with sessions(validated) as (ours, theirs):
        changes = recorded(ours, theirs)
        for session in (ours, theirs):
            session.run("SELECT pg_stat_force_next_flush()")
        before = scans()
        for moment in ("while writes go on", "inside the fence"):
            validated.sql("blue", "UPDATE public.tricky SET t = 'new' WHERE id = 12")
            caught_up(validated.blue, validated.green)
            if moment == "inside the fence":
                assert changes.differing() == []
            else:
                assert changes.settle(Deadline.after(60.0)) == Left(0) and changes.compared == 1
        for session in (ours, theirs):
            session.run("SELECT pg_stat_force_next_flush()")
        assert scans() == before


def test_what_does_not_arrive_holds_nothing_up_beyond_the_deadline(
    validated: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left to the fence, which is not even begun when the deadline is over."""
    monkeypatch.setattr("cutover.postgres.changes.CATCH_UP", 3600.0)
    with sessions(validated) as (ours, theirs), psycopg.connect(validated.dsns["green"]) as holder:
        holder.execute("LOCK TABLE public.tricky IN EXCLUSIVE MODE")  # nothing is applied any more
        validated.sql("blue", "UPDATE public.tricky SET t = 'new' WHERE id = 12")
        changes = recorded(ours, theirs)
        assert "did not arrive" in changes.settle(Deadline.after(2.0)).why
        assert "did not arrive" in str(ChangesCompared(validated.blue, validated.green, within=1.0).look().seen)
        holder.rollback()
        caught_up(validated.blue, validated.green)
        assert changes.differing() == [] and changes.inside == 1


def test_a_large_table_without_a_key_is_not_read_whole_while_writes_wait(validated: Pair) -> None:
    """It would cost seconds; what is left out is said."""
    change, damage, _ = CHANGES["without a key"]
    keyed, bad, named = CHANGES["a row"]
    with following(validated, large=0) as (changes, told):
        for statement in (change, keyed):
            validated.sql("blue", statement)
        caught_up(validated.blue, validated.green)
        for statement in (damage, bad):
            with planted(validated.green, statement, "SELECT 1"):
                pass
    assert len(told) == 1 and named.replace("\\", "") in told[0]
    assert changes.unread == {"public.notes"}
    assert "too large to be read with writes waiting: public.notes" in changes.covered


def test_a_large_table_that_was_truncated_is_not_read_whole_while_writes_wait(validated: Pair) -> None:
    """A truncation tells no keys, so only a look at the whole table could say more."""
    change, damage, _ = CHANGES["truncated"]
    with following(validated, large=0) as (changes, told):
        validated.sql("blue", change)
        caught_up(validated.blue, validated.green)
        with planted(validated.green, damage, "SELECT 1"):
            pass
    assert told == [] and changes.unread == {"public.tricky"}
    assert "too large to be read with writes waiting: public.tricky" in changes.covered


def test_a_switch_under_load_passes_what_changed_and_is_the_same(validated: Pair) -> None:
    with load(validated, writers=2, churn=True):
        blue_switch(validated.blue, validated.green, VALIDATING)
    blue_switch(validated.green, validated.blue)
