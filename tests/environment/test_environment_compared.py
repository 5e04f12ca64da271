"""The comparison of green with blue: what may be written, and what is refused with its place."""

from collections.abc import Callable

import pytest

from cutover.environment import Environment

Told = Callable[..., list[str]]
Loaded = Callable[..., Environment]

WORDS = """\
metrics:
  sources:
    prometheus: {kind: prometheus, url: "https://prometheus.example.com"}
    aws: {kind: cloudwatch}
comparison:
  source: prometheus
  requests: shop_requests_total{side="{side}"}
  errors: shop_requests_total{side="{side}",status=~"5.."}
  latencies: {blue: 'a_bucket{side="b"}', green: 'a_bucket{side="g"}'}
  slower: 100ms
"""


def test_what_it_becomes(loaded: Loaded) -> None:
    found = loaded(WORDS).comparison
    assert found is not None
    assert found.selector("errors", "green") == 'shop_requests_total{side="green",status=~"5.."}'
    assert found.selector("latencies", "blue") == 'a_bucket{side="b"}'
    assert (found.margin.points, found.margin.percent, found.slower, found.then) == (1.0, 10.0, 0.1, "rollback")
    again = Environment.model_validate(loaded(WORDS).model_dump(mode="json"))
    assert again.comparison == found


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("source: prometheus", "source: promtheus", "comparison.source: is none of the sources: prometheus, aws (did you mean prometheus?)"),
        ("source: prometheus", "source: aws", "comparison.source: gives no counts: a comparison needs a source of kind prometheus or json-lines, or `ledger` (metrics.sources.aws.kind, line"),
        ('requests: shop_requests_total{side="{side}"}', "requests: shop_requests_total", "comparison.requests: counts the same for both sides"),
        ('requests: shop_requests_total{side="{side}"}', 'requests: sum(increase(x{side="{side}"}[5m]))', "comparison.requests: wants a counter as Prometheus selects it"),
        (',status=~"5.."', "", "comparison.errors: is the counter of all requests (comparison.requests, line"),
        ("  slower: 100ms\n", "", "comparison.latencies: needs `slower`"),
        ("""  latencies: {blue: 'a_bucket{side="b"}', green: 'a_bucket{side="g"}'}\n""", "", "comparison.slower: needs `latencies`"),
        ('green: \'a_bucket{side="g"}\'', 'green: \'a_bucket{side="b"}\'', "comparison.latencies.green: is the same counter as blue's"),
        ("slower: 100ms", "slower: 100ms\n  worth: 1%", "comparison.worth: must lie above the margin's points"),
        ("slower: 100ms", "slower: 100ms\n  one_by_one: true", "comparison.one_by_one: is not so for a share carried by route53"),
        ("slower: 100ms", "slower: 100ms\n  then: rolback", "comparison.then: column 1: one of notify, hold"),
        ("comparison:", "shift: {strategy: immediate}\ncomparison:", "comparison: is never asked: with the strategy immediate"),
        ("comparison:", "shift: {shares: [100]}\ncomparison:", "comparison: is never asked: no share is below 100 %"),
    ],
)  # fmt: skip
def test_what_is_refused(told: Told, old: str, new: str, problem: str) -> None:
    assert WORDS.count(old) == 1
    found = told(WORDS.replace(old, new))
    assert any(problem in line for line in found), found


LOG = """\
metrics:
  sources:
    log: {kind: json-lines, blue: /var/log/blue.jsonl, green: /var/log/green.jsonl}
comparison:
  source: log
  requests: count where route != "/health"
  errors: count where status >= 500
  latencies: duration in ms
  slower: 100ms
"""
NOTED = """\
ledger: env:LEDGER
comparison:
  source: ledger
  requests: {blue: count where version = v1, green: count where version = v2}
  errors: count where ok = false
"""


def test_a_log_and_the_ledger_count_too(loaded: Loaded) -> None:
    found = loaded(LOG).comparison
    assert found is not None and found.selector("latencies", "green") == "duration in ms"
    noted = loaded(NOTED).comparison
    assert noted is not None and noted.selector("requests", "green") == "count where version = v2"


@pytest.mark.parametrize(
    ("text", "old", "new", "problem"),
    [
        (LOG, "count where status >= 500", 'errors_total{side="{side}"}', "comparison.errors: wants `count where field = value"),
        (LOG, "count where status >= 500", "share where status >= 500", "comparison.errors: wants a counter as Prometheus"),
        (LOG, "duration in ms", "duration", "comparison.latencies: wants `count where field = value"),
        (LOG, "green: /var/log/green.jsonl", "green: /var/log/blue.jsonl", "comparison.requests: counts the same for both sides"),
        (NOTED, "ledger: env:LEDGER\n", "", "comparison.source: needs `ledger`"),
        (NOTED, "{blue: count where version = v1, green: count where version = v2}", "count", "comparison.requests: counts the same for both"),
        (NOTED, "version = v2", "version = v1", "comparison.requests.green: is the same counter as blue's"),
    ],
)  # fmt: skip
def test_what_is_refused_of_a_log(told: Told, text: str, old: str, new: str, problem: str) -> None:
    assert text.count(old) == 1
    found = told(text.replace(old, new))
    assert any(problem in line for line in found), found


def test_a_log_of_another_kind_of_text_is_refused_for_prometheus(told: Told) -> None:
    found = told(WORDS.replace('shop_requests_total{side="{side}",status=~"5.."}', "count where status >= 500"))
    assert any("comparison.errors: wants a counter as Prometheus selects it" in line for line in found), found
