"""What the validation finds, named by its key, and what it never reports."""

import re

import pytest
from load import load
from moves import VALIDATING, blue_switch, caught_up, planted
from pairs import Pair

from cutover.core.clock import Deadline
from cutover.postgres.baseline import ForgetBaseline, RecordBaseline, RowsDiffer, SameRows
from cutover.postgres.comparable import SchemasDiffer
from cutover.postgres.sides import SWITCHED, read_sides
from cutover.postgres.validation import Wanted, validate

SOUND = """TRUNCATE public.tricky; INSERT INTO public.tricky SELECT i, 'text ' || i, i / 3.0, i * 1.5,
  jsonb_build_object('a', i, 'b', 2), timestamptz '2026-01-01' + i * interval '1 second', i,
  tstzrange('2026-01-01', NULL) FROM generate_series(1, 60) i"""

# Each pair: what makes the row special on both sides, and how green differs.
PLANTED = {
    "null or empty": ("t = ''", "t = NULL"),
    "null or its name": ("t = NULL", "t = 'NULL'"),
    "trailing blank": ("t = 'a'", "t = 'a '"),
    "case": ("t = 'a'", "t = 'A'"),
    "one bit": ("big = 1", "big = 4294967296"),
    "last bit of a float": ("d = 1", "d = 1.0000000000000002"),
    "minus zero": ("d = 0", "d = '-0'"),
    "not a number": ("d = 'NaN'", "d = NULL"),
    "scale": ("n = 1.0", "n = 1.00"),
    "fifty digits": ("n = 12345678901234567890123456789012345678901234567890", "n = n + 1"),
    "json null": ("j = 'null'", "j = NULL"),
    "json number": ("j = '{\"a\": 1}'", "j = '{\"a\": 1.0}'"),
    "microsecond": ("at = '2026-01-01 00:00:00'", "at = at + interval '1 microsecond'"),
    "infinity": ("at = 'infinity'", "at = NULL"),
    "before Christ": ("at = '2026-01-01'", "at = '2026-01-01 BC'"),
    "value moved to the next column": ("t = '7', n = NULL", "t = NULL, n = 7"),
    "bound of a range": ("span = '[2026-01-01,2026-01-02)'", "span = '[2026-01-01,2026-01-02]'"),
}


@pytest.mark.parametrize("both, there", PLANTED.values(), ids=PLANTED.keys())
def test_finds_one_row_and_names_it(prepared: Pair, both: str, there: str) -> None:
    prepared.sql("blue", f"UPDATE public.tricky SET {both} WHERE id = 7")
    caught_up(prepared.blue, prepared.green)
    assert validate(prepared.blue, prepared.green, tables=["public.tricky"]).status == "equal"
    with planted(prepared.green, f"UPDATE public.tricky SET {there} WHERE id = 7", SOUND):
        report = validate(prepared.blue, prepared.green, tables=["public.tricky"])
        assert [str(d) for d in report.differences] == ["public.tricky (7): different"]
        assert report.status == "differs" and "public.tricky (7)" in str(report)
    prepared.sql("blue", SOUND)
    caught_up(prepared.blue, prepared.green)


def test_a_side_that_does_not_follow_is_waited_for_once_and_not_for_each_table(prepared: Pair) -> None:
    prepared.sql("green", "ALTER SUBSCRIPTION cut_blue_green DISABLE")
    try:
        prepared.sql("blue", "UPDATE public.tricky SET t = 'late' WHERE id = 7")
        prepared.sql("blue", "INSERT INTO public.queue VALUES (900, 'late')")
        report = validate(prepared.blue, prepared.green, Wanted(tables=["public.tricky", "public.queue"], catch_up=2.5))
        assert report.status == "not proven" and not report.differences
        late = sorted(re.findall(r"did not arrive on green within ([0-9.]+) s", " ".join(report.unproven)), key=float)
        assert len(late) == 2 and float(late[0]) < 2.5 <= float(late[1]), report.unproven
    finally:
        prepared.sql("green", "ALTER SUBSCRIPTION cut_blue_green ENABLE")
        prepared.sql("blue", SOUND)
        prepared.sql("blue", "DELETE FROM public.queue WHERE id = 900")
        caught_up(prepared.blue, prepared.green)


