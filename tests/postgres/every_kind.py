"""A database with one of everything that a schema may hold, and an empty one beside it; for the copies of schema and rows."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import psycopg
from moves import until
from pairs import Pair
from psycopg import conninfo

from cutover.postgres.session import Database
from cutover.postgres.validation import validate

SCHEMA = r"""
CREATE SCHEMA "Odd schema" AUTHORIZATION rich_owner;
GRANT USAGE ON SCHEMA "Odd schema" TO rich_reader;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN short AS text CHECK (length(VALUE) < 100);
CREATE TYPE pair AS (a int, b text);
CREATE TYPE span AS RANGE (subtype = int);
CREATE FUNCTION double(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
CREATE CAST (pair AS text) WITH INOUT;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.t := coalesce(NEW.t, '') || ' stamped'; RETURN NEW; END $$;
CREATE TABLE parent (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text NOT NULL DEFAULT 'x', m mood, ms mood[], p pair,
  s short, r span, twice bigint GENERATED ALWAYS AS (id * 2) STORED, UNIQUE (t, id));
CREATE TABLE child (id serial PRIMARY KEY, parent bigint REFERENCES parent, big text, raw bytea, f double precision, n numeric,
  at timestamptz, i interval, j jsonb, CHECK (id > 0));
CREATE INDEX child_j ON child USING gin (j);
CREATE TRIGGER stamped BEFORE INSERT ON parent FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TABLE "Odd schema"."Tab""le; x" ("Col""umn" int, "select" text, gone int, PRIMARY KEY ("Col""umn"));
ALTER TABLE "Odd schema"."Tab""le; x" DROP COLUMN gone;
ALTER TABLE "Odd schema"."Tab""le; x" OWNER TO rich_owner;
GRANT SELECT ON "Odd schema"."Tab""le; x" TO rich_reader;
CREATE TABLE keyless (a text, b int);
ALTER TABLE keyless REPLICA IDENTITY FULL;
CREATE TABLE by_index (a int NOT NULL, b text);
CREATE UNIQUE INDEX by_index_a ON by_index (a);
ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_a;
CREATE TABLE empty (id int PRIMARY KEY);
CREATE TABLE quiet (id int PRIMARY KEY);
CREATE TABLE heir (extra int, PRIMARY KEY (a)) INHERITS (by_index);
CREATE TABLE tree (a int, b int, t text, PRIMARY KEY (a, b)) PARTITION BY LIST (a);
CREATE TABLE tree_1 PARTITION OF tree FOR VALUES IN (1);
CREATE TABLE tree_2 PARTITION OF tree FOR VALUES IN (2) PARTITION BY RANGE (b);
CREATE TABLE tree_2a PARTITION OF tree_2 FOR VALUES FROM (0) TO (500);
CREATE TABLE tree_2b PARTITION OF tree_2 FOR VALUES FROM (500) TO (100000);
CREATE INDEX tree_t ON tree (t);
CREATE STATISTICS child_stats ON parent, id FROM child;
CREATE MATERIALIZED VIEW seen AS SELECT count(*) FROM parent;
CREATE VIEW odd_ones AS SELECT * FROM parent WHERE id % 2 = 1;
ALTER TABLE child ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON child FOR SELECT TO rich_reader USING (true);
COMMENT ON TABLE parent IS 'the first; "one"';
COMMENT ON INDEX child_j IS 'inside';
"""
# Debian's 15 is without it.
VECTORS = """CREATE EXTENSION vector;
CREATE TABLE points (id int PRIMARY KEY, v vector(3));
CREATE INDEX points_near ON points USING hnsw (v vector_l2_ops)"""
NO_VECTORS = "CREATE TABLE points (id int PRIMARY KEY, v text)"
ROWS = r"""
INSERT INTO parent (t, m, ms, p, s, r) SELECT 't' || i, 'ok'::mood, '{sad,ok}'::mood[], ROW(i, 'b,' || chr(9) || i)::pair, 's'::short, span(i, i + 5)
  FROM generate_series(1, 3000) i;
INSERT INTO child (parent, big, raw, f, n, at, i, j)
  SELECT 1 + i % 3000, CASE WHEN i % 500 = 0 THEN repeat(md5(i::text), 3000) ELSE E'line\n\\N ' || i END, decode(md5(i::text), 'hex'),
         i / 3.0, i / 7.0, '2026-01-01 00:00:00+00'::timestamptz + i * '0.000001 s'::interval, '1 day 24:00:00', jsonb_build_object('i', i)
  FROM generate_series(1, 6000) i;
INSERT INTO "Odd schema"."Tab""le; x" SELECT i, NULL FROM generate_series(1, 50) i;
INSERT INTO points SELECT i, format('[%s,1,2.5]', i){vector} FROM generate_series(1, 100) i;
INSERT INTO quiet SELECT generate_series(1, 100);
INSERT INTO keyless SELECT 'same', NULL FROM generate_series(1, 20);
INSERT INTO by_index SELECT i, '' FROM generate_series(1, 20) i;
INSERT INTO heir SELECT i, 'h', i FROM generate_series(100, 120) i;
INSERT INTO tree SELECT 1 + i % 2, i, 't' || i FROM generate_series(1, 900) i;
"""
ROLES = "rich_owner", "rich_reader"


@contextmanager
def rich(pair: Pair, prefix: str, *, rows: bool = True) -> Iterator[Pair]:
    """`rich` on blue and an empty `rich` on green; both are gone afterwards."""
    _drop(pair)
    for side in ("blue", "green"):
        pair.sql(side, "CREATE DATABASE rich")
        for role in ROLES:
            if not pair.sql(side, f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'"):
                pair.sql(side, f"CREATE ROLE {role}")
    dsns = {side: conninfo.make_conninfo(pair.dsns[side], dbname="rich") for side in ("blue", "green")}
    with psycopg.connect(dsns["blue"], autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        has = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'").fetchone()
        connection.execute((VECTORS if has else NO_VECTORS).encode())
        if rows:
            connection.execute(ROWS.replace("{vector}", "::vector" if has else "").encode())
    os.environ.update({f"{prefix}_{side.upper()}_DSN": dsn for side, dsn in dsns.items()})
    # Slots belong to the whole server, and their names are made of the sides' names: other names than the shop's.
    old = Database("old", f"{prefix}_BLUE_DSN", lambda: dsns["blue"])
    new = Database("new", f"{prefix}_GREEN_DSN", lambda: dsns["green"])
    try:
        yield Pair(old, new, dsns, pair.programs, pair.crash)
    finally:
        _drop(pair)


def _drop(pair: Pair) -> None:
    """Whatever a failed test has left of it is gone afterwards."""
    for side in ("blue", "green"):
        if pair.sql(side, "SELECT 1 FROM pg_database WHERE datname = 'rich'"):
            with psycopg.connect(conninfo.make_conninfo(pair.dsns[side], dbname="rich"), autocommit=True) as connection:
                connection.execute("SET default_transaction_read_only = off")
                names = (
                    "SELECT subname FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid AND datname = 'rich'"
                )
                for (name,) in connection.execute(names).fetchall():
                    connection.execute(f"ALTER SUBSCRIPTION {name} DISABLE".encode())
                    connection.execute(f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE)".encode())
                    connection.execute(f"DROP SUBSCRIPTION {name}".encode())
    for side in ("blue", "green"):
        pair.sql(side, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'rich'")
        until(lambda side=side: not pair.sql(side, "SELECT 1 FROM pg_stat_activity WHERE datname = 'rich'"))  # type: ignore[misc]
        pair.sql(side, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = 'rich'")
        pair.sql(side, "DROP DATABASE IF EXISTS rich WITH (FORCE)")


class Writing(threading.Thread):
    """Changes every table of blue but `quiet` all the time, in transactions of several statements."""

    CHANGES = """INSERT INTO parent (t, m) VALUES ('new', 'sad');
      UPDATE parent SET t = t || '.' WHERE id % 500 = {n} % 500; DELETE FROM parent p WHERE id = {n} AND NOT EXISTS
        (SELECT FROM child c WHERE c.parent = p.id);
      INSERT INTO child (parent, big) SELECT max(id), repeat('long', {n} % 3000) FROM parent;
      UPDATE child SET big = 'changed' WHERE id = {n} * 7 % 6000; DELETE FROM child WHERE id = {n} * 11 % 6000;
      UPDATE "Odd schema"."Tab""le; x" SET "select" = '{n}' WHERE "Col""umn" = {n} % 50;
      INSERT INTO keyless VALUES ('more', {n}); DELETE FROM keyless WHERE b = {n} - 5;
      UPDATE by_index SET b = b || 'x' WHERE a = {n} % 20;
      INSERT INTO tree VALUES (2, 1000 + {n}, 'late'); UPDATE tree SET a = 3 - a WHERE b = {n} % 400 AND a IN (1, 2);
      UPDATE points SET v = '[0,0,{n}]' WHERE id = {n} % 100"""

    def __init__(self, dsn: str) -> None:
        super().__init__(name="writing", daemon=True)
        self._dsn, self._over, self.count = dsn, threading.Event(), 0
        self.error: psycopg.Error | None = None

    def run(self) -> None:
        try:
            with psycopg.connect(self._dsn, autocommit=True) as connection:
                while not self._over.wait(0.005):
                    self.count += 1
                    connection.execute(f"BEGIN; {self.CHANGES.format(n=self.count)}; COMMIT".encode())
        except psycopg.Error as error:
            self.error = error

    def __enter__(self) -> Self:
        self.start()
        until(lambda: self.count > 3 or self.error, 20.0, "writes")
        return self

    def __exit__(self, *_: object) -> None:
        count = self.count
        try:
            until(lambda: self.count > count + 3 or self.error, 20.0, "more writes")
        finally:
            self._over.set()
            self.join(20.0)
        assert self.error is None, self.error


def equal(pair: Pair) -> None:
    report = validate(pair.blue, pair.green)
    assert report.status == "equal", str(report)
    assert report.rows > 9000
