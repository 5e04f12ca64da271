"""Generated rule files, as Prometheus' own tools read them; and that alerts say what the program's own verdict says."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from series import condition
from usual_figures import USUAL

from cutover.core.gate import Verdict
from cutover.environment import load, rules
from cutover.environment.figures import known_figures
from cutover.metrics.action import parse_action
from cutover.metrics.alert_rules import Alerts
from cutover.metrics.examples import example
from cutover.metrics.promql import Promql, duration
from cutover.metrics.rule import Rule
from cutover.metrics.rule_tests import unit_tests, untested

CONDITIONS = (
    "error_rate > 5% for 5m at least 200 requests",
    "error_rate >= 5%",
    "p95 > legacy + 100ms for 5m",
    "p95 < 0.5 x legacy - 20ms",
    "p99 > 2 x baseline for 10m at least 50 hits in 2m",
    "kpi within 5% of baseline for 30m",
    "kpi outside 10% of legacy",
    "memory grows > 10%/h",
    "memory grows > 50MB/h over 30m",
    "cpu grows > 20%/h over 10m",
    "payment_errors > 0",
    "payment_errors ≠ 0 for 45s",
    "payment_errors = 3",
    "kpi < -5",
    "error_rate > 5% and error_rate <= 10% and p95 > 1s for 2m",
    "blue_connections = 0 and requests > 1/m",
    "disk > 80GB for 5m",
)


def alerts(texts: Sequence[str] = CONDITIONS, *, without: Sequence[str] = ()) -> Alerts:
    """Rules of these conditions, whose figures all come from Prometheus but some."""
    made = [
        Rule(f"t-{n}", condition(text), parse_action("rollback"), channels=("pager",)) for n, text in enumerate(texts)
    ]
    asked = dict.fromkeys((one.name, one.side) for rule in made for one in rule.condition.spans(0.0))
    queries = {(name, side): f'sum({name}{{side="{side}"}})' for name, side in asked if name not in without}
    return Alerts("small", made, queries, "runbooks/small/ROLLBACK-RUNBOOK.md")


def written(made: Alerts, folder: Path) -> None:
    (folder / "figures.rules.yaml").write_text(made.figures_file(), encoding="utf-8")
    (folder / "triggers.rules.yaml").write_text(made.alerts_file(), encoding="utf-8")
    (folder / "baselines.rules.yaml").write_text(made.baselines_file({"p99": 410.5, "kpi": 1e3}), encoding="utf-8")
    (folder / "triggers.test.yaml").write_text(unit_tests(made, "triggers.rules.yaml"), encoding="utf-8")


def promtool(folder: Path, *words: str) -> str:
    done = subprocess.run(["promtool", *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def checked(made: Alerts, folder: Path) -> str:
    """What promtool counts in the three rule files; the tests run as well."""
    written(made, folder)
    assert untested(made) == ()
    said = promtool(folder, "check", "rules", *(f"{name}.rules.yaml" for name in ("figures", "triggers", "baselines")))
    assert "SUCCESS" in promtool(folder, "test", "rules", "triggers.test.yaml")
    return said


def test_prometheus_tools_take_every_kind_of_condition(tmp_path: Path) -> None:
    said = checked(alerts(), tmp_path)
    assert f"SUCCESS: {len(CONDITIONS)} rules found" in said and "duplicate" not in said


def test_production_in_prometheus(tmp_path: Path) -> None:
    prod = load("prod", Path("environments"))
    # Whatever their sources are: here each is one of Prometheus.
    known = {name: replace(one, step=15.0, delay=0.0) for name, one in known_figures(prod.model_dump()).items()}
    made = rules(prod.triggers, known)
    queries = {(name, side): f'sum({name}{{side="{side}"}})' for name in known for side in ("blue", "green")}
    assert f"SUCCESS: {len(made)} rules found" in checked(Alerts("prod", made, queries, "book"), tmp_path)


def test_the_tests_find_an_alert_that_is_wrong(tmp_path: Path) -> None:
    """Each bound moved by a tenth: the tests of every alert that has one have to see it."""
    made = alerts(
        ["error_rate > 5%", "p95 > legacy + 100ms", "p99 > 2 x baseline", "memory grows > 10%/h", "kpi < 100"]
    )
    written(made, tmp_path)
    path = tmp_path / "triggers.rules.yaml"
    right = path.read_text()
    moved = (
        ('side="green"} > 5\n', 'side="green"} > 6.5\n'),
        ("+ 100\n", "+ 500\n"),
        ("> on (environment) 2 *", "> on (environment) 2.6 *"),
        (" > 10 and", " > 21 and"),
        ("< 100\n", "< 70\n"),
    )
    for old, new in moved:
        assert right.count(old) == 1, old
        path.write_text(right.replace(old, new), encoding="utf-8")
        words = ["promtool", "test", "rules", "triggers.test.yaml"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, timeout=120, check=False)
        assert done.returncode == 1, new


def test_each_test_is_what_the_program_itself_says() -> None:
    tests = yaml.safe_load(unit_tests(alerts(), "f"))["tests"]
    names = [test["name"] for test in tests]
    for number, text in enumerate(CONDITIONS):
        mine = [name for name in names if name.startswith(f"t-{number} ")]
        assert {f"t-{number} fires", f"t-{number} does not fire when all is well"} <= set(mine), text
        for verdict in (Verdict.FAIL, Verdict.PASS):
            assert example(condition(text), verdict) is not None
    assert "t-0 does not fire at the bound itself" in names and "t-1 fires at the bound itself" in names


def test_what_does_not_come_from_prometheus_is_listed() -> None:
    made = alerts(without=("hits", "disk"))
    assert [(one.name, one.reason) for one in made.unsaid()] == [
        ("t-4", "hits on green does not come from Prometheus"),
        ("t-16", "disk on green does not come from Prometheus"),
    ]
    said = [rule["labels"]["trigger"] for rule in yaml.safe_load(made.alerts_file())["groups"][0]["rules"]]
    assert said == [f"t-{n}" for n in range(len(CONDITIONS)) if n not in (4, 16)]
    recorded = yaml.safe_load(made.figures_file())["groups"]
    assert not {"hits", "disk"} & {rule["labels"]["figure"] for group in recorded for rule in group["rules"]}


def test_nothing_from_prometheus_is_a_file_without_rules(tmp_path: Path) -> None:
    made = alerts(without=tuple(USUAL) + ("kpi", "hits", "disk", "blue_connections"))
    assert len(made.unsaid()) == len(CONDITIONS)
    written(made, tmp_path)
    promtool(tmp_path, "check", "rules", "figures.rules.yaml", "triggers.rules.yaml")


def test_baselines_are_series_and_their_absence_is_said() -> None:
    made = alerts()
    assert [one.name for one in made.without_baseline({"kpi": 7.0})] == ["t-4"]
    (group,) = yaml.safe_load(made.baselines_file({"kpi": 7.0, "p50": 1.0}))["groups"]
    assert [(rule["expr"], rule["labels"]["figure"]) for rule in group["rules"]] == [("vector(7.0)", "kpi")]


def test_the_same_words_are_the_same_bytes() -> None:
    one, other = alerts(), alerts()
    assert one.alerts_file() == other.alerts_file() and one.figures_file() == other.figures_file()
    assert unit_tests(one, "f") == unit_tests(other, "f")


def test_an_alert_has_what_routes_and_people_need() -> None:
    (rule,) = yaml.safe_load(alerts([CONDITIONS[0]]).alerts_file())["groups"][0]["rules"]
    assert rule["for"] == "5m" and rule["alert"] == "CutoverT0"
    assert rule["labels"] == {
        "environment": "small", "trigger": "t-0", "severity": "critical", "action": "rollback",
        "figure": "error_rate", "side": "green", "channels": ",pager,",
    }  # fmt: skip
    assert rule["annotations"]["runbook_url"] == "runbooks/small/ROLLBACK-RUNBOOK.md"
    assert rule["annotations"]["summary"].startswith(
        "When error_rate on green is above 5%, for 5m; judged with at least"
    )


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("error_rate > 5%", "G{error_rate} > 5"),
        ("p95 > 2s", "G{p95} > 2000"),
        ("p95 > 1.5 x legacy + 0.1s", "G{p95} > on (environment) 1.5 * B{p95} + 100 and on (environment) B{p95} > 0"),
        ("p95 > legacy", "G{p95} > on (environment) B{p95}"),
        ("kpi = 3", "G{kpi} == 3"),
        ("kpi ≠ 3", "G{kpi} != 3 and on (environment) G{kpi} == G{kpi}"),
        ("requests < 60/m for 5m at least 9 requests", "G{requests} < 1 and on (environment) sum_over_time(G{requests}[5m]) * 15 >= 9"),
    ],
)  # fmt: skip
def test_expressions(text: str, expression: str) -> None:
    said = Promql("e").expression(condition(text))
    for side, letter in (("green", "G"), ("blue", "B")):
        said = re.sub(
            rf'cutover:figure{{environment="e",figure="([a-z0-9_]+)",side="{side}"}}', rf"{letter}{{\1}}", said
        )
    assert said == expression


@pytest.mark.parametrize(
    ("seconds", "text"), [(300, "5m"), (90, "90s"), (0.25, "250ms"), (86400, "1d"), (0.0001, "1ms")]
)
def test_durations_as_prometheus_reads_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
