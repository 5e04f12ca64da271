"""The reference of the write pause: the least SQL that a careful person would type, over connections that are open already.

Lock, marker, sequences, fence, open, as in `cutover.postgres.switch`, but without anything that makes it safe: no reaper, no
look at the states, no comparison of rows, no fencing token, no proof.
"""

import time
import uuid
from contextlib import ExitStack

import psycopg

from cutover.bench.rig import Rig

LONGEST = 10.0  # seconds
TRIGGERS = """DO $$ DECLARE t regclass; BEGIN
  FOR t IN SELECT tgrelid FROM pg_trigger WHERE tgname = 'zz_cutover_fence' AND NOT tgisinternal LOOP
    EXECUTE format('ALTER TABLE ONLY %s {verb} TRIGGER zz_cutover_fence', t);
  END LOOP; END $$"""
TABLES = """SELECT string_agg('ONLY ' || tgrelid::regclass, ', ' ORDER BY tgrelid::regclass::text) FROM pg_trigger
 WHERE tgname = 'zz_cutover_fence' AND NOT tgisinternal"""
SEQUENCES = """SELECT string_agg(format('setval(%L, %s)', format('%I.%I', schemaname, sequencename),
                                   least(last_value + 1000 * increment_by, max_value)), ', ')
  FROM pg_sequences WHERE last_value IS NOT NULL AND increment_by > 0"""
SEND_AWAY = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()
 AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name !~ '^cutover'"""


def bare_switch(rig: Rig, source: str, target: str) -> None:
    """Moves the writes from `source` to `target` (blue or green); raises TimeoutError when the marker does not arrive.

    Clients behind PgBouncer are paused and directed by the same words on its console as ours are.
    """
    with ExitStack() as stack:

        def hand(side: str) -> psycopg.Connection[tuple[object, ...]]:
            options = "-c default_transaction_read_only=off"
            opened = psycopg.connect(
                rig.dsns[side], autocommit=True, options=options, application_name="cutover bare", connect_timeout=5
            )
            return stack.enter_context(opened)

        fence, look, arrive, opening = hand(source), hand(source), hand(target), hand(target)
        tables = _one(fence, TABLES)
        if rig.pool is not None:
            rig.pool.pause()
        fence.execute("BEGIN; SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '5s'")
        fence.execute(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE".encode())
        token = uuid.uuid4()
        look.execute("INSERT INTO cutover.marker (token, src) VALUES (%s, %s)", [token, source])
        end = time.monotonic() + LONGEST
        while not arrive.execute("SELECT 1 FROM cutover.marker WHERE token = %s", [token]).fetchone():
            if time.monotonic() > end:
                raise TimeoutError(f"the marker did not arrive on {target}")
            time.sleep(0.001)
        arrive.execute(f"SELECT {_one(look, SEQUENCES)}".encode())
        fence.execute(TRIGGERS.format(verb="ENABLE").encode())
        fence.execute("ALTER DATABASE shop SET default_transaction_read_only = on")
        fence.execute("COMMIT")
        opening.execute("BEGIN")
        opening.execute(TRIGGERS.format(verb="DISABLE").encode())
        opening.execute("ALTER DATABASE shop RESET default_transaction_read_only")
        opening.execute("COMMIT")
        if rig.pool is not None:
            rig.pool.direct_to(target)
            rig.pool.resume()
            rig.pool.settle()
        look.execute(SEND_AWAY)


def _one(connection: psycopg.Connection[tuple[object, ...]], question: str) -> object:
    row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]
