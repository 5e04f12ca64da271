"""A session over a link that swallows, resets, slows, or loses the answer to a COMMIT: it returns by its deadline, and says what it was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pairs import Pair
from psycopg import conninfo

from cutover.core.errors import Unreachable
from cutover.faults.link import Link, Mode
from cutover.postgres.session import Database


@pytest.fixture
def link(pair: Pair) -> Iterator[Link]:
    made = Link("blue", int(str(conninfo.conninfo_to_dict(pair.dsns["blue"])["port"])))
    yield made
    made.close()


@pytest.fixture
def led(pair: Pair, link: Link) -> Database:
    """Blue, over the link."""
    return replace(pair.blue, resolve=lambda: conninfo.make_conninfo(pair.dsns["blue"], port=link.port))


def test_a_good_link_is_not_felt(led: Database) -> None:
    with led.open() as session:
        assert session.value("SELECT 6 * 7") == 42
        assert session.value("SELECT length(repeat('x', 3000000))") == 3_000_000


@pytest.mark.parametrize("mode", [Mode.BLACK_HOLE, Mode.HALF_OPEN])
def test_a_question_that_is_never_answered_returns_by_its_deadline(led: Database, link: Link, mode: Mode) -> None:
    with led.open() as session:
        link.set(mode)
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"no answer within 0\.5 s"):
            session.rows("SELECT 1", timeout=0.5)
        assert time.monotonic() - began < 3
    with pytest.raises(Unreachable):
        led.connect(patience=2)
    link.set(Mode.PASS)
    with led.open() as session:
        assert session.value("SELECT 1") == 1


def test_half_open_the_question_was_carried_out(pair: Pair, led: Database, link: Link) -> None:
    pair.sql("blue", "CREATE TABLE IF NOT EXISTS public.half (n int)")
    try:
        with led.open() as session:
            link.set(Mode.HALF_OPEN)
            with pytest.raises(Unreachable):
                session.run("INSERT INTO public.half VALUES (1)", timeout=0.5)
        assert pair.sql("blue", "SELECT count(*) FROM public.half") == [(1,)]
    finally:
        pair.sql("blue", "DROP TABLE public.half")


def test_a_reset_ends_those_that_stand_and_those_that_come(led: Database, link: Link) -> None:
    with led.open() as session:
        link.set(Mode.RESET)
        with pytest.raises(Unreachable):
            session.rows("SELECT 1", timeout=5)
    with pytest.raises(Unreachable):
        led.connect(patience=2)


def test_a_slow_link_takes_its_time_in_both_directions(led: Database, link: Link) -> None:
    with led.open() as session:
        link.delay = 0.1
        link.set(Mode.SLOW)
        began = time.monotonic()
        assert session.value("SELECT 1") == 1
        assert time.monotonic() - began >= 0.2


def test_a_commit_arrives_and_its_answer_does_not(pair: Pair, led: Database, link: Link) -> None:
    pair.sql("blue", "CREATE TABLE IF NOT EXISTS public.cut (n int)")
    try:
        with led.open() as session:
            link.set(Mode.CUT)
            session.run("BEGIN")
            session.run("INSERT INTO public.cut VALUES (1)")
            with pytest.raises(Unreachable):
                session.run("COMMIT", timeout=5)
        assert link.cuts == 1
        assert pair.sql("blue", "SELECT count(*) FROM public.cut") == [(1,)]
    finally:
        pair.sql("blue", "DROP TABLE public.cut")
