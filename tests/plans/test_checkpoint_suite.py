"""What a checkpoint asks of an environment, and that nothing which cannot be seen is ever taken for well."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cutover.app import App, open_environment
from cutover.core.gate import Finding, Guard, Verdict
from cutover.core.journal import Entry
from cutover.core.series import Reading, Sample, Span
from cutover.plans.checkpoint import looked
from cutover.plans.checkpoint_suite import suite
from cutover.state.chain import JournalBroken

ENVIRONMENTS = Path(__file__).parents[2] / "environments"


def app(tmp_path: Path, **words: Any) -> App:
    read = yaml.safe_load((ENVIRONMENTS / "local.yaml").read_text(encoding="utf-8"))
    orders = {"source": "own", "query": "echo 1", "unit": "/min", "side": "green"}
    read["metrics"] = {"sources": {"own": {"kind": "command"}}, "figures": {"orders": orders}}
    read["checkpoints"] = {"figures": {"orders": "5%"}, **words}
    read.pop("triggers", None)
    (tmp_path / "local.yaml").write_text(yaml.safe_dump(read, sort_keys=False), encoding="utf-8")
    return open_environment("local", directory=tmp_path)


def test_every_question_is_asked_and_what_is_nowhere_is_not_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))
    asked = dict(suite(app(tmp_path).means))
    assert list(asked) == ["business-figures", "way-back", "figures-as-before", "triggers", "smoke", "audit-trail"]
    for name in ("way-back", "figures-as-before", "smoke"):
        assert looked(asked[name]).verdict is not Verdict.PASS, name


class Orders:
    """A figure that stands at one value."""

    def __init__(self, value: float) -> None:
        self._value = value

    def read(self, name: str, side: str, span: Span) -> Reading:
        return Reading((Sample(span.until, self._value),))

    def baseline(self, name: str) -> float | None:
        return None


@pytest.mark.parametrize(
    ("value", "verdict"), [(104.0, Verdict.PASS), (96.0, Verdict.PASS), (106.0, Verdict.INSUFFICIENT)]
)
def test_a_figure_that_is_off_is_a_warning(tmp_path: Path, value: float, verdict: Verdict) -> None:
    data = {"gate": "baseline", "seen": "", "undoes": [], "data": {"baseline": {"orders": 100.0}}}
    recorded = [Entry(1, "r", 0.0, 1, "passed", data, "", "")]
    means = replace(app(tmp_path).means, figures=lambda: Orders(value), history=lambda: recorded)
    found = looked(dict(suite(means))["figures-as-before"])
    assert found.verdict is verdict


def test_a_broken_journal_is_a_failure(tmp_path: Path) -> None:
    def broken() -> list[Entry]:
        raise JournalBroken("entry 7 does not follow entry 6")

    found = looked(dict(suite(replace(app(tmp_path).means, history=broken)))["audit-trail"])
    assert found == Finding.failed("entry 7 does not follow entry 6")


def test_the_plan_records_the_baseline_and_watches_after_the_window_only(tmp_path: Path) -> None:
    plan = app(tmp_path, failure="rollback").plan
    assert "baseline" in [item.name for item in plan.phase("prepare").items]
    (guard,) = [one for one in plan.guards if one.name == "checkpoints"]
    assert isinstance(guard, Guard)
    assert guard.during == ("shift-10", "shift-50", "shift-100", "bake")
    assert guard.policy.value == "rollback" and guard.patience == 0.0
