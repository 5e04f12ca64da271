"""`bench engine` measures every part on real stores, and the record of figures keeps one kind while another is taken anew."""

import json
from pathlib import Path

import pytest

from cutover.bench import starts
from cutover.bench.engine import FULL, PARTS, QUICK, chosen, measure
from cutover.bench.figures import Figures, Limit, Line, Reference, Spread
from cutover.bench.record import JSON, MARKDOWN, read, record
from cutover.core.errors import ConfigurationRefused


def said(words: str) -> None:
    """Nobody listens."""


def test_the_parts_are_chosen_by_name() -> None:
    assert chosen("") == list(PARTS) == ["journal", "steps", "start"]
    with pytest.raises(ConfigurationRefused, match="'step' is no part; known: journal, steps, start"):
        chosen("step")


def test_a_step_is_measured_beside_its_entries_alone() -> None:
    figures = measure(["steps"], QUICK, said)
    (line,) = figures.lines
    assert not line.failed and line.ours is not None and line.ours.median > 0
    assert list(line.ratios) == ["its entries, appended"]


@pytest.mark.slow
def test_every_store_and_every_start_is_measured() -> None:
    figures = measure(["journal", "start"], QUICK, said)
    assert [line.figure.rpartition(", ")[2] for line in figures.lines[:3]] == ["SQLite", "PostgreSQL", "local endpoint"]
    assert [line.figure for line in figures.lines if line.failed or line.ours is None] == []
    assert len(figures.lines) == 6 and all(len(line.ratios) == len(line.references) > 0 for line in figures.lines)


def test_a_start_has_half_a_second() -> None:
    assert starts.MOST == 500.0 and FULL.rounds(3).rounds_of == 3


def figures(title: str, median: float) -> Figures:
    line = Line("a pause", Spread((median, median + 2)), (Reference("bare SQL", Spread((2.0,))),), (Limit("median", 5),), "16 tables", load=0.25)  # fmt: skip
    return Figures(title, "2 cores", [line], [Line("grown", seen="not measured: no server")])


def test_a_kind_is_recorded_anew_and_the_others_stay(tmp_path: Path) -> None:
    record(tmp_path, "database", figures("Database figures", 10))
    record(tmp_path, "engine", figures("Engine figures", 1))
    record(tmp_path, "database", figures("Database figures", 3))
    kinds = read(tmp_path / JSON)
    assert list(kinds) == ["database", "engine"] and kinds["database"]["lines"][0]["ours"]["samples"] == [3, 5]
    words = (tmp_path / MARKDOWN).read_text(encoding="utf-8")
    assert "| a pause | 3 · 4 · 5 · 5 ms | bare SQL 2 (2–2) ms | 2.00 | median ≤ 5 | yes | 0.2 | 16 tables |" in words
    assert "| grown | – |  |  |  |  | 0.0 | not measured: no server |" in words
    assert words.index("## database") < words.index("## engine") and "10 · " not in words


@pytest.mark.parametrize("damaged", ["{", "[]", '{"schema": "other/1", "kinds": {}}', json.dumps({"kinds": {}})])
def test_a_record_that_cannot_be_read_is_not_overwritten(tmp_path: Path, damaged: str) -> None:
    (tmp_path / JSON).write_text(damaged, encoding="utf-8")
    with pytest.raises(ConfigurationRefused, match="this is no record of figures"):
        record(tmp_path, "engine", figures("Engine figures", 1))
    assert (tmp_path / JSON).read_text(encoding="utf-8") == damaged
