"""Clients that resolve a name: led over after the other side was opened, sent away until none comes, and nothing lost."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from contract import holds
from load import load, writing
from moves import PLAIN, forward, kits, prepare, publications, reverse, take, until, window
from named import ABOUT, RECORD, Named, Resolver, led, named
from pairs import Pair
from psycopg import conninfo

from cutover.aws import client_name
from cutover.aws.client_name import ClientName
from cutover.core.clock import Deadline
from cutover.core.errors import StepFailed
from cutover.core.gate import Verdict
from cutover.postgres.drained import ClientsDrained
from cutover.postgres.pair import DatabasePair
from cutover.postgres.sides import BEFORE, SWITCHED, read_sides
from cutover.postgres.switch import Switch
from cutover.postgres.switchover import Switchover

TTL = 1


@pytest.fixture(scope="module")
def name_server() -> Iterator[Named]:
    with named() as found:
        yield found


@pytest.fixture
def name(name_server: Named) -> Iterator[Named]:
    """The name leads to blue, also at the name server."""
    name_server.control("DELETE", "faults")
    name_server.control("POST", "lag", {"seconds": 0.1})
    name_server.put(ABOUT["blue"], ttl=TTL)
    until(lambda: led(name_server) == "blue", 10.0, "the name leads to blue")
    yield name_server


@contextmanager
def stale(pair: Pair, side: str, application: str, **more: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A client with an old answer."""
    dsn = conninfo.make_conninfo(pair.dsns[side], **{"user": "shop", "application_name": application, **more})
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        yield connection


def test_there_and_back_and_nobody_is_left(prepared: Pair, name: Named) -> None:
    _, switchover, _ = window(prepared.blue, prepared.green, name.clients)
    with load(prepared, writers=4, dsn=Resolver(prepared, name)) as writers:
        for step, to, end in ((switchover, "green", SWITCHED), (switchover.inverse(), "blue", BEFORE)):
            left = ClientsDrained(prepared.side("blue" if to == "green" else "green"))
            take(step)
            assert read_sides(prepared.blue, prepared.green) == end and name.clients.where() == to
            until(lambda left=left: left.look().verdict is Verdict.PASS, 20.0, "nobody comes any more")  # type: ignore[misc]
            writing(writers)
            assert left.look().verdict is Verdict.PASS


def test_who_still_comes_is_named_and_sent_away_and_whoever_may_stays(prepared: Pair, name: Named) -> None:
    check = ClientsDrained(prepared.blue, ("monitoring", "postgres"))
    with stale(prepared, "blue", "early") as early:
        seen = check.look()
        assert seen.seen == "blue is open, and clients are sent away from a fenced side only"
        early.execute("SELECT 1")
    _, switchover, _ = window(prepared.blue, prepared.green, name.clients)
    take(switchover)
    try:
        with (
            stale(prepared, "blue", "old-driver") as one,
            stale(prepared, "blue", "old-driver"),
            stale(prepared, "blue", "") as nameless,
            stale(prepared, "blue", "monitoring") as watching,
            stale(prepared, "blue", "pg_dump", user="postgres") as backup,
        ):
            seen = check.look()
            assert seen.verdict is Verdict.INSUFFICIENT and "restart them" in seen.hint
            assert seen.seen == (
                "clients still came to blue and were sent away: old-driver from 127.0.0.1 (2), shop from 127.0.0.1 (1)"
            )
            assert seen.data["clients"][0] == {
                "application_name": "old-driver",
                "client_addr": "127.0.0.1",
                "count": 2,
            }
            for gone in (one, nameless):
                with pytest.raises(psycopg.OperationalError):
                    gone.execute("SELECT 1")
            watching.execute("SELECT 1")
            backup.execute("SELECT 1")
            until(lambda: check.look().verdict is Verdict.PASS)
            pasted = "\n".join([check.shell(), f'[ "$?" = 0 ] && echo "nobody on {check.database.side}"'])
            assert "nobody on blue" in paste(prepared, pasted)
            with stale(prepared, "blue", "late") as late:
                assert paste(prepared, check.shell(), code=1).startswith("late|127.0.0.1|1|1")
                with pytest.raises(psycopg.OperationalError):
                    late.execute("SELECT 1")
    finally:
        take(switchover.inverse())
    assert "not fenced; nobody was sent away" in paste(prepared, check.shell(), code=1)


