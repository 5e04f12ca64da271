"""The whole plan of an environment whose clients are led over, from PostgreSQL 15 to 16: there, back with data, and there again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import yaml
from bouncer import running
from load import Writer, load, writing
from moves import until
from named import ABOUT, RECORD, Named, Resolver, led, named
from pairs import Pair, serving
from psycopg import conninfo

from cutover.app import App, open_environment
from cutover.core import killpoint
from cutover.core.errors import Waiting
from cutover.core.gate import Verdict
from cutover.postgres.baseline import SameRows
from cutover.postgres.sides import BEFORE, SWITCHED, read_sides
from cutover.run_views import plain_view, runs_of
from cutover.runs import Conductor
from cutover.world.bouncer import Bouncer


@pytest.fixture(scope="module")
def whole_pair() -> Iterator[Pair]:
    """15 and 16 with the shop's rows on blue, and nothing of ours."""
    with serving("WHOLE", "15", "16", count=500) as pair:
        yield pair


@pytest.fixture(scope="module")
def name(whole_pair: Pair) -> Iterator[Named]:
    with named() as found:
        yield found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    return tmp_path


def opened(home: Path, clients: dict[str, object]) -> App:
    """An environment with one hostname, no smoke tests, and the shortest of soaks."""
    words = {
        "name": "whole",
        "description": "for one test",
        "owners": dict.fromkeys(("decision", "database", "traffic", "application"), "the test"),
        "database": {
            "name": "shop",
            "blue": "env:WHOLE_BLUE_DSN",
            "green": "env:WHOLE_GREEN_DSN",
            "clients": clients,
        },
        "hostnames": {
            "shop": {
                "host": "shop.shop.test",
                "carrier": {"kind": "alb", "load_balancer": "shop", "blue": "shop-blue", "green": "shop-green"},
            }
        },
        "dns": {"servers": "env:WHOLE_DNS"},
        "shift": {"shares": [100], "soak": 0, "on_failure": "hold"},
        "bake": {"soak": 0},
        "rollback": {"waiting_period": 0, "deadline": "30s"},
    }
    (home / "whole.yaml").write_text(yaml.safe_dump(words), encoding="utf-8")
    app = open_environment("whole", directory=home)
    assert Conductor(app).cutover(until="prepare")[1] == "until"  # before it nothing keeps writes off green
    return app


def goes(app: App, pair: Pair, writers: list[Writer], way: str) -> list[str]:
    """One way of the run, with writes before and after it; the kinds of what was shown."""
    shown: list[str] = []
    conductor = Conductor(app, listen=lambda event: shown.append(event.kind))
    if way == "back":
        assert conductor.rollback(reason="a test")[1] == "rolled-back"
    else:
        assert conductor.cutover()[1] == "done"
    side = "blue" if way == "back" else "green"
    assert read_sides(pair.blue, pair.green) == (BEFORE if way == "back" else SWITCHED)
    assert (pool := app.means.pairs[0].pool) is not None and pool.where() == side
    writing(writers)
    return shown


def ends_at_the_start(app: App, pair: Pair) -> None:
    """Everything is taken back, so that the next test begins from nothing."""
    assert Conductor(app).rollback(reason="the end", everything=True)[1] == "rolled-back"
    assert pair.sql("green", "SELECT count(*) FROM public.probe") == [(0,)]


def test_behind_pgbouncer_no_statement_fails(whole_pair: Pair, name: Named, home: Path) -> None:
    with running(whole_pair, "shop") as front, pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHOLE_POOL", front.about["admin"])
        app = opened(home, pooled(front))
        with load(whole_pair, writers=4, dsn=front.dsn) as writers:
            for way in ("there", "back", "there again"):
                goes(app, whole_pair, writers, way)
        assert [error for writer in writers for error in writer.errors] == []
        assert SameRows(whole_pair.blue, whole_pair.green).look().verdict is Verdict.PASS
        ends_at_the_start(app, whole_pair)
        assert front.pool.where() == "blue"


def pooled(front: Bouncer) -> dict[str, object]:
    return {
        "kind": "pgbouncer",
        "admin": "env:WHOLE_POOL",
        "database": "shop",
        "file": front.about["file"],
        "blue": front.about["blue"],
        "green": front.about["green"],
    }


def test_by_a_name_nothing_is_lost_though_route_53_fails_in_the_switch(
    whole_pair: Pair, name: Named, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHOLE_DNS", name.server)
    name.put(ABOUT["blue"], ttl=2)
    until(lambda: led(name) == "blue", 10.0, "the name leads to blue")
    app = opened(
        home,
        {
            "kind": "dns",
            "zone": "shop.test",
            "record": RECORD,
            "blue": ABOUT["blue"],
            "green": ABOUT["green"],
            "ttl": {"normal": 2, "cutover": 1, "slack": 0},
            "drain": {"hold": "0.5s", "deadline": "3s"},
        },
    )

    def hook(place: str) -> None:
        if place == "switch: opened":
            name.fault("ChangeResourceRecordSets", times=2, code="AccessDenied")

    with load(whole_pair, writers=4, dsn=Resolver(whole_pair, name)) as writers:
        killpoint.install(hook)
        try:
            for way in ("there", "back"):
                assert "retrying" in goes(app, whole_pair, writers, way)
                until(lambda: ttl_of(name) == 2, 5.0, "the usual TTL")
        finally:
            killpoint.install(None)
        with coming_back(whole_pair, "blue"), pytest.raises(Waiting) as held:
            Conductor(app).cutover()
        assert "old-driver from 127.0.0.1 (1)" in held.value.message and "restart them" in held.value.message
        assert read_sides(whole_pair.blue, whole_pair.green) == SWITCHED
        assert stopped_by(app).startswith("clients-drained: not satisfied within 3 s: insufficient: sessions: clients")
        writing(writers)
        assert Conductor(app).resume()[1] == "done"
    assert SameRows(whole_pair.blue, whole_pair.green).look().verdict is Verdict.PASS
    ends_at_the_start(app, whole_pair)
    assert name.clients.where() == "blue"


@contextmanager
def coming_back(pair: Pair, side: str) -> Iterator[None]:
    """A client that never asks again where the name leads."""
    stopped = threading.Event()
    dsn = conninfo.make_conninfo(pair.dsns[side], user="shop", application_name="old-driver")

    def come() -> None:
        while not stopped.is_set():
            try:
                with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
                    while not stopped.wait(0.01):
                        connection.execute("SELECT 1")
            except psycopg.OperationalError:
                continue

    thread = threading.Thread(target=come, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(10.0)


def stopped_by(app: App) -> str:
    """What `status` says of the open run."""
    state = app.state()
    try:
        return str(plain_view(runs_of(state)[-1], app.plan)["stopped_by"])
    finally:
        state.close()


def ttl_of(name: Named) -> int:
    answer = name.asked()
    assert answer is not None
    return answer.ttl
