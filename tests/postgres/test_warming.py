"""What is learnt before the pause holds nothing up, and what holds it up does no harm."""

import psycopg
from pairs import Pair

from cutover.postgres.warming import know_sequences, know_tables

LOCKS = """SELECT count(*) FROM pg_locks WHERE pid = %s AND locktype = 'relation' AND relation >= 16384"""


def test_a_session_that_knows_everything_holds_no_lock(prepared: Pair) -> None:
    with prepared.blue.open("test") as session:
        know_tables(session)
        know_sequences(session)
        assert prepared.sql("blue", LOCKS, session.pid) == [(0,)]
        assert session.value("SELECT 1") == 1


def test_a_table_that_somebody_alters_is_learnt_later(prepared: Pair) -> None:
    """The other side of it: nobody waits behind us, and the session is not left in a failed transaction."""
    with prepared.blue.open("test") as session, psycopg.connect(prepared.dsns["blue"]) as other:
        other.execute("LOCK TABLE public.probe IN ACCESS EXCLUSIVE MODE")
        know_tables(session)
        assert session.value("SELECT count(*) FROM public.notes") > 0
        other.rollback()
        know_tables(session)
        assert prepared.sql("blue", LOCKS, session.pid) == [(0,)]
