"""The last lines of a log around a moment: any kind of line, rotated, packed, without a time, out of reach."""

import gzip
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cutover.core.clock import Deadline
from cutover.metrics.log_excerpt import Excerpt, Unread, excerpt

BEGAN = 1_700_000_000.0


def read(path: Path, since: float, until: float, most: int = 100) -> Excerpt:
    return excerpt(str(path), "time", BEGAN + since, BEGAN + until, most, Deadline.after(20))


def json_line(at: float, **more: object) -> str:
    return json.dumps({"time": BEGAN + at, **more}) + "\n"


def test_the_last_lines_of_a_span_of_json_lines(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("".join(json_line(at, n=at) for at in range(100)))
    found = [json.loads(line)["n"] for line in read(log, 10, 40, 5).lines]
    assert found == [36, 37, 38, 39, 40]
    assert len(read(log, 10, 40).lines) == 31
    assert read(log, 200, 300) == Excerpt((), "no line of that time")


def test_a_traceback_belongs_to_the_line_above_it(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    moment = [datetime.fromtimestamp(BEGAN + at, UTC).strftime("%Y-%m-%d %H:%M:%S,000") for at in (0, 60, 120)]
    trace = "Traceback (most recent call last):\n  File x\nKeyError: 1\n"
    log.write_text(f"{moment[0]} begun\n{moment[1]} ERROR boom\n{trace}{moment[2]} later\n")
    assert read(log, 30, 90).lines == (f"{moment[1]} ERROR boom", *trace.splitlines())
    assert read(log, 30, 90, 2).lines == ("  File x", "KeyError: 1")


def test_rotated_files_are_read_on(tmp_path: Path) -> None:
    (tmp_path / "app.log.2.gz").write_bytes(gzip.compress("".join(json_line(at) for at in range(10)).encode()))
    (tmp_path / "app.log.1").write_text("".join(json_line(at) for at in range(10, 20)))
    log = tmp_path / "app.log"
    log.write_text("".join(json_line(at) for at in range(20, 30)))
    for number, name in enumerate(("app.log.2.gz", "app.log.1", "app.log")):
        os.utime(tmp_path / name, (BEGAN + 10 * number + 10,) * 2)
    assert [json.loads(line)["time"] - BEGAN for line in read(log, 5, 25).lines] == list(range(5, 26))


def test_without_times_the_newest_are_told_and_it_is_said(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("".join(f"line {n}\n" for n in range(50)))
    assert read(log, 0, 10, 3) == Excerpt(
        ("line 47", "line 48", "line 49"), "its lines have no time: these are the newest"
    )


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(Unread, match="No such file"):
        read(tmp_path / "none", 0, 1)
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer
    with pytest.raises(Unread, match="is no file"):
        read(tmp_path / "pipe", 0, 1)
    log = tmp_path / "app.log"
    log.write_text(json_line(0))
    with pytest.raises(Unread, match="no whole answer before the deadline"):
        excerpt(str(log), "time", BEGAN, BEGAN + 1, 10, Deadline.after(-1))
