"""The gate behind each shift: where an environment names witnesses, with one alpha for all their looks together."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from cutover.app import App, open_environment
from cutover.core.gate import Finding, Gate, Policy, Verdict
from cutover.core.share import Share
from cutover.core.witness import ShareObserved, Tally
from cutover.plans.observed import SharesObserved

ENVIRONMENTS = Path(__file__).parents[2] / "environments"


def app(tmp_path: Path, change: Any = None) -> App:
    words = yaml.safe_load((ENVIRONMENTS / "local.yaml").read_text(encoding="utf-8"))
    if change is not None:
        change(words)
    (tmp_path / "local.yaml").write_text(yaml.safe_dump(words, sort_keys=False), encoding="utf-8")
    return open_environment("local", directory=tmp_path)


def gates(opened: App) -> list[Gate]:
    found = [item for _, item in opened.plan.walk() if isinstance(item, Gate)]
    return [gate for gate in found if gate.name.startswith("share-observed-")]


def looks(gate: Gate) -> list[ShareObserved]:
    assert isinstance(gate.check, SharesObserved)
    return [check for _, check in gate.check.checks if isinstance(check, ShareObserved)]


def test_every_shift_is_followed_by_its_gate_before_anything_else_is_judged(tmp_path: Path) -> None:
    names = {phase.name: [item.name for item in phase.items] for phase in app(tmp_path).plan.phases}
    for percent in (10, 50, 100):
        phase = names[f"shift-{percent}"]
        at = phase.index(f"share-observed-{percent}")
        assert phase[at - 1] == f"traffic-api-{percent}"
        assert phase[-1] == f"soak-{percent}"


def test_all_looks_of_a_cutover_share_one_alpha(tmp_path: Path) -> None:
    found = gates(app(tmp_path))
    assert [check.asked for gate in found for check in looks(gate)][::3] == [Share.of(10), Share.of(50), Share.of(100)]
    alphas = [check.alpha for gate in found for check in looks(gate)]
    assert len(alphas) == 9  # three shares; by tags twice, and by name servers for the name that records move
    assert sum(alphas) == pytest.approx(0.001)


def test_a_contradiction_holds_and_nothing_moves_by_itself(tmp_path: Path) -> None:
    for gate in gates(app(tmp_path)):
        assert gate.on_fail is Policy.HOLD
        assert gate.inverse() is None, "the way back asks no witness"


def test_without_witnesses_there_is_no_gate(tmp_path: Path) -> None:
    def unobserved(words: dict[str, Any]) -> None:
        for hostname in words["hostnames"].values():
            hostname.pop("observed")

    assert gates(app(tmp_path, unobserved)) == []


def test_traffic_that_moves_inside_the_window_is_observed_behind_it(tmp_path: Path) -> None:
    def immediate(words: dict[str, Any]) -> None:
        words["shift"].update(strategy="immediate", shares=[100])
        words["window"]["budget"] = "3m"

    (gate,) = gates(app(tmp_path, immediate))
    assert {check.asked for check in looks(gate)} == {Share.of(100)}
    assert sum(check.alpha for check in looks(gate)) == pytest.approx(0.001)


def test_visitors_witnesses_are_given_time(tmp_path: Path) -> None:
    def with_visitors(words: dict[str, Any]) -> None:
        words["hostnames"]["shop"]["observed"] |= {"requests": True, "logs": {"bucket": "my-logs"}}
        logs = {"bucket": "my-logs", "blue": "api-blue", "green": "api-green"}
        words["hostnames"]["api"]["observed"]["logs"] = logs

    found = gates(app(tmp_path, with_visitors))
    (longest,) = {max(check.witness.longest for check in looks(gate)) for gate in found}
    assert longest >= 960, "ten minutes of visitors, and six until their last line is written"
    assert {gate.deadline for gate in found} == {longest + looks(found[0])[0].settle + 60}
    called = [check.witness.called for check in looks(found[0])]
    assert called.count("access logs") == 2
    assert called.count("CloudWatch's request counts") == 1
    assert isinstance(found[0].check, SharesObserved)
    asked = {(one.service, one.operation) for one in found[0].check.permissions()}
    assert {("s3", "GetObject"), ("s3", "ListObjectsV2"), ("cloudwatch", "GetMetricData")} <= asked
    assert not [one for one in found[0].check.permissions() if not one.reads]


class Said(ShareObserved):
    finding: Finding

    def look(self) -> Finding:
        return self.finding


def said(finding: Finding) -> Said:
    check = Said(
        host="api",
        asked=Share.of(50),
        witness=None,  # type: ignore[arg-type]
        effective=lambda: None,
        effective_shell="",
        alpha=0.001,
    )
    object.__setattr__(check, "finding", finding)
    return check


def test_the_worst_witness_decides_and_the_record_keeps_them_all() -> None:
    good = said(Finding.passed("api by tags: fits", bounds=[30, 70]))
    bad = said(Finding.failed("api by name servers: does not fit", "look", bounds=[30, 70]))
    blind = said(Finding.blind("no name server answers"))
    both = SharesObserved((("one", good), ("other", good))).look()
    assert (both.verdict, both.seen) == (Verdict.PASS, "api by tags: fits; api by tags: fits")
    assert both.data["shares"] == [{"bounds": [30, 70]}] * 2
    mixed = SharesObserved((("one", good), ("other", bad), ("third", blind))).look()
    assert (mixed.verdict, mixed.seen, mixed.hint) == (Verdict.FAIL, "api by name servers: does not fit", "look")
    assert len(mixed.data["shares"]) == 2
    assert SharesObserved((("one", good), ("third", blind))).look().verdict is Verdict.BLIND


def test_a_tally_adds_up() -> None:
    total = Tally(1, 2, 3, "first") + Tally(4, 5, 6)
    assert (total.blue, total.green, total.other, total.remark, total.told) == (5, 7, 9, "first", 12)
