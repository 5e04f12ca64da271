"""Logs of JSON lines: what is counted, what is rotated, and what cannot be read."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from log_writer import START, Log, packed

from cutover.core.clock import Deadline
from cutover.core.series import Gap, Span
from cutover.metrics import log_files
from cutover.metrics.json_lines import JsonLines


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def filled(log: Log, seconds: int = 60) -> None:
    """One line a second, each tenth of them an error."""
    for at in range(seconds):
        log.line(at + 0.5, status=500 if at % 10 == 0 else 200, took=at + 1, http={"route": "/a" if at % 2 else "/b"})


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("count", [30, 30]),
        ("rate", [1, 1]),
        ("count where status >= 500", [3, 3]),
        ("share where status >= 500", [10, 10]),
        ('share where status = 500 of http.route = "/b"', [20, 20]),
        ('count where http.route != "/a" and status < 500', [12, 12]),
        ("count where nothing = 1", [0, 0]),
        ("sum took", [465, 1365]),
        ("avg took", [15.5, 45.5]),
        ("min took where status = 500", [1, 31]),
        ("max took", [30, 60]),
    ],
)
def test_what_is_asked_is_counted_by_steps(log: Log, query: str, wanted: list[float]) -> None:
    filled(log)
    seen = log.read(query, 0, 60, 30)
    assert ([sample.value for sample in seen.samples], seen.gap) == (wanted, None)
    assert [sample.at for sample in seen.samples] == [START + 30, START + 60]


def test_quantiles_are_one_percent_off_at_most(log: Log) -> None:
    numbers = [random.Random(7).lognormvariate(4, 1) for _ in range(1000)]
    for number, took in enumerate(numbers):
        log.line(number / 100, took=took)
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        exact = sorted(numbers)[int(share * 1000) - 1]
        assert log.values(f"{name} took", 0, 10, 10) == [pytest.approx(exact, rel=0.011)]


def test_a_step_without_lines_is_zero_only_where_somebody_was_writing(log: Log) -> None:
    log.line(15, status=200)
    log.line(45, status=200)
    seen = log.read("count", 0, 100, 10)
    assert [(sample.at - START, sample.value) for sample in seen.samples] == [(20, 1), (30, 0), (40, 0), (50, 1)]
    assert seen.gap is Gap.STALE, "behind the last line nobody is known to live"


def test_a_step_that_is_still_being_written_is_left_out(log: Log) -> None:
    """Ten seconds may pass until a line is there; a line behind the step shows sooner that it is over."""
    for at in range(57):
        log.line(at + 0.5)
    live = JsonLines(str(log.file), now=lambda: START + 60)
    seen = live.read("rate", Span(START, START + 60, 5), Deadline.after(5))
    assert (len(seen.samples), seen.newest and seen.newest.value, seen.gap) == (11, 1, None)
    log.line(60)
    assert len(live.read("rate", Span(START, START + 60, 5), Deadline.after(5)).samples) == 12


def test_a_share_of_no_lines_is_not_a_number(log: Log) -> None:
    log.line(-5, status=200)
    log.line(5, status=200)
    log.line(15, status=200)
    seen = log.read("share where status = 500 of status = 404", 0, 20, 10)
    assert (seen.gap, seen.samples) == (Gap.NOT_A_NUMBER, ())


def test_an_empty_log_is_no_data_and_a_missing_one_unreachable(log: Log) -> None:
    assert log.read("count", 0, 60, 10).gap is Gap.NO_DATA
    log.file.unlink()
    seen = log.read("count", 0, 60, 10)
    assert seen.gap is Gap.UNREACHABLE
    assert "No such file" in seen.seen


def test_half_a_line_at_the_end_is_not_counted_and_not_bad(log: Log) -> None:
    filled(log)
    log.raw('{"time": 170000', 60)
    seen = log.read("count", 0, 60, 60)
    assert ([sample.value for sample in seen.samples], seen.seen) == ([60], "60")


def test_bad_lines_are_counted_and_said(log: Log) -> None:
    filled(log, 199)
    log.raw("Traceback (most recent call last):\n", 199)
    assert log.read("count", 0, 190, 10).seen.endswith("(1 of 200 lines cannot be read)")
    log.raw("  File x\n[1]\n{}\n" + '{"time": "yesterday"}\n' + "[" * 100_000 + "\n", 199)
    seen = log.read("count", 0, 190, 10)
    assert (seen.gap, seen.seen) == (Gap.PARTIAL, "6 of 205 lines cannot be read")


@pytest.mark.parametrize("pack", [False, True], ids=["plain", "gz"])
def test_a_rotated_predecessor_is_read_where_the_span_reaches_back(log: Log, pack: bool) -> None:
    filled(log, 40)
    old = log.renamed()
    if pack:
        packed(old)
    for at in range(40, 60):
        log.line(at + 0.5)
    assert log.values("count", 0, 60, 10) == [10] * 6


def test_several_predecessors_and_none_too_many(log: Log) -> None:
    filled(log, 20)
    packed(log.renamed(2))
    for at in range(20, 40):
        log.line(at + 0.5)
    log.renamed(1)
    for at in range(40, 60):
        log.line(at + 0.5)
    stranger = log.file.with_name("access.jsonl-backup.gz")
    stranger.write_bytes(b"not packed at all")
    os.utime(stranger, (START - 90, START - 90))
    assert log.values("count", 0, 60, 10) == [10] * 6
    assert log.values("count", 45, 60, 5) == [5, 5, 5]


def test_lines_that_are_being_copied_away_are_not_counted_twice(log: Log) -> None:
    filled(log, 60)
    log.copied()
    assert log.values("count", 0, 60, 10) == [10] * 6
    log.file.write_bytes(b"")
    for at in range(60, 80):
        log.line(at + 0.5)
    assert log.values("count", 0, 80, 10) == [10] * 8


def test_a_file_that_is_being_packed_is_not_counted_twice(log: Log) -> None:
    filled(log, 40)
    old = log.renamed()
    whole = old.read_bytes()
    packed(old)
    old.write_bytes(whole)
    for at in range(40, 60):
        log.line(at + 0.5)
    assert log.values("count", 0, 60, 10) == [10] * 6


def test_a_broken_archive_is_unreachable_and_not_fewer_lines(log: Log) -> None:
    filled(log, 40)
    old = packed(log.renamed())
    old.write_bytes(old.read_bytes()[:-30])
    log.line(45)
    assert log.read("count", 0, 60, 10).gap is Gap.UNREACHABLE


def test_a_huge_file_is_read_from_its_end(log: Log) -> None:
    """A hole of 50 GB in front of the last minute: whoever read it from its beginning would not come back."""
    with log.file.open("r+b") as opened:
        opened.truncate(50 << 30)
        opened.seek(0, 2)
        opened.write(b"\n")
    for at in range(-20, 60):
        log.line(at + 0.5)
    begun = time.monotonic()
    assert log.values("count", 0, 60, 10) == [10] * 6
    assert time.monotonic() - begun < 10


def test_a_line_without_end_is_one_bad_line(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "BLOCK", 1000)
    monkeypatch.setattr(log_files, "LONGEST_LINE", 3000)
    filled(log, 30)
    log.raw('{"time": 1, "x": "' + "y" * 20_000 + '"}\n', 30)
    for at in range(30, 60):
        log.line(at + 0.5)
    seen = log.read("count", 0, 60, 10)
    assert [sample.value for sample in seen.samples] == [10] * 6
    assert "1 of 61 lines cannot be read" in seen.seen
    packed(log.renamed())
    log.line(60)
    assert "1 of 62 lines" in log.read("count", 0, 60, 10).seen


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_blocks_of_any_size_give_the_same_lines(log: Log, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(log_files, "BLOCK", size)
    log.raw("a\n\nbcd\n" + "e" * 50 + "\nlast, half", 0)
    with log.file.open("rb") as opened:
        assert list(log_files.backwards(opened)) == [b"e" * 50, b"bcd", b"", b"a"]


@pytest.mark.parametrize("written", ["2023-11-14T22:13:30Z", "2023-11-14T23:13:30+01:00", "2023-11-14T22:13:30",
                                     1_700_000_010, 1_700_000_010_000, "1700000010"])  # fmt: skip
def test_times_as_they_are_written(log: Log, written: object) -> None:
    log.line(-1)
    log.raw(json.dumps({"time": written}) + "\n", 10)
    log.line(25)
    assert log.values("count", 0, 30, 10) == [0, 1, 1]


def test_another_field_says_the_time(log: Log) -> None:
    log.raw('{"at": {"ts": 1700000005}}\n{"at": {"ts": 1700000015}}\n', 15)
    assert [one.value for one in log.read("count", 0, 20, 10, time_field="at.ts").samples] == [1, 1]


def test_time_that_runs_out_is_said(log: Log) -> None:
    filled(log)
    seen = JsonLines(str(log.file)).read("count", Span(START, START + 60, 10), Deadline.after(0))
    assert seen.gap is Gap.UNREACHABLE
    assert "before the deadline" in seen.seen


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "wants `count`"),
        ("counts", "column 1: wants `count`"),
        ("p95", "column 1: needs the field"),
        ("p95 where a = 1", "column 1: needs the field"),
        ("count where", "column 7: wants FIELD"),
        ("count where a", "column 7: wants FIELD"),
        ("count where a = ", "column 7: wants FIELD"),
        ("count where a ~ b", "column 7: wants FIELD"),
        ("count where a > b", "column 17: > compares with a number"),
        ("count where a = 1 or b = 2", "column 19: is not expected"),
        ("share", "a share needs `where`"),
        ('count where a = "b', "column 16"),
    ],
)
def test_a_query_that_cannot_be_read_says_where(log: Log, query: str, said: str) -> None:
    seen = log.read(query, 0, 60, 10)
    assert seen.gap is Gap.UNREACHABLE
    assert said in seen.seen


def test_what_is_printed_answers(log: Log) -> None:
    now = time.time()
    log.line(now - START - 70)
    log.line(now - START - 40)
    log.line(now - START)
    shell = JsonLines(str(log.file)).shell("count").replace("python3", sys.executable, 1)
    done = subprocess.run(["bash", "-c", shell], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "1"
