"""Every traffic step through the contract: there and back, killed everywhere, strays left alone, on the local endpoint.

And each makes exactly the calls that it says it may make, so that the policy has none too few and none too many.
"""

from pathlib import Path

import pytest
from local_aws import Endpoint, eventually
from recorded import holds_exactly

from cutover.aws.alb import AlbAttach, AlbShare
from cutover.aws.alb_conditions import RuleName
from cutover.aws.alb_rules import AlbMaintenance
from cutover.aws.alb_stickiness import NOT_STICKY, AlbStickiness, sticky_for
from cutover.aws.route53 import Route53Share, Route53Ttl
from cutover.aws.session import Aws
from cutover.core.share import Share

pytestmark = [pytest.mark.slow, pytest.mark.sampled]  # each step dies some of its thirty deaths over a real journal


def test_alb_share(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.forward(shop_blue=100, shop_green=0)
    eventually(lambda: endpoint.healthy("shop-blue") and endpoint.healthy("shop-green"))
    holds_exactly(
        lambda aws: AlbShare(
            name="shop-to-10",
            before=Share.of(0),
            after=Share.of(10),
            aws=aws,
            load_balancer="shop",
            port=80,
            blue="shop-blue",
            green="shop-green",
        ),
        state_dir=tmp_path,
        reset=lambda: endpoint.forward(shop_blue=100, shop_green=0),
        strays=[
            lambda: endpoint.forward(shop_blue=70, shop_green=30),
            lambda: endpoint.forward(shop_blue=80, shop_green=10, shop_third=10),
            lambda: endpoint.forward(shop_blue=0, shop_green=0),
        ],
        kills=10,
    )


def test_alb_attach(endpoint: Endpoint, tmp_path: Path) -> None:
    holds_exactly(
        lambda aws: AlbAttach(
            name="attach-green", aws=aws, load_balancer="shop", port=80, blue="shop-blue", green="shop-green"
        ),
        state_dir=tmp_path,
        reset=lambda: endpoint.forward(shop_blue=1),
        strays=[lambda: endpoint.forward(shop_blue=99, shop_green=1)],
        kills=10,
    )


def test_alb_share_in_a_rule(endpoint: Endpoint, tmp_path: Path) -> None:
    rule = endpoint.host_rule(20, "shop.shop.test", shop_blue=100, shop_green=0)
    eventually(lambda: endpoint.healthy("shop-blue") and endpoint.healthy("shop-green"))

    def weigh(**weights: int) -> None:
        groups = [{"TargetGroupArn": endpoint.group(n.replace("_", "-")), "Weight": w} for n, w in weights.items()]
        endpoint.elb(
            "ModifyRule", RuleArn=rule, Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]
        )

    holds_exactly(
        lambda aws: AlbShare(
            name="shop-to-10",
            before=Share.of(0),
            after=Share.of(10),
            aws=aws,
            load_balancer="shop",
            port=80,
            blue="shop-blue",
            green="shop-green",
            rule=RuleName("shop.shop.test"),
        ),
        state_dir=tmp_path,
        reset=lambda: weigh(shop_blue=100, shop_green=0),
        strays=[lambda: weigh(shop_blue=70, shop_green=30)],
        kills=8,
    )


def test_alb_stickiness(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.forward(sticky=3600, shop_blue=100, shop_green=0)
    holds_exactly(
        lambda aws: AlbStickiness(
            name="sticky-off",
            before=sticky_for(3600),
            after=NOT_STICKY,
            aws=aws,
            load_balancer="shop",
            port=80,
            seconds=3600,
        ),
        state_dir=tmp_path,
        reset=lambda: endpoint.forward(sticky=3600, shop_blue=100, shop_green=0),
        strays=[lambda: endpoint.forward(sticky=60, shop_blue=100, shop_green=0)],
        kills=8,
    )


def test_alb_maintenance(endpoint: Endpoint, tmp_path: Path) -> None:
    def foreign() -> None:
        endpoint.rule(1, "404")

    holds_exactly(
        lambda aws: AlbMaintenance(name="maintenance-on", aws=aws, load_balancer="shop", port=80),
        state_dir=tmp_path,
        reset=endpoint.no_rules,
        strays=[foreign],
        kills=10,
    )


def test_alb_maintenance_of_several_hosts(endpoint: Endpoint, tmp_path: Path) -> None:
    def untagged() -> None:
        step = make(endpoint.aws)
        endpoint.elb(
            "CreateRule",
            ListenerArn=endpoint.listener_arn(),
            Priority=9,
            Conditions=step.wanted()[0],
            Actions=step.actions(),
        )

    def make(aws: Aws) -> AlbMaintenance:
        hosts = ("shop.shop.test", "www.shop.test")
        return AlbMaintenance(name="maintenance-on", aws=aws, load_balancer="shop", port=80, hosts=hosts)

    holds_exactly(make, state_dir=tmp_path, reset=endpoint.no_rules, strays=[untagged], kills=10)


def test_route53_share(endpoint: Endpoint, tmp_path: Path) -> None:
    def third() -> None:
        blue = endpoint.records()[0]
        endpoint.change(("CREATE", {**blue, "SetIdentifier": "grey", "Weight": 5}))

    def other_weights() -> None:
        blue = endpoint.records()[0]
        endpoint.change(("DELETE", blue), ("CREATE", {**blue, "Weight": 0}))

    eventually(lambda: endpoint.healthy("api-green"))
    holds_exactly(
        lambda aws: Route53Share(
            name="api-to-10",
            before=Share.of(0),
            after=Share.of(10),
            aws=aws,
            zone="shop.test",
            record="api.shop.test",
            record_type="CNAME",
            blue="blue",
            green="green",
            health=("api-blue", "api-green"),
        ),
        state_dir=tmp_path,
        reset=endpoint.seeded_records,
        strays=[third, other_weights],
        kills=10,
    )


def test_route53_ttl(endpoint: Endpoint, tmp_path: Path) -> None:
    def other_ttl() -> None:
        (record,) = endpoint.records("shop.shop.test.")
        endpoint.change(("UPSERT", {**record, "TTL": 77}))

    holds_exactly(
        lambda aws: Route53Ttl(
            name="lower-ttl",
            before=5,
            after=1,
            aws=aws,
            zone="shop.test",
            record="shop.shop.test",
            record_type="CNAME",
        ),
        state_dir=tmp_path,
        reset=endpoint.seeded_records,
        strays=[other_ttl],
        kills=10,
    )
