"""The writers' notes are read right: the longest gap is anybody's, and a failed statement is none that took long."""

from pathlib import Path

import pytest

from cutover.bench.writers import Notes

WRITTEN = "10.0,a,0.001\n10.5,c,0.3\n10.1,b,0.002\n10.2,!,25006\n12.0,d,1.4\n"


def test_the_longest_gap_is_between_any_two_writers(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text(WRITTEN, encoding="utf-8")
    notes = Notes.read(tmp_path / "notes")
    assert notes.longest_gap(0.0, 11.0) == pytest.approx(0.4)
    assert notes.longest_gap(0.0, 20.0) == pytest.approx(1.5)
    assert (notes.slowest(0.0, 11.0), notes.slowest(0.0, 20.0)) == (0.3, 1.4)
    assert (notes.failures(10.15, 10.25), notes.failures(11.0, 12.0)) == (1, 0)
    assert notes.per_second == pytest.approx(2.0)
