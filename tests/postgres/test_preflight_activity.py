"""What goes on in a database and what a role may do: found by the preflight while it happens, and mended."""

import re
import threading
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from asked import asked_sides, quiet, run, session, speaking, weak
from moves import until
from pairs import Pair

from cutover.core.gate import Verdict
from cutover.postgres.preflight import DatabaseCheck, preflight
from cutover.postgres.preflight.question import SideQuestion


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Pair]:
    with asked_sides(pair) as made:
        yield made


@pytest.fixture(scope="module")
def checks(sides: Pair) -> dict[str, DatabaseCheck]:
    return dict(preflight(sides.blue, sides.green))


def test_an_open_transaction_warns_and_refuses_past_the_limit(sides: Pair, checks: dict[str, DatabaseCheck]) -> None:
    with session(sides, "BEGIN", "CREATE TABLE app.open_one (a int)") as theirs:
        pid = theirs.info.backend_pid
        asked = checks["transactions-blue"]
        assert isinstance(asked, SideQuestion)
        # The five seconds from which a transaction is spoken of, without waiting for them.
        now = replace(asked, sql=asked.sql.replace("interval '5 s'", "interval '0 s'"))
        remark = speaking(now.look(), f"pid {pid} (postgres, shop 1.4")
        assert "idle in transaction" in remark["seen"] and "has written" in remark["seen"]
        assert remark["severity"] == "warns" and remark["mend"] == f"SELECT pg_terminate_backend({pid});"
        strict = dict(preflight(sides.blue, sides.green, limit=-1))["transactions-blue"]
        assert isinstance(strict, SideQuestion)
        strict = replace(strict, sql=strict.sql.replace("interval '5 s'", "interval '0 s'"))
        found = strict.look()
        assert found.verdict is Verdict.FAIL and speaking(found, f"pid {pid}")["severity"] == "refuses"
        run(sides, "blue", remark["mend"].rstrip(";"))
        until(lambda: quiet(now.look(), f"pid {pid}"))


def test_prepared_transactions(sides: Pair, checks: dict[str, DatabaseCheck]) -> None:
    with session(sides, "BEGIN", "INSERT INTO app.lines (order_id, n) SELECT 1, 1 WHERE false", "CREATE TABLE app.p (a int)",
                 "PREPARE TRANSACTION 'left over'"):  # fmt: skip
        found = checks["prepared-blue"].look()
        assert found.verdict is Verdict.FAIL
        run(sides, "blue", speaking(found, "left over")["mend"].rstrip(";"))
    assert quiet(checks["prepared-blue"].look(), "left over")


def test_maintenance_that_holds_locks(sides: Pair, checks: dict[str, DatabaseCheck]) -> None:
    def build() -> None:
        with psycopg.connect(sides.dsns["blue"], autocommit=True) as theirs:
            theirs.execute("CREATE INDEX CONCURRENTLY slowly ON app.lines (n)")

    with session(sides, "BEGIN", "LOCK TABLE app.lines IN ROW EXCLUSIVE MODE"):
        builder = threading.Thread(target=build)
        builder.start()
        asked = checks["maintenance-blue"]
        until(lambda: asked.look().data["remarks"])
        remark = speaking(asked.look(), "CREATE INDEX CONCURRENTLY on app.lines")
        assert remark["severity"] == "warns" and "pg_cancel_backend" in remark["mend"]
    builder.join(timeout=20)
    assert quiet(asked.look(), "app.lines")
    run(sides, "blue", "DROP INDEX app.slowly")


def test_clients_jobs_and_slots_name_who_is_there(sides: Pair, checks: dict[str, DatabaseCheck]) -> None:
    with session(sides, name="pg_timetable worker"):
        assert speaking(checks["jobs-blue"].look(), "pg_timetable worker")["severity"] == "warns"
        assert speaking(checks["clients-blue"].look(), "pg_timetable worker")["severity"] == "informs"


def test_rows_of_another_subscription_refuse(sides: Pair, checks: dict[str, DatabaseCheck]) -> None:
    run(sides, "blue", "CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p "
        "WITH (connect = false, slot_name = NONE)")  # fmt: skip
    asked = checks["subscriptions-blue"]
    assert isinstance(asked, SideQuestion)
    try:
        assert quiet(asked.look(), "feed")  # it does not run
        # An enabled one needs a slot to read from; its question is asked as if this one ran.
        found = replace(asked, sql=asked.sql.replace("AND subenabled", "AND NOT subenabled")).look()
        assert found.verdict is Verdict.FAIL and "ALTER SUBSCRIPTION feed DISABLE" in speaking(found, "feed")["mend"]
    finally:
        run(sides, "blue", "DROP SUBSCRIPTION feed")


