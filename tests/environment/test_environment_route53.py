"""What the Route 53 carrier of a hostname may say, and the plan that its words make."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small import SMALL

from cutover.app import open_environment
from cutover.core.plan import Plan
from cutover.environment import Route53Carrier, parse


def carried(change: str = "", *, ttl: str = "ttl: {normal: 300, cutover: 60}") -> str:
    """The small environment whose Route 53 carrier has other words."""
    words = "\n".join(f"      {line}" for line in change.splitlines())
    return SMALL.replace("      ttl: {normal: 300, cutover: 60}", f"      {ttl}\n{words}")


@pytest.mark.parametrize(
    ("ttl", "words", "path", "told"),
    [
        ("", "", "carrier", "needs `ttl`, or `alias: true`"),
        ("ttl: {normal: 300, cutover: 60}", "type: A\nalias: true", "carrier.ttl", "an alias has no TTL of its own"),
        ("", "alias: true", "carrier.type", "has the type A or AAAA"),
        ("ttl: {normal: 3, cutover: 1}", "vpc: vpc-0123456789abcdef0", "carrier.vpc", "only for a private zone"),
        ("ttl: {normal: 3, cutover: 1}", "resolver: 10.0.0.2:53", "carrier.resolver", "only for a private zone"),
        ("ttl: {normal: 3, cutover: 1}", "private: true", "carrier.private", "needs `resolver`"),
        ("ttl: {normal: 3, cutover: 1}", "private: true\nvpc: vpc-xyz", "carrier.vpc", "the id of a VPC"),
        ("ttl: {normal: 3, cutover: 1}", "fail_back: maybe", "carrier.fail_back", "one of allowed, refused"),
        ("ttl: {normal: 3, cutover: 1}", "above: [{name: API.example.com, ttl: 5}]", "above[0].name", "itself"),
        ("ttl: {normal: 3, cutover: 1}", "above: [{name: www.example.com, ttl: 0}]", "above[0].ttl", "from 1"),
        ("ttl: {normal: 3, cutover: 1}", "migrate: {green: 192.0.2.2}", "migrate.green", "a name, not an address"),
        ("ttl: {normal: 3, cutover: 1}", "type: A\nmigrate: {green: b.test}", "migrate.green", "an IPv4 address"),
        ("ttl: {normal: 3, cutover: 1}", "type: AAAA\nmigrate: {green: 192.0.2.2}", "migrate.green", "an IPv6 address"),
        ("", "type: A\nalias: true\nmigrate: {green: 192.0.2.2}", "migrate.green", "a name, not an address"),
        ("ttl: {normal: 3, cutover: 1}", "migrate: {green: b.test, green_ipv6: '::1'}", "green_ipv6", "beside an A"),
        ("ttl: {normal: 3, cutover: 1}", "type: A\nmigrate: {green: 1.2.3.4, green_ipv6: x.y}", "green_ipv6", "IPv6"),
        ("ttl: {normal: 3, cutover: 1}", "migrate: {green: '-'}", "migrate.green", "a DNS name"),
    ],
)
def test_what_a_route53_carrier_may_not_say(
    told_text: Callable[[str], list[str]], ttl: str, words: str, path: str, told: str
) -> None:
    problems = told_text(carried(words, ttl=ttl))
    assert any(told in line and path in line for line in problems), problems


def test_what_a_route53_carrier_may_say() -> None:
    words = """\
