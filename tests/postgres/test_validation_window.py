"""What changed since the full validation: compared before the fence, and its last moments by key inside it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import psycopg
import pytest
from load import load
from moves import VALIDATING, blue_switch, caught_up, planted, until
from pairs import Pair

from cutover.core.clock import Deadline
from cutover.postgres.baseline import ForgetBaseline, RecordBaseline
from cutover.postgres.changes import LARGE, ChangedRowsDiffer, Changes, compare_changed
from cutover.postgres.rowhash import PINNED
from cutover.postgres.sides import BEFORE, read_sides
from cutover.postgres.validation import validate

SOUND = """TRUNCATE public.tricky; INSERT INTO public.tricky SELECT i, 'text ' || i, i / 3.0, i * 1.5,
  jsonb_build_object('a', i, 'b', 2), timestamptz '2026-01-01' + i * interval '1 second', i,
  tstzrange('2026-01-01', NULL) FROM generate_series(1, 60) i"""
AGAIN = ("TRUNCATE public.notes; INSERT INTO public.notes SELECT 'note ' || i % 7, 0.0 FROM generate_series(1, 40) i",
         SOUND, "UPDATE shop.order_lines SET quantity = CASE line_no WHEN 1 THEN 4 ELSE 1 END WHERE order_id = 2", "DELETE FROM public.queue WHERE id > 5",
         "UPDATE public.\"Weird Name\" SET \"quote\"\"d\" = 'it''s \"quoted\" \\ 1' WHERE \"Id\" = 1")  # fmt: skip
NOTED = "(SELECT ctid FROM public.notes WHERE body = 'note 4' LIMIT 1)"
NOTE = "(SELECT ctid FROM public.notes WHERE body = 'fresh' LIMIT 1)"

# Each: what changes on blue, how green then goes wrong, and what is named.
CHANGES = {
    "a row": ("UPDATE public.tricky SET t = 'new' WHERE id IN (12, 13)",
              "UPDATE public.tricky SET t = 'bad' WHERE id = 13", r"public\.tricky 13"),
    "an insert": ("INSERT INTO public.tricky (id) VALUES (900)",
                  "DELETE FROM public.tricky WHERE id = 900", r"public\.tricky 900"),
    "a lost delete": ("DELETE FROM public.tricky WHERE id = 14",
                      "INSERT INTO public.tricky (id) VALUES (14)", r"public\.tricky 14"),
    "a key that changed": ("UPDATE public.queue SET id = 77 WHERE id = 5",
                           "INSERT INTO public.queue VALUES (5, 'even')", r"public\.queue 5"),
    "without a key": ("INSERT INTO public.notes VALUES ('fresh', 1), ('fresh', 1)",
                      f"UPDATE public.notes SET v = 2 WHERE ctid = {NOTE}", r"public\.notes: a row without key"),
    "without a key, to null": (f"UPDATE public.notes SET body = NULL WHERE ctid = {NOTED}",
                               "DELETE FROM public.notes WHERE body IS NULL", r"public\.notes: a row without key"),
    "without a key, a lost delete": (f"DELETE FROM public.notes WHERE ctid = {NOTED}",
                                     "INSERT INTO public.notes VALUES ('note 4', 0)", r"public\.notes"),
    "without a key, a long one": ("INSERT INTO public.notes VALUES (repeat('long ', 200), 1)",
                                  "DELETE FROM public.notes WHERE body LIKE 'long %'", r"public\.notes"),
    "composite key": ("UPDATE shop.order_lines SET quantity = 5 WHERE order_id = 2",
                      "UPDATE shop.order_lines SET quantity = 6 WHERE order_id = 2 AND line_no = 1",
                      r"shop\.order_lines 2, 1"),
    "odd names": ("UPDATE public.\"Weird Name\" SET \"quote\"\"d\" = '%s' WHERE \"Id\" = 1",
                  "UPDATE public.\"Weird Name\" SET \"quote\"\"d\" = '%' WHERE \"Id\" = 1", r'public\."Weird Name" 1'),
    "truncated": ("TRUNCATE public.tricky", "INSERT INTO public.tricky (id) VALUES (3)", r"public\.tricky"),
}  # fmt: skip
WINDOW = pytest.mark.parametrize("change, damage, named", CHANGES.values(), ids=CHANGES.keys())


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


@contextmanager
def following(pair: Pair, large: int = LARGE) -> Iterator[tuple[Changes, list[str]]]:
    """Changes from here on; what the comparison inside the fence then says is in the list at the end."""
    with ExitStack() as stack:
        ours, theirs = (
            stack.enter_context(pair.side(side).open("test", settings=PINNED)) for side in ("blue", "green")
        )
        changes = Changes.since_baseline(ours, theirs, Deadline.after(60.0), large=large)
        told: list[str] = []
        yield changes, told
        told += compare_changed(ours, theirs, changes)


@WINDOW
def test_what_changed_before_and_differs_is_refused_before_the_fence(
    validated: Pair, change: str, damage: str, named: str
) -> None:
    validated.sql("blue", change)
    caught_up(validated.blue, validated.green)
    with load(validated, writers=1), planted(validated.green, damage, "SELECT 1"):
        with pytest.raises(ChangedRowsDiffer, match=named):
            blue_switch(validated.blue, validated.green, VALIDATING)
        assert read_sides(validated.blue, validated.green) == BEFORE


@WINDOW
def test_what_changes_in_the_last_moments_is_compared_inside_the_fence(
    validated: Pair, change: str, damage: str, named: str
) -> None:
    with following(validated) as (changes, told):
        assert changes.feed is not None
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

    with ExitStack() as stack:
        ours, theirs = (
            stack.enter_context(validated.side(side).open("test", settings=PINNED)) for side in ("blue", "green")
        )
        changes = Changes.since_baseline(ours, theirs, Deadline.after(60.0))
        for session in (ours, theirs):
            session.run("SELECT pg_stat_force_next_flush()")
        before = scans()
        validated.sql("blue", "UPDATE public.tricky SET t = 'new' WHERE id = 12")
        caught_up(validated.blue, validated.green)
        assert compare_changed(ours, theirs, changes) == []
        for session in (ours, theirs):
            session.run("SELECT pg_stat_force_next_flush()")
        assert scans() == before


def test_what_does_not_arrive_holds_nothing_up_beyond_the_deadline(
    validated: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left to the fence, which is not even begun when the deadline is over."""
    monkeypatch.setattr("cutover.postgres.changes.CATCH_UP", 3600.0)
    with ExitStack() as stack:
        ours, theirs = (
            stack.enter_context(validated.side(side).open("test", settings=PINNED)) for side in ("blue", "green")
        )
        holder = stack.enter_context(psycopg.connect(validated.dsns["green"]))
        holder.execute("LOCK TABLE public.tricky IN EXCLUSIVE MODE")  # nothing is applied any more
        validated.sql("blue", "UPDATE public.tricky SET t = 'new' WHERE id = 12")
        changes = Changes.since_baseline(ours, theirs, Deadline.after(2.0))
        assert changes.pending.keys == {"public.tricky": {("12",)}}
        holder.rollback()
        caught_up(validated.blue, validated.green)
        assert compare_changed(ours, theirs, changes) == []


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


