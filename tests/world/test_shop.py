"""The demo shop against two real servers: its endpoints, and what callers see while the database moves."""

from __future__ import annotations

import http.client
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from cutover.world import rows, servers
from cutover.world.processes import Process, launch, stop, wait_ready

FENCE = """
CREATE SCHEMA cutover;
CREATE FUNCTION cutover.fence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'fenced' USING ERRCODE = '25006'; END $$;
DO $$ DECLARE t regclass; BEGIN
  FOR t IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND n.nspname IN ('shop', 'public') LOOP
    EXECUTE format('CREATE TRIGGER zz_fence BEFORE INSERT OR UPDATE OR DELETE ON %s
                    FOR EACH STATEMENT EXECUTE FUNCTION cutover.fence()', t);
    EXECUTE format('ALTER TABLE ONLY %s DISABLE TRIGGER zz_fence', t);
  END LOOP; END $$"""

TABLES = "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'zz_fence' AND NOT tgisinternal ORDER BY 1"


@dataclass
class Rig:
    blue: servers.Server
    green: servers.Server
    dsn: str
    ports: dict[str, int]

    def ask(self, method: str, path: str, body: object = None, version: str = "v1", **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[version], timeout=12)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, headers)
            answer = connection.getresponse()
            assert answer.headers["x-shop-version"] == version
            raw = answer.read()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, json.loads(raw) if is_json else raw.decode()
        finally:
            connection.close()

    def buy(self, key: str, version: str = "v1") -> tuple[int, Any]:
        lines = [{"product_id": 1, "quantity": 2}, {"product_id": 2, "quantity": 1}]
        order = {"idempotency_key": key, "customer_id": 1, "lines": lines}
        return self.ask("POST", "/api/checkout", order, version)


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    # not below pytest's own directory: that is closed to the unprivileged user, and every run of pytest closes it again
    with tempfile.TemporaryDirectory(prefix="cutover-test-") as place:
        scratch = Path(place)
        scratch.chmod(0o755)
        yield from serve(scratch)


def serve(scratch: Path) -> Iterator[Rig]:
    account = servers.unprivileged()
    programs = servers.binaries(scratch, account)
    databases: list[Process] = []
    shops: list[Process] = []
    try:
        made = []
        for name in ("blue", "green"):
            log = scratch / f"{name}.log"
            server = servers.create(name, scratch=scratch, log=log, account=account, programs=programs)
            databases.append(servers.start(server))
            rows.create(server.dsn(database="postgres"), server.dsn())
            rows.fill(server.dsn(), 1000)
            execute(server, FENCE)
            made.append(server)
        fence(made[1])
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in made)
        dsn = f"postgresql://shop@{hosts}/shop?target_session_attrs=read-write"
        ports = {}
        for version in ("v1", "v2"):
            process, ports[version] = start_shop(scratch, version, dsn)
            shops.append(process)
        yield Rig(made[0], made[1], dsn, ports)
    finally:
        stop(shops)
        for process in databases:
            servers.halt(process)


def start_shop(world: Path, version: str, dsn: str, *flags: str) -> tuple[Process, int]:
    name, log = f"shop-{version}", world / f"shop-{version}.log"
    argv = [sys.executable, "-m", "cutover.world.shop", "--world", str(world), "--name", name, "--version", version]
    process = launch(name, [*argv, *flags], log=log, env={**os.environ, "SHOP_APP_DSN": dsn})
    return process, int(wait_ready(process, world, log=log)["port"])


def execute(server: servers.Server, statement: str) -> None:
    with psycopg.connect(server.dsn(), autocommit=True, connect_timeout=5) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(statement.encode())