def test_rows_without_statistics_are_named(sides: Pair, checks: dict[str, DatabaseCheck]) -> None:
    with session(sides, "CREATE TABLE app.fresh AS SELECT 1 AS a", side="green"):
        pass  # what a session did is counted at the latest when it ends
    until(lambda: not quiet(checks["statistics-green"].look(), "app.fresh"))
    remark = speaking(checks["statistics-green"].look(), "app.fresh")
    run(sides, "green", remark["mend"].rstrip(";"))
    until(lambda: quiet(checks["statistics-green"].look(), "app.fresh"))
    run(sides, "green", "DROP TABLE app.fresh")


def test_changes_of_a_table_without_equality_refuse(sides: Pair, checks: dict[str, DatabaseCheck]) -> None:
    try:
        with session(sides, "CREATE TABLE app.bag (a json)", "ALTER TABLE app.bag REPLICA IDENTITY FULL",
                     "INSERT INTO app.bag VALUES ('1')", "DELETE FROM app.bag"):  # fmt: skip
            pass
        until(lambda: not quiet(checks["keyless-blue"].look(), "app.bag: 1 "))
        assert speaking(checks["keyless-blue"].look(), "app.bag")["severity"] == "refuses"
    finally:
        run(sides, "blue", "DROP TABLE app.bag")


def test_a_role_that_may_not_do_it(sides: Pair) -> None:
    found = weak(sides, "shop")
    watched = found["ddl-guard-blue"].look()
    assert speaking(watched, "polling alone will notice DDL: role shop may not")["severity"] == "warns"
    privileges = found["privileges-blue"].look()
    assert privileges.verdict is Verdict.FAIL and "role shop is no superuser" in privileges.seen and privileges.hint
    fence = found["fence-privileges-blue"].look()
    assert fence.verdict is Verdict.FAIL
    assert speaking(fence, "may not ALTER DATABASE asked SET")["mend"] == "ALTER DATABASE asked OWNER TO shop;"
    assert speaking(fence, "pg_signal_backend")["mend"] == "GRANT pg_signal_backend TO shop;"
    assert speaking(fence, "set deadlock_timeout")["severity"] == "warns"
    assert speaking(fence, "may not cancel autovacuum")["severity"] == "warns"
    assert quiet(fence, "put the fence on")  # shop owns its tables


def test_sequences_and_rows_that_may_not_be_read(sides: Pair) -> None:
    run(sides, "blue", "CREATE SEQUENCE app.hidden; CREATE TABLE app.secret (a int PRIMARY KEY); "
        "ALTER TABLE app.secret ENABLE ROW LEVEL SECURITY")  # fmt: skip
    try:
        found = weak(sides, "shop")
        hidden = speaking(found["sequences-blue"].look(), "app.hidden may not be read")
        assert hidden["severity"] == "refuses" and hidden["mend"] == "GRANT SELECT ON SEQUENCE app.hidden TO shop;"
        bound = found["row-security-blue"].look()
        assert bound.verdict is Verdict.FAIL and "app.secret has row-level security" in bound.seen
        run(sides, "blue", bound.hint)
        assert found["row-security-blue"].look().verdict is Verdict.PASS
    finally:
        run(sides, "blue", "ALTER ROLE shop NOBYPASSRLS; DROP TABLE app.secret; DROP SEQUENCE app.hidden")


def test_rds_is_recognised_and_judged_by_its_own_roles(sides: Pair, checks: dict[str, DatabaseCheck]) -> None:
    run(sides, "blue", "CREATE ROLE rds_superuser; CREATE ROLE rds_replication; CREATE ROLE operator LOGIN")
    try:
        assert "Amazon RDS is untested" in checks["version-blue"].look().seen
        asked = weak(sides, "operator")["privileges-blue"]
        assert {"rds_superuser", "rds_replication"} <= set(re.findall(r"\w+", asked.look().seen))
        run(sides, "blue", asked.look().hint)
        assert asked.look().verdict is Verdict.PASS
        assert (
            speaking(weak(sides, "operator")["ddl-guard-blue"].look(), "event triggers will note")["severity"]
            == "informs"
        )
    finally:
        run(sides, "blue", "DROP ROLE rds_superuser; DROP ROLE rds_replication; DROP ROLE operator")
