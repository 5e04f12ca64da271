"""A small database of its own for the preflight's tests, with one object of every kind."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
from pairs import Pair
from psycopg import conninfo

from cutover.core.gate import Finding
from cutover.postgres.preflight import DatabaseCheck, preflight
from cutover.postgres.session import Database

SCHEMA = """SET ROLE shop;
CREATE SCHEMA app;
CREATE TYPE app.state AS ENUM ('new', 'paid');
CREATE DOMAIN app.email AS text CHECK (VALUE LIKE '%@%');
CREATE TABLE app.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mail app.email, state app.state DEFAULT 'new',
  price numeric(10, 2) NOT NULL CHECK (price >= 0), gross numeric GENERATED ALWAYS AS (price * 1.2) STORED, code text);
CREATE UNIQUE INDEX orders_code ON app.orders (code);
CREATE INDEX orders_mail ON app.orders (mail);
CREATE TABLE app.lines (order_id bigint REFERENCES app.orders, n int, note json, PRIMARY KEY (order_id, n));
CREATE TABLE app.events (id int, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE SEQUENCE app.invoice;
CREATE VIEW app.paid AS SELECT id, price FROM app.orders WHERE state = 'paid';
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW;END';
CREATE TRIGGER touched BEFORE UPDATE ON app.orders FOR EACH ROW EXECUTE FUNCTION app.touch();
GRANT SELECT ON app.orders TO PUBLIC;
"""


@contextmanager
def asked_sides(pair: Pair) -> Iterator[Pair]:
    """Both sides' database `asked`; nothing depends on what other tests leave in the shop's."""
    dsns = {side: conninfo.make_conninfo(pair.dsns[side], dbname="asked") for side in ("blue", "green")}
    for side, dsn in dsns.items():
        pair.sql(side, "CREATE DATABASE asked")
        pair.sql(side, "GRANT CREATE ON DATABASE asked TO shop")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(SCHEMA.encode())
    try:
        yield Pair(
            Database("blue", "ASKED_BLUE_DSN", lambda: dsns["blue"]),
            Database("green", "ASKED_GREEN_DSN", lambda: dsns["green"]),
            dsns,
            pair.programs,
        )
    finally:
        for side in dsns:
            pair.sql(side, "DROP DATABASE asked WITH (FORCE)")


def run(sides: Pair, side: str, statements: str) -> None:
    """Each statement by itself: some of them refuse to be part of a transaction."""
    for statement in filter(None, statements.split("; ")):
        sides.sql(side, statement)


def speaking(finding: Finding, says: str) -> dict[str, str]:
    """The remark that says it."""
    remarks: list[dict[str, str]] = list(finding.data["remarks"])
    return next(remark for remark in remarks if says in remark["seen"])


def quiet(finding: Finding, says: str) -> bool:
    return all(says not in remark["seen"] for remark in finding.data["remarks"])


def weak(sides: Pair, role: str) -> dict[str, DatabaseCheck]:
    """The checks of somebody who is no superuser."""
    dsn = conninfo.make_conninfo(sides.dsns["blue"], user=role)
    return dict(preflight(replace(sides.blue, resolve=lambda: dsn), sides.green))


@contextmanager
def session(sides: Pair, *statements: str, side: str = "blue", name: str = "shop 1.4") -> Iterator[psycopg.Connection]:
    """Somebody else's session, in the middle of what they do."""
    connection = psycopg.connect(sides.dsns[side], autocommit=True, application_name=name)
    try:
        for statement in statements:
            connection.execute(statement.encode())
        yield connection
    finally:
        connection.close()  # without a COMMIT, which would fail where the session was ended
