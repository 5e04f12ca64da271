"""What the routing library exports, scraped by the real Prometheus and read by the figures of the toolkit."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from real_prometheus import Scraped

from cutover.metrics.presets import PROMETHEUS
from cutover.routing.exposition import exposition
from cutover.routing.histogram import Histogram, bin_of
from cutover.routing.snapshot import Side, Snapshot

FIGURES = ("request-rate", "error-rate", "fallback-rate", "dual-run-mismatches", "p50", "p95", "p99")


def shop(legacy: Sequence[float], candidate: Sequence[float], **candidates: int) -> str:
    def side(times: Sequence[float], **counts: int) -> Side:
        bins = {bin_of(one): times.count(one) for one in set(times)}
        return Side(requests=len(times), response_time=Histogram(bins, sum(times)), **counts)

    return exposition(
        [
            Snapshot(
                flag="search",
                share=Decimal(25),
                began_at=0.0,
                taken_at=0.0,
                legacy=side(legacy),
                candidate=side(candidate, **candidates),
                compared=len(legacy),
                mismatches=len(candidate),
            )
        ]
    )


def test_every_series_is_taken_and_the_figures_of_the_toolkit_read_them(scraped: Scraped) -> None:
    scraped.exporter.text = shop([], [])
    scraped.shows('cutover_requests_total{side="candidate"}', 0)
    scraped.exporter.text = shop([0.02] * 100, [0.2] * 90 + [0.9] * 10, errors=10, fallbacks=4)
    scraped.shows('cutover_requests_total{side="candidate"}', 100)
    scraped.shows("cutover_rollout_percentage", 25)
    scraped.shows('cutover_response_time_count{side="legacy"}', 100)
    scraped.shows('cutover_response_time_bucket{side="legacy",le="+Inf"}', 100)
    scraped.shows('count(cutover_response_time_bucket{side="candidate"})', 60)
    seen = {}
    for name in FIGURES:
        # Their minute is made an hour: the machine that runs this may be slow.
        query = PROMETHEUS[name].query.replace("{side}", "candidate").replace("[1m]", "[1h]")
        newest = scraped.now(query).newest
        assert newest is not None, name
        seen[name] = newest.value
    assert seen["error-rate"] == pytest.approx(10) and seen["fallback-rate"] == pytest.approx(4)
    assert 200 / 1.38 <= seen["p50"] <= 200 * 1.38 and 900 / 1.38 <= seen["p95"] <= 900 * 1.38
    assert seen["request-rate"] > 0 and seen["dual-run-mismatches"] > 0
