"""Databases of a test's own between which nothing but the marker is replicated: their tables are filled by hand."""

import psycopg
from moves import caught_up
from pairs import Pair
from psycopg import conninfo

from cutover.postgres.kit import SCHEMA
from cutover.postgres.session import Database
from cutover.world import servers

# What makes a value another text, set the other way round on green.
OTHERWISE = {"timezone": "'Asia/Tokyo'", "datestyle": "'SQL, DMY'", "extra_float_digits": "-5", "bytea_output": "'escape'",
             "intervalstyle": "'sql_standard'", "xmlbinary": "'hex'"}  # fmt: skip


def database(dsn: str, name: str, *, encoding: str = "UTF8") -> str:
    with psycopg.connect(dsn, autocommit=True, options="-c default_transaction_read_only=off") as connection:
        connection.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'".encode()
        )
    return conninfo.make_conninfo(dsn, dbname=name, client_encoding="UTF8")


def followed_markers(blue: str, green: str, name: str) -> Pair:
    """Two databases between which nothing but the marker is replicated: their tables are filled by hand."""
    for dsn in (blue, green):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(SCHEMA)
    with psycopg.connect(blue, autocommit=True) as connection:
        connection.execute(f"CREATE PUBLICATION {name} FOR TABLE cutover.marker".encode())
    with psycopg.connect(green, autocommit=True) as connection:
        connection.execute(f"CREATE SUBSCRIPTION {name} CONNECTION '{blue}' PUBLICATION {name}".encode())
        for setting, value in OTHERWISE.items():
            connection.execute(f"ALTER DATABASE {connection.info.dbname} SET {setting} = {value}".encode())
    left, right = Database("blue", "BLUE", lambda: blue), Database("green", "GREEN", lambda: green)
    caught_up(left, right)
    return Pair(left, right, {"blue": blue, "green": green}, servers.client_bin())


def drop(pair: Pair, name: str) -> None:
    with psycopg.connect(pair.dsns["green"], autocommit=True) as connection:
        connection.execute(f"DROP SUBSCRIPTION {name}".encode())
