"""Generated dashboards: whole, without overlaps, with the thresholds that are wanted, and nothing dropped in silence."""

import json
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from cutover.app import open_environment
from cutover.dashboards import Dashboards, dashboards_of
from cutover.metrics.alert_files import stale
from cutover.metrics.views import Shown, views

ROOT = Path(__file__).parents[2]
VIEWS = ["Rollout status", "Error rate", "Performance", "Migration", "SLO", "Infrastructure"]


def made(name: str) -> Dashboards:
    return dashboards_of(open_environment(name, read_only=True, directory=ROOT / "environments"))


@pytest.fixture(scope="module")
def prod() -> Dashboards:
    return made("prod")


@pytest.mark.parametrize("name", ["prod", "staging"])
def test_what_is_committed_is_what_the_figures_say(name: str) -> None:
    assert stale(made(name).files(), ROOT / "monitoring" / name) == ()


def places(name: str) -> list[tuple[int, int, int, int]]:
    one = made(name)
    grids = [panel["gridPos"] for panel in one.grafana()["panels"]]
    return [(grid["x"], grid["y"], grid["w"], grid["h"]) for grid in grids]


@pytest.mark.parametrize("name", ["prod", "staging", "local"])
def test_panels_have_a_number_and_a_place_of_their_own(name: str) -> None:
    one = made(name)
    dashboard = one.grafana()
    assert dashboard["schemaVersion"] >= 36 and len(dashboard["uid"]) <= 40
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers) > len(VIEWS)
    assert [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"] == VIEWS
    apart(places(name))
    apart([(one["x"], one["y"], one["width"], one["height"]) for one in one.cloudwatch()["widgets"]])


def apart(placed: list[tuple[int, int, int, int]]) -> None:
    for x, y, wide, high in placed:
        assert x >= 0 and y >= 0 and wide > 0 and high > 0 and x + wide <= 24
    for (x, y, wide, high), (left, top, width, height) in combinations(placed, 2):
        assert x + wide <= left or left + width <= x or y + high <= top or top + height <= y


def test_prometheus_reads_every_expression(prod: Dashboards, tmp_path: Path) -> None:
    asked = [one["expr"] for panel in prod.grafana()["panels"] for one in panel.get("targets", ()) if "expr" in one]
    rules = [{"record": f"asked:{number}", "expr": expression} for number, expression in enumerate(asked)]
    (tmp_path / "asked.yaml").write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    words = ["promtool", "check", "rules", "asked.yaml"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and f"{len(asked)} rules found" in done.stdout, done.stdout + done.stderr
    for name in ("rollout_percentage", "requests_total", "errors_total", "fallbacks_total", "response_time_bucket"):
        assert any(f"cutover_{name}" in expression for expression in asked), name


def test_the_infrastructure_has_its_thresholds() -> None:
    figures = [
        Shown("requests", "/s", ("green",), "cloudwatch", "alb-request-rate"),
        Shown("error_rate", "%", ("green",), "cloudwatch", "alb-error-rate"),
        Shown("p95", "ms", ("green",), "prometheus", "p95"),
        Shown("connections", "%", ("green",), "postgres", "connections-used"),
        Shown("cache_memory", "%", ("green",), "redis", "memory-used"),
    ]
    *_, infrastructure = views(figures, ())
    assert infrastructure.absent == ()
    assert [(panel.title, panel.warn, panel.critical) for panel in infrastructure.panels] == [
        ("request rate", 1000, 2000),
        ("error rate", 1, 5),
        ("p95", 500, 2000),
        ("database connections", 80, 95),
        ("Redis memory", 70, 90),
    ]
    *_, nothing = views((), ())
    assert len(nothing.absent) == 5 and nothing.panels == ()


def test_thresholds_are_lines(prod: Dashboards) -> None:
    widgets = [one["properties"] for one in prod.cloudwatch()["widgets"] if one["type"] == "metric"]
    (p95,) = (one for one in widgets if one["title"] == "p95 (ms)" and "annotations" in one)
    assert [line["value"] for line in p95["annotations"]["horizontal"]] == [500, 2000]
    titles = [one["title"] for one in widgets]
    assert any(title.startswith("slow: p95 > 2s for 5m") for title in titles), titles


def test_each_view_shows_each_figure_or_says_where_it_is(prod: Dashboards) -> None:
    texts = json.dumps(prod.grafana()), json.dumps(prod.cloudwatch())
    unshown = prod.unshown()
    shown = {panel.figure.name for view in prod.views for panel in view.panels}
    for name, figure in prod.environment.metrics.figures.items():
        if figure.source == "prometheus":
            assert name not in shown or f"{name} is not here" in texts[1], name
        elif figure.source != "aws":
            assert name in unshown and (name not in shown or f"{name} is not here" in texts[0]), name
        else:
            assert name in shown and name not in unshown and not any(f"{name} is not here" in text for text in texts), (
                name
            )
    assert unshown["cache_memory"] == "neither Grafana nor CloudWatch reads cache (redis)"
    assert "cache_memory is not here: it comes from cache (redis)" in texts[0]


def test_a_widgets_metrics_name_each_other_rightly(prod: Dashboards) -> None:
    for widget in prod.cloudwatch()["widgets"]:
        metrics: list[list[Any]] = widget["properties"].get("metrics", [])
        ids = [line[-1]["id"] for line in metrics]
        assert len(set(ids)) == len(ids)
        if metrics:
            assert any(line[-1].get("visible", True) for line in metrics) and widget["properties"]["region"]


def test_grafana_asks_cloudwatch_for_what_is_there(prod: Dashboards) -> None:
    dashboard = prod.grafana()
    assert [one["name"] for one in dashboard["templating"]["list"]] == ["datasource", "cloudwatch"]
    panels = [one for one in dashboard["panels"] if one.get("datasource", {}).get("type") == "cloudwatch"]
    assert {"p95", "error rate", "request rate"} <= {panel["title"] for panel in panels}
    for panel in panels:
        targets = panel["targets"]
        ids, refs = [one["id"] for one in targets], [one["refId"] for one in targets]
        assert len(set(ids)) == len(ids) and len(set(refs)) == len(refs)
        assert {one["label"] for one in targets if not one.get("hide")} <= {"blue", "green"}
        for one in targets:
            if one["metricEditorMode"] == 0:
                assert one["namespace"] and one["metricName"] and one["statistic"] and one["dimensions"], one
            else:
                assert any(id_ in one["expression"] for id_ in ids), one
    assert "p95 is not here" not in json.dumps(dashboard)
    assert "cloudwatch" not in json.dumps(made("local-watched").grafana())


def test_an_environment_without_figures_of_a_kind_says_so() -> None:
    text = json.dumps(made("local").grafana())
    assert "error rate is not measured" in text and "no figure under metrics.figures belongs here" in text
    assert "cutover_requests_total" not in text
