"""The bench of the write pause runs on real servers, and its reading of the writers' notes is right."""

import json
from pathlib import Path

import pytest

from cutover.bench.pause import Series, measure
from cutover.bench.writers import Notes


def test_the_longest_gap_is_between_any_two_writers(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("10.0,a\n10.5,c\n10.1,b\n10.2,!,25006\n12.0,d\n", encoding="utf-8")
    notes = Notes.read(tmp_path / "notes")
    assert notes.longest_gap(0.0, 11.0) == pytest.approx(0.4)
    assert notes.longest_gap(0.0, 20.0) == pytest.approx(1.5)
    assert (notes.failures(10.15, 10.25), notes.failures(11.0, 12.0)) == (1, 0)


def test_a_series_shows_its_spread() -> None:
    assert str(Series("ours", [80.0, 60.0, 100.0], 3)).split() == ["ours", "80", "100", "60", "3"]


@pytest.mark.slow
def test_one_round_of_each() -> None:
    said: list[str] = []
    figures = measure(rounds=1, rate=200, clients=2, rows=300, extra_tables=3, say=said.append)
    assert said[-1] == "round 1 is over"
    assert (figures.lost, figures.doubled, figures.diverged) == (0, 0, False)
    assert figures.acknowledged > 100
    assert {name: len(series.pauses) for name, series in figures.series.items()} == {
        "ours forward": 1, "ours back": 1, "bare forward": 1, "bare back": 1,
    }  # fmt: skip
    # A pause that was not found would be the interval of the writers, or none at all.
    assert all(series.median > 1000 / 200 for series in figures.series.values())
    assert set(figures.phases) >= {"lock", "catch_up", "sequences", "commit", "open", "pause"}
    assert json.loads(json.dumps(figures.document()))["ratio"] == figures.ratio
    assert "0 lost, 0 doubled, the sides are equal" in str(figures)
