"""The comparison of green with blue in a plan: where it is asked, since when it counts, and what it shares its alpha with."""

import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from cutover.app import App, open_environment
from cutover.core.gate import Gate, Policy, Verdict
from cutover.core.journal import Entry
from cutover.core.series import Gap
from cutover.metrics.compared import Rule
from cutover.metrics.family import part_of_pass
from cutover.metrics.tally import Tally
from cutover.plans.compared import (
    BesideBlue,
    CanBeCompared,
    began,
    can_be_compared,
    comparison_guards,
    in_force,
    passes,
)

ENVIRONMENTS = Path(__file__).parents[2] / "environments"
WORDS = {
    "source": "prometheus",
    "requests": 'shop_total{side="{side}"}',
    "errors": 'shop_total{side="{side}",status="500"}',
}


def app(tmp_path: Path, **words: Any) -> App:
    read = yaml.safe_load((ENVIRONMENTS / "local.yaml").read_text(encoding="utf-8"))
    read["metrics"] = {"sources": {"prometheus": {"kind": "prometheus", "url": "http://127.0.0.1:1"}}}
    read["comparison"] = {**WORDS, **words}
    read.pop("triggers", None)
    (tmp_path / "local.yaml").write_text(yaml.safe_dump(read, sort_keys=False), encoding="utf-8")
    return open_environment("local", directory=tmp_path)


def test_every_share_below_all_of_it_is_watched_and_ends_with_its_verdict(tmp_path: Path) -> None:
    plan = app(tmp_path, then="investigate for 15m then previous-phase").plan
    found = [guard for guard in plan.guards if guard.name.startswith("green-no-worse")]
    assert [(guard.name, guard.during) for guard in found] == [
        ("green-no-worse-10", ("shift-10",)),
        ("green-no-worse-50", ("shift-50",)),
    ]
    assert {(g.policy, g.investigate, g.on_blind, g.on_insufficient) for g in found} == {
        (Policy.PREVIOUS_PHASE, 900.0, Policy.HOLD, None)
    }
    last = {phase.name: phase.items[-1] for phase in plan.phases}
    for percent in (10, 50):
        gate = last[f"shift-{percent}"]
        assert isinstance(gate, Gate) and gate.name == f"compared-{percent}"
        assert gate.on_fail is Policy.HOLD and gate.inverse() is None
    assert not last["shift-100"].name.startswith("compared")


def test_all_tests_of_a_cutover_share_one_chance_of_a_false_rollback(tmp_path: Path) -> None:
    latencies = {"latencies": 'shop_bucket{side="{side}"}', "slower": "100ms"}
    for words in ({}, latencies):
        checks = [guard.check for guard in comparison_guards(app(tmp_path, **words).means)]
        alphas = [rule.alpha for one in checks if isinstance(one, BesideBlue) for rule in one.compared.rules()]
        assert len(alphas) == (4 if words else 2) and sum(alphas) == pytest.approx(0.01 * part_of_pass(1))
        every_pass = [rule.alpha for one in checks if isinstance(one, BesideBlue) for rule in all_passes(one)]
        assert sum(every_pass) == pytest.approx(0.01) and sum(every_pass) <= 0.01


def all_passes(one: BesideBlue) -> list[Rule]:
    of_pass = [replace(one.compared, passes=partial(int, number)) for number in range(1, 50)]
    return [rule for check in of_pass for rule in check.rules()]


def entry(seq: int, kind: str, step: str, at: float, *undoes: str) -> Entry:
    data = {"step": step, "undoes": list(undoes), "before": 0, "after": 1, "seen": 1, "commands": []}
    return Entry(seq, "r", at, 1, kind, data, "", "")


