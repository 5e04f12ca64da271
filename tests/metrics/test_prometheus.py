"""Prometheus: a real one for what it answers, and a misbehaving one for what it does not."""

import json
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from odd_server import OddServer, answers, closes, cut_short, hangs, trickles, trickles_headers
from real_prometheus import Scraped

from cutover.core.clock import Deadline
from cutover.core.series import Gap, Span
from cutover.metrics import prometheus
from cutover.metrics.prometheus import Prometheus

SPAN = Span(1000.0, 1060.0, 15.0)


def test_a_gauge_has_its_samples(scraped: Scraped) -> None:
    scraped.exporter.text = 'memory_percent{side="green"} 42.5\n'
    scraped.shows('memory_percent{side="green"}', 42.5)
    seen = scraped.now('memory_percent{side="green"}', 0.5)
    assert (seen.gap, seen.seen) == (None, "42.5")


def test_several_series_name_the_labels_that_a_sum_is_missing_for(scraped: Scraped) -> None:
    scraped.exporter.text = 'hits{side="green",route="/a"} 1\nhits{side="green",route="/b"} 2\n'
    scraped.shows("sum(hits)", 3)
    seen = scraped.now("hits")
    assert seen.gap is Gap.UNREACHABLE
    assert "2 series, which differ in route: put sum(…) around it" in seen.seen


def test_nothing_is_no_data_and_never_zero(scraped: Scraped) -> None:
    assert scraped.now("nobody_has_this").gap is Gap.NO_DATA


def test_a_rate_of_nothing_by_nothing_is_not_a_number(scraped: Scraped) -> None:
    seen = scraped.now("vector(0) / vector(0)")
    assert (seen.gap, seen.samples) == (Gap.NOT_A_NUMBER, ())
    assert scraped.now("vector(1) / vector(0)").gap is Gap.NOT_A_NUMBER


def test_a_counter_that_began_anew_is_counted(scraped: Scraped) -> None:
    scraped.exporter.text = "requests_total 900\n"
    scraped.shows("requests_total", 900)
    scraped.exporter.text = "requests_total 3\n"
    scraped.shows("requests_total", 3)
    assert scraped.now("requests_total", 5).resets == 1
    assert scraped.now("requests_total * 1", 5).resets == 0, "only a raw counter's fall is a reset"


def test_a_series_that_ended_is_stale(scraped: Scraped) -> None:
    scraped.exporter.text = "leaving 7\n"
    scraped.shows("leaving", 7)
    scraped.exporter.text = "ready 1\n"
    end = time.monotonic() + 30
    while (seen := scraped.now("leaving", 20)).gap is not Gap.STALE:
        assert time.monotonic() < end, seen
        time.sleep(0.2)
    assert seen.newest is not None and seen.newest.value == 7


def test_a_span_longer_than_one_answer_comes_in_pieces(scraped: Scraped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "MOST_POINTS", 7)
    until = time.time()
    seen = scraped.source.read("vector(5)", Span(until - 20, until, 1.0), Deadline.after(20))
    assert seen.gap is None
    assert [round(after.at - before.at, 3) for before, after in pairwise(seen.samples)] == ([1.0] * 20)


def test_a_wrong_query_is_said_in_the_servers_words(scraped: Scraped) -> None:
    seen = scraped.now("sum(")
    assert seen.gap is Gap.UNREACHABLE
    assert "bad_data" in seen.seen and "parse error" in seen.seen


def test_what_is_printed_answers_the_same(scraped: Scraped) -> None:
    scraped.exporter.text = "pasted 12\n"
    scraped.shows("pasted", 12)
    done = subprocess.run(
        ["bash", "-c", scraped.source.shell("pasted")], capture_output=True, text=True, check=True, timeout=30
    )
    assert json.loads(done.stdout)["data"]["result"][0]["value"][1] == "12"


def series(*values: object, **more: object) -> str:
    points = [[1000 + 15 * n, str(value)] for n, value in enumerate(values)]
    result = [{"metric": {}, "values": points}] if values else []
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}, **more})


GAPS: dict[str, tuple[Any, Gap | None, str]] = {
    "all well": (answers(series(1, 2, 3, 4, 5)), None, "5"),
    "nobody answers": (closes, Gap.UNREACHABLE, "Prometheus: "),
    "cut short": (cut_short, Gap.UNREACHABLE, "the answer was cut short by 484 bytes"),
    "an error page": (answers("<html>", 502), Gap.UNREACHABLE, "status 502, and no JSON"),
    "a login page": (answers("<html>"), Gap.UNREACHABLE, "status 200, and no JSON"),
    "a redirect": (answers("", 302, "Location: /x\r\n"), Gap.UNREACHABLE, "redirects (status 302)"),
    "refused": (answers("", 401), Gap.UNREACHABLE, "refused the credentials"),
    "an error": (answers('{"status": "error", "errorType": "timeout", "error": "query\\ntimed out"}', 503),
                 Gap.UNREACHABLE, "timeout: query timed out"),
    "another shape": (answers('{"status": "success", "data": [1]}'), Gap.UNREACHABLE, "is no series"),
    "a list": (answers("[]"), Gap.UNREACHABLE, "status 200: no reason"),
    "no data": (answers(series()), Gap.NO_DATA, "no samples"),
    "not a number": (answers(series(1, 2, 3, 4, "NaN")), Gap.NOT_A_NUMBER, "nan"),
    "infinite": (answers(series(1, 2, 3, 4, "+Inf")), Gap.NOT_A_NUMBER, "inf"),
    "stale": (answers(series(1)), Gap.STALE, "60 s old"),
    "partial": (answers(series("NaN", "NaN", "NaN", "NaN", 5)), Gap.PARTIAL, "1 of 4 samples"),
    "a warning": (answers(series(1, 2, 3, 4, 5, warnings=["a store is down"])), Gap.PARTIAL, "a store is down"),
}  # fmt: skip


@pytest.mark.parametrize("name", GAPS)
def test_gaps_are_told_apart(name: str, odd: Callable[..., OddServer]) -> None:
    behave, gap, said = GAPS[name]
    server = odd(behave)
    seen = Prometheus(lambda: server.url, server.url, delay=0.0).read("x", SPAN, Deadline.after(10))
    assert seen.gap is gap, seen
    assert said in seen.seen


@pytest.mark.parametrize("behave", [hangs, trickles, trickles_headers], ids=lambda one: one.__name__)
def test_its_time_ends_whatever_trickles_in(behave: Any, odd: Callable[..., OddServer]) -> None:
    server = odd(behave)
    seen = Prometheus(lambda: server.url, server.url).read("x", SPAN, Deadline.after(0.5))
    assert (seen.gap, seen.seen) == (Gap.UNREACHABLE, "Prometheus: no whole answer within 0.5 s")


def test_the_token_goes_into_the_header_and_nowhere_else(odd: Callable[..., OddServer]) -> None:
    server = odd(answers(series(1, 2, 3, 4, 5)))
    source = Prometheus(lambda: server.url, server.url, lambda: "Bearer s3cret", '"Bearer $TOKEN"')
    assert source.read("x", SPAN, Deadline.after(5)).gap is None
    assert "Authorization: Bearer s3cret" in server.requests[0]
    assert "s3cret" not in source.shell("x") + repr(source)
