"""Only traffic moves where both sides work on the same databases: the plan, what cannot be wanted there, there and back."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cutover.app import App, open_environment
from cutover.core.errors import ConfigurationRefused, Waiting
from cutover.core.gate import Gate, Verdict
from cutover.core.journal import Journal
from cutover.core.plan import Plan
from cutover.core.run import Run
from cutover.plans.checkpoint_suite import suite
from cutover.run_views import CANCEL, ROLLBACK, zone
from cutover.runbook import render
from cutover.runbook.compose import book_of
from cutover.state.sqlite import SqliteState

ENVIRONMENT = """\
name: feature
description: One function of the shop, routed by a flag
shared_database: true
owners: {{decision: a, database: b, traffic: c, application: d}}
hostnames:
  suggestions:
    host: suggestions.example.com
    carrier: {{kind: file, file: {flag}, key: suggestions}}
ledger: {ledger}
shift: {{shares: [5, 100], soak: 0s}}
bake: {{soak: 0s}}
"""


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    path.write_text('{"suggestions": 0}', encoding="utf-8")
    return path


@pytest.fixture
def written(tmp_path: Path, flag: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    return ENVIRONMENT.format(flag=flag, ledger=tmp_path / "ledger.jsonl")


def opened(tmp_path: Path, text: str) -> App:
    (tmp_path / "feature.yaml").write_text(text, encoding="utf-8")
    return open_environment("feature", directory=tmp_path)


def test_nothing_of_a_database_is_in_the_plan(tmp_path: Path, written: str) -> None:
    app = opened(tmp_path, written)
    names = {phase.name: [item.name for item in phase.items] for phase in app.plan.phases}
    assert names == {
        "prepare": ["preflight", "record-of-blue"],
        "shift-5": ["traffic-suggestions-5", "soak-5"],
        "shift-100": ["traffic-suggestions-100", "soak-100"],
        "bake": ["bake"],
    }
    assert app.plan.guards == ()
    assert [name for name, _ in suite(app.means)] == ["figures-as-before", "triggers", "audit-trail"]
    assert [phase.name for phase in app.decommission.phases][:1] == ["unused"]


def test_the_pages_say_where_traffic_stops_being_blue_s(tmp_path: Path, written: str) -> None:
    pages = render(book_of(opened(tmp_path, written)))
    for name in ("CUTOVER-RUNBOOK.md", "ROLLBACK-RUNBOOK.md"):
        assert "| **cancel** | until `traffic-suggestions-5` has begun |" in pages[name]
        assert "no write has to go back" in pages[name] and "takes writes" not in pages[name]
    assert "Zone: cancel → rollback" in pages["CUTOVER-RUNBOOK.md"]


def test_there_and_back(tmp_path: Path, flag: Path, written: str) -> None:
    plan = _unwatched(opened(tmp_path, written.replace(f"ledger: {tmp_path}/ledger.jsonl\n", "") + WATCHED).plan)
    state = SqliteState(tmp_path / "state.sqlite")
    try:
        lease = state.acquire(who="test", operation="test")
        run = Run(plan, Journal(state, lease, "run"))
        assert run.forward(until="prepare") == "until"
        assert (zone(plan, run.journal.position()), run.switched()) == (CANCEL, False)
        assert run.forward(until="shift-5") == "until"
        assert (zone(plan, run.journal.position()), run.switched()) == (ROLLBACK, True)
        assert json.loads(flag.read_text()) == {"suggestions": 5}
        assert run.forward() == "done"
        assert json.loads(flag.read_text()) == {"suggestions": 100}
        run.back(reason="test")
        assert json.loads(flag.read_text()) == {"suggestions": 0}
        assert zone(plan, run.journal.position()) == CANCEL
    finally:
        state.close()


WATCHED = """\
metrics:
  sources: {own: {kind: command}}
  figures: {errors: {source: own, query: echo 0, unit: /min, side: green}}