def test_what_is_the_same_in_another_order_is_equal(prepared: Pair) -> None:
    change = "UPDATE public.tricky SET j = '{\"b\": 2, \"a\": 7}', d = 'NaN' WHERE id = 7"
    prepared.sql("blue", "UPDATE public.tricky SET j = '{\"a\": 7, \"b\": 2}', d = 'NaN' WHERE id = 7")
    caught_up(prepared.blue, prepared.green)
    with planted(prepared.green, change, SOUND):
        assert validate(prepared.blue, prepared.green, tables=["public.tricky"]).status == "equal"
    prepared.sql("blue", SOUND)
    caught_up(prepared.blue, prepared.green)


def test_finds_missing_extra_and_exchanged_rows(prepared: Pair) -> None:
    change = """DELETE FROM public.tricky WHERE id = 3; INSERT INTO public.tricky (id) VALUES (1003);
        UPDATE public.tricky SET t = CASE id WHEN 5 THEN 'text 6' ELSE 'text 5' END WHERE id IN (5, 6);
        UPDATE public.tricky SET big = big + CASE id WHEN 8 THEN 1 ELSE -1 END WHERE id IN (8, 9)"""
    with planted(prepared.green, change, SOUND):
        found = {str(d) for d in validate(prepared.blue, prepared.green, tables=["public.tricky"]).differences}
    assert found == {
        "public.tricky (3): missing",
        "public.tricky (1003): extra",
        *(f"public.tricky ({i}): different" for i in (5, 6, 8, 9)),
    }


def test_finds_duplicates_where_there_is_no_key(prepared: Pair) -> None:
    """Two more of the same row cancel out under xor, and one for another keeps the count."""
    one = "(SELECT ctid FROM public.notes WHERE body = 'note 1' LIMIT 1)"
    more = "INSERT INTO public.notes SELECT 'note 1', 0.0 FROM generate_series(1, 2)"
    less = "DELETE FROM public.notes WHERE ctid IN (SELECT ctid FROM public.notes WHERE body = 'note 1' LIMIT 2)"
    with planted(prepared.green, more, less):
        report = validate(prepared.blue, prepared.green, tables=["public.notes"])
        assert [(d.table, d.seen) for d in report.differences] == [("public.notes", "different")]
    swap = f"UPDATE public.notes SET body = 'note 2' WHERE ctid = {one}"
    back = """UPDATE public.notes SET body = 'note 1'
               WHERE ctid = (SELECT ctid FROM public.notes WHERE body = 'note 2' LIMIT 1)"""
    with planted(prepared.green, swap, back):
        assert len(validate(prepared.blue, prepared.green, tables=["public.notes"]).differences) == 2
    zero = f"UPDATE public.notes SET v = '-0' WHERE ctid = {one}"
    with planted(prepared.green, zero, "UPDATE public.notes SET v = 0 WHERE v = 0"):
        assert len(validate(prepared.blue, prepared.green, tables=["public.notes"]).differences) == 2


def test_finds_rows_in_partitions_odd_names_and_composite_keys(prepared: Pair) -> None:
    for change, undo, table in (
        ("UPDATE public.\"Weird Name\" SET \"quote\"\"d\" = 'x' WHERE \"Id\" = 1",
         "UPDATE public.\"Weird Name\" SET \"quote\"\"d\" = 'it''s \"quoted\" \\ 1' WHERE \"Id\" = 1", 'public."Weird Name"'),
        ("UPDATE shop.order_lines SET quantity = 9 WHERE order_id = 1 AND line_no = 2",
         "UPDATE shop.order_lines SET quantity = 1 + 2 % 4 WHERE order_id = 1 AND line_no = 2", "shop.order_lines"),
        ("UPDATE shop.events_2026 SET kind = 'x' || kind WHERE event_id = (SELECT min(event_id) FROM shop.events_2026)",
         "UPDATE shop.events_2026 SET kind = substr(kind, 2) WHERE kind LIKE 'x%'", "shop.events_2026"),
    ):  # fmt: skip
        with planted(prepared.green, change, undo):
            differences = validate(prepared.blue, prepared.green).differences
            assert [(d.table, d.seen) for d in differences] == [(table, "different")], differences
    assert validate(prepared.blue, prepared.green).status == "equal"