def fence(server: servers.Server) -> None:
    """Locks every table, then refuses writes from old and new sessions, in one transaction."""
    with psycopg.connect(server.dsn(), connect_timeout=5) as connection:
        connection.read_only = False
        tables = [name for (name,) in connection.execute(TABLES).fetchall()]
        for _ in range(20):
            try:
                connection.execute("SET LOCAL lock_timeout = '2s'")
                connection.execute(f"LOCK TABLE ONLY {', ONLY '.join(tables)} IN SHARE ROW EXCLUSIVE MODE".encode())
                break
            except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
                connection.rollback()
        else:
            raise AssertionError("the lock was never granted")
        for table in tables:
            connection.execute(f"ALTER TABLE ONLY {table} ENABLE TRIGGER zz_fence".encode())
        connection.execute("ALTER DATABASE shop SET default_transaction_read_only = on")


def open_up(server: servers.Server) -> None:
    with psycopg.connect(server.dsn(), connect_timeout=5) as connection:
        connection.read_only = False
        for (table,) in connection.execute(TABLES).fetchall():
            connection.execute(f"ALTER TABLE ONLY {table} DISABLE TRIGGER zz_fence".encode())
        connection.execute("ALTER DATABASE shop RESET default_transaction_read_only")


@pytest.fixture
def blue_serves(rig: Rig) -> Iterator[None]:
    """Whatever the test did: in the end blue is open and green is fenced."""
    yield
    fence(rig.green)
    open_up(rig.blue)


def send_away(server: servers.Server) -> None:
    execute(
        server,
        """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = 'shop' AND backend_type = 'client backend' AND pid <> pg_backend_pid()""",
    )


def keys(server: servers.Server, wanted: Sequence[str]) -> list[str]:
    with psycopg.connect(server.dsn(), connect_timeout=5) as connection:
        query = "SELECT idempotency_key::text FROM shop.orders WHERE idempotency_key = ANY (%s::uuid[])"
        return [key for (key,) in connection.execute(query, [list(wanted)]).fetchall()]


def test_the_reading_endpoints(rig: Rig) -> None:
    assert rig.ask("GET", "/health") == (200, {"status": "ok", "version": "v1"})
    assert rig.ask("GET", "/health", version="v2") == (200, {"status": "ok", "version": "v2"})
    status, found = rig.ask("GET", "/api/search?q=LAMP")
    assert status == 200 and found["results"] and all("lamp" in entry["title"] for entry in found["results"])
    assert rig.ask("GET", "/api/products/1")[1]["sku"] == "SKU-000001"
    assert rig.ask("GET", "/api/products/999999")[0] == 404
    assert rig.ask("GET", "/creators/1") == (200, {"creator_id": 1, "name": "Creator 1", "share": "0.6000"})
    status, page = rig.ask("GET", "/creators/1", Accept="text/html")
    assert status == 200 and page.startswith("<!doctype html>")
    status, metrics = rig.ask("GET", "/metrics")
    assert status == 200
    assert 'shop_requests_total{version="v1",method="GET",route="/api/search",status="200"} 1' in metrics
    assert rig.ask("GET", "/nowhere")[0] == 404
    assert rig.ask("DELETE", "/health")[0] == 405


def test_whoami_names_the_server_that_answers(rig: Rig) -> None:
    status, who = rig.ask("GET", "/whoami", version="v2")
    assert status == 200
    assert (who["version"], who["writable"]) == ("v2", True)
    assert who["database"]["name"] == "blue"
    assert who["database"]["port"] == rig.blue.port
    assert int(who["database"]["system"]) > 0