type: A
private: true
vpc: vpc-0123456789abcdef0
resolver: env:VPC_RESOLVER
above: [{name: www.example.org, ttl: 10}]
fail_back: allowed
migrate: {green: 192.0.2.2, green_ipv6: 2001:DB8::2}"""
    api = parse(carried(words), name="small", file="small.yaml").hostnames["api"].carrier
    assert isinstance(api, Route53Carrier) and api.migrate is not None
    assert (api.private, api.above[0].ttl, api.migrate.green_ipv6) == (True, 10, "2001:db8::2")
    alias = parse(carried("type: A\nalias: true", ttl=""), name="small", file="small.yaml").hostnames["api"].carrier
    assert isinstance(alias, Route53Carrier) and (alias.alias, alias.ttl) == (True, None)


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plan]:
    monkeypatch.setenv("CUTOVER_HOME", str(tmp_path / "home"))

    def planned(words: str = "", *, ttl: str = "ttl: {normal: 300, cutover: 60, slack: 120s}") -> Plan:
        (tmp_path / "small.yaml").write_text(carried(words, ttl=ttl), encoding="utf-8")
        return open_environment("small", directory=tmp_path).plan

    return planned


def named(plan: Plan) -> dict[str, Any]:
    return {item.name: item for _, item in plan.walk()}


def test_the_old_ttl_and_every_cname_above_are_waited_out(planned: Callable[..., Plan]) -> None:
    gate = named(planned())["ttl-waited-out-api"]
    assert (gate.hold, gate.since) == (420.0, "ttl-lowered-api")
    above = "above: [{name: www.example.org, ttl: 3600}, {name: old.example.com, ttl: 10}]"
    assert named(planned(above))["ttl-waited-out-api"].hold == 3720.0


def test_before_the_ttl_is_restored_the_last_answers_to_blue_have_run_out(planned: Callable[..., Plan]) -> None:
    plan = planned()
    items = named(plan)
    gone = items["old-answers-gone-api"]
    assert (gone.hold, gone.since) == (180.0, "traffic-api-100")
    order = list(items)
    assert order.index("traffic-api-100") < order.index(gone.name) < order.index("ttl-restored-api")
    back = [item.name for _, item in plan.inverse(order).walk()]
    assert not [name for name in back if name.startswith("old-answers-gone")]


def test_the_plan_of_an_alias_has_no_ttl_step_and_waits_for_its_60_seconds(planned: Callable[..., Plan]) -> None:
    items = named(planned("type: A\nalias: true", ttl=""))
    assert not [name for name in items if name.startswith("ttl-")]
    assert items["old-answers-gone-api"].hold == 120.0
    assert "api alias" in items["green-healthy-100"].check.shell()


def test_the_migration_is_in_the_plan_only_where_it_is_asked_for(planned: Callable[..., Plan]) -> None:
    assert "made-weighted-api" not in named(planned())
    plan = planned("migrate: {green: green.example.net}")
    order = list(named(plan))
    assert order.index("ttl-lowered-api") < order.index("made-weighted-api") < order.index("traffic-api-10")
    back = [item.name for _, item in plan.inverse(order).walk()]
    assert back.index("traffic-api-10-undo") < back.index("made-weighted-api-undo") < back.index("ttl-lowered-api-undo")


def test_an_automatic_way_back_is_said_beside_the_command_that_opens_it(planned: Callable[..., Plan]) -> None:
    last = named(planned("fail_back: allowed"))["traffic-api-100"]
    shells = [command.shell() for share in (last.after, last.before) for command in last.commands(share)]
    assert (
        "# fail_back: allowed - when health checks fail at green, Route 53 sends visitors to blue by itself"
        in shells[0]
    )
    assert "fail_back" not in shells[1]
    assert "fail_back" not in named(planned("fail_back: refused"))["traffic-api-100"].commands(last.after)[0].shell()


def test_the_load_balancers_of_a_side_are_asked_as_it_gets_visitors(planned: Callable[..., Plan]) -> None:
    items = named(planned("health: [api-blue, api-green]\nlistener_port: 443"))
    move = items["traffic-api-10"]
    assert (move.health, move.listener_port, move.inverse().health) == (("api-blue", "api-green"), 443, move.health)
    assert ("health-api", "SidesJudged") in [
        (name, type(one).__name__) for name, one in items["preflight"].check.checks
    ]


def test_a_private_zone_is_asked_of_the_resolver_of_its_vpc(planned: Callable[..., Plan]) -> None:
    items = named(planned("private: true\nvpc: vpc-0123456789abcdef0\nresolver: env:VPC_RESOLVERS"))
    assert '"$VPC_RESOLVERS"' in items["ttl-waited-out-api"].check.shell()
    for name in ("ttl-lowered-api", "traffic-api-100"):
        shown = items[name].commands(items[name].after)[0].shell()
        assert "list-hosted-zones-by-vpc --vpc-id vpc-0123456789abcdef0 --vpc-region us-east-1" in shown
