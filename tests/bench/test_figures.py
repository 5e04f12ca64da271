"""A line shows what was measured, beside what, and whether that was wanted; a measurement that breaks off is one line."""

from collections.abc import Iterator

import pytest

from cutover.bench.figures import Figures, Limit, Line, NotMeasured, Reference, Spread, attempted

OURS = Spread.of(range(1, 21))
BARE = Reference("bare SQL", Spread.of([7.0]))


def test_a_spread_tells_four_numbers_and_one_sample_is_one() -> None:
    assert (OURS.median, OURS.p95, OURS.worst) == (10.5, 19, 20)
    assert str(OURS) == "1 · 10.5 · 19 · 20 ms"
    assert str(Spread.of([0.123], "s")) == "0.12 s"
    assert str(BARE) == "bare SQL 7 (7–7) ms"


@pytest.mark.parametrize(
    ("limits", "met"),
    [
        ((), None),
        ((Limit("median", 10.5), Limit("worst", 20)), True),
        ((Limit("median", 10.4),), False),
        ((Limit("worst", 19),), False),
        ((Limit("bare SQL", 1.5),), True),
        ((Limit("bare SQL", 1.4),), False),
        ((Limit("never measured", 99),), False),
    ],
)
def test_a_target_is_met_or_not(limits: tuple[Limit, ...], met: bool | None) -> None:
    assert Line("pause", OURS, (BARE, Reference("never measured: pip install it")), limits).met is met


def test_what_failed_or_was_not_measured_meets_nothing() -> None:
    assert Line("pause", OURS, limits=(Limit("median", 99),), failed=True).met is False
    assert Line("pause", None, limits=(Limit("median", 99),)).met is False
    assert Line("pause", None).ratios == {}


def test_a_part_that_breaks_off_keeps_its_lines_and_says_why() -> None:
    def lines() -> Iterator[Line]:
        yield Line("first", OURS)
        raise ZeroDivisionError("a\nb | c")

    def missing() -> Iterator[Line]:
        raise NotMeasured("pip install it")
        yield

    said: list[str] = []
    first, broken = attempted("pause", lines, said.append)
    assert (first.figure, first.failed, broken.figure, broken.failed) == ("first", False, "pause", True)
    assert broken.seen == "failed: ZeroDivisionError: a b / c" and said == ["pause failed: a\nb | c"]
    (absent,) = attempted("pause", missing, said.append)
    assert (absent.seen, absent.failed) == ("not measured: pip install it", False)
    assert Figures("t", "m", [first], [broken]).failed and not Figures("t", "m", [first], [absent]).failed


def test_the_tables_have_a_cell_for_every_head() -> None:
    line = Line("pause", OURS, (BARE,), (Limit("bare SQL", 1.5),), "0 lost", load=2.34)
    figures = Figures("Database figures", "2 cores", [line], [line])
    head, marks, row = figures.markdown().splitlines()[2:5]
    assert head.count("|") == marks.count("|") == row.count("|") == 9
    assert row == (
        "| pause | 1 · 10.5 · 19 · 20 ms | bare SQL 7 (7–7) ms | 1.50 | ≤ 1.5 × bare SQL | yes | 2.3 | 0 lost |"
    )
    assert figures.markdown().startswith("Database figures. 2 cores.\n\n|")
    assert str(figures).count("bare SQL 7 (7–7) ms") == 2
    (document,) = figures.document()["growth"]
    assert document["ratios"] == {"bare SQL": 1.5} and document["machine"] == "2 cores"
    assert document["ours"]["samples"] == list(range(1, 21)) and document["ours"]["p95"] == 19
