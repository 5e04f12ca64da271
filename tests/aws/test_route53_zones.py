"""Zones that are private, called alike or long, and groups that are longer than a page."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from local_aws import Endpoint

from cutover.aws.listener import Missing
from cutover.aws.record_group import RecordName
from cutover.aws.route53 import Route53Share
from cutover.aws.route53_group import GroupCanBeMoved
from cutover.aws.route53_zone import Zone
from cutover.aws.session import Aws
from cutover.core.clock import Deadline
from cutover.core.gate import Verdict
from cutover.core.share import Share

VPCS = ("vpc-0000000000000001", "vpc-0000000000000002")


class SmallPages(Aws):
    """Asks for two items a page."""

    def call(self, service: str, operation: str, deadline: Deadline, /, **parameters: Any) -> dict[str, Any]:
        if operation in ("ListResourceRecordSets", "ListHostedZonesByName"):
            parameters["MaxItems"] = "2" if "Record" in operation else "1"
        if operation == "ListResourceRecordSetProtections":
            parameters["MaxResults"] = "2"
        return super().call(service, operation, deadline, **parameters)


def share(aws: Aws, **more: Any) -> Route53Share:
    return Route53Share(
        name="to-10",
        before=Share.of(0),
        after=Share.of(10),
        aws=aws,
        zone=more.pop("zone", "shop.test"),
        record=more.pop("record", "api.shop.test"),
        record_type="CNAME",
        blue="blue",
        green="green",
        **more,
    )


def member(name: str, identifier: str, weight: int) -> dict[str, Any]:
    values = [{"Value": f"{identifier}.elsewhere.test"}]
    record = {"Name": name, "Type": "CNAME", "TTL": 5, "ResourceRecords": values}
    return {**record, "SetIdentifier": identifier, "Weight": weight}


@pytest.fixture
def private_zones(endpoint: Endpoint) -> Iterator[dict[str, str]]:
    """Two private zones of one name by VPC, beside nothing public."""
    made: dict[str, str] = {}
    pair = [member("api.inside.test", "blue", 100), member("api.inside.test", "green", 0)]
    for vpc in VPCS:
        zone = endpoint.r53(
            "CreateHostedZone",
            Name="inside.test",
            CallerReference=vpc,
            VPC={"VPCRegion": "us-east-1", "VPCId": vpc},
            HostedZoneConfig={"Comment": "", "PrivateZone": True},
        )["HostedZone"]["Id"].removeprefix("/hostedzone/")
        made[vpc] = zone
        _change(endpoint, zone, "CREATE", pair)
    yield made
    for zone in made.values():
        shown = endpoint.r53("ListResourceRecordSets", HostedZoneId=zone)["ResourceRecordSets"]
        _change(endpoint, zone, "DELETE", [record for record in shown if record["Type"] == "CNAME"])
        endpoint.r53("DeleteHostedZone", Id=zone)


def _change(endpoint: Endpoint, zone: str, action: str, records: list[dict[str, Any]]) -> None:
    changes = [{"Action": action, "ResourceRecordSet": record} for record in records]
    endpoint.r53("ChangeResourceRecordSets", HostedZoneId=zone, ChangeBatch={"Changes": changes})


def weights(endpoint: Endpoint, zone: str) -> list[int]:
    shown = endpoint.r53("ListResourceRecordSets", HostedZoneId=zone)["ResourceRecordSets"]
    return [record["Weight"] for record in shown if record["Type"] == "CNAME"]


def test_a_private_zone_is_only_taken_where_it_is_asked_for(endpoint: Endpoint, private_zones: dict[str, str]) -> None:
    within = Deadline.after(20)
    with pytest.raises(Missing, match=r"there is no public zone inside\.test"):
        Zone(endpoint.aws, "inside.test").id(within)
    with pytest.raises(Missing, match=r"2 private hosted zones are called inside\.test: "):
        Zone(endpoint.aws, "inside.test", private=True).id(within)
    for vpc, zone in private_zones.items():
        assert Zone(endpoint.aws, "INSIDE.test.", private=True, vpc=vpc).id(within) == zone
    with pytest.raises(Missing, match=r"there is no private zone inside\.test of vpc-0000000000000009"):
        Zone(endpoint.aws, "inside.test", private=True, vpc="vpc-0000000000000009").id(within)
    where = RecordName(endpoint.aws, "inside.test", "api.inside.test", "CNAME", private=True)
    refused = GroupCanBeMoved(where=where, blue="blue", green="green", ttls=(5,)).look()
    assert refused.verdict is Verdict.FAIL and "2 private hosted zones" in refused.seen


def test_a_share_moves_in_the_private_zone_of_the_vpc_alone(endpoint: Endpoint, private_zones: dict[str, str]) -> None:
    step = share(endpoint.aws, zone="inside.test", record="api.inside.test", private=True, vpc=VPCS[1])
    step.commands(step.after)[0].run(Deadline.after(20))
    assert step.observe() == Share.of(10)
    assert weights(endpoint, private_zones[VPCS[1]]) == [90, 10]
    assert weights(endpoint, private_zones[VPCS[0]]) == [100, 0]


@pytest.mark.slow
def test_what_is_printed_moves_the_private_zone_of_the_vpc_and_never_guesses(
    endpoint: Endpoint, private_zones: dict[str, str], bash: Callable[..., str]
) -> None:
    step = share(endpoint.aws, zone="inside.test", record="api.inside.test", private=True, vpc=VPCS[1])
    bash(step.commands(step.after)[0].shell())
    assert weights(endpoint, private_zones[VPCS[1]]) == [90, 10]
    assert weights(endpoint, private_zones[VPCS[0]]) == [100, 0]
    told = bash(replace(step, vpc="").commands(step.after)[0].shell(), ok=False)
    assert "not exactly one zone of that name" in told


@pytest.fixture
def long_zone(endpoint: Endpoint) -> Iterator[list[str]]:
    """More than a page of records, a hundred of them in one group; the identifiers of that group."""
    many = [member("many.shop.test", f"member-{number:03}", 1) for number in range(100)]
    address = {"Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    all_records = many + [{"Name": f"n{number:03}.shop.test", **address} for number in range(310)]
    endpoint.change(*(("CREATE", record) for record in all_records))
    yield [record["SetIdentifier"] for record in many]
    endpoint.change(*(("DELETE", record) for record in all_records))


def test_a_page_ends_nothing_in_the_middle_of_a_group(endpoint: Endpoint, long_zone: list[str]) -> None:
    small = SmallPages("us-east-1")
    for aws in (endpoint.aws, small):
        found = RecordName(aws, "shop.test", "many.shop.test", "CNAME").records(Deadline.after(60))
        assert [one["SetIdentifier"] for one in found] == long_zone
    step = share(small)
    step.commands(step.after)[0].run(Deadline.after(60))
    assert step.observe() == Share.of(10)
    assert GroupCanBeMoved(where=step.where, blue="blue", green="green", ttls=(5,)).look().verdict is Verdict.PASS


def test_of_a_long_zone_the_usual_notes_are_still_found(endpoint: Endpoint, long_zone: list[str]) -> None:
    where = RecordName(SmallPages("us-east-1"), "shop.test", "api.shop.test", "CNAME")
    check = GroupCanBeMoved(where=where, blue="blue", green="green", ttls=(5,))
    assert "only the usual names of external-dns were looked at" in check.look().seen
    heritage = [{"Value": '"heritage=external-dns,external-dns/owner=k8s-1"'}]
    endpoint.change(("CREATE", {"Name": "cname-api.shop.test", "Type": "TXT", "TTL": 5, "ResourceRecords": heritage}))
    assert "cname-api.shop.test. (k8s-1)" in check.look().seen


def test_a_page_ends_nothing_among_zones_of_one_name(endpoint: Endpoint, private_zones: dict[str, str]) -> None:
    with pytest.raises(Missing, match="2 private hosted zones"):
        Zone(SmallPages("us-east-1"), "inside.test", private=True).id(Deadline.after(20))
