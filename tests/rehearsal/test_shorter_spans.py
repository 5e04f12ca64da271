"""Spans of conditions in the twin: shorter by one factor, and meaning the same for each second."""

import math
from collections.abc import Mapping

import pytest

from cutover.metrics.action import parse_action
from cutover.metrics.figures import Known
from cutover.metrics.parsing import parse
from cutover.metrics.rule import Rule
from cutover.rehearsal.spans import LEAST, LONGEST, Shorter, longest_look

KNOWN: Mapping[str, Known] = {
    "requests": Known("/s", step=1.0),
    "error_rate": Known("%", step=1.0),
    "p95": Known("ms", step=1.0),
    "memory": Known("MB", step=1.0),
    "orders": Known("/min", step=2.0, delay=5.0),
}


def rule(text: str) -> Rule:
    return Rule("one", parse(text, KNOWN), parse_action("rollback"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("error_rate > 5% for 5m at least 200 requests", "error_rate > 5% for 10s at least 7 requests"),
        ("error_rate > 5% for 30m at least 200 requests", "error_rate > 5% for 15s at least 2 requests"),
        ("p95 > 2 x baseline for 1h", "p95 > 2 x baseline for 30s"),
        ("p95 > legacy + 100ms for 4s", "p95 > legacy + 100ms for 4s"),
        ("memory grows > 10%/h", "memory grows > 1200%/h over 30s"),
        ("memory grows > 20%/h over 30m", "memory grows > 2400%/h over 15s"),
        ("orders within 5% of baseline for 30m", "orders within 5% of baseline for 15s"),
        ("error_rate > 5% at least 100 requests in 1m", "error_rate > 5% at least 17 requests in 10s"),
    ],
)
def test_each_part_is_shorter_by_the_same(text: str, wanted: str) -> None:
    shorter = Shorter.so_that_fit([rule("memory grows > 10%/h")])
    assert shorter.factor == 120
    assert str(shorter.condition(parse(text, KNOWN))) == wanted
    assert parse(wanted, KNOWN) == shorter.condition(parse(text, KNOWN)), "it can be written into a file"


def test_a_growth_is_as_much_over_its_span_as_it_was() -> None:
    for minutes in (10, 30, 60, 600):
        text = f"memory grows > 20%/h over {minutes}m"
        (was,), (now,) = (
            one.clauses for one in (parse(text, KNOWN), Shorter.so_that_fit([rule(text)]).condition(parse(text, KNOWN)))
        )
        assert now.over == LONGEST and now.much.value * now.over == pytest.approx(was.much.value * was.over)  # type: ignore[union-attr]


def test_no_more_are_wanted_than_few_customers_make() -> None:
    condition = parse("error_rate > 5% for 5m at least 200 requests", KNOWN)
    for often, wanted in ((math.inf, 7), (0.5, 5), (0.01, 1)):
        enough = Shorter(120.0, often).condition(condition).enough
        assert enough is not None and enough.count == wanted


def test_where_all_is_short_nothing_changes() -> None:
    some = [rule("error_rate > 5% for 20s at least 10 requests"), rule("p95 > 2s")]
    shorter = Shorter.so_that_fit(some)
    assert shorter == Shorter() and [shorter.condition(one.condition) for one in some] == [
        one.condition for one in some
    ]
    assert longest_look(some) < LONGEST and longest_look([]) == 0
    assert Shorter(2.0).span(LEAST / 2) == LEAST / 2
