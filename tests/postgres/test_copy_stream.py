"""Rows from one session to another: whole, ended by errors of either side, and by a link that swallows them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from links import Link
from pairs import Pair
from psycopg import conninfo

from cutover.core.errors import Unreachable
from cutover.postgres.session import Database, QueryFailed

MANY = "COPY (SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 50000) i) TO STDOUT"
STALL = 30.0


@contextmanager
def swallowing(pair: Pair, side: str) -> Iterator[tuple[Link, Database]]:
    link = Link(int(conninfo.conninfo_to_dict(pair.dsns[side])["port"] or 0))
    dsn = conninfo.make_conninfo(pair.dsns[side], port=link.port)
    try:
        yield link, replace(pair.side(side), resolve=lambda: dsn)
    finally:
        link.close()


@pytest.mark.parametrize("count", [0, 1, 50_000])
def test_every_row_comes_over(pair: Pair, count: int) -> None:
    with pair.blue.open("test") as ours, pair.green.open("test") as theirs:
        theirs.run("CREATE TEMPORARY TABLE taken (i int, t text)")
        asked = f"COPY (SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, {count}) i) TO STDOUT"
        assert theirs.copy_in("COPY pg_temp.taken FROM STDIN", ours.copy_out(asked, stall=STALL), stall=STALL) == count
        assert theirs.value("SELECT count(DISTINCT i) FROM pg_temp.taken") == count
        assert ours.value("SELECT 1") == 1, "the session is whole afterwards"


def test_the_side_that_fails_is_named(pair: Pair) -> None:
    with pair.blue.open("test") as ours, pytest.raises(QueryFailed, match="blue: division by zero"):
        list(ours.copy_out("COPY (SELECT 1 / (i - 40000) FROM generate_series(1, 50000) i) TO STDOUT", stall=STALL))
    with pair.green.open("test") as theirs:
        theirs.run("CREATE TEMPORARY TABLE taken (i int)")
        with pytest.raises(QueryFailed, match="green: invalid input syntax"):
            theirs.copy_in("COPY pg_temp.taken FROM STDIN", iter([b"1\n", b"x\n"]), stall=STALL)
        with pair.blue.open("test") as ours, pytest.raises(QueryFailed, match="blue: division by zero"):
            asked = "COPY (SELECT 1 / (i - 40000) FROM generate_series(1, 50000) i) TO STDOUT"
            theirs.copy_in("COPY pg_temp.taken FROM STDIN", ours.copy_out(asked, stall=STALL), stall=STALL)
        assert theirs.value("SELECT count(*) FROM pg_temp.taken") == 0


def test_a_source_behind_a_dead_link_is_given_up(pair: Pair) -> None:
    with swallowing(pair, "blue") as (link, database), database.open("test") as ours:
        blocks = ours.copy_out(MANY, stall=0.5)
        assert next(blocks)
        link.swallowing = True
        with pytest.raises(Unreachable, match=r"blue: no answer within 0\.5 s"):
            list(blocks)


def test_a_target_behind_a_dead_link_is_given_up(pair: Pair) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"1\n" * 100_000
            link.swallowing = True

    with swallowing(pair, "green") as (link, database), database.open("test") as theirs:
        theirs.run("CREATE TEMPORARY TABLE taken (i int)")
        with pytest.raises(Unreachable):
            theirs.copy_in("COPY pg_temp.taken FROM STDIN", _ends(endless(), 200), stall=0.5)


def _ends(blocks: Iterator[bytes], count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield next(blocks)
