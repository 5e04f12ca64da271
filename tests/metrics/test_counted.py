"""Counts of one side by a real Prometheus: whole requests, no zeros for what is missing, the same for whoever asks."""

import time
from collections.abc import Callable

import pytest
from odd_server import OddServer, hangs
from real_prometheus import Scraped

from cutover.core.gate import Verdict
from cutover.core.series import Gap
from cutover.metrics.counted import CountedByPrometheus, Selectors
from cutover.metrics.green_no_worse import GreenNoWorse
from cutover.metrics.prometheus import Prometheus
from cutover.metrics.tally import Tally


def selectors(name: str, side: str, *, buckets: bool = False) -> Selectors:
    requests = f'{name}_total{{side="{side}"}}'
    errors = f'{name}_total{{side="{side}",status="500"}}'
    return Selectors(requests, errors, f'{name}_bucket{{side="{side}"}}' if buckets else None)


def counted(scraped: Scraped, name: str, side: str, *, buckets: bool = False) -> CountedByPrometheus:
    return CountedByPrometheus(lambda: scraped.source, selectors(name, side, buckets=buckets), 1.0)


def text(name: str, side: str, good: int, bad: int) -> str:
    lines = f'{name}_total{{side="{side}",status="200"}} {good}\n{name}_total{{side="{side}",status="500"}} {bad}\n'
    slow = f'{name}_bucket{{side="{side}",le="0.1"}} {good}\n{name}_bucket{{side="{side}",le="0.5"}} {good}\n'
    return lines + slow + f'{name}_bucket{{side="{side}",le="+Inf"}} {good + bad}\n'


def told(one: CountedByPrometheus, since: float, wanted: Tally | Gap) -> None:
    """Waits until a look up to now says this."""
    end = time.monotonic() + 30
    while (seen := one(since, time.time())) != wanted:
        assert time.monotonic() < end, (seen, one.trouble)
        time.sleep(0.1)


def test_what_rose_since_the_begin_is_counted_whole_and_over_a_restart(scraped: Scraped) -> None:
    scraped.exporter.text = text("orders", "green", 1000, 7)
    scraped.shows('sum(orders_total{side="green"})', 1007)
    since, one = scraped.begins('orders_total{side="green"}'), counted(scraped, "orders", "green")
    scraped.exporter.text = text("orders", "green", 1190, 17)
    told(one, since, Tally(200, 10))
    scraped.exporter.text = text("orders", "green", 30, 2)  # the process began anew
    told(one, since, Tally(232, 12))
    again, until = counted(scraped, "orders", "green"), time.time()
    assert again(since, until) == one(since, until) == Tally(232, 12), "another machine says the same"
    assert one(since, until - 0.001) == again(since, until - 0.001)


def test_latencies_come_with_their_buckets(scraped: Scraped) -> None:
    scraped.exporter.text = text("slow", "blue", 0, 0)
    scraped.shows('sum(slow_total{side="blue"})', 0)
    since, one = scraped.begins('slow_total{side="blue"}'), counted(scraped, "slow", "blue", buckets=True)
    scraped.exporter.text = text("slow", "blue", 90, 10)
    end = time.monotonic() + 30
    while not isinstance(seen := one(since, time.time()), Tally) or seen.requests < 100 or seen.latencies is None:
        assert time.monotonic() < end, (seen, one.trouble)
        time.sleep(0.1)
    assert (seen.latencies.edges, seen.latencies.counts) == ((0.1, 0.5), (90, 0, 10))


def test_what_is_not_there_is_a_gap_and_never_zero(scraped: Scraped) -> None:
    scraped.exporter.text = text("seen", "green", 5, 0)
    scraped.shows('sum(seen_total{side="green"})', 5)
    since = time.time() - 5
    assert counted(scraped, "nobody", "green")(since, time.time()) is Gap.NO_DATA
    wrong_label = Selectors('seen_total{side="green"}', 'seen_total{side="green",code="500"}')
    assert CountedByPrometheus(lambda: scraped.source, wrong_label, 1.0)(since, time.time()) is Gap.NO_DATA
    none_yet = Selectors('seen_total{side="green"}', 'seen_total{side="green",status="503"}')
    assert CountedByPrometheus(lambda: scraped.source, none_yet, 1.0)(since, time.time()) == Tally(0, 0)
    other = Selectors('seen_total{side="green"}', 'failed_total{side="green"}')
    assert CountedByPrometheus(lambda: scraped.source, other, 1.0)(since, time.time()) is Gap.NO_DATA
    scraped.exporter.text = "ready 1\n"
    told(counted(scraped, "seen", "green"), since, Gap.STALE)


def test_a_server_that_hangs_holds_up_one_look_only(
    odd: Callable[..., OddServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutover.metrics.counted.WAIT", 0.05)
    monkeypatch.setattr("cutover.metrics.counted.WITHIN", 0.5)
    server = odd(hangs)
    source = Prometheus(lambda: server.url, server.url)
    one = CountedByPrometheus(lambda: source, selectors("orders", "green"), 1.0)
    assert one(1000.0, 2000.0) is Gap.UNREACHABLE
    assert one(1000.0, 2001.0) is Gap.UNREACHABLE
    end = time.monotonic() + 30
    while not one.trouble:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert "no whole answer" in one.trouble


def test_errors_that_only_green_has_are_found_beside_blue(scraped: Scraped) -> None:
    def sides(blue: int, green: int, bad: int) -> str:
        return text("shop", "blue", blue, 0) + text("shop", "green", green, bad)

    scraped.exporter.text = sides(0, 0, 0)
    scraped.shows('sum(shop_total{side="green"})', 0)
    since = scraped.begins("shop_total")
    check = GreenNoWorse(
        blue=counted(scraped, "shop", "blue"), green=counted(scraped, "shop", "green"), since=lambda: since, alpha=0.005
    )
    scraped.exporter.text = sides(900, 950, 0)
    scraped.shows('sum(shop_total{side="green"})', 950)
    assert check.look().verdict is Verdict.PASS
    scraped.exporter.text = sides(1800, 1700, 120)
    scraped.shows('sum(shop_total{side="green"})', 1820)
    found = check.look()
    assert found.verdict is Verdict.FAIL and found.data["green"] == [1820, 120]
