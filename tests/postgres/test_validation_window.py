"""What changed since the full validation: compared before the fence, and its last moments by key inside it."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import psycopg
import pytest
from load import load
from moves import VALIDATING, blue_switch, caught_up, planted, take, until, window
from pairs import Pair

from cutover.core.clock import Deadline
from cutover.core.gate import Verdict
from cutover.core.telling import heard
from cutover.postgres import baseline
from cutover.postgres.baseline import ChangesCompared, ForgetBaseline, RecordBaseline, RowsDiffer
from cutover.postgres.change_feed import ChangeFeed, NotFollowed, Piece, drop
from cutover.postgres.changes import LARGE, ChangedRowsDiffer, Changes, Left
from cutover.postgres.comparison import Progress, Report
from cutover.postgres.moving import SwitchRefused
from cutover.postgres.rowhash import PINNED
from cutover.postgres.session import Database, Session
from cutover.postgres.sides import BEFORE, read_sides
from cutover.postgres.validation import validate
from cutover.postgres.way_back import BOTH, TOWARDS_BLUE


class Died(BaseException):
    """As by SIGKILL: nothing of ours cleans up behind it."""


SOUND = """TRUNCATE public.tricky; INSERT INTO public.tricky SELECT i, 'text ' || i, i / 3.0, i * 1.5,
  jsonb_build_object('a', i, 'b', 2), timestamptz '2026-01-01' + i * interval '1 second', i,
  tstzrange('2026-01-01', NULL) FROM generate_series(1, 60) i"""
AGAIN = ("TRUNCATE public.notes; INSERT INTO public.notes SELECT 'note ' || i % 7, 0.0 FROM generate_series(1, 40) i",
         SOUND, "UPDATE shop.order_lines SET quantity = CASE line_no WHEN 1 THEN 4 ELSE 1 END WHERE order_id = 2", "DELETE FROM public.queue WHERE id > 5",
         "UPDATE public.\"Weird Name\" SET \"quote\"\"d\" = 'it''s \"quoted\" \\ 1' WHERE \"Id\" = 1")  # fmt: skip
SLOTS = "SELECT slot_name FROM pg_replication_slots WHERE slot_name ~ 'changes'"
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
def sessions(pair: Pair) -> Iterator[tuple[Session, Session]]:
    with ExitStack() as stack:
        ours, theirs = (
            stack.enter_context(pair.side(side).open("test", settings=PINNED)) for side in ("blue", "green")
        )
        yield ours, theirs


def recorded(ours: Session, theirs: Session, large: int = LARGE) -> Changes:
    changes = Changes.recorded_on(ours, theirs, large=large)
    assert changes is not None
    return changes


@contextmanager
def following(pair: Pair, large: int = LARGE) -> Iterator[tuple[Changes, list[str]]]:
    """Changes from here on; what the comparison inside the fence then says is in the list at the end."""
    with sessions(pair) as (ours, theirs):
        changes = recorded(ours, theirs, large)
        assert changes.settle(Deadline.after(60.0)).why == ""
        told: list[str] = []
        yield changes, told
        told += changes.differing()


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


def test_a_dead_process_leaves_nothing_out(validated: Pair) -> None:
    """What was read and could not be settled is beside the record before it is not read again."""
    for case in ("without a key", "truncated"):
        change, damage, named = CHANGES[case]
        with sessions(validated) as (ours, theirs):
            validated.sql("blue", change)
            caught_up(validated.blue, validated.green)
            assert recorded(ours, theirs, large=0).settle(Deadline.after(60.0)).why == ""
        with sessions(validated) as (ours, theirs), planted(validated.green, damage, "SELECT 1"):
            assert [line for line in recorded(ours, theirs).differing() if named.replace("\\", "") in line], case


def test_what_was_read_and_not_passed_is_read_again(validated: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Death between the note of what is pending and the move of the slot."""

    def died(self: ChangeFeed, position: str, timeout: float = 0.0) -> None:
        raise Died

    change, damage, _ = CHANGES["a row"]
    with sessions(validated) as (ours, theirs), monkeypatch.context() as patched, pytest.raises(Died):
        validated.sql("blue", change)
        caught_up(validated.blue, validated.green)
        patched.setattr(ChangeFeed, "advance", died)
        recorded(ours, theirs).settle(Deadline.after(60.0))
    with sessions(validated) as (ours, theirs), planted(validated.green, damage, "SELECT 1"):
        pass
    assert ChangesCompared(validated.blue, validated.green).look().verdict is Verdict.FAIL


