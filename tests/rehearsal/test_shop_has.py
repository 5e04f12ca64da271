"""Whether a figure's own query can be asked in the twin: only where its shop has all that it names."""

import json
import re
from pathlib import Path

import pytest

from cutover.rehearsal import shop_has
from cutover.rehearsal.shop_has import SERIES, NotThere
from cutover.rehearsal.spans import Shorter
from cutover.world.shop_log import FIELDS, AccessLog
from cutover.world.shop_metrics import Metrics

HOUR = Shorter(120.0)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ('sum(rate(shop_requests_total{side="{side}",status=~"5.."}[1h]))', "[30s]"),
        ('sum by (route) (rate(shop_requests_total{side="{side}"}[2m])) > 1e3', "[10s]"),
        ('shop_requests_total{side="{side}"}', ""),
        ('1000 * histogram_quantile(0.95, sum by (le) (rate(shop_request_seconds_bucket{side="{side}"}[5m])))', "[10s]"),
        ('count(ALERTS{alertstate="firing"}) or vector(0)', ""),
        ('(shop_payment_errors_total{side="{side}"} and on (side) up{job="shop"}) or vector(0)', ""),
        ("sum(process_resident_memory_bytes{side='{side}'}) # what it takes\n", ""),
    ],
)  # fmt: skip
def test_a_query_of_what_there_is_has_only_its_ranges_shortened(query: str, wanted: str) -> None:
    found = shop_has.promql(query, HOUR)
    assert re.sub(r"\[[^\]]*\]", "[]", found) == re.sub(r"\[[^\]]*\]", "[]", query)
    assert wanted in found and shop_has.promql(query, Shorter()) == query


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sum(rate(orders_total[5m]))", "there is no orders_total"),
        ('shop_requests_total{side="{side}",tenant="a"}', "shop_requests_total has no label tenant"),
        ('rate(shop_requests_total{side="{side}",route="/checkout"}[2m])', 'has no route "/checkout"'),
        ('{job="shop"}', "a series without a name has no label job"),
        ("up offset 1h", "`offset` moves the time"),
        ("up @ 1609746000", "`@` moves the time"),
        ("max_over_time(up[1h:1m])", "the range [1h:1m] is more than one duration"),
        ("up{side=}", "the query cannot be read"),
        ("up ? 1", "the query cannot be read"),
        ('up{side="{side}"', "the query cannot be read"),
    ],
)
def test_whatever_is_not_there_or_not_understood_is_said(query: str, said: str) -> None:
    with pytest.raises(NotThere) as refused:
        shop_has.promql(query, HOUR)
    assert said in str(refused.value)


def test_the_series_are_those_that_the_shop_tells() -> None:
    metrics = Metrics("v1")
    metrics.count("POST", "/api/checkout", 201, 0.02)
    told = metrics.text(database_retries=1, memory=5.0)
    names = {match[1] for match in re.finditer(r"^([a-z_]+)(?:\{| )", told, re.MULTILINE)}
    assert names == SERIES.keys() - {"up", "ALERTS"}
    for name, labels in re.findall(r"^([a-z_]+)\{(.*)\}", told, re.MULTILINE):
        assert set(re.findall(r"([a-z]+)=", labels)) <= SERIES[name]


def test_a_log_is_asked_for_what_stands_in_it(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "shop.jsonl", "v2")
    for route, status in (("/api/checkout", 201), ("/api/checkout", 502), ("/api/checkout", 503), ("/health", 200)):
        log.note("POST", route, status, 0.0125)
    log.close()
    lines = [json.loads(line) for line in (tmp_path / "shop.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line.get("outcome") for line in lines] == ["captured", "failed", "not tried", None]
    assert [line["level"] for line in lines] == ["info", "error", "error", "info"]
    assert {field for line in lines for field in line} == set(FIELDS) and lines[0]["duration_ms"] == 12.5
    for query in (
        "count where event = payment and outcome = failed",
        'share where duration_ms > 9 of route = "/login"',
    ):
        shop_has.log(query)
    for query in ("count where tenant = a", "all of it"):
        with pytest.raises(NotThere):
            shop_has.log(query)