def test_a_checkout_writes_everything_once(rig: Rig) -> None:
    key = str(uuid4())
    status, order = rig.buy(key)
    assert status == 201 and order["idempotency_key"] == key
    assert rig.buy(key) == (200, order)
    assert rig.buy(key, version="v2") == (200, order)
    with psycopg.connect(rig.blue.dsn(), connect_timeout=5) as connection:
        for table, wanted in {"order_lines": 2, "payments": 1, "outbox": 1, "orders": 1}.items():
            count = f"SELECT count(*) FROM shop.{table} WHERE order_id = %s"
            assert connection.execute(count.encode(), [order["order_id"]]).fetchone() == (wanted,), table
        for query in (
            "SELECT count(*) FROM shop.audit_log WHERE details ->> 'order' = %s",
            "SELECT count(*) FROM shop.events WHERE details ->> 'order' = %s",
        ):
            assert connection.execute(query.encode(), [str(order["order_id"])]).fetchone() == (1,)
        paid = "SELECT p.amount = sum(l.amount) FROM shop.payments p JOIN shop.order_lines l USING (order_id)"
        query = paid + " WHERE order_id = %s GROUP BY p.amount"
        assert connection.execute(query.encode(), [order["order_id"]]).fetchone() == (True,)


def test_the_same_key_at_the_same_time_is_one_order(rig: Rig) -> None:
    key = str(uuid4())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: rig.buy(key), range(8)))
    assert sorted(status for status, _ in answers) == [200] * 7 + [201]
    assert len({order["order_id"] for _, order in answers}) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ([], 400),
        ({"idempotency_key": "no uuid", "customer_id": 1, "lines": [{"product_id": 1, "quantity": 1}]}, 400),
        ({"idempotency_key": str(uuid4()), "customer_id": 1, "lines": []}, 400),
        ({"idempotency_key": str(uuid4()), "customer_id": 1, "lines": 7}, 400),
        ({"idempotency_key": str(uuid4()), "customer_id": 1, "lines": [{"product_id": 1, "quantity": 0}]}, 422),
        ({"idempotency_key": str(uuid4()), "customer_id": 1, "lines": [{"product_id": 99999, "quantity": 1}]}, 422),
        ({"idempotency_key": str(uuid4()), "customer_id": 99999, "lines": [{"product_id": 1, "quantity": 1}]}, 422),
        ({"idempotency_key": str(uuid4()), "customer_id": 1 << 40, "lines": [{"product_id": 1, "quantity": 1}]}, 422),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_and_leaves_nothing(rig: Rig, body: Any, status: int) -> None:
    seen, answer = rig.ask("POST", "/api/checkout", body)
    assert seen == status and answer["error"]
    if isinstance(body, dict) and seen == 422:
        assert keys(rig.blue, [body["idempotency_key"]]) == []


def test_mail_is_delivered(rig: Rig) -> None:
    _, order = rig.buy(str(uuid4()))
    end = time.monotonic() + 5
    while (seen := rig.ask("GET", f"/outbox?order_id={order['order_id']}")[1])["delivered"] != 1:
        assert time.monotonic() < end, seen
    assert seen["queued"] == 0
    assert rig.ask("GET", "/outbox")[1]["delivered"] > 1
    assert rig.ask("GET", "/outbox?order_id=x")[0] == 400


def test_a_webhook_is_received_once(rig: Rig) -> None:
    event = {"event_id": str(uuid4()), "type": "payment.settled"}
    assert rig.ask("POST", "/webhooks/payment", event) == (200, {"received": event["event_id"], "duplicate": False})
    assert rig.ask("POST", "/webhooks/payment", event)[1]["duplicate"] is True
    assert rig.ask("POST", "/webhooks/payment", {"event_id": 3})[0] == 400


