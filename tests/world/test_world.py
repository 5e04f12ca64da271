"""The whole local world, as real processes: up, in use, hurt, mended, and gone without a trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import psycopg
import pytest

from cutover.net.ledger import Ledger, LedgerSummary
from cutover.world import building, world
from cutover.world.processes import WorldError, started_at
from cutover.world.world_state import environment, read

pytestmark = pytest.mark.slow

ROWS, RATE = 2000, 40
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("home") / ".cutover"
    try:
        # two at once: one builds, the other waits and finds it done
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(lambda _: world.up(place, rows=ROWS, rate=RATE), range(2))
        assert first == second
        yield place
    finally:
        world.down(place)


def eventually(look: Callable[[], bool], within: float = 30) -> None:
    end = time.monotonic() + within
    while not look():
        assert time.monotonic() < end, f"not seen within {within:g} s"
        time.sleep(0.02)


def seen_since(home: Path, moment: float) -> LedgerSummary:
    return Ledger(environment(home / "world")["SHOP_LEDGER"]).between(moment, time.time())


def acknowledged_since(home: Path, moment: float, count: int) -> None:
    eventually(lambda: len(seen_since(home, moment).acknowledged) >= count)


def lost(home: Path, moment: float) -> set[str]:
    """Acknowledged writes since then that blue does not have."""
    keys = seen_since(home, moment).acknowledged
    with psycopg.connect(environment(home / "world")["SHOP_BLUE_DSN"], connect_timeout=5) as connection:
        query = "SELECT idempotency_key::text FROM shop.orders WHERE idempotency_key = ANY (%s::uuid[])"
        return set(keys) - {key for (key,) in connection.execute(query, [keys]).fetchall()}


def listeners(pid: int) -> set[str]:
    """Local addresses, in the kernel's hex, on which a process listens for TCP."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(os.readlink(descriptor))
        except OSError:
            continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.add(fields[1].partition(":")[0])
    return found


def test_everything_serves_and_says_where(home: Path) -> None:
    parts = {part.name: part for part in world.status(home)}
    assert set(parts) == set(building.COMPONENTS)
    assert all(part.alive for part in parts.values())
    exported = environment(home / "world")
    assert set(exported) == {
        *("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "PG_BIN"),
        *("SHOP_BLUE_DSN", "SHOP_GREEN_DSN", "SHOP_APP_DSN", "SHOP_DNS_SERVERS", "SHOP_LEDGER"),
        *("SHOP_BLUE_URL", "SHOP_GREEN_URL", "SHOP_HOSTS"),
    }
    script = f'. \'{home / "world" / "env.sh"}\' && printf %s "$SHOP_APP_DSN" && "$PG_BIN/psql" --version'
    sourced = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=10, check=True, env={})
    assert sourced.stdout == exported["SHOP_APP_DSN"] + "psql (PostgreSQL) 18.4\n"


def test_nothing_listens_beyond_this_machine(home: Path) -> None:
    addresses = {part.name: listeners(part.pid) for part in world.status(home)}
    assert set.union(*addresses.values()) == {"0100007F"}, addresses
    assert addresses["customers"] == set()


def test_up_again_returns_at_once(home: Path) -> None:
    before = world.running(home)
    began = time.monotonic()
    assert world.up(home) == before
    assert time.monotonic() - began < 0.3


def test_customers_read_and_write_on_both_hostnames_without_a_failure(home: Path) -> None:
    began = time.time()
    acknowledged_since(home, began, 30)
    found = seen_since(home, began)
    assert (found.failed_reads, found.failed_writes) == (0, 0)
    assert found.reads == pytest.approx(found.writes, abs=8)
    lines = Path(environment(home / "world")["SHOP_LEDGER"]).read_text().splitlines()[-40:]
    assert {json.loads(line)["host"] for line in lines[:-1]} == {"shop.shop.test", "api.shop.test"}
    assert lost(home, began) == set()


def test_the_load_can_be_changed_while_it_runs(home: Path) -> None:
    world.load(home, 0)
    try:
        eventually(lambda: seen_since(home, time.time() - 0.5).requests == 0)
    finally:
        world.load(home, RATE)
    acknowledged_since(home, time.time(), 5)
    assert next(part.detail for part in world.status(home) if part.name == "customers") == "40 requests per second"
    with pytest.raises(WorldError, match="0 or more"):
        world.load(home, -1)


def test_green_is_there_but_no_application_writes_to_it(home: Path) -> None:
    exported = environment(home / "world")
    with psycopg.connect(exported["SHOP_GREEN_DSN"].replace("postgres@", "shop@"), connect_timeout=5) as connection:
        assert connection.execute("SELECT count(*) FROM shop.orders").fetchone() == (0,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("UPDATE shop.products SET price = 0")


def test_the_smoke_tests_pass_on_either_version(home: Path) -> None:
    exported = environment(home / "world")
    for variable, version in (("SHOP_BLUE_URL", "v1"), ("SHOP_GREEN_URL", "v2")):
        given = {"SMOKE_URL": exported[variable], "SMOKE_VERSION": version, "SMOKE_HOST": "shop.shop.test"}
        read_only = {"SMOKE_READ_ONLY": "1"} if version == "v2" else {}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "smoke"],
            cwd=REPOSITORY,
            env={**os.environ, **given, **read_only},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert ("not run in dry-run" in done.stdout) is bool(read_only)


