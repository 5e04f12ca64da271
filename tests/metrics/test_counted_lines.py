"""Counts of one side by the lines of a log: each line once, by its own time, and no zero for what nobody wrote."""

import gzip
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from cutover.core.gate import Verdict
from cutover.core.series import Gap
from cutover.metrics.counted_lines import EDGES, QUIET, CountedByLines, LineWords
from cutover.metrics.green_no_worse import GreenNoWorse
from cutover.metrics.log_query import Unclear
from cutover.metrics.tally import Tally

BEGAN = 1_700_000_000.0
WORDS = LineWords.parse('count where route != "/health"', "count where status >= 500", None)


def line(at: float, status: int = 200, route: str = "/", **more: Any) -> str:
    return json.dumps({"time": BEGAN + at, "status": status, "route": route, **more}) + "\n"


def lines(moments: Iterable[float], **more: Any) -> str:
    return "".join(line(at, **more) for at in moments)


def counted(path: Path, words: LineWords = WORDS) -> CountedByLines:
    return CountedByLines(lambda: str(path), "time", words)


def told(one: CountedByLines, since: float, until: float) -> Tally | Gap:
    """What it says in the end: a reading that takes long is waited for."""
    end = time.monotonic() + 30
    while (seen := one(BEGAN + since, BEGAN + until)) is Gap.UNREACHABLE and not one.trouble:
        assert time.monotonic() < end
        time.sleep(0.05)
    return seen


def test_each_line_counts_once_however_often_it_is_looked_at(tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    log.write_text(lines(range(-30, 60)) + line(60, 503) + line(60.5, 200, "/health"))
    one = counted(log)
    assert told(one, 0, 61) == Tally(61, 1)
    assert told(one, 0, 61) == Tally(61, 1)
    with log.open("a") as more:
        more.write(line(62.5, 500) + line(61.5) + line(70))  # a line overtook another
    assert told(one, 0, 65) == Tally(63, 2)
    assert told(one, 60, 65) == Tally(3, 2) == told(counted(log), 60, 65), "whoever asks is told the same"
    assert told(one, 0, 71) == Tally(64, 2)


def test_it_goes_on_over_a_rotation_and_reads_what_was_packed(tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    log.write_text(lines(range(50)))
    one = counted(log)
    assert told(one, 0, 50) == Tally(50, 0)
    log.rename(tmp_path / "access.jsonl.1")
    with (tmp_path / "access.jsonl.1").open("a") as late:
        late.write(line(50.5, 500))
    log.write_text(lines(range(51, 60)))
    os.utime(tmp_path / "access.jsonl.1", (BEGAN + 50, BEGAN + 50))
    assert told(one, 0, 60) == Tally(60, 1)
    data = (tmp_path / "access.jsonl.1").read_bytes()
    (tmp_path / "access.jsonl.1").unlink()
    (tmp_path / "access.jsonl.2.gz").write_bytes(gzip.compress(data))
    os.utime(tmp_path / "access.jsonl.2.gz", (BEGAN + 50, BEGAN + 50))
    assert told(counted(log), 0, 60) == Tally(60, 1)


def test_latencies_are_put_into_buckets_in_seconds(tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    log.write_text(line(1, took=7) + line(2, took=120) + line(3, took="240") + line(4, took=99_000) + line(5))
    found = told(counted(log, LineWords.parse("count", "count where status >= 500", "took in ms")), 0, 10)
    assert isinstance(found, Tally) and found.latencies is not None and found.latencies.edges == EDGES
    assert {edge: count for edge, count in zip([*EDGES, 0.0], found.latencies.counts, strict=True) if count} == {
        0.01: 1, 0.15: 1, 0.25: 1, 0.0: 2,
    }  # fmt: skip


def test_what_is_not_there_is_a_gap_and_never_zero(tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    missing = counted(log)
    assert told(missing, 0, 10) is Gap.UNREACHABLE and "No such file" in missing.trouble
    log.write_text("")
    assert told(counted(log), 0, 10) is Gap.NO_DATA
    log.write_text(lines(range(-10, 5)))
    assert told(counted(log), 0, 5 + QUIET) is Gap.STALE
    assert told(counted(log), 0, QUIET) == Tally(5, 0)
    log.write_text(lines(range(-10, -5)) + lines([50], route="/health"))
    assert told(counted(log), 0, 60) == Tally(0, 0), "somebody writes, and nobody asks for anything"
    log.write_text(lines(range(50)) + "no JSON\n" + '{"no": "time"}\n' + lines([50]))
    partial = counted(log)
    assert told(partial, 0, 60) is Gap.PARTIAL and partial.trouble == "2 of 53 lines cannot be read"


def test_a_line_that_cannot_be_read_counts_once_however_often_the_end_is_read_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(lines(range(300)) + "no JSON\n")
    asked = counted(log)
    for until in range(300, 330, 3):
        assert told(asked, 0, until) == Tally(300, 0)
    with log.open("a") as file:
        file.write(lines(range(330, 340)))
    for until in range(340, 360, 5):
        assert told(asked, 0, until) == Tally(310, 0)
    assert asked.trouble == ""


def test_a_failing_reference_tells_no_value() -> None:
    def file() -> str:
        raise ValueError("s3cret")

    one = CountedByLines(file, "time", WORDS)
    assert told(one, 0, 10) is Gap.UNREACHABLE and one.trouble == "ValueError"


def test_both_sides_in_one_ledger_are_compared(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    noted = [(at / 20, "v1" if at % 2 else "v2", not (at % 2 == 0 and at % 20 == 0)) for at in range(4000)]
    ledger.write_text("".join(json.dumps({"ack": BEGAN + at, "version": v, "ok": ok}) + "\n" for at, v, ok in noted))
    sides = {
        side: CountedByLines(
            lambda: str(ledger), "ack", LineWords.parse(f"count where version = {side}", "count where ok = false", None)
        )
        for side in ("v1", "v2")
    }
    assert told(sides["v1"], 0, 200) == Tally(2000, 0) and told(sides["v2"], 0, 200) == Tally(2000, 200)
    check = GreenNoWorse(blue=sides["v1"], green=sides["v2"], since=lambda: BEGAN, alpha=0.005, now=lambda: BEGAN + 200)
    found = check.look()
    assert found.verdict is Verdict.FAIL and found.data["green"] == [2000, 200]
    healthy = GreenNoWorse(
        blue=sides["v1"], green=sides["v1"], since=lambda: BEGAN, alpha=0.005, now=lambda: BEGAN + 200
    )
    assert healthy.look().verdict is Verdict.PASS


@pytest.mark.parametrize(
    "texts",
    [("rate", "count", None), ("count", "share where a = 1", None), ("count", "count where", None), ("count", "count", "took")],
)  # fmt: skip
def test_what_counts_nothing_is_refused(texts: tuple[str, str, str | None]) -> None:
    with pytest.raises(Unclear):
        LineWords.parse(*texts)