triggers:
  errors: {when: errors > 5/min, then: rollback}
"""


def test_finish_looks_where_traffic_is_and_leaves_an_entry(tmp_path: Path, flag: Path, written: str) -> None:
    app = opened(tmp_path, written)
    state = SqliteState(tmp_path / "state.sqlite")
    try:
        journal = Journal(state, state.acquire(who="test", operation="test"), "run")
        with pytest.raises(Waiting, match="who moved it still needs blue"):
            Run(app.finish, journal).forward()
        flag.write_text('{"suggestions": 100}', encoding="utf-8")
        assert Run(app.finish, journal).forward() == "done"
        assert journal.position().legs[-1].plan == "finish"
    finally:
        state.close()


def _unwatched(plan: Plan) -> Plan:
    """Without the gates that wait for enough samples."""
    phases = [
        replace(phase, items=tuple(item for item in phase.items if not item.name.startswith("triggers-")))
        for phase in plan.phases
    ]
    return replace(plan, phases=tuple(phases), guards=())


@pytest.mark.parametrize(
    ("more", "place", "reason"),
    [
        ("database: {name: shop, blue: env:A, green: env:B}", "database", "both sides work on the same databases"),
        ("ledger_keys: SELECT 1 WHERE 'a' = ANY(%s)", "ledger_keys", "both sides work on the same databases"),
        ("rollback: {behind_bytes: 1000000}", "rollback.behind_bytes", "blue lacks no write of green's"),
        (
            "decommission: {resources: [{kind: rds-instance, name: shop-db}]}",
            "decommission.resources[0].kind",
            "none of them may be deleted",
        ),
        (
            "triggers: {t: {when: errors > 1/min, then: rollback, during: [window]}}",
            "triggers.t.during",
            "there is no window",
        ),
        (
            "maintenance: {kind: alb, load_balancers: [shop]}",
            "maintenance.kind",
            "there is no window where both sides work on the same databases",
        ),
        (
            "steps: {q: {phase: window-after, before: a, after: b, observe: x, to: x, back: x, why: w}}",
            "steps.q.phase",
            "write prepare, shift-before or bake",
        ),
        (
            "approvals: {go: {before: window, roles: [decision]}}",
            "approvals.go.before",
            "a run can wait before prepare, shift-5, shift-100, bake, end",
        ),
    ],
)
def test_what_needs_a_window_is_refused(tmp_path: Path, written: str, more: str, place: str, reason: str) -> None:
    with pytest.raises(ConfigurationRefused) as refused:
        opened(tmp_path, f"{written}{more}\n")
    assert any(f": {place}: " in problem and reason in problem for problem in refused.value.problems), refused.value


def test_traffic_inside_the_window_is_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(ConfigurationRefused, match="write `shares: \\[100\\]`"):
        opened(tmp_path, written.replace("shift: {shares: [5, 100], soak: 0s}", "shift: {strategy: immediate}"))


def test_somebody_has_to_watch(tmp_path: Path, written: str) -> None:
    with pytest.raises(ConfigurationRefused, match="nothing would be watched at a share"):
        opened(tmp_path, "".join(line for line in written.splitlines(True) if not line.startswith("ledger")))


def test_without_databases_that_is_said(tmp_path: Path, written: str) -> None:
    with pytest.raises(ConfigurationRefused, match="write `shared_database: true`"):
        opened(tmp_path, written.replace("shared_database: true\n", ""))


def test_a_soak_that_only_guards_watch_says_so(tmp_path: Path, written: str) -> None:
    text = "".join(line for line in written.splitlines(True) if not line.startswith("ledger")) + WATCHED
    soak = next(item for _, item in opened(tmp_path, text).plan.walk() if item.name == "soak-5")
    assert isinstance(soak, Gate)
    found = soak.check.look()
    assert (found.verdict, found.seen) == (Verdict.PASS, "the guards are asked meanwhile")
