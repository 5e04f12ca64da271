"""Whose records a plan changes, and that the marks beside them go at the end and last of all."""

from pathlib import Path

import pytest

from cutover.app import open_environment
from cutover.core.plan import Plan
from cutover.environment import names
from cutover.plans.claimed import names_changed

ROOT = Path(__file__).parents[2]
MARKED: dict[str, list[str]] = {"local-flag": [], "prod": ["api.example.com"], "staging": ["api.staging.example.com"]}


def changed(plan: Plan) -> list[str]:
    return [one.name for one in names_changed(step for _, step in plan.steps())]


@pytest.mark.parametrize("name", names(ROOT / "environments"))
def test_what_the_cutover_claims_finish_unmarks(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path))
    app = open_environment(name, directory=ROOT / "environments")
    wanted = MARKED.get(name, ["api.shop.test"])
    assert changed(app.plan) == wanted
    assert changed(app.finish) == [], "or a second try would show a token where it has just been taken away"
    steps = [step.name for _, step in app.finish.steps()]
    gone = [f"mark-gone-{one}" for one in wanted]
    assert steps[len(steps) - len(gone) :] == gone
    assert changed(app.decommission) == wanted
    last = app.decommission.phases[-1]
    assert ([item.name for item in last.items] if last.name == "unmarked" else []) == gone
