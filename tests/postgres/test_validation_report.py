"""What a comparison tells: columns and values by policy, SQL that mends, samples, figures; and going on after kill -9."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markers import database, drop, followed_markers
from moves import caught_up, planted
from pairs import Pair

from cutover.postgres.buckets import Buckets
from cutover.postgres.business import BusinessCheck
from cutover.postgres.checkpoint import CheckpointRefused
from cutover.postgres.comparison import Progress, Report
from cutover.postgres.validation import Wanted, validate

ROWS = 30_000
# A table of several slices in two kinds of buckets: ranges of its number, and hashes of its uuid.
MADE = """DROP TABLE IF EXISTS public.many, public.scattered, public.loose;
CREATE TABLE public.many (id bigint PRIMARY KEY, t text, n int); CREATE TABLE public.scattered (id uuid PRIMARY KEY, t text);
CREATE TABLE public.loose (t text)"""
FILLED = f"""INSERT INTO public.many SELECT i, 'secret ' || i, i % 7 FROM generate_series(1, {ROWS}) i;
INSERT INTO public.scattered SELECT md5(i::text)::uuid, 'u' || i FROM generate_series(1, {ROWS}) i;
INSERT INTO public.loose SELECT 'l' || i % 10 FROM generate_series(1, 100) i; ANALYZE public.many, public.scattered"""
TABLES = ("public.many", "public.scattered", "public.loose")


@pytest.fixture(scope="module")
def tables(pair: Pair) -> Iterator[Pair]:
    """Three tables that are not replicated, the same on both sides."""
    blue, green = (database(pair.dsns[side], "told") for side in ("blue", "green"))
    made = followed_markers(blue, green, "told_markers")
    for side in ("blue", "green"):
        made.sql(side, MADE)
        made.sql(side, FILLED)
    yield made
    drop(made, "told_markers")


@contextmanager
def damaged(pair: Pair, *statements: str) -> Iterator[None]:
    """Other rows on green for the body."""
    for statement in statements:
        pair.sql("green", statement)
    try:
        yield
    finally:
        pair.sql("green", MADE)
        pair.sql("green", FILLED)


def compare(pair: Pair, wanted: Wanted | None = None, tables: Sequence[str] = TABLES) -> Report:
    return validate(pair.blue, pair.green, wanted or Wanted(tables=tables))


def run_on_green(pair: Pair, file: Path) -> None:
    psql = [str(pair.programs / "psql"), pair.dsns["green"], "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(file)]
    subprocess.run(psql, check=True, capture_output=True, timeout=60)


def test_equal_tables_are_equal_in_every_row(tables: Pair) -> None:
    seen: list[Progress] = []
    report = validate(tables.blue, tables.green, tables=TABLES, listen=lambda p: seen.append(Progress(**vars(p))))
    assert (report.status, report.rows, report.tables) == ("equal", 2 * ROWS + 100, 3)
    last = seen[-1]
    assert last.bytes_read == last.bytes_total > 0 and last.rows == report.rows
    assert "100 %" in str(last) and "MB/s" in str(last)


@pytest.mark.parametrize("share", [1, 30, 1000, 29_000], ids="{} rows".format)
def test_every_row_that_differs_is_named(tables: Pair, share: int) -> None:
    """One, a few, so many that finer buckets are needed, and nearly all."""
    with damaged(
        tables,
        f"UPDATE public.many SET n = -1 WHERE id % {ROWS} BETWEEN 1 AND {share}",
        f"DELETE FROM public.scattered WHERE id IN (SELECT id FROM public.scattered ORDER BY id LIMIT {share})",
    ):
        gone = {
            key for (key,) in tables.sql("blue", f"SELECT id::text FROM public.scattered ORDER BY id LIMIT {share}")
        }
        report = compare(tables)
        found = {name: {d.key for d in report.differences if d.table == name} for name in TABLES}
        assert found["public.many"] == {str(i) for i in range(1, share + 1)}
        assert found["public.scattered"] == gone and found["public.loose"] == set()
        assert {d.seen for d in report.differences if d.table == "public.scattered"} == {"missing"}


@pytest.mark.parametrize(
    "table, change", [("public.many", "n = -1"), ("public.scattered", "t = '-'")], ids=["ranges", "hashes"]
)
def test_what_is_too_much_to_be_named_is_counted(tables: Pair, table: str, change: str) -> None:
    with damaged(tables, f"UPDATE {table} SET {change}"):
        report = compare(tables, Wanted(tables=TABLES, most_suspects=128))
        assert report.status == "differs" and 128 <= len(report.differences) < 1000
        assert [told.split(" (")[0] for told in report.more] == [table] and report.more[0] in str(report)


def test_values_are_shown_only_where_the_policy_allows_it(tables: Pair) -> None:
    with damaged(tables, "UPDATE public.many SET t = 'other secret', n = NULL WHERE id = 7"):
        hidden = compare(tables).differences[0]
        assert [(c.column, c.source == c.target) for c in hidden.columns] == [("n", False), ("t", False)]
        assert "secret" not in repr(hidden) and hidden.columns[0].target == "null"
        assert hidden.columns[1].source.startswith("text, 8 characters, ")
        again = compare(tables).differences[0]
        assert again.columns[1].source != hidden.columns[1].source, "the hash is another one in each run"
        shown = compare(tables, Wanted(tables=TABLES, show_values=True)).differences[0]
        assert [(c.source, c.target) for c in shown.columns] == [("0", "null"), ("secret 7", "other secret")]


def test_the_repair_makes_the_sides_equal_and_only_its_owner_can_read_it(tables: Pair, tmp_path: Path) -> None:
    file = tmp_path / "repair.sql"
    file.write_text("old")
    file.chmod(0o644)
    with damaged(
        tables,
        "UPDATE public.many SET t = E'it''s \\\\ odd', n = NULL WHERE id IN (5, 6)",
        "DELETE FROM public.many WHERE id = 8",
        "INSERT INTO public.many VALUES (0, 'extra', 1)",
        "UPDATE public.scattered SET id = 'ffffffff-ffff-4fff-bfff-ffffffffffff' WHERE t = 'u9'",
    ):
        report = compare(tables, Wanted(tables=TABLES, repair=file, max_report=1))
        assert len(report.differences) == 6 and report.status == "differs"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert compare(tables).status == "differs", "it is written, not executed"
        run_on_green(tables, file)
        assert compare(tables).status == "equal"


def test_rows_without_a_key_are_brought_over_as_often_as_they_are_there(tables: Pair, tmp_path: Path) -> None:
    """Whoever lost a replication slot has to bring over the rows of every table."""
    file = tmp_path / "repair.sql"
    tables.sql("blue", r"INSERT INTO public.loose VALUES (E'it''s \\ odd'), (NULL), (NULL)")
    try:
        with damaged(
            tables,
            "DELETE FROM public.loose WHERE t = 'l4' OR ctid IN (SELECT ctid FROM public.loose WHERE t = 'l3' LIMIT 5)",
            "INSERT INTO public.loose VALUES ('extra'), ('extra'), ('l5'), (NULL)",
        ):
            report = compare(tables, Wanted(tables=TABLES, repair=file))
            assert report.status == "differs" and {one.table for one in report.differences} == {"public.loose"}
            assert "public.loose has no key: run this once" in file.read_text(encoding="utf-8")
            run_on_green(tables, file)
            assert compare(tables).status == "equal"
            counted = "SELECT t, count(*) FROM public.loose GROUP BY t ORDER BY t"
            assert tables.sql("green", counted) == tables.sql("blue", counted)
    finally:
        tables.sql("blue", "DELETE FROM public.loose WHERE t IS NULL OR t !~ '^l.$'")


def test_a_repair_is_not_sent_back_to_the_side_it_came_from(prepared: Pair, tmp_path: Path) -> None:
    """A row inserted again on green would stop the way back with a duplicate key on blue."""
    file = tmp_path / "repair.sql"
    with planted(prepared.green, "DELETE FROM public.queue WHERE id = 3", "SELECT 1"):
        pass
    assert validate(prepared.blue, prepared.green, Wanted(tables=["public.queue"], repair=file)).status == "differs"
    run_on_green(prepared, file)
    caught_up(prepared.green, prepared.blue)
    assert validate(prepared.blue, prepared.green, tables=["public.queue"]).status == "equal"


def test_a_sample_says_that_it_is_one(tables: Pair) -> None:
    report = compare(tables, Wanted(tables=TABLES, sample=10))
    assert report.status == "equal on a sample" and "a sample of 10 % of the keys" in str(report)
    assert 0 < report.rows < ROWS and report.document(5)["coverage"]["percent_of_keys"] == 10
    with damaged(tables, "UPDATE public.many SET n = -1", "UPDATE public.scattered SET t = '-'"):
        report = compare(tables, Wanted(tables=TABLES[:2], sample=10))
        assert report.status == "differs" and len(report.differences) == report.rows


FIGURES = [
    ("SELECT sum(n) FROM public.many", 0.0, "equal"),
    ("SELECT count(*) FROM many", 0.0, "differs"),
    ("SELECT count(*) FROM public.many", 0.05, "equal"),
    ("SELECT max(t) FROM public.loose", 0.0, "equal"),
    ("SELECT max(id::text) FROM public.many", 0.0, "equal"),
    ("SELECT NULL::int", 0.0, "equal"),
    ("SELECT 1, 2", 0.0, "not proven"),
    ("SELECT n FROM public.many", 0.0, "not proven"),
    ("SELECT nothing FROM public.many", 0.0, "not proven"),
    ("WITH gone AS (DELETE FROM public.many RETURNING 1) SELECT count(*) FROM gone", 0.0, "not proven"),
]


@pytest.mark.parametrize("sql, within, verdict", FIGURES)
def test_figures_of_the_business_agree_within_their_tolerance(
    tables: Pair, sql: str, within: float, verdict: str
) -> None:
    with damaged(tables, "DELETE FROM public.many WHERE id = 7"):  # its n is 0
        wanted = Wanted(tables=["public.loose"], checks=[BusinessCheck("figure", sql, within)])
        report = compare(tables, wanted)
        assert [figure.verdict for figure in report.figures] == [verdict], report.figures
        assert report.status == verdict
    assert tables.sql("blue", "SELECT count(*) FROM public.many") == [(ROWS,)]


DYING = """import os, signal, sys
from pathlib import Path
from cutover.postgres.session import Database
from cutover.postgres.validation import Wanted, validate
left = int(sys.argv[4])
def listen(progress):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
validate(Database("blue", "B", lambda: sys.argv[1]), Database("green", "G", lambda: sys.argv[2]),
         Wanted(tables=sys.argv[5:], checkpoint=Path(sys.argv[3]), slice_pages=8), listen=listen)
