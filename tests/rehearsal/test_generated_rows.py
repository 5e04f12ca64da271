"""A schema of forty tables in both servers, and rows in each of its tables, as its own constraints want them."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cutover.core.errors import ConfigurationRefused, Refused
from cutover.rehearsal.catalog import Catalog
from cutover.rehearsal.schema_file import parsed, read
from cutover.rehearsal.tables import Filled, filled, in_order
from cutover.world.pair_of_servers import PairOfServers, pair_of_servers
from cutover.world.rows import create

FILE = Path(__file__).with_name("schema_40_tables.sql")
SCALE = 60
SHOPS = ("public", "webhooks")


def variables(pair: PairOfServers) -> dict[str, str]:
    return {f"SHOP_{side.upper()}_DSN": pair.dsn(side) for side in ("blue", "green")}


@pytest.fixture(scope="module")
def pair() -> Iterator[PairOfServers]:
    with pair_of_servers() as both:
        for side in ("blue", "green"):
            create(both.dsn(side, database="postgres"), both.dsn(side))
        yield both


@pytest.fixture(scope="module")
def rows(pair: PairOfServers) -> Filled:
    read(FILE).load(variables(pair))
    return filled(pair.dsn("blue"), SCALE, 7, lambda line: None)


def test_every_table_of_the_forty_has_rows(pair: PairOfServers, rows: Filled) -> None:
    assert len(rows.counts) == 40
    assert rows.empty == {}
    few = {name: count for name, count in rows.counts.items() if count < SCALE // 2}
    assert not few, "what is refused is tried again"
    with psycopg.connect(pair.dsn("blue")) as connection:
        for maker in rows.makers:
            found = connection.execute(
                f'SELECT count(*) FROM "{maker.table.namespace}"."{maker.table.name}"'
            ).fetchone()
            assert found == (rows.counts[maker.table.label],)


def test_both_partitions_and_both_ends_of_the_circle_have_rows(pair: PairOfServers, rows: Filled) -> None:
    del rows
    asked = {
        "SELECT count(DISTINCT tableoid) FROM desk.messages": 2,
        "SELECT count(DISTINCT tableoid) FROM desk.audit_log": 2,
        "SELECT count(DISTINCT tableoid) FROM desk.webhook_deliveries": 2,
    }
    with psycopg.connect(pair.dsn("blue")) as connection:
        for question, wanted in asked.items():
            assert connection.execute(question).fetchone() == (wanted,), question
        for question in (
            "SELECT count(*) FROM desk.articles WHERE current_revision IS NOT NULL",
            "SELECT count(*) FROM desk.organizations WHERE parent_id IS NOT NULL",
            "SELECT count(*) FROM desk.tickets WHERE tags <> '{}' AND fields IS NOT NULL",
        ):
            found = connection.execute(question).fetchone()
            assert found is not None and found[0] > 5, question


def test_the_same_seed_gives_the_same_rows(pair: PairOfServers, rows: Filled) -> None:
    del rows
    question = "SELECT string_agg(name || slug || country, ',' ORDER BY id) FROM desk.organizations"
    with psycopg.connect(pair.dsn("blue")) as connection:
        before = connection.execute(question).fetchone()
        connection.execute("TRUNCATE desk.organizations RESTART IDENTITY CASCADE")
        connection.commit()
    again = filled(pair.dsn("blue"), SCALE, 7, lambda line: None)
    assert again.counts["desk.organizations"] >= SCALE // 2
    with psycopg.connect(pair.dsn("blue")) as connection:
        assert connection.execute(question).fetchone() == before


def test_a_table_that_cannot_be_filled_is_named_with_the_servers_reason(pair: PairOfServers) -> None:
    with psycopg.connect(pair.dsn("blue"), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA odd")
        connection.execute("CREATE TABLE odd.never (n integer PRIMARY KEY, CONSTRAINT is_full CHECK (n + 1 < n))")
        connection.execute("CREATE TABLE odd.child (n integer PRIMARY KEY REFERENCES odd.never)")
        try:
            found = filled(pair.dsn("blue"), 5, 1, lambda line: None)
        finally:
            connection.execute("DROP SCHEMA odd CASCADE")
    assert "is_full" in found.empty["odd.never"]
    assert "refers to a table without a row" in found.empty["odd.child"]
    assert found.counts["odd.never"] == 0


def test_parents_come_first_and_a_circle_begins_where_null_may_stand(pair: PairOfServers, rows: Filled) -> None:
    del rows
    with psycopg.connect(pair.dsn("blue")) as connection:
        order = [table.label for table in in_order(Catalog(connection).tables())]
    assert order.index("desk.organizations") < order.index("desk.users") < order.index("desk.tickets")
    assert order.index("desk.articles") < order.index("desk.article_revisions")


def test_what_is_left_out_of_a_schema_is_counted_by_its_reason() -> None:
    found = read(FILE)
    assert any(one.startswith("owners") and one.endswith("(5)") for one in found.left_out), found.left_out
    assert any(one.startswith("privileges") and one.endswith("(2)") for one in found.left_out)
    assert sum("CREATE TABLE DESK.MESSAGES " in one.words for one in found.loaded) == 1
    body = next(one for one in found.loaded if "FUNCTION DESK.TOUCH" in one.words)
    assert body.text.endswith("$$")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CREATE TABLE a (n int);\nCOPY a FROM stdin;\n1\n\\.\n", "x.sql:2: holds rows"),
        ("CREATE VIEW v AS SELECT 1;", "makes no table"),
        ("", "makes no table"),
    ],
)
def test_what_is_no_schema_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationRefused) as refused:
        parsed("x.sql", text)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CREATE EXTENSION IF NOT EXISTS postgis WITH SCHEMA public;\nCREATE TABLE a (n int);", "postgis (line 1)"),
        (
            "CREATE TABLE odd_one (n int);\n\n-- no such type\nCREATE TABLE b (n missing);",
            "x.sql:4: the twin's blue refuses",
        ),
    ],
)
def test_what_the_twin_does_not_have_is_refused_with_its_line(pair: PairOfServers, text: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        parsed("x.sql", text).load(variables(pair))
    assert reason in str(refused.value)
    with psycopg.connect(pair.dsn("blue")) as connection:
        assert connection.execute("SELECT to_regclass('odd_one')").fetchone() == (None,), "all of it, or nothing"


def test_the_shops_own_schema_is_used_as_it_is(pair: PairOfServers) -> None:
    found = parsed("shop.sql", "CREATE SCHEMA shop;\nCREATE TABLE shop.orders (id bigint);")
    found.load(variables(pair))
    assert any("the demo shop's own" in one for one in found.left_out)
