"""What the preflight says of the lesser objects where a planted difference is not enough to see it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from asked import asked_sides, quiet, run, speaking
from pairs import Pair, paste

from cutover.postgres.preflight import DatabaseCheck, preflight
from cutover.postgres.preflight.compare import SameOnBoth
from cutover.postgres.preflight.question import Visit
from cutover.postgres.preflight.wal import WalForecast


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Pair]:
    with asked_sides(pair) as made:
        yield made


@pytest.fixture(scope="module")
def checks(sides: Pair) -> dict[str, DatabaseCheck]:
    return dict(preflight(sides.blue, sides.green))


def test_options_of_foreign_servers_are_named_and_their_values_are_not(
    sides: Pair, checks: dict[str, DatabaseCheck]
) -> None:
    run(sides, "blue", "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far TYPE 'db' FOREIGN DATA WRAPPER w OPTIONS (host 'hidden.example'); "
        "CREATE USER MAPPING FOR shop SERVER far OPTIONS (user 'u', password 'hidden')")  # fmt: skip
    try:
        found = checks["foreign-servers"].look()
        assert (
            "CREATE SERVER far TYPE 'db' FOREIGN DATA WRAPPER w OPTIONS (host);"
            in speaking(found, "SERVER far is")["mend"]
        )
        mapping = speaking(found, "USER MAPPING FOR shop SERVER far is missing")
        assert "OPTIONS (password, user)" in mapping["mend"] and "hidden" not in str(found)
    finally:
        run(sides, "blue", "DROP FOREIGN DATA WRAPPER w CASCADE")


def test_a_library_that_sorts_otherwise_is_told(checks: dict[str, DatabaseCheck]) -> None:
    """Both servers of these tests use one library, so green's answer is planted."""
    check = checks["collation-versions"]
    assert isinstance(check, SameOnBoth)
    answers = ("SELECT 'pg_catalog.\"de_DE\"', '2.36'", "SELECT 'pg_catalog.\"de_DE\"', '2.41'")
    found = replace(check, sql=answers[0], theirs=answers[1]).look()
    remark = speaking(found, 'pg_catalog."de_DE" is 2.36 on blue, 2.41 on green')
    assert remark["severity"] == "informs" and "warning" not in found.data


@pytest.mark.parametrize("side", ["blue", "green"])
def test_jobs_of_extensions_are_named_with_what_they_do(
    sides: Pair, checks: dict[str, DatabaseCheck], side: str
) -> None:
    """The tables of pg_cron and pg_partman, planted: neither extension is in these servers."""
    run(sides, side, "CREATE SCHEMA cron; CREATE SCHEMA partman")
    sides.sql(side, """CREATE TABLE cron.job (jobid bigint PRIMARY KEY, schedule text, command text, database text, active boolean);
        INSERT INTO cron.job VALUES (7, '0 3 * * *', 'SELECT app.clean(''<all>'')', 'asked', true), (8, '', 'elsewhere', 'x', true);
        CREATE FUNCTION cron.alter_job(id bigint, active boolean) RETURNS void LANGUAGE sql
          AS 'UPDATE cron.job SET active = $2 WHERE jobid = $1';
        CREATE TABLE partman.part_config (parent_table text PRIMARY KEY, automatic_maintenance text);
        INSERT INTO partman.part_config VALUES ('app.events', 'on'), ('app.other', 'off')""")  # fmt: skip
    try:
        check = checks[f"jobs-{side}"]
        found = check.look()
        job = speaking(found, "pg_cron job 7 (0 3 * * *): SELECT app.clean('<all>')")
        partitions = speaking(found, "pg_partman makes partitions of app.events by itself")
        assert job["severity"] == partitions["severity"] == "warns"
        assert all(quiet(found, says) for says in ("elsewhere", "app.other"))
        assert "pg_cron job 7" in (shown := paste(sides, check.shell())) and "partitions of app.events" in shown
        run(sides, side, job["mend"].rstrip(";"))
        run(sides, side, partitions["mend"].rstrip(";"))
        assert all(quiet(check.look(), says) for says in ("pg_cron", "pg_partman"))
    finally:
        run(sides, side, "DROP SCHEMA cron CASCADE; DROP SCHEMA partman CASCADE")


def test_a_parameter_of_rds_is_recognised_and_wanted(sides: Pair, checks: dict[str, DatabaseCheck]) -> None:
    run(sides, "blue", "ALTER DATABASE asked SET rds.logical_replication = 'off'")
    try:
        assert "Amazon RDS is untested" in checks["version-blue"].look().seen
        found = speaking(checks["settings-blue"].look(), "rds.logical_replication is off, wanted 1")
        assert found["severity"] == "refuses" and "in the parameter group" in found["mend"]
    finally:
        run(sides, "blue", "ALTER DATABASE asked RESET rds.logical_replication")


def test_the_tables_to_warm_are_named(sides: Pair, checks: dict[str, DatabaseCheck]) -> None:
    sides.sql(
        "green", "CREATE TABLE app.big AS SELECT repeat('x', 1000) AS t FROM generate_series(1, 100); ANALYZE app.big"
    )
    try:
        (remark,) = checks["cache-green"].look().data["remarks"]
        assert "SELECT pg_prewarm('app.big');" in remark["mend"] and remark["severity"] == "informs"
    finally:
        run(sides, "green", "DROP TABLE app.big")


def test_a_slot_that_fills_its_limit_within_the_hour_warns(sides: Pair) -> None:
    check = WalForecast(sides.blue, limit=1)
    with Visit() as visit:
        check.begin(visit)
        run(sides, "blue", "CREATE TABLE app.filler AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
        found = check.look_on(visit)
    run(sides, "blue", "DROP TABLE app.filler")
    assert speaking(found, "at which the plan stops, after 0.0 h")["severity"] == "warns"
    assert quiet(WalForecast(sides.blue, limit=1 << 60).look(), "at which the plan stops")
