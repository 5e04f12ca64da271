"""Every traffic step through the contract: there and back, killed everywhere, strays left alone, on the local endpoint."""

from pathlib import Path

import pytest
from contract import holds
from local_aws import Endpoint, eventually

from cutover.aws.alb import AlbAttach, AlbShare
from cutover.aws.alb_rules import AlbMaintenance
from cutover.aws.route53 import Route53Share, Route53Ttl
from cutover.core.share import Share

pytestmark = pytest.mark.slow  # each step dies some thirty deaths over a real journal


def test_alb_share(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.forward(shop_blue=100, shop_green=0)
    eventually(lambda: endpoint.healthy("shop-blue") and endpoint.healthy("shop-green"))
    holds(
        lambda: AlbShare(
            name="shop-to-10",
            before=Share.of(0),
            after=Share.of(10),
            aws=endpoint.aws,
            load_balancer="shop",
            port=80,
            blue="shop-blue",
            green="shop-green",
        ),
        state_dir=tmp_path,
        reset=lambda: endpoint.forward(shop_blue=100, shop_green=0),
        strays=[
            lambda: endpoint.forward(shop_blue=70, shop_green=30),
            lambda: endpoint.forward(shop_blue=80, shop_green=10, api_blue=10),
            lambda: endpoint.forward(shop_blue=0, shop_green=0),
        ],
    )


def test_alb_attach(endpoint: Endpoint, tmp_path: Path) -> None:
    holds(
        lambda: AlbAttach(
            name="attach-green", aws=endpoint.aws, load_balancer="shop", port=80, blue="shop-blue", green="shop-green"
        ),
        state_dir=tmp_path,
        reset=lambda: endpoint.forward(shop_blue=1),
        strays=[lambda: endpoint.forward(shop_blue=99, shop_green=1)],
    )


def test_alb_maintenance(endpoint: Endpoint, tmp_path: Path) -> None:
    def foreign() -> None:
        endpoint.rule(1, "404")

    holds(
        lambda: AlbMaintenance(name="maintenance-on", aws=endpoint.aws, load_balancer="shop", port=80),
        state_dir=tmp_path,
        reset=endpoint.no_rules,
        strays=[foreign],
    )


def test_route53_share(endpoint: Endpoint, tmp_path: Path) -> None:
    def third() -> None:
        blue = endpoint.records()[0]
        endpoint.change(("CREATE", {**blue, "SetIdentifier": "grey", "Weight": 5}))

    def other_weights() -> None:
        blue = endpoint.records()[0]
        endpoint.change(("DELETE", blue), ("CREATE", {**blue, "Weight": 0}))

    holds(
        lambda: Route53Share(
            name="api-to-10",
            before=Share.of(0),
            after=Share.of(10),
            aws=endpoint.aws,
            zone="shop.test",
            record="api.shop.test",
            record_type="CNAME",
            blue="blue",
            green="green",
        ),
        state_dir=tmp_path,
        reset=endpoint.seeded_records,
        strays=[third, other_weights],
    )


def test_route53_ttl(endpoint: Endpoint, tmp_path: Path) -> None:
    def other_ttl() -> None:
        (record,) = endpoint.records("shop.shop.test.")
        endpoint.change(("UPSERT", {**record, "TTL": 77}))

    holds(
        lambda: Route53Ttl(
            name="lower-ttl",
            before=5,
            after=1,
            aws=endpoint.aws,
            zone="shop.test",
            record="shop.shop.test",
            record_type="CNAME",
        ),
        state_dir=tmp_path,
        reset=endpoint.seeded_records,
        strays=[other_ttl],
    )
