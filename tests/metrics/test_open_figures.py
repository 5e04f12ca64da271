"""Figures of an environment: wired by its words, read at the same time, under one deadline."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from odd_server import OddServer, answers, hangs, trickles
from real_prometheus import Scraped

from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.series import Gap, Span
from cutover.environment import parse
from cutover.figures import Figures
from cutover.plans.means import Means

SMALL = """\
name: small
description: A small environment
owners: {decision: a, database: b, traffic: c, application: d}
database: {name: shop, blue: env:BLUE, green: env:GREEN}
hostnames:
  shop:
    host: shop.example.com
    carrier: {kind: alb, load_balancer: shop, blue: shop-blue, green: shop-green}
"""


def figures(words: str, folder: Path, *, writes: bool = True, **values: str) -> Figures:
    environment = parse(SMALL + words, name="small", file="small.yaml")
    means = Means(environment, (), Aws("eu-west-1"), folder, lambda: values, lambda: 0)
    return Figures(means, writes=writes)


def spans(found: Figures, back: float = 60.0) -> dict[tuple[str, str], Span]:
    now = time.time()
    return {asked: Span(now - back, now, found.one(*asked).step) for asked in found.asked}


def test_several_are_read_at_the_same_time(tmp_path: Path) -> None:
    """Each waits until all of them are there: one after the other they would wait for ever."""
    meet = tmp_path / "meet"
    meet.mkdir()
    wait = f"touch {meet}/$$; until [ $(ls {meet} | wc -l) -ge 8 ]; do sleep 0.05; done; echo 5"
    lines = "".join(f"    f{n}: {{source: own, query: '{wait} # {{side}}', unit: count}}\n" for n in range(4))
    found = figures(f"metrics:\n  sources: {{own: {{kind: command}}}}\n  figures:\n{lines}", tmp_path, writes=False)
    read = found.read_all(spans(found), Deadline.after(60))
    assert {asked: reading.seen for asked, reading in read.items()} == dict.fromkeys(found.asked, "5")


def test_one_deadline_holds_for_all_and_nothing_is_left(tmp_path: Path, odd: Callable[..., OddServer]) -> None:
    servers = [odd(hangs), odd(trickles), odd(answers('{"status": "success", "data": {"result": []}}'))]
    sources = ", ".join(f"s{n}: {{kind: prometheus, url: '{one.url}'}}" for n, one in enumerate(servers))
    lines = "".join(f"    f{n}: {{source: s{n}, query: '{{side}}', unit: count}}\n" for n in range(3))
    found = figures(f"metrics:\n  sources: {{{sources}}}\n  figures:\n{lines}", tmp_path)
    before = threading.active_count()
    begun = time.monotonic()
    read = found.read_all(spans(found), Deadline.after(1.0))
    assert time.monotonic() - begun < 6
    assert [read[f"f{n}", "green"].gap for n in range(3)] == [Gap.UNREACHABLE, Gap.UNREACHABLE, Gap.NO_DATA]
    end = time.monotonic() + 10
    while threading.active_count() > before + 3 and time.monotonic() < end:  # the servers' own are there as well
        time.sleep(0.05)
    assert not [one for one in threading.enumerate() if one.name == "figures"]


def test_who_does_not_keep_to_the_deadline_is_not_waited_for(
    tmp_path: Path, odd: Callable[..., OddServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore's timeout begins anew with every byte."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", odd(trickles).url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    found = figures(
        "metrics:\n  sources: {aws: {kind: cloudwatch}}\n  figures:\n"
        "    f: {source: aws, preset: lambda-error-rate, of: {function: 'x-{side}'}}\n",
        tmp_path,
    )
    begun = time.monotonic()
    read = found.read_all(spans(found, 600), Deadline.after(1.0))
    assert time.monotonic() - begun < 8
    assert {one.seen for one in read.values()} == {"no answer before the deadline"}
    assert {one.service for one in found.permissions()} == {"cloudwatch", "elbv2"}


def test_prometheus_is_wired_by_its_words(scraped: Scraped, tmp_path: Path, odd: Callable[..., OddServer]) -> None:
    scraped.exporter.text = 'wired{side="blue"} 1\nwired{side="green"} 2\n'
    scraped.shows("sum(wired)", 3)
    found = figures(
        f"metrics:\n  sources: {{p: {{kind: prometheus, url: '{scraped.url}'}}}}\n  figures:\n"
        """    x: {source: p, query: 'wired{side="{side}"}', unit: ms, step: 250ms}\n""",
        tmp_path,
    )
    read = found.read_all(spans(found, 1.0), Deadline.after(20))
    assert (read["x", "blue"].seen, read["x", "green"].seen) == ("1", "2")


@pytest.mark.parametrize(
    ("words", "header"),
    [
        ("token: env:T", "Authorization: Bearer s3cret"),
        ("user: me, password: env:T", "Authorization: Basic bWU6czNjcmV0"),
    ],
)
def test_credentials_come_by_reference(words: str, header: str, tmp_path: Path, odd: Callable[..., OddServer]) -> None:
    server = odd(answers("{}"))
    text = (
        f"metrics:\n  sources: {{p: {{kind: prometheus, url: '{server.url}', {words}}}}}\n  figures:\n"
        "    x: {source: p, query: up, unit: ms, side: green}\n"
    )
    found = figures(text, tmp_path, T="s3cret")
    found.read_all(spans(found), Deadline.after(10))
    assert header in server.requests[0]
    assert "s3cret" not in found.one("x", "green").source.shell("up")
    missing = figures(text, tmp_path)
    assert (
        "env:T: this environment variable is not set"
        in missing.read_all(spans(missing), Deadline.after(5))["x", "green"].seen
    )


def test_what_has_no_memory_gets_one_below_the_states_home(tmp_path: Path) -> None:
    text = "metrics:\n  sources: {own: {kind: command}}\n  figures:\n    x: {source: own, query: echo 4, unit: s, side: blue, step: 1s}\n"
    for _ in range(3):
        found = figures(text, tmp_path)
        seen = found.read_all(spans(found), Deadline.after(20))["x", "blue"]
    assert (len(seen.samples), seen.gap) == (3, Gap.PARTIAL)
    assert (tmp_path / "small" / "metrics" / "own-blue").is_dir()


def test_a_name_that_there_is_not_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    found = figures("", tmp_path)
    with pytest.raises(KeyError):
        found.read("x", "blue", Span(0, 60, 15), Deadline.after(1))
