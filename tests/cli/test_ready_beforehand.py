"""What has to be ready before a night begins: each thing that is not is named with the command that mends it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cutover.app import App, open_environment
from cutover.cli.readiness import FRESH, readiness
from cutover.core.gate import Finding, Verdict
from cutover.notify.announced import Announcement, hear, plan
from cutover.notify.proof import prove
from cutover.runbook.compose import book_of
from cutover.runbook.files import write
from cutover.runs import Conductor

WORDS = """\
name: ready
description: Ready or not
owners: {decision: a, database: b, traffic: c, application: d}
database: {name: shop, blue: env:BLUE, green: env:GREEN}
hostnames:
  shop:
    host: shop.example.com
    carrier: {kind: alb, load_balancer: shop, blue: shop-blue, green: shop-green}
metrics:
  sources: {own: {kind: command}}
  figures: {load: {source: own, query: cat load, unit: count, side: green}}
notify:
  channels:
    chat: {kind: slack, webhook: "env:CHAT"}
  routes: []
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "ready.yaml").write_text(WORDS)
    found = open_environment("ready", read_only=True)
    yield found
    found.close()


def said(app: App, name: str) -> Finding:
    return dict(readiness(app))[name].look()


def test_runbooks_have_to_be_what_the_plan_says_now(app: App, tmp_path: Path) -> None:
    none = said(app, "runbooks-current")
    assert none.verdict is Verdict.PASS and none.data["warning"] and "no runbooks" in none.seen
    (tmp_path / "runbooks" / "ready").mkdir(parents=True)
    missing = said(app, "runbooks-current")
    assert missing.verdict is Verdict.FAIL and "CUTOVER-RUNBOOK.md: missing" in missing.seen
    write(book_of(open_environment("ready")), tmp_path / "runbooks" / "ready")
    assert said(app, "runbooks-current").verdict is Verdict.PASS
    book = tmp_path / "runbooks" / "ready" / "ROLLBACK-RUNBOOK.md"
    book.write_text(book.read_text() + "\nby hand\n")
    odd = said(app, "runbooks-current")
    assert "ROLLBACK-RUNBOOK.md: differs" in odd.seen and odd.hint == "invoke runbook --env ready"


def test_every_figure_has_to_be_read(app: App, tmp_path: Path) -> None:
    assert "load on green: unreachable" in said(app, "figures-read").seen
    (tmp_path / "load").write_text("7\n")
    assert said(app, "figures-read").verdict is Verdict.PASS


def test_every_channel_has_to_be_proved_lately(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(app, "channels-proved").seen == "chat was never tried"
    state = app.state()
    prove(state, "chat", "ann", "no answer")
    assert said(app, "channels-proved").seen == "chat failed: no answer"
    prove(state, "chat", "ann", "")
    state.close()
    assert said(app, "channels-proved").verdict is Verdict.PASS
    import time

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + FRESH + 86_400)
    assert said(app, "channels-proved").seen == "chat was tried 8 d ago"


def test_the_waiting_period_is_said_beforehand(app: App) -> None:
    assert said(app, "waiting-period").verdict is Verdict.PASS
    with Conductor(app).leased("cutover") as state:
        words = {"plan": "cutover", "digest": app.plan.digest()}
        state.append("r1", "leg-started", {"direction": "forward", **words}, app.lease[-1])
        assert "open" in said(app, "waiting-period").seen
        state.append("r1", "leg-started", {"direction": "back", **words}, app.lease[-1])
        state.append("r1", "leg-ended", {"outcome": "rolled-back"}, app.lease[-1])
    kept = said(app, "waiting-period")
    assert kept.verdict is Verdict.FAIL and "--again" in kept.hint


def test_an_announcement_is_asked_for_and_keeps_nobody_from_beginning(app: App) -> None:
    import time

    none = said(app, "announced")
    assert none.verdict is Verdict.PASS and none.data["warning"] and "nobody was told" in none.seen
    planned = Announcement("ready", time.time() + 3600, "ann", time.time())
    state = app.state()
    plan(state, planned)
    assert said(app, "announced").seen == f"chat has not heard of {planned.moment}"
    hear(state, planned, ["chat"])
    state.close()
    well = said(app, "announced")
    assert well.seen == f"announced for {planned.moment} by ann" and "warning" not in well.data
