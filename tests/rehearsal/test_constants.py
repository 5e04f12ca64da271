"""A number in place of a figure: one with which no trigger fires, everything is counted enough, and every checklist is well."""

from collections.abc import Mapping

import pytest

from cutover.metrics.action import parse_action
from cutover.metrics.figures import Known
from cutover.metrics.parsing import parse
from cutover.metrics.rule import Rule
from cutover.rehearsal.constants import allowed, constant

KNOWN: Mapping[str, Known] = {"hits": Known("%"), "orders": Known("/s"), "cost": Known("USD"), "memory": Known("MB")}


def rules(*texts: str) -> list[Rule]:
    return [Rule(f"rule-{number}", parse(text, KNOWN), parse_action("hold")) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("name", "texts", "wanted"),
    [
        ("hits", [], "0"),
        ("hits", ["hits < 80%"], "80"),
        ("hits", ["hits > 5% for 5m"], "0"),
        ("hits", ["hits < 80%", "hits > 90%"], "80"),
        ("hits", ["hits within 5% of baseline"], "0"),
        ("hits", ["hits > 1.5 x baseline"], "0"),
        ("memory", ["memory grows > 10%/h"], "1"),
        ("orders", ["hits > 5% for 10s at least 50 orders"], "50"),
        ("orders", ["hits > 5% for 5m at least 50 orders"], "1"),
        ("hits", ["hits < 80%", "hits > 20%"], None),
    ],
)
def test_it_keeps_every_bound_or_there_is_none(name: str, texts: list[str], wanted: str | None) -> None:
    assert constant([], rules(*texts), name, KNOWN[name].unit) == wanted


def test_the_bound_of_a_checklist_is_taken_as_it_is_written() -> None:
    line = {"name": "cost", "figure": "cost", "at_most": "240 USD"}
    assert constant([line], [], "cost", "USD") == "240"
    assert constant([line], rules("cost > 200USD"), "cost", "USD") is None
    assert allowed({"at_least": "2s"}, "ms") == "2000" and allowed({}) == "0"
