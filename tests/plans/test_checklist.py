"""The lines of the checklists in the plan: where they are asked, what they start, and a figure that keeps its bound."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cutover.app import App, open_environment
from cutover.core.gate import Gate, Policy, Verdict
from cutover.core.series import Gap, Reading, Sample, Span
from cutover.machine.own_check import Limits
from cutover.metrics.figures import Figure, Known
from cutover.plans.checklist import FigureWithin

WORDS = """\
name: listed
description: With two lists
owners: {decision: head of operations, database: b, traffic: c, application: d}
database: {name: shop, blue: env:BLUE, green: env:GREEN}
hostnames:
  shop:
    host: shop.example.com
    carrier: {kind: alb, load_balancer: shop, blue: shop-blue, green: shop-green}
metrics:
  sources: {own: {kind: command}}
  figures: {load: {source: own, query: cat load, unit: count, side: green}}
readiness:
  tests: {command: touch ran, timeout: 5m}
  load: {figure: load, at_most: 5}
  told: {attest: decision}
checklist:
  logs: {command: "true", only_looks: true}
  load: {figure: load, at_most: 5}
  queue: {attest: application}
"""
NOON = 1_700_000_000.0


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "listed.yaml").write_text(WORDS)
    found = open_environment("listed")
    yield found
    found.close()


def gates(app: App, phase: str) -> dict[str, Gate]:
    return {item.name: item for at, item in app.plan.walk() if at.name == phase and isinstance(item, Gate)}


def test_what_is_wanted_before_stands_before_anything_that_is_touched(app: App) -> None:
    prepare = [item.name for phase, item in app.plan.walk() if phase.name == "prepare"]
    assert prepare[:5] == ["preflight", "ready-tests", "ready-load", "attested-told", "record-of-blue"]
    before = gates(app, "prepare")
    # Nothing is there to be taken back: the run ends, and blue serves as ever.
    assert {before[name].on_fail for name in prepare[:4]} == {Policy.STOP}


def test_after_the_cutover_a_figure_is_no_reason_to_go_back_by_itself(app: App) -> None:
    after = gates(app, "bake")
    assert after["checklist-logs"].on_fail is Policy.ROLLBACK and after["checklist-logs"].on_timeout is Policy.HOLD
    assert after["checklist-logs"].deadline == 600.0
    assert after["checklist-load"].on_fail is Policy.HOLD and after["attested-queue"].on_fail is Policy.ROLLBACK


def test_a_command_that_may_change_something_is_marked_and_does_not_run_in_a_dry_run(app: App, tmp_path: Path) -> None:
    check = gates(app, "prepare")["ready-tests"].check
    assert check.writes and not gates(app, "bake")["checklist-logs"].check.writes
    dry = open_environment("listed", read_only=True)
    assert gates(dry, "prepare")["ready-tests"].check.look().seen == "not run in dry-run"
    assert gates(dry, "bake")["checklist-logs"].check.look().verdict is Verdict.PASS
    assert not (tmp_path / "ran").exists()
    assert check.look().verdict is Verdict.PASS and (tmp_path / "ran").exists()
    assert app.plan.digest() == dry.plan.digest()


def test_the_figure_of_now_is_what_counts(app: App, tmp_path: Path) -> None:
    check = gates(app, "prepare")["ready-load"].check
    (tmp_path / "load").write_text("4\n")
    assert check.look().seen == "load on green: 4, wanted at most 5"


@dataclass(frozen=True)
class Said:
    reading: Reading

    def read(self, name: str, side: str, span: Span) -> Reading:
        assert (name, side) == ("bill", "green") and span.until - span.since >= 3 * 86_400
        return self.reading

    def baseline(self, name: str) -> float | None:
        return None


def bill(reading: Reading) -> FigureWithin:
    return FigureWithin(
        figure=Figure("bill", Known("USD", "green", 86_400.0, 86_400.0)),
        limits=Limits(at_most=120.0, unit="USD"),
        environment="listed",
        figures=lambda: Said(reading),
        now=lambda: NOON,
    )


def day(value: float) -> Reading:
    return Reading((Sample(NOON - 172_800, 1.0), Sample(NOON - NOON % 86_400 - 86_400, value)))


def test_the_cost_says_of_which_day_it_is_and_that_it_comes_late() -> None:
    well = bill(day(118.4)).look()
    assert well.verdict is Verdict.PASS
    assert well.seen == (
        "bill on green: 118.4 USD for 2023-11-12 (known 24 h late: what came since is not in it), wanted at most 120 USD"
    )
    assert bill(day(120.01)).look().verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        (Reading.unreachable("AccessDenied"), Verdict.BLIND),
        (Reading((Sample(NOON - 9e5, 5.0),), Gap.STALE, "old"), Verdict.BLIND),
        (Reading(gap=Gap.NO_DATA, seen="no samples"), Verdict.INSUFFICIENT),
        (Reading(), Verdict.INSUFFICIENT),
    ],
)
def test_what_is_not_known_is_not_within_the_budget(reading: Reading, verdict: Verdict) -> None:
    assert bill(reading).look().verdict is verdict