def test_settings_that_differ_by_side_are_no_difference(prepared: Pair) -> None:
    try:
        for name, value in (("timezone", "'Asia/Tokyo'"), ("datestyle", "'SQL, DMY'"), ("extra_float_digits", "-5"),
                            ("intervalstyle", "'sql_standard'")):  # fmt: skip
            prepared.sql("green", f"ALTER DATABASE shop SET {name} = {value}")
        assert validate(prepared.blue, prepared.green).status == "equal"
        RecordBaseline(prepared.blue, prepared.green).run(Deadline.after(60.0))
        prepared.sql("blue", "UPDATE public.tricky SET span = span; UPDATE shop.products SET on_sale = on_sale")
        blue_switch(prepared.blue, prepared.green, VALIDATING)
        assert read_sides(prepared.blue, prepared.green) == SWITCHED
    finally:
        for name in ("timezone", "datestyle", "extra_float_digits", "intervalstyle"):
            prepared.sql("green", f"ALTER DATABASE shop RESET {name}")
        blue_switch(prepared.green, prepared.blue)
        ForgetBaseline(prepared.blue).run(Deadline.after(10.0))


def test_rows_that_are_on_their_way_are_never_reported(prepared: Pair) -> None:
    with load(prepared, writers=2, churn=True):
        for _ in range(6):
            report = validate(prepared.blue, prepared.green)
            assert report.status == "equal", str(report)
        with planted(
            prepared.green,
            "UPDATE public.tricky SET t = 'planted' WHERE id = 30",
            "UPDATE public.tricky SET t = 'text 30' WHERE id = 30",
        ):
            found = validate(prepared.blue, prepared.green).differences
            assert [str(d) for d in found] == ["public.tricky (30): different"]
    prepared.sql("blue", "DELETE FROM public.notes WHERE body = 'churn'; DELETE FROM public.queue WHERE id > 10")


def test_schemas_that_differ_are_named(prepared: Pair) -> None:
    prepared.sql("green", "ALTER TABLE public.tricky ADD COLUMN more int")
    try:
        with pytest.raises(SchemasDiffer, match=r"public\.tricky"):
            validate(prepared.blue, prepared.green)
        assert "public.tricky" in SameRows(prepared.blue, prepared.green).look().seen
    finally:
        prepared.sql("green", "ALTER TABLE public.tricky DROP COLUMN more")
    with pytest.raises(SchemasDiffer, match=r"public\.nowhere"):
        validate(prepared.blue, prepared.green, tables=["public.nowhere"])
    assert validate(prepared.blue, prepared.green, tables=["public.tricky"]).status == "equal"


def test_columns_in_another_order_are_equal(prepared: Pair) -> None:
    prepared.sql("green", "ALTER TABLE public.queue DROP COLUMN state, ADD COLUMN state text NOT NULL DEFAULT 'even'")
    prepared.sql("green", "ALTER TABLE public.queue ALTER state DROP DEFAULT")
    assert validate(prepared.blue, prepared.green, tables=["public.queue"]).status == "equal"


def test_a_baseline_is_not_recorded_over_a_difference(prepared: Pair) -> None:
    lost = planted(prepared.green, "DELETE FROM public.tricky WHERE id = 11", SOUND)
    with lost, pytest.raises(RowsDiffer, match=r"public\.tricky \(11\): missing"):
        RecordBaseline(prepared.blue, prepared.green).run(Deadline.after(60.0))
    assert not prepared.sql("blue", "SELECT 1 FROM cutover.baseline")
