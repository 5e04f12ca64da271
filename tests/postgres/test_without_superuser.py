"""A switch by a role that is no superuser, as on managed services: what it may not do costs time, and stops nothing."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import psycopg
import pytest
from load import load, writing
from moves import PLAIN, VALIDATING, until
from pairs import Pair
from psycopg import conninfo

from cutover.core.clock import Deadline
from cutover.core.gate import Verdict
from cutover.postgres.baseline import ChangesCompared, ForgetBaseline, RecordBaseline
from cutover.postgres.reaper import PATIENT_WITH_DEADLOCKS, NotOursToEnd, Reaper
from cutover.postgres.session import Database, QueryFailed
from cutover.postgres.sides import BEFORE, SWITCHED, read_sides
from cutover.postgres.switch import Switch

GRANTS = ("CREATE ROLE operator LOGIN", "GRANT shop, pg_signal_backend, pg_monitor TO operator",
          "ALTER DATABASE shop OWNER TO shop", "GRANT USAGE ON SCHEMA cutover TO operator",
          "GRANT ALL ON ALL TABLES IN SCHEMA cutover TO operator", "GRANT ALL ON ALL SEQUENCES IN SCHEMA cutover TO operator")  # fmt: skip


@pytest.fixture
def operator(prepared: Pair) -> Iterator[dict[str, Database]]:
    """Both sides as a role sees them that owns what the application owns, and may end its sessions."""
    found = {}
    for side in ("blue", "green"):
        for statement in GRANTS:
            prepared.sql(side, statement)
        dsn = conninfo.make_conninfo(prepared.dsns[side], user="operator")
        found[side] = replace(prepared.side(side), resolve=dsn.__str__)
    yield found
    for side in ("blue", "green"):
        for statement in ("ALTER DATABASE shop OWNER TO postgres", "DROP OWNED BY operator", "DROP ROLE operator"):
            prepared.sql(side, statement)


def test_there_and_back_under_load(prepared: Pair, operator: dict[str, Database]) -> None:
    blue, green = operator["blue"], operator["green"]
    prepared.sql("blue", "ALTER ROLE operator REPLICATION")
    with load(prepared, writers=2) as writers:
        RecordBaseline(blue, green).run(Deadline.after(60.0))
        found = ChangesCompared(blue, green).look()
        assert found.verdict is Verdict.PASS, found.seen
        Switch.one(blue, green, VALIDATING).run(Deadline.after(20.0))
        assert read_sides(prepared.blue, prepared.green) == SWITCHED
        writing(writers)
        Switch.one(green, blue, PLAIN).run(Deadline.after(20.0))
        assert read_sides(prepared.blue, prepared.green) == BEFORE
        ForgetBaseline(blue).run(Deadline.after(10.0))
        writing(writers)


def test_deadlocks_wait_for_the_reaper_where_that_may_be_set(prepared: Pair, operator: dict[str, Database]) -> None:
    for database, wanted in ((operator["blue"], "1s"), (prepared.blue, "20s")):
        with database.open("test") as session:
            session.run("BEGIN")
            session.run(PATIENT_WITH_DEADLOCKS)
            assert session.value("SHOW deadlock_timeout") == wanted
            session.run("COMMIT")
            assert session.value("SHOW deadlock_timeout") == "1s"


def test_one_that_may_not_be_ended_keeps_no_other(prepared: Pair, operator: dict[str, Database]) -> None:
    update = "UPDATE public.queue SET state = state WHERE id = {}"
    ours = conninfo.make_conninfo(prepared.dsns["blue"], user="shop")
    with psycopg.connect(prepared.dsns["blue"]) as superuser, psycopg.connect(ours) as shop:
        superuser.execute(update.format(1).encode())
        shop.execute(update.format(2).encode())
        with operator["blue"].open("fence") as fence, operator["blue"].open("reaper") as reaper:
            fence.run("SET lock_timeout = '1s'")
            with (
                pytest.raises(NotOursToEnd, match=rf"pid {superuser.info.backend_pid} \(client backend\).*superuser"),
                Reaper(reaper, fence.pid),
            ):
                fence.run("BEGIN; LOCK TABLE public.queue IN SHARE ROW EXCLUSIVE MODE")
        with pytest.raises(psycopg.OperationalError):
            shop.execute("SELECT 1")
        superuser.rollback()
        with suppress(psycopg.Error):
            shop.rollback()
    until(lambda: not prepared.sql("blue", "SELECT 1 FROM pg_stat_activity WHERE application_name = 'cutover fence'"))


def test_nobody_of_ours_is_ended(prepared: Pair) -> None:
    with prepared.blue.open("fence") as fence, prepared.blue.open("reaper") as reaper:
        fence.run("SET lock_timeout = '200ms'")
        with psycopg.connect(prepared.dsns["blue"], application_name="cutover holds") as holder:
            holder.execute("LOCK TABLE public.queue IN EXCLUSIVE MODE")
            with pytest.raises(QueryFailed, match="lock timeout"), Reaper(reaper, fence.pid):
                fence.run("BEGIN; LOCK TABLE public.queue IN SHARE ROW EXCLUSIVE MODE")
            holder.execute("SELECT 1")