def test_a_killed_blue_server_loses_no_acknowledged_write_and_gives_no_wrong_answer(home: Path) -> None:
    began = time.time()
    acknowledged_since(home, began, 10)
    port = world.restart(home, "blue").port
    assert environment(home / "world")["SHOP_BLUE_DSN"].endswith(f":{port}/shop")
    acknowledged_since(home, time.time(), 20)
    eventually(lambda: lost(home, began) == set())
    assert seen_since(home, began).failed_writes == 0
    # A recovery that takes longer than the shop waits is an honest "not now"; the empty green must never answer instead.
    lines = [json.loads(line) for line in Path(environment(home / "world")["SHOP_LEDGER"]).read_text().splitlines()]
    failed = {line["status"] for line in lines if line["ack"] >= began and not line["ok"]}
    assert failed <= {0, 502, 503, 504}


def test_up_starts_again_what_is_gone_and_leaves_the_rest(home: Path) -> None:
    before = world.running(home)
    assert before is not None
    for name in ("shop-v2", "customers"):
        world.kill(home, name)
    assert {part.name for part in world.status(home) if not part.alive} == {"shop-v2", "customers"}
    said: list[str] = []
    after = world.up(home, log=said.append)
    assert said == ["shop-v2 was gone: starting it again", "customers was gone: starting it again"]
    assert after.environment == before.environment
    kept = set(building.COMPONENTS) - {"shop-v2", "customers"}
    assert all(after.components[name] == before.components[name] for name in kept)
    assert after.components["shop-v2"].port == before.components["shop-v2"].port
    acknowledged_since(home, time.time(), 5)


def test_maintenance_at_the_edge_makes_writes_slow_and_leaves_reads_alone(home: Path) -> None:
    exported = environment(home / "world")
    elbv2 = boto3.client(
        "elbv2",
        endpoint_url=exported["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    balancers = elbv2.describe_load_balancers(Names=["shop", "api-blue"])["LoadBalancers"]
    moment = time.time()
    rules = []
    for balancer in balancers:
        listener = elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"][0]
        made = elbv2.create_rule(
            ListenerArn=listener["ListenerArn"],
            Priority=1,
            Conditions=[{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["POST"]}}],
            Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}],
        )
        rules.append(made["Rules"][0]["RuleArn"])
    eventually(lambda: seen_since(home, time.time() - 0.5).acknowledged == [])
    assert seen_since(home, time.time() - 0.5).reads > 5
    for rule in rules:
        elbv2.delete_rule(RuleArn=rule)
    acknowledged_since(home, time.time(), 20)
    found = seen_since(home, moment)
    assert (found.failed_reads, found.failed_writes) == (0, 0)
    assert found.slow > 5
    assert found.write_gap_ms is not None and found.write_gap_ms > 400
    assert lost(home, moment) == set()


def test_edge_and_dns_come_back_and_customers_find_them(home: Path) -> None:
    ports = json.loads((home / "world" / "edge.json").read_text())["load_balancers"]
    world.restart(home, "edge")
    world.restart(home, "dns")
    eventually(lambda: json.loads((home / "world" / "edge.json").read_text())["load_balancers"] == ports)
    moment = time.time()
    acknowledged_since(home, moment, 20)
    dns = next(part for part in world.status(home) if part.name == "dns")
    assert environment(home / "world")["SHOP_DNS_SERVERS"] == f"127.0.0.1:{dns.port}"
    with pytest.raises(WorldError, match="in memory"):
        world.restart(home, "aws")


def test_an_unknown_part_is_refused_with_the_known_ones(home: Path) -> None:
    with pytest.raises(WorldError, match=r"no part .bleu.; it has .*blue"):
        world.restart(home, "bleu")


def test_a_build_that_was_killed_half_way_is_cleaned_up_and_down_leaves_nothing(tmp_path: Path) -> None:
    place = tmp_path / ".cutover"
    code = (
        "import sys; from pathlib import Path; from cutover.world import world; world.up(Path(sys.argv[1]), rows=2000)"
    )
    building = subprocess.Popen([sys.executable, "-c", code, str(place)])
    try:
        eventually(lambda: (state := read(place / "world")) is not None and "green" in state.components, 60)
    finally:
        building.kill()
        building.wait(10)
    half = read(place / "world")
    assert half is not None and half.phase == "starting"
    assert world.running(place) is None
    try:
        whole = world.up(place, rows=2000, rate=20)
        assert not any(process.alive for process in half.components.values())
        assert not half.scratch.exists()
        state = read(place / "world")
        assert state is not None and state.scratch.is_dir()
    finally:
        world.down(place)
    assert not any(started_at(process.pid) == process.started for process in whole.components.values())
    assert not state.scratch.exists()
    assert not place.exists()
    world.down(place)
    assert world.status(place) == []