def test_many_changes_are_compared_piece_by_piece(validated: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many they are; a large transaction is one piece, and each piece is left behind once."""
    monkeypatch.setattr("cutover.postgres.changes.PIECE", 5)
    monkeypatch.setattr("cutover.postgres.change_feed.FETCHED", 3)
    for low in range(1, 60, 2):
        validated.sql("blue", f"UPDATE public.tricky SET t = 'new' WHERE id IN ({low}, {low + 1})")
    validated.sql("blue", "UPDATE public.tricky SET t = 'newer' WHERE id <= 40")
    validated.sql("blue", "UPDATE public.tricky SET t = 'newest' WHERE id = 7")
    caught_up(validated.blue, validated.green)
    pieces: list[Piece] = []
    read = ChangeFeed.piece

    def noted(self: ChangeFeed, most: int, timeout: float = 60.0) -> Piece:
        pieces.append(read(self, most, timeout))
        return pieces[-1]

    monkeypatch.setattr(ChangeFeed, "piece", noted)
    with sessions(validated) as (ours, theirs):
        changes = recorded(ours, theirs)
        assert changes.settle(Deadline.after(60.0)).why == ""
        assert changes.compared == 60 + 40 + 1 and len(pieces) > 10
        assert max(piece.changed.count for piece in pieces) == 40
        assert changes.differing() == [] and changes.inside == 0


def test_a_table_of_which_too_much_changed_is_compared_whole(validated: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is refused because it is busy; what would be too large for the window is compared before it."""
    monkeypatch.setattr("cutover.postgres.change_feed.TOUCHED_LIMIT", 20)
    validated.sql("blue", "UPDATE public.tricky SET t = 'new'")
    caught_up(validated.blue, validated.green)
    with following(validated, large=0) as (changes, told):
        assert changes.too_large() == ["public.tricky"]
        validated.sql("blue", "UPDATE public.tricky SET t = 'newer'")  # it is whole already, and stays so
        caught_up(validated.blue, validated.green)
    assert told == [] and "too large to be read with writes waiting: public.tricky" in changes.covered
    with following(validated) as (changes, told), planted(validated.green, "DELETE FROM public.tricky", "SELECT 1"):
        assert changes.pending.whole == {"public.tricky"}
    assert told == ["public.tricky: 60 rows on blue, 0 on green"]
    with planted(validated.green, SOUND.replace("TRUNCATE public.tricky;", "").strip(), "SELECT 1"):
        pass


def test_recording_compares_what_is_too_large_for_the_window(validated: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is truncated while the validation runs is validated once more, by itself."""
    monkeypatch.setattr("cutover.postgres.changes.LARGE", 0)
    asked: list[list[str]] = []

    def busy(
        source: Database, target: Database, *, tables: Sequence[str] = (), listen: Callable[[Progress], None]
    ) -> Report:
        asked.append(list(tables))
        found = validate(source, target, tables=tables, listen=listen)
        if len(asked) == 1:
            for statement in SOUND.split("; "):
                validated.sql("blue", statement)
        return found

    monkeypatch.setattr(baseline, "validate", busy)
    record = RecordBaseline(validated.blue, validated.green)
    with sessions(validated) as (ours, theirs):
        monkeypatch.setattr(Changes, "recorded_on", partial(Changes.recorded_on, large=0))
        record.run(Deadline.after(60.0))
        assert asked == [[], ["public.tricky"]]
        assert recorded(ours, theirs).too_large() == []


def test_a_slot_waits_for_open_transactions_and_names_the_oldest(
    prepared: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutover.postgres.change_feed.MAKE_SLOT", 0.1)
    told: list[str] = []
    with psycopg.connect(prepared.dsns["blue"]) as stubborn:
        stubborn.execute("INSERT INTO public.probe (key) VALUES (gen_random_uuid())")
        pid = stubborn.info.backend_pid
        with heard(told.append), pytest.raises(NotFollowed, match=rf"ended: pid {pid} of postgres, open for \d+ s"):
            RecordBaseline(prepared.blue, prepared.green).run(Deadline.after(0.5))
        stubborn.rollback()
    assert f"waits for the transactions that are open on blue: pid {pid}" in told[0]
    assert prepared.sql("blue", SLOTS) == []


def test_a_slot_that_is_gone_is_refused_before_the_window_and_before_the_fence(validated: Pair) -> None:
    with validated.blue.open("test") as session:
        drop(session, Deadline.after(10.0))
    found = ChangesCompared(validated.blue, validated.green).look()
    assert found.verdict is Verdict.FAIL and "cut_blue_changes on blue is gone" in found.seen
    assert "--record" in found.hint
    with pytest.raises(NotFollowed, match="what changed since the validation is not known"):
        blue_switch(validated.blue, validated.green, VALIDATING)
    assert read_sides(validated.blue, validated.green) == BEFORE


def test_a_slot_that_somebody_reads_is_waited_for(validated: Pair) -> None:
    """A dead predecessor's server process may still be at it."""
    told: list[str] = []
    program = validated.programs / "pg_recvlogical"
    options = ["-o", "proto_version=1", "-o", "publication_names=cut_pub", "-S", "cut_blue_changes", "-f", "/dev/null"]
    reader = subprocess.Popen([program, "-d", validated.dsns["blue"], *options, "--start", "--no-loop"])
    try:
        active = "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'cut_blue_changes' AND active"
        until(lambda: bool(validated.sql("blue", active)), 10.0, "the reader")

        def end(seen: str) -> None:
            told.append(seen)
            reader.terminate()

        with validated.blue.open("test") as session, heard(end):
            drop(session, Deadline.after(10.0))
    finally:
        reader.kill()
        reader.wait()
    assert told[0] == "cut_blue_changes is still read by somebody" and validated.sql("blue", SLOTS) == []


@pytest.mark.parametrize("case", ["without a key", "without a key, to null", "without a key, a lost delete"])
def test_rows_without_a_key_are_settled_while_writes_go_on(validated: Pair, case: str) -> None:
    """Only those of the last moments are left for the fence, however many have changed since the validation."""
    change, damage, named = CHANGES[case]
    with load(validated, writers=1, churn=True), sessions(validated) as (ours, theirs):
        validated.sql("blue", change)
        caught_up(validated.blue, validated.green)
        changes = recorded(ours, theirs)
        changes.settle(Deadline.after(60.0))
        left = changes.pending.values.get("public.notes", {})
        assert not {"fresh", "note 4"} & left.get("body", set()) and "public.notes" not in changes.pending.whole
    with sessions(validated) as (ours, theirs):
        validated.sql("blue", change)
        caught_up(validated.blue, validated.green)
        with planted(validated.green, damage, "SELECT 1"), pytest.raises(ChangedRowsDiffer, match=named):
            recorded(ours, theirs).settle(Deadline.after(60.0))


def test_what_was_compared_is_not_compared_again(validated: Pair) -> None:
    validated.sql("blue", "UPDATE public.tricky SET t = 'new' WHERE id = 12")
    caught_up(validated.blue, validated.green)
    look = ChangesCompared(validated.blue, validated.green).look
    for found in (look(), look()):
        assert found.seen == "1 changed rows were compared since the validation, 0 in the last look"
    assert found.verdict is Verdict.PASS and found.data["compared"] == 1


def test_without_a_record_the_gate_says_so(prepared: Pair) -> None:
    found = ChangesCompared(prepared.blue, prepared.green).look()
    assert found.verdict is Verdict.FAIL and found.seen == "no validation is recorded"


def test_a_side_that_is_fenced_records_nothing(prepared: Pair) -> None:
    """After the switch its changes are the other side's, and nobody would ever read them."""
    with pytest.raises(NotFollowed, match="green is fenced"):
        RecordBaseline(prepared.green, prepared.blue).run(Deadline.after(60.0))
    assert prepared.sql("green", SLOTS) == []


def test_a_record_that_failed_keeps_no_changes(prepared: Pair) -> None:
    damage = "UPDATE shop.order_lines SET quantity = 99 WHERE order_id = 1 AND line_no = 1"
    was = prepared.sql("green", "SELECT quantity FROM shop.order_lines WHERE order_id = 1 AND line_no = 1")[0][0]
    mend = damage.replace("quantity = 99", f"quantity = {was}")
    with planted(prepared.green, damage, mend), pytest.raises(RowsDiffer):
        RecordBaseline(prepared.blue, prepared.green).run(Deadline.after(60.0))
    assert prepared.sql("blue", SLOTS) == [] and not prepared.sql("blue", "SELECT 1 FROM cutover.baseline")


def test_after_the_switch_the_changes_are_let_go(validated: Pair) -> None:
    """Blue's slot would keep its WAL for ever; a death before the direction was turned leaves that to the next try."""
    switch, turned = window(validated.blue, validated.green)[1:]
    for step in (switch, turned):
        take(step)
        if step is switch:
            assert validated.sql("blue", SLOTS) == [("cut_blue_changes",)]
            assert turned.observe() == BOTH
    assert turned.observe() == TOWARDS_BLUE
    assert validated.sql("blue", SLOTS) == [] and not validated.sql("blue", "SELECT 1 FROM cutover.baseline")
    for step in (turned, switch):
        take(step.inverse())


def test_a_switch_under_load_passes_what_changed_and_is_the_same(validated: Pair) -> None:
    with load(validated, writers=2, churn=True):
        blue_switch(validated.blue, validated.green, VALIDATING)
    blue_switch(validated.green, validated.blue)