"""


def killed(pair: Pair, checkpoint: Path, after: int, tables: Sequence[str] = TABLES) -> None:
    """A comparison that is killed when it has read so many slices."""
    argv = [sys.executable, "-c", DYING, pair.dsns["blue"], pair.dsns["green"], str(checkpoint), str(after), *tables]
    assert subprocess.run(argv, timeout=60, check=False).returncode == -signal.SIGKILL


@pytest.mark.parametrize("after", [1, 20, 48, 60, 88])
def test_a_killed_comparison_goes_on_where_it_was(tables: Pair, tmp_path: Path, after: int) -> None:
    checkpoint = tmp_path / "state" / "comparison"
    with damaged(
        tables, "UPDATE public.many SET n = -5 WHERE id IN (3, 29999)", "DELETE FROM public.scattered WHERE t = 'u3'"
    ):
        killed(tables, checkpoint, after)
        assert stat.S_IMODE(checkpoint.stat().st_mode) == 0o600
        with checkpoint.open("ab") as file:
            file.write(b'{"table": "torn')  # killed while it wrote
        seen: list[int] = []
        wanted = Wanted(tables=TABLES, checkpoint=checkpoint, resume=True)
        report = validate(tables.blue, tables.green, wanted, listen=lambda progress: seen.append(progress.skipped))
    found = [(d.table, d.seen) for d in report.differences]
    assert sorted(found) == [("public.many", "different")] * 2 + [("public.scattered", "missing")]
    assert report.resumed and report.rows == 2 * ROWS + 100 and not checkpoint.exists()
    assert seen[-1] > 0


def test_a_row_that_moved_between_the_slices_of_two_moments_is_seen(tables: Pair, tmp_path: Path) -> None:
    """Read: the first pages. Then a row of a later page is written anew into them, on green with another value."""
    checkpoint = tmp_path / "comparison"
    page = "SELECT ((ctid::text::point)[0])::int FROM public.many WHERE id = 15000"
    sides = ("blue", "green")
    try:
        for side in sides:
            tables.sql(side, "DELETE FROM public.many WHERE id < 2000")
            tables.sql(side, "VACUUM public.many")
        before = [tables.sql(side, page)[0][0] for side in sides]
        pages = int(tables.sql("blue", "SELECT pg_relation_size('public.many') / 8192")[0][0])
        killed(tables, checkpoint, 2 * -(-pages // 8), ["public.many"])
        # As if it had been killed earlier: of the later pages nothing was read.
        kept = [line for line in checkpoint.read_text().splitlines() if json.loads(line).get("low", 0) < 64]
        checkpoint.write_text("\n".join(kept) + "\n")
        for side, value in zip(sides, (100, 200), strict=True):
            tables.sql(side, f"UPDATE public.many SET n = {value} WHERE id = 15000")
        after = [tables.sql(side, page)[0][0] for side in sides]
        assert min(before) > 72 and max(after) < 64, "the row has not moved: this proves nothing"
        report = compare(tables, Wanted(tables=["public.many"], checkpoint=checkpoint, resume=True))
        assert [(d.table, d.key, d.seen) for d in report.differences] == [("public.many", "15000", "different")]
    finally:
        for side in sides:
            tables.sql(side, MADE)
            tables.sql(side, FILLED)


def test_a_table_that_was_rewritten_meanwhile_is_read_anew(tables: Pair, tmp_path: Path) -> None:
    checkpoint = tmp_path / "comparison"
    killed(tables, checkpoint, 20)
    tables.sql("green", "VACUUM FULL public.many")
    report = compare(tables, Wanted(tables=TABLES, checkpoint=checkpoint, resume=True))
    assert report.status == "equal" and report.rows == 2 * ROWS + 100


def test_a_checkpoint_of_another_comparison_is_refused(tables: Pair, tmp_path: Path) -> None:
    checkpoint = tmp_path / "comparison"
    with pytest.raises(CheckpointRefused, match="nothing to go on with"):
        compare(tables, Wanted(tables=TABLES, checkpoint=checkpoint, resume=True))
    killed(tables, checkpoint, 20)
    with pytest.raises(CheckpointRefused, match="another comparison"):
        compare(tables, Wanted(tables=TABLES[:1], checkpoint=checkpoint, resume=True))
    assert checkpoint.exists(), "it is still there for the comparison that it belongs to"
    assert compare(tables, Wanted(tables=TABLES, checkpoint=checkpoint, resume=True)).status == "equal"
    first = json.dumps({"version": 0})
    checkpoint.write_text(first + os.linesep)
    with pytest.raises(CheckpointRefused):
        compare(tables, Wanted(tables=TABLES, checkpoint=checkpoint, resume=True))


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(64, 1 << 40))
def test_a_range_holds_exactly_the_numbers_that_sql_puts_into_its_bucket(number: int, step: int) -> None:
    quotient = abs(number) // step * (1 if number >= 0 else -1)  # as SQL divides
    base = -17
    low, high = Buckets(100, base, step, "id").bounds(quotient - base)
    assert low <= number <= high
    below, _ = Buckets(100, base, step, "id").bounds(quotient - base - 1)
    above, _ = Buckets(100, base, step, "id").bounds(quotient - base + 1)
    assert below <= low <= above and (above == high + 1 or high == (1 << 63) - 1)
