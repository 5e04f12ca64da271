"""Each question of the preflight finds what it asks for, says what mends it, and is quiet again afterwards."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from conftest import Pair

from cutover.core.gate import Check, Finding, Verdict
from cutover.postgres import preflight as module
from cutover.postgres.preflight import SideQuestion, preflight
from cutover.postgres.session import Database

# name of the check: what makes it speak, what it then says, what mends it; run on the side that the name ends with
CASES = {
    "identity-blue": ("CREATE TABLE public.no_key (a int)", "no_key REPLICA IDENTITY FULL", "DROP TABLE public.no_key"),
    "identity-green": (
        "CREATE TABLE public.later_key (a int PRIMARY KEY DEFERRABLE)",
        "later_key REPLICA IDENTITY FULL",
        "DROP TABLE public.later_key",
    ),
    "triggers-blue": (
        "ALTER TABLE shop.orders ENABLE ALWAYS TRIGGER note_order",
        "ALTER TABLE shop.orders ENABLE TRIGGER note_order;",
        "ALTER TABLE shop.orders ENABLE TRIGGER note_order",
    ),
    "not-carried-blue": ("CREATE UNLOGGED TABLE public.fast (a int)", "unlogged table public.fast", "DROP TABLE public.fast"),
    "empty-green": ("INSERT INTO public.queue VALUES (-1, 'old')", "public.queue", "DELETE FROM public.queue"),
    "schema": ("ALTER TABLE public.queue ALTER state TYPE varchar(40)", "public.queue has other columns",
               "ALTER TABLE public.queue ALTER state TYPE text"),
}  # fmt: skip
NOTES = {
    "sequences-blue": (
        "CREATE SEQUENCE public.nearly_full MAXVALUE 100; SELECT setval('public.nearly_full', 90)",
        "public.nearly_full is past 80 % of its range",
        "DROP SEQUENCE public.nearly_full",
    ),
    "sequences-green": (
        "CREATE SEQUENCE public.round MAXVALUE 100 CYCLE",
        "public.round cycles",
        "DROP SEQUENCE public.round",
    ),
    "slots-green": (
        "SELECT pg_create_logical_replication_slot('warehouse', 'pgoutput')",
        "slot warehouse (pgoutput)",
        "SELECT pg_drop_replication_slot('warehouse')",
    ),
    "views-blue": (
        "CREATE MATERIALIZED VIEW public.seen AS SELECT 1",
        "public.seen",
        "DROP MATERIALIZED VIEW public.seen",
    ),
}


@pytest.fixture(scope="module")
def checks(pair: Pair) -> dict[str, Check]:
    return dict(preflight(pair.blue, pair.green))


def side_of(name: str) -> str:
    return "green" if name.endswith("green") else "blue"


def test_the_shop_passes(pair: Pair, checks: dict[str, Check]) -> None:
    found = {name: check.look() for name, check in checks.items()}
    assert {name: f.seen for name, f in found.items() if f.verdict is not Verdict.PASS} == {}
    assert all(check.why() and check.shell().strip() for check in checks.values())


@pytest.mark.parametrize("name", CASES)
def test_a_question_that_refuses(pair: Pair, checks: dict[str, Check], name: str) -> None:
    make, says, mend = CASES[name]
    try:
        pair.sql(side_of(name), make)
        found = checks[name].look()
        assert found.verdict is Verdict.FAIL and says in found.seen and found.hint
    finally:
        pair.sql(side_of(name), mend)
    assert checks[name].look().verdict is Verdict.PASS


@pytest.mark.parametrize("name", NOTES)
def test_a_question_that_only_notes(pair: Pair, checks: dict[str, Check], name: str) -> None:
    make, says, mend = NOTES[name]
    try:
        for statement in make.split("; "):
            pair.sql(side_of(name), statement)
        found = checks[name].look()
        assert found.verdict is Verdict.PASS and found.data.get("warning") and says in found.seen
    finally:
        pair.sql(side_of(name), mend)
    assert says not in checks[name].look().seen


@pytest.fixture
def two_phases(pair: Pair) -> Iterator[None]:
    import psycopg

    with psycopg.connect(pair.dsns["blue"], autocommit=True) as connection:
        for statement in ("BEGIN", "INSERT INTO public.queue VALUES (-8, 'x')", "PREPARE TRANSACTION 'left over'"):
            connection.execute(statement.encode())
        yield
        connection.execute("ROLLBACK PREPARED 'left over'")


def test_prepared_transactions(checks: dict[str, Check], two_phases: None) -> None:
    found = checks["prepared-blue"].look()
    assert found.verdict is Verdict.FAIL and "left over" in found.seen and "ROLLBACK PREPARED" in found.hint


def test_a_role_that_may_not_do_it(pair: Pair) -> None:
    dsn = pair.dsns["blue"].replace("postgres@", "shop@")
    weak = dict(preflight(replace(pair.blue, resolve=lambda: dsn), pair.green))
    found = weak["privileges-blue"].look()
    assert found.verdict is Verdict.FAIL and "role shop is no superuser" in found.seen and found.hint


def test_sequences_that_may_not_be_read(pair: Pair) -> None:
    dsn = pair.dsns["blue"].replace("postgres@", "shop@")
    pair.sql("blue", "CREATE SEQUENCE public.hidden")
    try:
        found = dict(preflight(replace(pair.blue, resolve=lambda: dsn), pair.green))["sequences-blue"].look()
        assert "public.hidden may not be read" in found.seen
    finally:
        pair.sql("blue", "DROP SEQUENCE public.hidden")


def asked_with(database: Database, sql: str, old: str, new: str) -> Finding:
    """The question with another limit, where the server's own setting would need a restart."""
    assert sql.count(old) >= 1
    return SideQuestion(database, "question", sql.replace(old, new), "mend it").look()


def test_settings_and_lock_table(pair: Pair) -> None:
    found = asked_with(pair.blue, module.SETTINGS, "('max_logical_replication_workers', 4)",
                       "('max_logical_replication_workers', 400)")  # fmt: skip
    assert found.verdict is Verdict.FAIL and "max_logical_replication_workers is 20, wanted 400" in found.seen
    found = asked_with(pair.green, module.SETTINGS, "setting <> 'logical'", "setting <> 'other'")
    assert "wal_level is logical" in found.seen
    found = asked_with(pair.green, module.LOCK_TABLE, "n * 3 >", "n * 3000 >")
    assert found.verdict is Verdict.FAIL and "places" in found.seen


def test_what_cannot_be_seen_is_blind(pair: Pair) -> None:
    nowhere = Database("blue", "X", lambda: "host=127.0.0.1 port=1 connect_timeout=2")
    found = {name: check.look().verdict for name, check in preflight(nowhere, pair.green) if not name.endswith("green")}
    assert set(found.values()) == {Verdict.BLIND}
