"""Which answers belong to which side, by the record sets themselves; and the share that draws at name servers find."""

from collections.abc import Callable
from typing import Any

import pytest
from local_aws import Endpoint

from cutover.aws.record_group import RecordName
from cutover.aws.record_sides import RecordSides
from cutover.core.errors import Unreachable


def sides(endpoint: Endpoint, name: str = "api.shop.test", kind: str = "CNAME") -> RecordSides:
    return RecordSides(RecordName(endpoint.aws, "shop.test", name, kind), "blue", "green")


def pair(blue: dict[str, Any], green: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    both = {"blue": blue, "green": green}
    return [
        ("CREATE", {"Name": "pair.shop.test.", "Type": "A", "SetIdentifier": side, "Weight": 1, **record})
        for side, record in both.items()
    ]


def test_values_of_both_sides(endpoint: Endpoint) -> None:
    found = sides(endpoint)()
    assert sorted(found.values()) == ["blue", "green"]
    assert all(f"api-{side}" in value for value, side in found.items())


def test_an_alias_stands_for_its_target(endpoint: Endpoint) -> None:
    names = {one["LoadBalancerName"]: one["DNSName"] for one in endpoint.elb("DescribeLoadBalancers")["LoadBalancers"]}
    alias = {
        "AliasTarget": {"HostedZoneId": "Z35SXDOTRQ7X7K", "DNSName": names["api-blue"], "EvaluateTargetHealth": False}
    }
    plain = {"TTL": 60, "ResourceRecords": [{"Value": "192.0.2.7"}]}
    endpoint.change(*pair(alias, plain))
    found = {value.rstrip("."): side for value, side in sides(endpoint, "pair.shop.test", "A")().items()}
    assert found == {names["api-blue"]: "blue", "192.0.2.7": "green"}


def test_sides_that_lead_to_one_place_tell_nothing(endpoint: Endpoint) -> None:
    plain = {"TTL": 60, "ResourceRecords": [{"Value": "192.0.2.7"}]}
    endpoint.change(*pair(plain, plain))
    with pytest.raises(Unreachable, match="no answer tells a side"):
        sides(endpoint, "pair.shop.test", "A")()


def test_a_name_without_records_is_no_witness(endpoint: Endpoint) -> None:
    with pytest.raises(Unreachable, match="there is no CNAME record"):
        sides(endpoint, "nowhere.shop.test")()


@pytest.mark.slow
def test_what_is_printed_sets_the_same(endpoint: Endpoint, bash: Callable[..., str]) -> None:
    asked = sides(endpoint)
    printed = dict(zip(bash(f'{asked.shell()}\necho "$blue $green"').split(), ("blue", "green"), strict=True))
    assert printed == {value.rstrip("."): side for value, side in asked().items()}
