"""The slot that a validation makes: nothing that changed is passed over, nothing is kept for ever, and nobody waits for ever."""

import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

import psycopg
import pytest
from changed import CHANGES, SLOTS, SOUND, Died, following, recorded, sessions
from load import load
from moves import VALIDATING, blue_switch, caught_up, planted, take, until, window
from pairs import Pair

from cutover.core.clock import Deadline
from cutover.core.gate import Verdict
from cutover.core.telling import heard
from cutover.postgres import baseline
from cutover.postgres.baseline import ChangesCompared, RecordBaseline, RowsDiffer, Validated
from cutover.postgres.change_feed import ChangeFeed, ComparedElsewhere, NotFollowed, Piece, drop, follow, shown
from cutover.postgres.changes import ChangedRowsDiffer, Changes
from cutover.postgres.comparable import same_tables
from cutover.postgres.comparison import Progress, Report
from cutover.postgres.hands import Hands
from cutover.postgres.session import Database
from cutover.postgres.sides import BEFORE, read_sides
from cutover.postgres.suspects import RUNNING, entries
from cutover.postgres.validation import validate
from cutover.postgres.watching import WalKept
from cutover.postgres.way_back import BOTH, TOWARDS_BLUE


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


KEYED = """CREATE TABLE public.keyed (yes boolean, address inet, code char(5), at timestamptz, v int,
  PRIMARY KEY (yes, address, code, at))"""


def test_keys_are_found_by_what_decoding_tells_of_them(validated: Pair) -> None:
    """A cast to text gives true, 10.0.0.1/32 and no blanks; a time comes in the zone of whoever decodes."""
    validated.sql("blue", "ALTER DATABASE shop SET timezone = 'Europe/Berlin'")
    made = []
    try:
        for side in ("blue", "green"):
            validated.sql(side, KEYED)
            made.append(side)
        validated.sql("blue", "INSERT INTO public.keyed VALUES (true, '10.0.0.1', 'ab', '2026-07-01 12:00+02', 1)")
        with ExitStack() as stack:
            hands = Hands(validated.blue, validated.green, stack)
            decoded = hands.decode.value("SELECT '2026-07-01 12:00+02'::timestamptz::text")
            key = ("t", "10.0.0.1", "ab   ", decoded)
            table = next(t for t in same_tables(hands.look, hands.arrive) if t.name == "public.keyed")
            assert entries(hands.look, table, [("f", *key[1:]), key]).keys() == {key}
    finally:
        validated.sql("blue", "ALTER DATABASE shop RESET timezone")
        for side in made:
            validated.sql(side, "DROP TABLE public.keyed")


def test_two_who_compare_at_once_put_out_nothing_of_each_other(validated: Pair) -> None:
    with sessions(validated) as first, sessions(validated) as second:
        one, other = recorded(*first), recorded(*second)
        validated.sql("blue", "UPDATE public.tricky SET t = 'new' WHERE id = 12")
        caught_up(validated.blue, validated.green)
        one.settle(Deadline.after(60.0))
        validated.sql("blue", "UPDATE public.tricky SET t = 'newer' WHERE id = 12")
        caught_up(validated.blue, validated.green)
        with pytest.raises(ComparedElsewhere, match="somebody else compares the changes of blue"):
            other.settle(Deadline.after(60.0))
        one.settle(Deadline.after(60.0))


def test_a_table_that_was_altered_since_is_compared_whole(validated: Pair) -> None:
    """Its rows were rewritten on each side by itself."""
    for side in ("blue", "green"):
        validated.sql(side, "ALTER TABLE public.queue ADD COLUMN lot double precision DEFAULT random()")
    try:
        with following(validated) as (changes, told):
            assert changes.pending.whole == {"public.queue"}
        assert told == ["public.queue: rows differ"]
    finally:
        for side in ("blue", "green"):
            validated.sql(side, "ALTER TABLE public.queue DROP COLUMN lot")


def test_what_its_own_server_does_not_show_yet_is_waited_for(prepared: Pair) -> None:
    with psycopg.connect(prepared.dsns["blue"]) as writer, prepared.blue.open("test") as session:
        writer.execute("INSERT INTO public.probe (key) VALUES (gen_random_uuid())")
        (row,) = writer.execute("SELECT pg_current_xact_id()::text::bigint % 4294967296").fetchall()
        xid = row[0]
        assert (xid,) in session.rows(RUNNING)
        assert not shown(session, {xid}, Deadline.after(0.1))
        assert shown(session, {xid - 1}, Deadline.after(0.1))
        writer.commit()
        assert shown(session, {xid}, Deadline.after(5.0))


def test_rows_without_a_key_that_have_not_arrived_stay_to_be_compared(validated: Pair) -> None:
    """A row that came and went is on neither side yet; its delete may still get lost."""
    with sessions(validated) as (ours, theirs), psycopg.connect(validated.dsns["green"]) as holder:
        holder.execute("LOCK TABLE public.notes IN EXCLUSIVE MODE")  # nothing is applied any more
        validated.sql("blue", "INSERT INTO public.notes VALUES ('here and gone', 1)")
        validated.sql("blue", "DELETE FROM public.notes WHERE body = 'here and gone'")
        changes = recorded(ours, theirs)
        changes.settle(Deadline.after(1.0))
        assert changes.pending.values["public.notes"]["body"] == {"here and gone"}
        holder.rollback()
        caught_up(validated.blue, validated.green)
        changes.settle(Deadline.after(60.0))
        assert not changes.pending.values


@pytest.mark.parametrize("half", ["a slot alone", "a record alone"])
def test_half_of_it_is_where_one_began(validated: Pair, half: str) -> None:
    """Whoever died in the middle, or a failover without its slots: forward it is made anew, and back it is taken away."""
    forward = Validated(
        name="v", source=validated.blue, target=validated.green, before="not validated", after="validated", settle=60.0
    )
    assert forward.observe() == "validated"
    if half == "a slot alone":
        validated.sql("blue", "DELETE FROM cutover.baseline")
    else:
        with validated.blue.open("test") as session:
            drop(session, Deadline.after(10.0))
    assert forward.observe() == "not validated" and forward.inverse().observe() == "validated"
    take(forward)
    assert forward.observe() == "validated"
    if half == "a slot alone":
        validated.sql("blue", "DELETE FROM cutover.baseline")
    take(forward.inverse())
    assert validated.sql("blue", SLOTS) == [] and forward.observe() == "not validated"


def test_wal_that_is_kept_for_the_comparison_is_told_with_what_lets_it_go(prepared: Pair) -> None:
    with prepared.blue.open("test") as session:
        follow(session, Deadline.after(20.0))
        prepared.sql(
            "blue",
            "INSERT INTO public.probe (key, writer) SELECT gen_random_uuid(), 'wal' FROM generate_series(1, 9000)",
        )
        prepared.sql("blue", "DELETE FROM public.probe WHERE writer = 'wal'")
        caught_up(prepared.blue, prepared.green)
        try:
            until(lambda: "changes" in WalKept(prepared.blue, 1_000_000).look().seen, 30.0, "the other slot's advance")
            found = WalKept(prepared.blue, 1_000_000).look()
        finally:
            drop(session, Deadline.after(10.0))
    assert found.verdict is Verdict.FAIL and "which keeps what changed since the validation, keeps" in found.seen
    assert "--changed reads it and lets the WAL go; `invoke rollback` drops it" in found.hint
