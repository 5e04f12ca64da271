"""Reading the customers' ledger: spans, gaps, percentiles, and files that are still being written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cutover.net.ledger import Ledger


def entry(at: float, took: float = 0.01, kind: str = "write", **other: Any) -> dict[str, Any]:
    line = {"at": at, "ack": at + took, "kind": kind, "key": f"k{at:g}" if kind == "write" else None}
    line |= {"host": "shop.shop.test", "status": 200, "tries": 1, "ok": True, "slow": False, "error": None}
    return line | {"version": "v1"} | other


def ledger(tmp_path: Path, *entries: dict[str, Any]) -> Ledger:
    path = tmp_path / "ledger.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in entries))
    return Ledger(path)


def test_nothing_noted_yet_is_all_zero_and_no_measure(tmp_path: Path) -> None:
    for found in (Ledger(tmp_path / "absent").between(0, 9), ledger(tmp_path).between(0, 9)):
        assert (found.requests, found.acknowledged, found.failed_reads) == (0, [], 0)
        assert (found.write_gap_ms, found.p50_ms, found.p99_ms) == (None, None, None)


def test_requests_are_counted_by_kind_and_outcome(tmp_path: Path) -> None:
    found = ledger(
        tmp_path,
        entry(10.0),
        entry(10.1, kind="read"),
        entry(10.2, kind="read", ok=False, status=502),
        entry(10.3, tries=3, slow=True),
        entry(10.4, ok=False, status=0, error="gone"),
    ).between(0, 20)
    assert (found.requests, found.reads, found.writes) == (5, 2, 3)
    assert (found.failed_reads, found.failed_writes, found.slow) == (1, 1, 1)
    assert found.acknowledged == ["k10", "k10.3"]


def test_the_gap_is_the_longest_time_between_two_acknowledgements(tmp_path: Path) -> None:
    found = ledger(
        tmp_path, entry(1.0), entry(1.1), entry(1.2, kind="read"), entry(1.2, took=0.7), entry(1.95)
    ).between(0, 5)
    assert found.write_gap_ms == pytest.approx(790)


def test_one_acknowledged_write_has_no_gap(tmp_path: Path) -> None:
    assert ledger(tmp_path, entry(1.0), entry(1.5, ok=False)).between(0, 5).write_gap_ms is None


def test_a_span_holds_what_was_under_way_in_it_and_acknowledged_in_it(tmp_path: Path) -> None:
    book = ledger(tmp_path, entry(1.0), entry(1.5, took=1.0), entry(2.2), entry(1.9, took=3.0), entry(6.0))
    found = book.between(2.0, 3.0)
    assert found.requests == 3
    assert found.acknowledged == ["k2.2", "k1.5"]


def test_percentiles_are_of_requests_that_succeeded(tmp_path: Path) -> None:
    lines = [entry(float(n), took=n / 1000) for n in range(1, 101)] + [entry(200.0, took=25, ok=False)]
    found = ledger(tmp_path, *lines).between(0, 300)
    assert (found.p50_ms, found.p95_ms, found.p99_ms) == pytest.approx((50, 95, 99))


def test_a_half_written_last_line_waits_for_the_next_look(tmp_path: Path) -> None:
    book = ledger(tmp_path, entry(1.0), entry(2.0))
    whole = json.dumps(entry(3.0)) + "\n"
    with Path(book.path).open("a") as file:
        file.write(whole[:40])
        file.flush()
        assert book.between(0, 9).acknowledged == ["k1", "k2"]
        file.write(whole[40:])
        file.flush()
        assert book.between(0, 9).acknowledged == ["k1", "k2", "k3"]


def test_a_line_that_is_no_ledger_line_is_an_error_not_a_lost_write(tmp_path: Path) -> None:
    book = ledger(tmp_path, entry(1.0))
    with Path(book.path).open("a") as file:
        file.write("garbage\n")
    with pytest.raises(ValueError, match=r"Expecting value|ledger line"):
        book.between(0, 9)


def test_a_span_late_in_a_long_file_is_the_same_as_reading_all_of_it(tmp_path: Path) -> None:
    lines = [entry(float(n) / 10, took=0.05 + (n % 7) / 10) for n in range(20_000)]
    book = ledger(tmp_path, *sorted(lines, key=lambda line: line["ack"]))
    assert Path(book.path).stat().st_size > 3_000_000
    for t0, t1 in ((0.0, 3000.0), (1500.0, 1510.0), (1999.0, 2100.0), (2500.0, 2600.0)):
        wanted = sorted((line["ack"], line["key"]) for line in lines if t0 <= line["ack"] <= t1)
        assert book.between(t0, t1).acknowledged == [key for _, key in wanted], (t0, t1)
