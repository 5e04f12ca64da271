"""Figures of a real server: presets, one number, and nothing else."""

import time

import pytest
from pairs import Pair

from cutover.core.clock import Deadline
from cutover.core.series import Gap, Reading, Span
from cutover.postgres.metric_presets import POSTGRES
from cutover.postgres.metric_source import SqlFigures


def asked(pair: Pair, query: str, side: str = "blue", seconds: float = 10.0) -> Reading:
    now = time.time()
    return SqlFigures(pair.side(side)).read(query, Span(now - 60, now, 15), Deadline.after(seconds))


@pytest.mark.parametrize("side", ["blue", "green"])
@pytest.mark.parametrize("name", POSTGRES)
def test_every_preset_is_a_number_on_both_majors(pair: Pair, name: str, side: str) -> None:
    seen = asked(pair, POSTGRES[name].query, side)
    assert seen.gap is None, seen
    assert seen.newest is not None and seen.newest.value >= 0
    assert POSTGRES[name].unit != "%" or seen.newest.value <= 100


def test_a_business_figure_may_name_its_schema_or_not(pair: Pair) -> None:
    seen = asked(pair, "SELECT count(*) FROM shop.orders")
    assert seen.newest is not None
    assert seen.newest.value == pair.sql("blue", "SELECT count(*) FROM shop.orders")[0][0]
    assert asked(pair, "SELECT avg(x) FROM (VALUES (1), (2)) v(x)").seen == "1.5"
    assert asked(pair, "SELECT 'NaN'::numeric").gap is Gap.NOT_A_NUMBER
    assert asked(pair, "SELECT 'Infinity'::float8").gap is Gap.NOT_A_NUMBER


@pytest.mark.parametrize(
    ("query", "gap", "said"),
    [
        ("SELECT 1, 2", Gap.UNREACHABLE, "gave 1 row with 2 columns"),
        ("VALUES (1), (2)", Gap.UNREACHABLE, "gave 2 rows with 1 column"),
        ("SELECT 1 WHERE false", Gap.UNREACHABLE, "gave no row"),
        ("SELECT 'many'", Gap.UNREACHABLE, "gave a str"),
        ("SELECT true", Gap.UNREACHABLE, "gave a bool"),
        ("SELECT avg(1) WHERE false", Gap.NOT_A_NUMBER, "nan"),
        ("SELECT 1 FROM nowhere", Gap.UNREACHABLE, 'relation "nowhere" does not exist'),
        ("SELECT", Gap.UNREACHABLE, "gave no row"),
        ("DELETE FROM shop.orders RETURNING 1", Gap.UNREACHABLE, "read-only transaction"),
        ("COMMIT; DELETE FROM shop.orders", Gap.UNREACHABLE, "read-only transaction"),
        ("SELECT pg_sleep(60)", Gap.UNREACHABLE, "blue: "),
    ],
)
def test_what_is_no_number_is_a_gap(pair: Pair, query: str, gap: Gap, said: str) -> None:
    before = pair.sql("blue", "SELECT count(*) FROM shop.orders")
    begun = time.monotonic()
    seen = asked(pair, query, seconds=2.0)
    assert (seen.gap, seen.samples) == (gap, ())
    assert said in seen.seen
    assert time.monotonic() - begun < 8
    assert pair.sql("blue", "SELECT count(*) FROM shop.orders") == before


def test_its_sessions_are_known_by_name_and_gone_afterwards(pair: Pair) -> None:
    name = asked(pair, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cutover metrics'")
    assert name.seen == "1"
    assert (
        pair.sql(
            "blue", "SELECT 1 FROM pg_stat_activity WHERE application_name = 'cutover metrics' AND state = 'active'"
        )
        == []
    )
