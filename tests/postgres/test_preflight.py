"""Each question of the preflight finds what it asks for, says what mends it, and is quiet again afterwards."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from asked import asked_sides, quiet, run, speaking
from pairs import Pair

from cutover.core.gate import Verdict
from cutover.postgres.preflight import DatabaseCheck, preflight


@dataclass(frozen=True)
class Case:
    """What makes a check speak on one side, what it then says, and how much that matters.

    Without `mend` the statement that the check itself gives is run, on `mends` or the same side; `after` clears the rest away.
    """

    check: str
    side: str
    make: str
    says: str
    severity: str = "refuses"
    mend: str = ""
    mends: str = ""
    after: str = ""


SIDES = [
    Case("identity-blue", "blue", "CREATE TABLE app.bare (a int)", "app.bare", after="DROP TABLE app.bare"),
    Case("identity-green", "green", "CREATE TABLE app.late (a int PRIMARY KEY DEFERRABLE)", "app.late",
         after="DROP TABLE app.late"),
    Case("identity-blue", "blue", "CREATE TABLE app.uniq (a int NOT NULL); CREATE UNIQUE INDEX uniq_a ON app.uniq (a)",
         "app.uniq", after="DROP TABLE app.uniq"),
    Case("keyless-blue", "blue", "CREATE TABLE app.keyless (a json); ALTER TABLE app.keyless REPLICA IDENTITY FULL",
         "app.keyless: 0 updates and deletes so far, and no equality for a (json)", "warns", "DROP TABLE app.keyless"),
    Case("triggers-blue", "blue", "ALTER TABLE app.orders ENABLE ALWAYS TRIGGER touched", "ALWAYS trigger touched on app.orders"),
    Case("triggers-green", "green", "CREATE RULE r AS ON DELETE TO app.lines DO ALSO NOTHING; "
         "ALTER TABLE app.lines ENABLE REPLICA RULE r", "REPLICA rule r on app.lines", after="DROP RULE r ON app.lines"),
    Case("rules-blue", "blue", "CREATE RULE r AS ON DELETE TO app.lines DO ALSO NOTHING", "rule r on app.lines", "warns",
         "DROP RULE r ON app.lines"),
    Case("event-triggers-green", "green", "CREATE FUNCTION app.ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; "
         "CREATE EVENT TRIGGER watch_ddl ON ddl_command_end EXECUTE FUNCTION app.ddl()",
         "event trigger watch_ddl (ddl_command_end)", "warns", after="DROP EVENT TRIGGER watch_ddl; DROP FUNCTION app.ddl()"),
    Case("not-carried-blue", "blue", "CREATE UNLOGGED TABLE app.fast (a int PRIMARY KEY)", "unlogged table app.fast",
         after="DROP TABLE app.fast"),
    Case("not-carried-blue", "blue", "SELECT lo_create(4711)", "1 large objects", mend="SELECT lo_unlink(4711)"),
    Case("not-carried-blue", "blue", "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w; "
         "CREATE FOREIGN TABLE app.far (a int) SERVER far", "foreign table app.far", "warns",
         "DROP FOREIGN DATA WRAPPER w CASCADE"),
    Case("replica-roles-green", "green", "CREATE ROLE loader; ALTER ROLE loader SET session_replication_role = replica",
         "role loader begins in replica mode", after="DROP ROLE loader"),
    Case("views-blue", "blue", "CREATE MATERIALIZED VIEW app.seen AS SELECT 1", "app.seen", "informs",
         "DROP MATERIALIZED VIEW app.seen"),
    Case("sequences-blue", "blue", "CREATE SEQUENCE app.small AS int MAXVALUE 100; SELECT setval('app.small', 90)",
         "app.small is past 80 % of its range (90 of 100)", "warns", "DROP SEQUENCE app.small"),
    Case("sequences-green", "green", "CREATE SEQUENCE app.down INCREMENT -1 MINVALUE -100; SELECT setval('app.down', -95)",
         "app.down is past 80 % of its range", "warns", "DROP SEQUENCE app.down"),
    Case("sequences-green", "green", "CREATE SEQUENCE app.round MAXVALUE 100 CYCLE", "app.round cycles", "warns",
         "DROP SEQUENCE app.round"),
    Case("slots-green", "green", "SELECT pg_create_logical_replication_slot('warehouse', 'pgoutput')",
         "slot warehouse (pgoutput, nobody reads it", "warns", "SELECT pg_drop_replication_slot('warehouse')"),
    Case("publications-blue", "blue", "CREATE PUBLICATION lake FOR ALL TABLES", "publication lake (all tables)", "warns",
         "DROP PUBLICATION lake"),
    Case("publications-blue", "blue", "CREATE PUBLICATION lake FOR TABLE app.orders WHERE (id > 5)",
         "publication lake (with row filters or lists of columns)", "warns", "DROP PUBLICATION lake"),
    Case("subscriptions-green", "green", "SELECT pg_replication_origin_create('bucardo')", "replication origin bucardo",
         "warns", "SELECT pg_replication_origin_drop('bucardo')"),
    Case("jobs-blue", "blue", "INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion) "
         "VALUES (99999, 'pg_cron', 10, 11, false, '1.6')", "extension pg_cron", "warns",
         "DELETE FROM pg_extension WHERE extname = 'pg_cron'"),
    Case("collations-blue", "blue", "CREATE COLLATION app.old (locale = 'C.UTF-8'); CREATE TABLE app.sorted (a text COLLATE app.old PRIMARY KEY); "
         "UPDATE pg_collation SET collversion = '1.2' WHERE collname = 'old'",
         "collation old was made with version 1.2, the library now has none", "warns",
         "UPDATE pg_collation SET collversion = NULL WHERE collname = 'old'; DROP TABLE app.sorted; DROP COLLATION app.old"),
    Case("collations-green", "green", "UPDATE pg_database SET datcollversion = '1.2' WHERE datname = current_database()",
         "the default collation of database asked was made with version 1.2", "warns",
         "UPDATE pg_database SET datcollversion = NULL WHERE datname = current_database()"),
    Case("connections-green", "green", "ALTER DATABASE asked CONNECTION LIMIT 0", "of the 0 connections that database asked allows",
         mend="ALTER DATABASE asked CONNECTION LIMIT -1"),
    Case("empty-green", "green", "INSERT INTO app.orders (price) VALUES (1)", "app.orders", mend="TRUNCATE app.orders CASCADE"),
    Case("version-green", "green", "CREATE FUNCTION app.aurora_version() RETURNS int LANGUAGE sql AS 'SELECT 1'",
         "Amazon Aurora is untested", "warns", "DROP FUNCTION app.aurora_version()"),
]  # fmt: skip
SAME = [
    Case("locale", "green", "ALTER DATABASE asked SET timezone = 'Asia/Tokyo'", "TimeZone is UTC on blue, Asia/Tokyo on green",
         "warns", "ALTER DATABASE asked RESET timezone"),
    Case("database-settings", "blue", "ALTER ROLE shop IN DATABASE asked SET work_mem = '64MB'",
         "role shop work_mem is missing on green", "warns", mends="green",
         after="ALTER ROLE shop IN DATABASE asked RESET work_mem"),
    Case("extensions", "blue", "CREATE EXTENSION vector", "extension vector is missing on green", mend="DROP EXTENSION vector"),
    Case("extension-versions", "green", "UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'plpgsql'",
         "plpgsql is 1.0 on blue, 0.9 on green", "warns", "UPDATE pg_extension SET extversion = '1.0' WHERE extname = 'plpgsql'"),
    Case("schemas", "blue", "CREATE SCHEMA other", "other is missing on green", mends="green", after="DROP SCHEMA other"),
    Case("tables", "blue", "CREATE TABLE app.more (a int PRIMARY KEY)", "app.more is missing on green", mend="DROP TABLE app.more"),
    Case("tables", "green", "CREATE TABLE app.more (a int PRIMARY KEY)", "app.more is only on green", mend="DROP TABLE app.more"),
    Case("columns", "blue", "ALTER TABLE app.lines ADD COLUMN more text", "app.lines.more is missing on green", mends="green",
         after="ALTER TABLE app.lines DROP COLUMN more"),
    Case("columns", "green", "ALTER TABLE app.orders ALTER code TYPE varchar(9)",
         "app.orders.code is text on blue, character varying(9) on green"),
    Case("columns", "green", "ALTER TABLE app.orders ALTER code SET NOT NULL", "app.orders.code is text on blue, text NOT NULL"),
    Case("columns", "green", "ALTER TABLE app.orders ALTER id SET GENERATED BY DEFAULT", "BY DEFAULT AS IDENTITY on green",
         mend="ALTER TABLE app.orders ALTER id SET GENERATED ALWAYS"),
    Case("generated", "green", "ALTER TABLE app.orders ALTER gross SET EXPRESSION AS (price * 1.3)", "app.orders.gross is ",
         mend="ALTER TABLE app.orders ALTER gross SET EXPRESSION AS (price * 1.2)"),
    Case("defaults", "green", "ALTER TABLE app.orders ALTER state SET DEFAULT 'paid'",
         "app.orders.state is 'new'::app.state on blue, 'paid'::app.state on green", "warns"),
    Case("partitions", "green", "ALTER TABLE app.events DETACH PARTITION app.events_1", "app.events_1 is missing on green",
         mend="ALTER TABLE app.events ATTACH PARTITION app.events_1 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')"),
    Case("keys", "green", "DROP INDEX app.orders_code", "app.orders_code is missing on green"),
    Case("keys", "green", "ALTER TABLE app.lines DROP CONSTRAINT lines_pkey", "app.lines lines_pkey is missing on green"),
    Case("keys", "green", "CREATE UNIQUE INDEX only_here ON app.orders (mail)", "app.only_here is only on green"),
    Case("constraints", "green", "ALTER TABLE app.orders ADD CHECK (length(code) < 3)", "app.orders orders_code_check is only on green"),
    Case("constraints", "green", "ALTER TABLE app.lines DROP CONSTRAINT lines_order_id_fkey",
         "app.lines lines_order_id_fkey is missing on green", "warns"),
    Case("indexes", "green", "DROP INDEX app.orders_mail; CREATE INDEX orders_mail ON app.orders (code, mail)",
         "app.orders_mail is ", "warns"),
    Case("types", "blue", "CREATE TYPE app.size AS ENUM ('s', 'm')", "app.size is missing on green", mends="green",
         after="DROP TYPE app.size"),
    Case("types", "blue", "CREATE DOMAIN app.short AS text CHECK (length(VALUE) < 9)", "app.short is missing on green",
         mends="green", after="DROP DOMAIN app.short"),
    Case("views", "green", "CREATE OR REPLACE VIEW app.paid AS SELECT id, price FROM app.orders", "app.paid is ", "warns"),
    Case("views", "green", "DROP VIEW app.paid", "app.paid is missing on green", after="ALTER VIEW app.paid OWNER TO shop"),
    Case("functions", "green", "CREATE OR REPLACE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD;END'",
         "app.touch() is function ", "warns",
         "CREATE OR REPLACE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW;END'"),
    Case("sequence-definitions", "green", "ALTER SEQUENCE app.invoice INCREMENT 2", "app.invoice is ", "warns"),
    Case("sequence-definitions", "green", "ALTER SEQUENCE app.invoice OWNED BY app.lines.n", "app.invoice is ", "warns"),
    Case("sequence-definitions", "green", "DROP SEQUENCE app.invoice", "app.invoice is missing on green",
         after="ALTER SEQUENCE app.invoice OWNER TO shop"),
    Case("trigger-definitions", "green", "DROP TRIGGER touched ON app.orders", "app.orders touched is missing on green", "warns"),
    Case("policies", "green", "ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY", "app.orders is only on green", "warns"),
    Case("trigger-definitions", "green", "ALTER TABLE app.orders DISABLE TRIGGER touched", "app.orders touched is ", "warns"),
    Case("policies", "blue", "CREATE POLICY own ON app.orders FOR SELECT USING (price > 1)",
         "app.orders own is missing on green", "warns", mends="green", after="DROP POLICY own ON app.orders"),
    Case("policies", "green", "CREATE POLICY own ON app.orders FOR SELECT USING (price > 1)", "app.orders own is only on green",
         "warns"),
    Case("statistics-objects", "blue", "CREATE STATISTICS app.related (dependencies) ON code, mail FROM app.orders",
         "app.related is missing on green", "warns", mends="green", after="DROP STATISTICS app.related"),
    Case("storage", "blue", "ALTER TABLE app.lines SET (fillfactor = 70, toast.autovacuum_enabled = off)",
         "storage of app.lines is missing on green", "informs", mends="green",
         after="ALTER TABLE app.lines RESET (fillfactor, toast.autovacuum_enabled)"),
    Case("storage", "green", "ALTER INDEX app.orders_mail SET (fillfactor = 70)", "storage of app.orders_mail is only on green",
         "informs"),
    Case("storage", "blue", "ALTER TABLE app.orders ALTER code SET STORAGE EXTERNAL; ALTER TABLE app.orders ALTER code SET STATISTICS 500; "
         "ALTER TABLE app.orders ALTER code SET COMPRESSION pglz; ALTER TABLE app.orders ALTER code SET (n_distinct = 7)",
         "storage of app.orders.code is missing on green", "informs", mends="green",
         after="ALTER TABLE app.orders ALTER code SET STORAGE EXTENDED; ALTER TABLE app.orders ALTER code SET STATISTICS -1; "
         "ALTER TABLE app.orders ALTER code SET COMPRESSION default; ALTER TABLE app.orders ALTER code RESET (n_distinct)"),
    Case("storage", "green", "ALTER TABLE app.orders ALTER code SET STATISTICS 500", "storage of app.orders.code is only on green",
         "informs", "ALTER TABLE app.orders ALTER code SET STATISTICS -1"),
    Case("comments", "blue", "COMMENT ON COLUMN app.orders.code IS 'as the shop''s people call it'",
         "COLUMN app.orders.code is missing on green", "informs", mends="green", after="COMMENT ON COLUMN app.orders.code IS NULL"),
    Case("comments", "green", "COMMENT ON TABLE app.orders IS 'here'", "TABLE app.orders is only on green", "informs"),
    Case("default-privileges", "blue", "ALTER DEFAULT PRIVILEGES FOR ROLE shop IN SCHEMA app GRANT SELECT ON TABLES TO PUBLIC",
         "TABLES of shop IN SCHEMA app for PUBLIC is missing on green", "warns", mends="green",
         after="ALTER DEFAULT PRIVILEGES FOR ROLE shop IN SCHEMA app REVOKE SELECT ON TABLES FROM PUBLIC"),
    Case("operators", "blue", "CREATE FUNCTION app.same(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT $1 = $2'; "
         "CREATE OPERATOR app.=== (FUNCTION = app.same, LEFTARG = text, RIGHTARG = text)",
         "OPERATOR app.=== (text, text) is missing on green", mend="DROP FUNCTION app.same(text, text) CASCADE"),
    Case("functions", "blue", "CREATE AGGREGATE app.total(int) (SFUNC = int4pl, STYPE = int)", "app.total(integer) is missing on green",
         mend="DROP AGGREGATE app.total(int)"),
    Case("functions", "blue", "CREATE PROCEDURE app.nothing() LANGUAGE sql AS 'SELECT 1'", "app.nothing() is missing on green",
         mend="DROP PROCEDURE app.nothing()"),
    Case("casts", "blue", "CREATE CAST (app.state AS varchar) WITH INOUT AS ASSIGNMENT",
         "cast app.state AS character varying is missing on green", mends="green", after="DROP CAST (app.state AS varchar)"),
    Case("collation-definitions", "blue", "CREATE COLLATION app.other (locale = 'C.UTF-8')", "app.other is missing on green",
         mends="green", after="DROP COLLATION app.other"),
    Case("text-search", "blue", "CREATE TEXT SEARCH CONFIGURATION app.plain (COPY = pg_catalog.simple)",
         "text search configuration app.plain is missing on green", mend="DROP TEXT SEARCH CONFIGURATION app.plain"),
    Case("foreign-servers", "blue", "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w",
         "SERVER far is missing on green", "warns", "DROP FOREIGN DATA WRAPPER w CASCADE"),
    Case("event-trigger-definitions", "green", "CREATE FUNCTION app.ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; "
         "CREATE EVENT TRIGGER watch_ddl ON sql_drop EXECUTE FUNCTION app.ddl()", "watch_ddl is only on green", "warns",
         after="DROP FUNCTION app.ddl()"),
    Case("roles", "blue", "CREATE ROLE reader; GRANT SELECT ON app.lines TO reader", "role reader is missing on green",
         mends="green"),
    Case("owners", "green", "ALTER TABLE app.lines OWNER TO postgres", "relation app.lines is shop on blue, postgres on green", "warns"),
    Case("grants", "green", "REVOKE SELECT ON app.orders FROM PUBLIC", "relation app.orders for PUBLIC is missing on green", "warns"),
    Case("grants", "green", "GRANT UPDATE (code) ON app.orders TO PUBLIC", "column app.orders.code for PUBLIC is only on green",
         "warns"),
]  # fmt: skip


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Pair]:
    with asked_sides(pair) as made:
        yield made


@pytest.fixture(scope="module")
def checks(sides: Pair) -> dict[str, DatabaseCheck]:
    return dict(preflight(sides.blue, sides.green))


@pytest.mark.parametrize("case", [*SIDES, *SAME], ids=lambda case: f"{case.check}: {case.says[:40]}")
def test_found_and_mended(sides: Pair, checks: dict[str, DatabaseCheck], case: Case) -> None:
    check = checks[case.check]
    assert quiet(check.look(), case.says)
    mend = case.mend
    try:
        run(sides, case.side, case.make)
        found = check.look()
        remark = speaking(found, case.says)
        mend = mend or remark["mend"].split(";  --")[0].rstrip(";")
        assert remark["severity"] == case.severity and remark["mend"]
        assert found.verdict is (Verdict.FAIL if case.severity == "refuses" else Verdict.PASS)
        assert case.severity != "warns" or found.data["warning"]
    finally:
        run(sides, case.mends or case.side, mend)
        after = check.look()
        for side in {case.side, case.mends or case.side}:
            run(sides, side, case.after)
    assert quiet(after, case.says) and quiet(check.look(), case.says)


def test_every_question_of_one_side_and_every_comparison_has_a_case(checks: dict[str, DatabaseCheck]) -> None:
    """What is not planted here is in the two files of tests beside this one."""
    beside = {"version", "settings", "lock-table", "row-security", "prepared", "transactions", "maintenance", "privileges",
              "fence-privileges", "clients", "statistics", "cache", "wal", "ddl-guard", "collation-versions", "majors", "room", "clocks", "encoding"}  # fmt: skip
    without_side = {name.removesuffix("-blue").removesuffix("-green") for name in checks}
    planted = {case.check.removesuffix("-blue").removesuffix("-green") for case in [*SIDES, *SAME]}
    assert without_side == planted | beside


@pytest.fixture(scope="module", autouse=True)
def _reader_is_gone(sides: Pair) -> Iterator[None]:
    """Roles belong to the whole server, not to the database that is dropped."""
    yield
    for side in ("blue", "green"):
        if sides.sql(side, "SELECT FROM pg_roles WHERE rolname = 'reader'"):
            run(sides, side, "DROP OWNED BY reader; DROP ROLE reader")
