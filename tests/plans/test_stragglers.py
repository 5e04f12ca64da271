"""Whose old answer is to be expected, and who keeps one for longer than it is valid."""

from dataclasses import replace
from typing import Any

import pytest

from cutover.app import open_environment
from cutover.core.journal import Position
from cutover.net.propagation import AUTHORITATIVE, RESOLVER, Said
from cutover.plans.carriers import carried
from cutover.plans.propagation import Moves, moves_of, straggler

NOW = 1_000_000.0
MOVES = Moves("100 %", moved=NOW - 20, lowered=NOW - 3600, before=300)


def said(ttl: int | None, role: str = RESOLVER) -> Said:
    return Said("192.0.2.53:53", role, ("somewhere.test.",), ttl)


def told(ttl: int | None, side: str = "blue", moves: Moves = MOVES, effective: str = "100 %", **more: Any) -> Any:
    return straggler(said(ttl, **more), side, 60, moves, effective, NOW)


def test_an_old_answer_that_is_still_valid_is_expected_until_its_end() -> None:
    found = told(40)
    assert (found["expected"], found["until"]) == (True, NOW + 40)


def test_an_old_answer_that_outlives_its_ttl_was_kept() -> None:
    """The shift was 20 s ago and the TTL is 60 s: a blue answer with 55 s left was given out anew."""
    found = told(55)
    assert found["expected"] is False
    assert "expired" in found["why"]


def test_a_ttl_longer_than_the_records_is_a_least_ttl_whatever_the_side() -> None:
    found = told(200, side="green")
    assert found["expected"] is False
    assert "200 s where the record has 60 s" in found["why"]


def test_the_long_ttl_of_before_lives_on_for_its_own_time() -> None:
    just_lowered = replace(MOVES, moved=None, lowered=NOW - 100)
    assert told(190, side="blue", moves=just_lowered, effective="0 %") is None
    assert told(290, side="blue", moves=just_lowered, effective="0 %")["expected"] is False


@pytest.mark.parametrize(
    ("ttl", "side", "effective", "role"),
    [
        (40, "green", "100 %", RESOLVER),
        (40, "blue", "50 %", RESOLVER),
        (40, "", "100 %", RESOLVER),
        (None, "blue", "100 %", RESOLVER),
        (60, "blue", "100 %", AUTHORITATIVE),
    ],
)
def test_who_is_no_straggler(ttl: int | None, side: str, effective: str, role: str) -> None:
    assert told(ttl, side, effective=effective, role=role) is None


def test_on_the_way_back_greens_answers_are_the_old_ones() -> None:
    assert told(40, side="green", effective="0 %")["expected"] is True


def test_what_was_asked_is_read_from_the_journal() -> None:
    app = open_environment("local")
    (api,) = [one for one in carried(app.means) if one.name == "api"]
    assert moves_of(api, app.plan, None).asked == "0 %"
    there = Position("run", done=("ttl-lowered-api", "traffic-api-10", "traffic-shop-50"))
    marked = replace(there, converged_at={"traffic-api-10": 7.0, "ttl-lowered-api": 3.0, "traffic-shop-50": 9.0})
    assert moves_of(api, app.plan, marked) == Moves("10 %", 7.0, 3.0, 5)
    assert moves_of(api, app.plan, replace(marked, intent="traffic-api-50")).asked == "50 %"
