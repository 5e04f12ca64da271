"""How clients find the writable side: what may be written, and what comes of it in the plan."""

from collections.abc import Callable
from pathlib import Path

import pytest
from small import SMALL

from cutover.app import open_environment
from cutover.core.gate import Gate
from cutover.environment import ClientCname, Environment, MultiHost, PgBouncer
from cutover.postgres.switchover import Switchover

CLIENTS = """  green: env:GREEN
  clients:
    kind: pgbouncer
    admin: env:POOL
    database: shop
    file: /etc/pgbouncer/pgbouncer.ini
    blue: db-blue:5432
    green: env:GREEN_HOST
    pause_timeout: 3s
"""


def test_without_a_word_they_find_it_by_themselves(loaded: Callable[..., Environment]) -> None:
    assert isinstance(loaded("").every_database[""].clients, MultiHost)


def test_a_pool_is_read(loaded: Callable[..., Environment]) -> None:
    clients = loaded("  green: env:GREEN\n", CLIENTS).every_database[""].clients
    assert isinstance(clients, PgBouncer) and clients.pause_timeout == 3.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            ("kind: pgbouncer", "kind: pgbuncer"),
            "kind must be one of multi-host, pgbouncer, dns (did you mean pgbouncer?)",
        ),
        (("admin: env:POOL", "admin: postgresql://a:b@c/pgbouncer"), "database.clients.admin: wants a reference"),
        (("file: /etc/", "file: etc/"), "database.clients.file: wants an absolute path"),
        (("blue: db-blue:5432", "blue: db-blue"), "database.clients.blue: wants host:port"),
        (("green: env:GREEN_HOST", "green: db-blue:5432"), "database.clients.green: is the same address as blue's"),
        (("pause_timeout: 3s", "pause_timeout: 60s"), "must be shorter than window.budget"),
        (("    database: shop\n", ""), "database.clients.database: is missing"),
    ],
)
def test_a_pool_that_cannot_be_is_told(told: Callable[..., list[str]], change: tuple[str, str], words: str) -> None:
    assert CLIENTS.count(change[0]) == 1
    problems = told("  green: env:GREEN\n", CLIENTS.replace(*change))
    assert len(problems) == 1 and words in problems[0], problems


def test_the_plan_pauses_and_directs_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    (tmp_path / "small.yaml").write_text(SMALL.replace("  green: env:GREEN\n", CLIENTS), encoding="utf-8")
    plan = open_environment("small", directory=tmp_path).plan
    (step,) = (step for _, step in plan.steps() if isinstance(step, Switchover))
    assert (step.before.clients, step.after.clients) == ("blue", "green")
    script = step.commands(step.after)[-1].shell()
    assert "PAUSE shop" in script and 'to="db-blue:5432"' in script and 'to="$GREEN_HOST"' in script
    assert '"$POOL"' in script and plan.digest() == open_environment("small", directory=tmp_path).plan.digest()


NAME = """  green: env:GREEN
  clients:
    kind: dns
    zone: example.com
    record: db.example.com
    blue: db-blue.example.net
    green: db-green.example.net
    ttl: {normal: 60, cutover: 5, slack: 1s}
    drain: {hold: 3s, spared: [monitoring]}
"""


def test_a_name_is_read(loaded: Callable[..., Environment]) -> None:
    clients = loaded("  green: env:GREEN\n", NAME).every_database[""].clients
    assert isinstance(clients, ClientCname) and (clients.ttl.cutover, clients.drain.deadline) == (5, 60.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("record: db.example.com", "record: db.example.org"), "clients.zone: does not contain the record"),
        (("record: db.example.com", "record: shop.example.com"), "record: is a hostname of the application"),
        (("blue: db-blue.example.net", "blue: DB.example.com."), "clients.blue: is the record itself"),
        (("green: db-green.example.net", "green: db-blue.example.net"), "green: is the same address as blue's"),
        (("cutover: 5", "cutover: 61"), "ttl.cutover: must not be longer than the normal TTL"),
        (("cutover: 5", "cutover: 57"), "with drain.hold must be shorter than window.budget"),
        (("    record: db.example.com\n", ""), "database.clients.record: is missing"),
        (("record: db.example.com", "record: db.example.com\n    type: A"), "clients.type: must be one of CNAME"),
        (("spared: [monitoring]", 'spared: ["it\'s"]'), "drain.spared[0]: wants a role"),
        (("kind: dns\n    ", ""), "database.clients: needs a kind: multi-host or pgbouncer or dns"),
    ],
)
def test_a_name_that_cannot_be_is_told(told: Callable[..., list[str]], change: tuple[str, str], words: str) -> None:
    assert NAME.count(change[0]) == 1
    problems = told("  green: env:GREEN\n", NAME.replace(*change))
    assert words in problems[0], problems


def test_the_plan_leads_them_by_the_name_and_waits_for_them_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    (tmp_path / "small.yaml").write_text(SMALL.replace("  green: env:GREEN\n", NAME), encoding="utf-8")
    plan = open_environment("small", directory=tmp_path).plan
    names = [item.name for _, item in plan.walk()]
    order = ["clients-ttl-lowered", "clients-ttl-waited-out", "clients-led-to-blue", "switchover", "rollback-ready"]
    order += ["clients-drained", "clients-ttl-restored"]
    assert [name for name in names if name in order] == order
    back = [item for _, item in plan.inverse(names).walk()]
    (left,) = (item for item in back if isinstance(item, Gate) and item.name == "clients-led-to-blue-undo")
    assert left.hold == 8.0 and "clients still" not in left.check.shell() and '"$GREEN"' in left.check.shell()
    places = [item.name for item in back]
    assert places.index("switchover-undo") < places.index(left.name) < places.index("clients-ttl-lowered-undo")