def test_a_failing_route_53_keeps_nothing_shut(prepared: Pair, name: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    """Green is open by then: what failed is told, and the same command again goes on from there."""
    monkeypatch.setattr(client_name, "DIRECT_SECONDS", 0.5)
    there = Switch.one(prepared.blue, prepared.green, PLAIN, pool=name.clients)
    back = Switch.one(prepared.green, prepared.blue, PLAIN, pool=name.clients)
    with load(prepared, writers=2, dsn=Resolver(prepared, name)) as writers:
        for switch, to, end in ((there, "green", SWITCHED), (back, "blue", BEFORE)):
            name.fault("ChangeResourceRecordSets", times=1000, code="Throttling")
            with pytest.raises(StepFailed, match=f"does not lead clients to {to} yet"):
                switch.run(Deadline.after(20.0))
            assert read_sides(prepared.blue, prepared.green) == end and name.clients.where() != to
            prepared.sql(to, "INSERT INTO public.notes VALUES ('while Route 53 failed', 1)")
            name.control("DELETE", "faults")
            switch.run(Deadline.after(20.0))
            assert name.clients.where() == to
            writing(writers)
    prepared.sql("blue", "DELETE FROM public.notes WHERE body = 'while Route 53 failed'")


def test_with_both_sides_fenced_nobody_asks_the_name(prepared: Pair, name: Named) -> None:
    step = Switchover.of(DatabasePair(prepared.blue, prepared.green, PLAIN, pool=name.clients), name="switchover")
    name.fault("ListHostedZonesByName", times=1000, code="AccessDenied")
    assert step.past_commit() is False
    fence = "ALTER TABLE ONLY {} {} TRIGGER zz_cutover_fence"
    tables = "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'zz_cutover_fence'"
    for verb in ("ENABLE", "DISABLE"):
        for (table,) in prepared.sql("blue", tables):
            prepared.sql("blue", fence.format(table, verb))
        if verb == "ENABLE":
            assert step.observe() in step.between and step.past_commit()


@pytest.fixture
def small(tiny: Pair) -> Iterator[Pair]:
    prepare(tiny.blue, tiny.green)
    yield tiny
    for step in (forward(tiny.blue, tiny.green), reverse(tiny.blue, tiny.green)):
        take(step.inverse())
    for step in (*publications(tiny.blue, tiny.green), *kits(tiny.blue, tiny.green)):
        take(step.inverse())
    tiny.sql("green", 'SET session_replication_role = replica; TRUNCATE things, "Parts"')


class OtherSides(ClientName):
    """The small database's sides have names of their own."""

    def endpoint(self, side: str) -> str:
        return super().endpoint({"left": "blue", "right": "green"}[side])


@pytest.mark.sampled
def test_the_step_keeps_the_contract(small: Pair, name: Named, tmp_path: Path) -> None:
    name.control("POST", "lag", {"seconds": 0})
    aws = name.clients.aws  # making its clients would take most of the time

    def make() -> Switchover:
        clients = OtherSides(aws, "shop.test", RECORD, ABOUT["blue"], ABOUT["green"])
        return Switchover.of(DatabasePair(small.blue, small.green, PLAIN, pool=clients), name="switchover", settle=10.0)

    holds(make, state_dir=tmp_path, kills=8)


def test_the_printed_switch_leads_them_too(prepared: Pair, name: Named, aws_cli: str) -> None:
    with load(prepared, writers=2, dsn=Resolver(prepared, name)) as writers:
        for source, target, end in (("blue", "green", SWITCHED), ("green", "blue", BEFORE)):
            switch = Switch.one(prepared.side(source), prepared.side(target), PLAIN, pool=name.clients)
            for _ in range(2):
                paste(prepared, switch.shell(), path=aws_cli)
            assert (read_sides(prepared.blue, prepared.green), name.clients.where()) == (end, target)
            writing(writers)


def paste(pair: Pair, text: str, code: int = 0, path: str = "") -> str:
    environ = {**os.environ, "PATH": f"{path}:{pair.programs}:{os.environ['PATH']}"}
    environ |= {f"PAIR_{side.upper()}_DSN": dsn for side, dsn in pair.dsns.items()}
    done = subprocess.run(["bash", "-c", text], env=environ, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == code, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