def test_it_counts_since_the_last_name_has_moved_and_its_answers_are_forgotten(tmp_path: Path) -> None:
    opened = app(tmp_path)
    names = [
        item.name for _, item in opened.plan.walk() if item.name.startswith("traffic-") and item.name.endswith("-10")
    ]
    assert len(names) > 1
    moved = [entry(n, "converged", name, 1000.2 + 10 * n) for n, name in enumerate(names)]
    assert began(replace(opened.means, history=lambda: moved[:-1]), 10) is None
    at = began(replace(opened.means, history=lambda: moved), 10)
    assert at is not None and at == int(at) and at >= moved[-1].at
    assert in_force(replace(opened.means, history=lambda: moved)) == 10
    further = [*moved, entry(8, "converged", names[0].removesuffix("10") + "50", 1500.0)]
    assert in_force(replace(opened.means, history=lambda: further)) is None, "traffic is on its way"
    back = [*moved, entry(9, "converged", f"{names[0]}-undo", 2000.0, names[0])]
    assert began(replace(opened.means, history=lambda: back), 10) is None
    again = [*back, entry(10, "converged", names[0], 3000.0)]
    later = began(replace(opened.means, history=lambda: again), 10)
    assert later is not None and later >= 3000.0, "what was counted before it was taken back is not counted again"
    found = moved[:-1], moved, further, back, again
    passed = [passes(replace(opened.means, history=partial(tuple, entries)), 10) for entries in found]
    assert passed == [0, 1, 1, 1, 2]
    whole = [entry(11, "intent", "traffic-undo", 4000.0, *names), *(entry(12, "converged", n, 5000.0) for n in names)]
    assert passes(replace(opened.means, history=lambda: [*again, *whole]), 10) == 3, "both were taken again: one pass"


@pytest.mark.parametrize(
    ("blue", "verdict", "seen"),
    [
        (Tally(6_000_000, 600), Verdict.PASS, "each soak is long enough"),
        (Tally(600, 6), Verdict.PASS, "at 10 % a verdict takes about"),
        (Tally(0, 0), Verdict.INSUFFICIENT, "no requests"),
        (Gap.UNREACHABLE, Verdict.BLIND, "blue cannot be counted: unreachable"),
    ],
)
def test_before_anything_changes_blue_has_to_be_counted(
    tmp_path: Path, blue: Tally | Gap, verdict: Verdict, seen: str
) -> None:
    ((name, check),) = can_be_compared(app(tmp_path).means)
    assert name == "comparison" and isinstance(check, CanBeCompared)
    found = replace(check, blue=lambda *_: blue).look()
    assert found.verdict is verdict and seen in found.seen


def test_a_log_and_the_ledger_are_counted_as_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = yaml.safe_load((ENVIRONMENTS / "local.yaml").read_text(encoding="utf-8"))
    read.pop("triggers", None)
    now = float(int(time.time()))
    for side in ("blue", "green"):
        lines = [{"time": now - n, "version": side, "ok": n > 3, "status": 500 if n < 3 else 200} for n in range(1, 10)]
        (tmp_path / side).write_text("".join(json.dumps(one) + "\n" for one in reversed(lines)), encoding="utf-8")
    ledger = [{"ack": now - n, "version": "green" if n % 2 else "blue", "ok": n != 3} for n in range(9, 0, -1)]
    (tmp_path / "ledger").write_text("".join(json.dumps(one) + "\n" for one in ledger), encoding="utf-8")
    log = {"kind": "json-lines", "blue": str(tmp_path / "blue"), "green": str(tmp_path / "green")}
    monkeypatch.setenv("NOTED", str(tmp_path / "ledger"))
    read |= {"metrics": {"sources": {"log": log}}, "ledger": "env:NOTED"}
    by_log = {"source": "log", "requests": "count", "errors": "count where status >= 500"}
    by_ledger = {"source": "ledger", "requests": "count where version = {side}", "errors": "count where ok = false"}
    for words, green, delay in ((by_log, Tally(9, 2), 10.0), (by_ledger, Tally(5, 1), 5.0)):
        (tmp_path / "local.yaml").write_text(yaml.safe_dump({**read, "comparison": words}), encoding="utf-8")
        opened = open_environment("local", directory=tmp_path)
        assert opened.means.counted("green")(now - 60, now) == green
        ((_, check),) = can_be_compared(opened.means)
        assert isinstance(check, CanBeCompared) and check.now() <= time.time() - delay
        assert all(isinstance(one.check, BesideBlue) for one in comparison_guards(opened.means))
        opened.close()