def test_mcp_initialize(rig: Rig) -> None:
    call = {"jsonrpc": "2.0", "id": 7, "method": "initialize", "params": {"protocolVersion": "2025-03-26"}}
    status, answer = rig.ask("POST", "/mcp", call)
    assert status == 200
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", 7)
    assert answer["result"]["protocolVersion"] == "2025-03-26"
    assert answer["result"]["serverInfo"] == {"name": "shop", "version": "v1"}
    assert rig.ask("POST", "/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"})[0] == 202
    assert rig.ask("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "nothing"})[1]["error"]["code"] == -32601


@dataclass
class Seen:
    """What callers saw: acknowledged keys with their times, and every answer that was not a success."""

    acknowledged: list[tuple[float, str]]
    failures: list[str]
    slowest_read: float = 0.0


class Callers:
    """Four writers and two readers against both versions, until told to stop."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._end = threading.Event()
        self.seen = Seen([], [])
        self._threads = [threading.Thread(target=self._write, args=(f"v{1 + n % 2}",)) for n in range(4)]
        self._threads += [threading.Thread(target=self._read, args=(f"v{1 + n}",)) for n in range(2)]

    def __enter__(self) -> Seen:
        for thread in self._threads:
            thread.start()
        return self.seen

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()

    def _write(self, version: str) -> None:
        while not self._end.is_set():
            key = str(uuid4())
            status, answer = self._rig.buy(key, version)
            if status == 201:
                self.seen.acknowledged.append((time.monotonic(), key))
            else:
                self.seen.failures.append(f"write {status} {answer}")

    def _read(self, version: str) -> None:
        while not self._end.wait(0.005):
            began = time.monotonic()
            status, answer = self._rig.ask("GET", "/api/products/1", version=version)
            self.seen.slowest_read = max(self.seen.slowest_read, time.monotonic() - began)
            if status != 200:
                self.seen.failures.append(f"read {status} {answer}")


def wait_for_writes(seen: Seen, more: int) -> None:
    wanted, end = len(seen.acknowledged) + more, time.monotonic() + 15
    while len(seen.acknowledged) < wanted:
        assert time.monotonic() < end, f"{len(seen.acknowledged)} of {wanted} writes; {seen.failures[:3]}"
        time.sleep(0.005)


@pytest.mark.usefixtures("blue_serves")
def test_a_switch_and_the_way_back_are_latency_for_callers_and_nothing_else(rig: Rig) -> None:
    with Callers(rig) as seen:
        wait_for_writes(seen, 40)
        for origin, target in ((rig.blue, rig.green), (rig.green, rig.blue)):
            fence(origin)
            assert rig.ask("GET", "/whoami")[1]["writable"] is False, "reads go on while both sides are fenced"
            open_up(target)
            send_away(origin)
            wait_for_writes(seen, 40)
            for version in ("v1", "v2"):
                assert rig.ask("GET", "/whoami", version=version)[1]["database"]["name"] == target.name
    assert seen.failures == []
    wanted = [key for _, key in seen.acknowledged]
    assert set(keys(rig.blue, wanted)) | set(keys(rig.green, wanted)) == set(wanted)


def test_sessions_that_are_ended_under_load_are_latency_and_nothing_else(rig: Rig) -> None:
    with Callers(rig) as seen:
        for _ in range(5):
            wait_for_writes(seen, 15)
            send_away(rig.blue)
        wait_for_writes(seen, 15)
    assert seen.failures == []
    wanted = [key for _, key in seen.acknowledged]
    assert sorted(keys(rig.blue, wanted)) == sorted(wanted)


@pytest.mark.usefixtures("blue_serves")
def test_without_a_writable_side_a_write_ends_with_503_at_the_deadline_and_a_read_works(
    rig: Rig, tmp_path: Path
) -> None:
    process, port = start_shop(tmp_path, "v1", rig.dsn, "--deadline", "1")
    impatient = replace(rig, ports={"v1": port})
    try:
        fence(rig.blue)
        key = str(uuid4())
        began = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(impatient.buy, key)
            status, product = impatient.ask("GET", "/api/products/1")
            assert (status, product["product_id"]) == (200, 1)
            assert writing.result()[0] == 503
        assert 0.9 < time.monotonic() - began < 4
        open_up(rig.blue)
        assert impatient.buy(key)[0] == 201
    finally:
        stop([process])


def test_the_process_ends_at_once_when_told(rig: Rig, tmp_path: Path) -> None:
    process, _ = start_shop(tmp_path, "v1", rig.dsn)
    began = time.monotonic()
    stop([process])
    assert time.monotonic() - began < 2
    assert (tmp_path / "shop-v1.log").read_text() == ""
