"""The words of a load balancer: which rule carries the share, its stickiness, draining, and for whom maintenance is."""

from collections.abc import Callable

import pytest

from cutover.environment import AlbCarrier, Environment

Told = Callable[..., list[str]]
Loaded = Callable[..., Environment]
CARRIER = "      load_balancer: shop\n"


def carrier(loaded: Loaded, added: str) -> AlbCarrier:
    found = loaded(CARRIER, f"{CARRIER}{added}").hostnames["shop"].carrier
    assert isinstance(found, AlbCarrier)
    return found


def test_what_a_carrier_says_of_its_load_balancer(loaded: Loaded) -> None:
    plain = carrier(loaded, "")
    assert (plain.rule, plain.sticky, plain.bypassing, plain.drain) == (None, None, "refuse", None)
    full = carrier(
        loaded,
        "      rule: {host: '*.Example.com', path: /api/*}\n      sticky: 3600\n      bypassing: tell\n      drain: {window: 5m}\n",
    )
    assert full.rule is not None
    assert full.drain is not None
    assert (full.rule.host, full.rule.path) == ("*.example.com", "/api/*")
    assert (full.sticky, full.bypassing) == (3600, "tell")
    assert (full.drain.window, full.drain.late, full.drain.deadline) == (300.0, 120.0, 3600.0)


@pytest.mark.parametrize(
    ("added", "path", "words"),
    [
        ("sticky: 0", "sticky", "from 1 to 604800"),
        ("sticky: 604801", "sticky", "from 1 to 604800"),
        ("bypassing: allow", "bypassing", "one of refuse, tell"),
        ("rule: {path: /x}", "rule.host", ""),
        ("rule: {host: 'a b'}", "rule.host", "host-header value"),
        ("rule: {host: shop.example.com, path: x}", "rule.path", "path-pattern value"),
        ("rule: {host: api.example.com}", "rule.host", "never meets a request for the host"),
        ("rule: {host: shop.example.com, priority: 3}", "rule.priority", "unknown key"),
        ("drain: {window: 0}", "drain.window", "longer than 0"),
        ("drain: {}", "drain.window", ""),
    ],
)
def test_refused(told: Told, added: str, path: str, words: str) -> None:
    (problem,) = told(CARRIER, f"{CARRIER}      {added}\n")
    assert f"hostnames.shop.carrier.{path}: " in problem
    assert words in problem


def test_hostnames_may_share_a_listener_in_rules_of_their_own(told: Told) -> None:
    third = (
        "  third:\n    host: x.example.com\n    carrier: {kind: alb, load_balancer: shop, blue: c, green: d,"
        " rule: {host: x.example.com}}\n"
    )
    assert told(third) == []
    fourth = third.replace("third", "fourth").replace("host: x.example.com\n", "host: y.example.com\n")
    twice = told(third + fourth.replace("rule: {host: x.example.com}", "rule: {host: '?.example.com'}"))
    assert twice == []
    same = told(
        third.replace("x.example.com}", "'*.example.com'}") + fourth.replace("x.example.com}", "'*.example.com'}")
    )
    (problem,) = same
    assert "hostnames.fourth.carrier.load_balancer: this rule carries another hostname's share already" in problem


def test_maintenance_for_some_hosts_leaves_out_no_hostname(told: Told, loaded: Loaded) -> None:
    page = "maintenance: {kind: alb, load_balancers: [shop], hosts: [shop.example.com, api.example.com]}\n"
    assert loaded(page).maintenance.hosts == ("shop.example.com", "api.example.com")
    (problem,) = told(page.replace("api.example.com", "apo.example.com"))
    assert "maintenance.hosts: leaves out a hostname (hostnames.api.host, line " in problem
    assert any("twice" in problem for problem in told(page.replace("api.example.com", "shop.example.com")))
