"""The wait after a rollback and the time for which the way back is promised: enforced, or overridden with a reason."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cutover.app import App, open_environment
from cutover.core.errors import CutoverError, Refused
from cutover.promises import may_begin
from cutover.run_views import active, runs_of
from cutover.runs import Conductor

WORDS = """\
name: promised
description: Times that were promised
owners: {decision: a, database: b, traffic: c, application: d}
database: {name: shop, blue: env:BLUE, green: env:GREEN}
hostnames:
  shop:
    host: shop.example.com
    carrier: {kind: alb, load_balancer: shop, blue: shop-blue, green: shop-green}
rollback: {window: 24h, waiting_period: 7d}
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    (tmp_path / "promised.yaml").write_text(WORDS)
    found = open_environment("promised", directory=tmp_path)
    yield found
    found.close()


def ran(app: App, *entries: tuple[str, dict[str, Any]]) -> None:
    with Conductor(app).leased("cutover") as state:
        for kind, data in entries:
            state.append("r1", kind, data, app.lease[-1])


def leg(app: App, direction: str) -> tuple[str, dict[str, Any]]:
    return "leg-started", {"direction": direction, "plan": "cutover", "digest": app.plan.digest()}


def kinds(app: App, kind: str) -> list[dict[str, Any]]:
    state = app.state()
    try:
        return [dict(entry.data) for view in runs_of(state) for entry in view.entries if entry.kind == kind]
    finally:
        state.close()


def test_after_a_rollback_the_next_try_waits_or_says_why(app: App) -> None:
    ran(app, leg(app, "forward"), leg(app, "back"), ("leg-ended", {"outcome": "rolled-back"}))
    with pytest.raises(Refused, match="waiting period goes on for 7 d") as refused:
        Conductor(app).cutover()
    assert "--again" in refused.value.next_command
    assert kinds(app, "override") == []
    with pytest.raises(CutoverError):  # there are no databases here
        Conductor(app).cutover(again="the cause was a full disk, and is mended")
    (override,) = kinds(app, "override")
    assert "waiting period" in override["what"] and "full disk" in override["reason"] and override["who"]


def test_the_way_back_stays_as_long_as_it_was_promised_or_somebody_says_why(app: App) -> None:
    switched = ("converged", {"step": "switchover", "seen": "x", "undoes": [], "seconds": 1.0})
    ran(app, leg(app, "forward"), switched, ("leg-ended", {"outcome": "done"}))
    with pytest.raises(Refused, match="promised for 24 h more") as refused:
        Conductor(app).finish()
    assert "invoke finish --env promised --early" in refused.value.next_command
    with pytest.raises(CutoverError):
        Conductor(app).finish(early="the disk of blue is needed")
    assert [one["reason"] for one in kinds(app, "override")] == ["the disk of blue is needed"]


def test_what_is_over_needs_no_word(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    from cutover.promises import may_begin, may_finish

    switched = ("converged", {"step": "switchover", "seen": "x", "undoes": [], "seconds": 1.0})
    ran(app, leg(app, "forward"), switched, ("leg-ended", {"outcome": "done"}))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 25 * 3600.0)
    state = app.state()
    view = active(state)
    assert view is not None and may_finish(app, view) == "" and may_begin(app, state) == ""
    state.close()


def test_a_clock_that_was_ahead_makes_no_period_longer(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(app, leg(app, "forward"), leg(app, "back"), ("leg-ended", {"outcome": "rolled-back"}))
    now = time.time()
    monkeypatch.setattr("cutover.promises.time.time", lambda: now - 3600)
    with pytest.raises(Refused, match="waiting period goes on for 7 d "):
        Conductor(app).cutover()
    none = app.environment.rollback.model_copy(update={"waiting_period": 0.0})
    app.environment = app.environment.model_copy(update={"rollback": none})
    state = app.state()
    try:
        assert may_begin(app, state) == ""
    finally:
        state.close()