@pytest.mark.parametrize("case", ["a row", "a lost delete", "without a key"])
def test_without_a_slot_the_tables_are_read_inside_the_fence(validated: Pair, case: str) -> None:
    """An open transaction keeps the slot from being made: that is waited for with a deadline, and said."""
    change, damage, named = CHANGES[case]
    with psycopg.connect(validated.dsns["blue"]) as stubborn:
        stubborn.execute("INSERT INTO public.probe (key) VALUES (gen_random_uuid())")
        with following(validated) as (changes, told):
            assert changes.feed is None and "every table was read once more" in changes.coverage
            assert "statement timeout" in changes.coverage
            validated.sql("blue", change)
            caught_up(validated.blue, validated.green)
            with planted(validated.green, damage, "SELECT 1"):
                pass
        stubborn.rollback()
    assert [line for line in told if named.replace("\\", "").split(":")[0].split(" ")[0] in line], told


def test_the_slot_goes_with_the_session(validated: Pair) -> None:
    slots = "SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'cut_changes%'"
    with following(validated) as (changes, _):
        assert validated.sql("blue", slots) == [(1,)]
    until(lambda: validated.sql("blue", slots) == [(0,)], 10.0, "the end of the slot with its session")
    with validated.blue.open("test", settings=PINNED) as ours, validated.green.open("test", settings=PINNED) as theirs:
        changes = Changes.since_baseline(ours, theirs, Deadline.after(60.0))
        changes.close()
        assert validated.sql("blue", slots) == [(0,)]


def test_the_baseline_moves_up_so_that_a_second_try_compares_less(validated: Pair) -> None:
    before = validated.sql("blue", "SELECT horizon FROM cutover.baseline")
    validated.sql("blue", "UPDATE public.tricky SET t = 'new' WHERE id = 12")
    with following(validated) as (changes, told):
        assert "1 rows changed" in changes.coverage
    with following(validated) as (changes, told):
        assert "0 rows changed" in changes.coverage
    assert validated.sql("blue", "SELECT horizon FROM cutover.baseline") != before and told == []


def test_a_switch_under_load_passes_what_changed_and_is_the_same(validated: Pair) -> None:
    with load(validated, writers=2, churn=True):
        blue_switch(validated.blue, validated.green, VALIDATING)
    blue_switch(validated.green, validated.blue)
