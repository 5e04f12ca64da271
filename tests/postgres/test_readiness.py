"""Statistics and views of green, through the contract of steps, and what they are for."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from contract import holds
from moves import kits, take
from pairs import Pair

from cutover.postgres.readiness import Analyzed, Noted, ViewsRefreshed

VIEWS = """CREATE MATERIALIZED VIEW "Z first" AS SELECT count(*) AS n FROM things;
CREATE VIEW between AS SELECT n FROM "Z first";
CREATE MATERIALIZED VIEW a_second AS SELECT n * 10 AS n FROM between"""


@pytest.fixture
def fenced(tiny: Pair) -> Iterator[Pair]:
    """The small database with both kits and rows on green."""
    for kit in kits(tiny.blue, tiny.green):
        take(kit)
    yield tiny
    for kit in kits(tiny.blue, tiny.green):
        take(kit.inverse())
    tiny.sql("green", "SET session_replication_role = replica; TRUNCATE things")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Analyzed, ViewsRefreshed])
def test_contract(fenced: Pair, tmp_path: Path, kind: Callable[..., Noted]) -> None:
    fenced.sql("green", VIEWS)
    try:
        holds(lambda: kind(name="ready", database=fenced.green, settle=10.0), state_dir=tmp_path)
    finally:
        fenced.sql("green", 'DROP MATERIALIZED VIEW "Z first" CASCADE')


def test_views_are_refreshed_in_the_order_in_which_they_read_each_other(fenced: Pair) -> None:
    fenced.sql("green", VIEWS)
    try:
        fenced.sql(
            "green", "SET session_replication_role = replica; INSERT INTO things SELECT generate_series(1, 7), ''"
        )
        step = ViewsRefreshed(name="views", database=fenced.green)
        take(step)
        assert fenced.sql("green", 'SELECT a.n, z.n FROM a_second a, "Z first" z') == [(70, 7)]
        take(step.inverse())
    finally:
        fenced.sql("green", 'DROP MATERIALIZED VIEW "Z first" CASCADE')


def test_the_planner_knows_the_rows(fenced: Pair) -> None:
    fenced.sql("green", "SET session_replication_role = replica; INSERT INTO things SELECT generate_series(1, 321), ''")
    step = Analyzed(name="analyzed", database=fenced.green)
    take(step)
    assert fenced.sql("green", "SELECT reltuples FROM pg_class WHERE relname = 'things'") == [(321,)]
    take(step.inverse())
