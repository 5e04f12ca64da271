"""A store that goes away at the very end hides neither what a run came to nor what a person has to type."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from cutover.app import App, open_environment
from cutover.cli.show import Shower
from cutover.core.errors import GateFailed, Unreachable
from cutover.core.lease import Lease
from cutover.core.walk import Event
from cutover.runs import Conductor
from cutover.state.sqlite import SqliteState

WORDS = """\
name: gone
description: The state goes away
owners: {decision: a, database: b, traffic: c, application: d}
database: {name: shop, blue: env:BLUE, green: env:GREEN}
hostnames:
  shop:
    host: shop.example.com
    carrier: {kind: alb, load_balancer: shop, blue: shop-blue, green: shop-green}
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    def gone(self: SqliteState, lease: Lease) -> None:
        raise Unreachable("the store does not answer")

    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(SqliteState, "release", gone)
    (tmp_path / "gone.yaml").write_text(WORDS)
    return open_environment("gone", directory=tmp_path)


def test_the_outcome_stays_and_the_lease_is_told(app: App) -> None:
    heard: list[Event] = []
    with Conductor(app, listen=heard.append).leased("rollback"):
        pass
    (event,) = heard
    out = io.StringIO()
    Shower(app.plan, Console(file=out, width=200))(event)
    assert f"invoke unlock --env gone --lease {app.lease[-1].id}" in out.getvalue()
    assert "the store does not answer" in out.getvalue()


def test_the_error_of_the_run_stays_its_error(app: App) -> None:
    with pytest.raises(GateFailed, match="of the run"), Conductor(app).leased("rollback"):
        raise GateFailed("look", "of the run")
