"""The two PostgreSQL servers of the local world, the shop's schema and its generated rows."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from cutover.world import rows, servers
from cutover.world.processes import Process, launch, poll, stop, strays


@dataclass
class Pair:
    blue: servers.Server
    green: servers.Server
    processes: dict[str, Process]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    # not below pytest's own directory: that is closed to the unprivileged user, and every run of pytest closes it again
    with tempfile.TemporaryDirectory(prefix="cutover-test-") as place:
        scratch = Path(place)
        scratch.chmod(0o755)
        yield from serve(scratch)


def serve(scratch: Path) -> Iterator[Pair]:
    account = servers.unprivileged()
    programs = servers.binaries(scratch, account)
    made, processes = {}, {}
    try:
        for name in ("blue", "green"):
            made[name] = servers.create(
                name,
                scratch=scratch,
                log=scratch / f"{name}.log",
                account=account,
                programs=programs,
                extra={"log_statement": "all"},
            )
            processes[name] = servers.start(made[name])
            rows.create(made[name].dsn(database="postgres"), made[name].dsn())
        rows.fill(made["blue"].dsn(), 5000)
        yield Pair(made["blue"], made["green"], processes)
    finally:
        for process in processes.values():
            servers.halt(process)


def one(dsn: str, query: str) -> tuple[object, ...]:
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        found = connection.execute(query.encode()).fetchone()
        assert found is not None
        return found


def test_blue_is_16_and_green_is_18_and_both_replicate_logically(pair: Pair) -> None:
    versions = [one(server.dsn(), "SHOW server_version_num")[0] for server in (pair.blue, pair.green)]
    assert [str(version)[:2] for version in versions] == ["16", "18"]
    for server in (pair.blue, pair.green):
        for name, wanted in {
            "wal_level": "logical",
            "max_replication_slots": "20",
            "fsync": "on",
            "synchronous_commit": "on",
            "autovacuum": "on",
            "cluster_name": server.name,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "log_statement": "all",
        }.items():
            assert one(server.dsn(), f"SHOW {name}") == (wanted,), (server.name, name)


def test_a_server_never_runs_as_root(pair: Pair) -> None:
    for process in pair.processes.values():
        assert Path(f"/proc/{process.pid}").stat().st_uid != 0


def test_the_rows_are_there_and_belong_to_the_application(pair: Pair) -> None:
    with psycopg.connect(pair.blue.dsn()) as connection:
        assert rows.count_rows(connection) == 5000
        for table in ("shop.events_past", "shop.events_2026", "shop.events_later", "shop.audit_log", '"Weird Name"'):
            found = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            assert found is not None and found[0] > 0, table
        assert connection.execute("SELECT count(*) > 0 FROM shop.product_sales").fetchone() == (True,)
    query = """SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname IN ('shop', 'public') AND c.relkind IN ('r', 'p', 'S', 'm')
                  AND c.relowner <> 'shop'::regrole"""
    assert one(pair.blue.dsn(), query) == (0,)
    assert one(pair.blue.dsn(role="shop"), "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == (False,)


def test_both_sides_have_the_same_columns_and_green_has_no_rows(pair: Pair) -> None:
    # identity of partitions is left out: 17 and later mark it on the leaves, 16 does not
    columns = """
        SELECT md5(string_agg(concat_ws('|', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod),
                                        a.attnotnull, a.attgenerated),
                          ',' ORDER BY a.attrelid::regclass::text, a.attnum))
          FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('shop', 'public') AND a.attnum > 0 AND c.relkind IN ('r', 'p', 'm')"""
    assert one(pair.blue.dsn(), columns) == one(pair.green.dsn(), columns)
    with psycopg.connect(pair.green.dsn()) as connection:
        assert rows.count_rows(connection) == 0


def test_every_table_can_be_replicated(pair: Pair) -> None:
    """No update on a published leaf may fail for want of a replica identity, and each kind of identity occurs."""
    query = """SELECT string_agg(DISTINCT relreplident::text, '' ORDER BY relreplident::text),
                      count(*) FILTER (WHERE relreplident = 'd' AND NOT EXISTS (
                        SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate))
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname IN ('shop', 'public') AND c.relkind = 'r'"""
    assert one(pair.blue.dsn(), query) == ("dfi", 0)


def test_sequences_cover_the_awkward_kinds(pair: Pair) -> None:
    with psycopg.connect(pair.blue.dsn()) as connection:
        found = connection.execute("SELECT sequencename, increment_by, cache_size FROM pg_sequences").fetchall()
    kinds = {name: (step, cache) for name, step, cache in found}
    assert kinds["invoice_no"] == (1, 1)
    assert kinds["webhook_receipt"] == (-1, 20)
    assert len(kinds) >= 8


def test_a_killed_server_comes_back_on_its_port_with_its_rows(pair: Pair) -> None:
    with psycopg.connect(pair.blue.dsn()) as busy:
        busy.execute("SELECT 1")
        os.kill(pair.processes["blue"].pid, signal.SIGKILL)
        began = time.monotonic()
        pair.processes["blue"] = servers.start(pair.blue)
        assert time.monotonic() - began < 15
        with pytest.raises(psycopg.OperationalError):
            busy.execute("SELECT 1")
    with psycopg.connect(pair.blue.dsn()) as connection:
        assert rows.count_rows(connection) == 5000


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL under another user")
def test_binaries_that_the_unprivileged_user_cannot_reach_are_copied() -> None:
    account = servers.unprivileged()
    with tempfile.TemporaryDirectory() as place:
        closed = Path(place)
        copy = servers.copy_binaries(closed)
        closed.chmod(0o700)
        assert not servers.runs(copy / "pginstall18" / "bin" / "initdb", account)
        closed.chmod(0o755)
        assert servers.runs(copy / "pginstall18" / "bin" / "initdb", account)
        assert servers.runs(copy / "pginstall" / "bin" / "psql", account)
        assert servers.binaries(closed, account) == copy


def test_a_process_is_known_by_its_start_not_only_by_its_pid(tmp_path: Path) -> None:
    process = launch("sleeper", ["/bin/sleep", "60"], log=tmp_path / "log")
    try:
        assert process.alive
        stranger = Process("sleeper", process.pid, "1")
        assert not stranger.alive
        stop([stranger], patience=0.1)
        assert process.alive, "a reused pid must not be killed"
    finally:
        stop([process])
    assert not process.alive


def test_strays_are_found_by_world_and_only_by_this_world(tmp_path: Path) -> None:
    script = [sys.executable, "-c", "import time; time.sleep(60)", "cutover.world.none", "--world", str(tmp_path)]
    process = launch("stray", script, log=tmp_path / "log")
    try:
        found = poll(lambda: strays(tmp_path, None) or None, 5, lambda: "the stray was not found")
        assert [stray.pid for stray in found] == [process.pid]
        assert strays(tmp_path / "other", None) == []
    finally:
        stop([process], signum=signal.SIGKILL)
