"""The AWS side of a world that sells under the hostnames of another environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cutover.world import sites
from cutover.world.processes import WorldError
from cutover.world.seed_aws import seed
from cutover.world.sites import DEFAULT, Balanced, Weighted

SITES = (
    Balanced("www.else.example", "else.example", "front", "front-old", "front-new", 443, 7),
    Weighted("api.else.example", "else.example", "old", "new", "api-old", "api-new", 8443, 9),
)


def test_what_was_noted_is_what_is_read(tmp_path: Path) -> None:
    sites.note(tmp_path, SITES)
    assert sites.noted(tmp_path / sites.FILE) == SITES
    assert sites.hosts_of({sites.HOSTS: sites.named(SITES)}) == ("www.else.example", "api.else.example")
    assert sites.hosts_of({}) == tuple(one.host for one in DEFAULT)
    with pytest.raises(WorldError):
        sites.named(())


def test_listeners_groups_and_records_are_called_as_the_sites_say(
    aws_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in aws_world.environment.items():
        monkeypatch.setenv(name, value)
    seed(blue_port=aws_world.blue.port, green_port=aws_world.green.port, sites=SITES)
    found = {one["LoadBalancerName"]: one for one in aws_world.elbv2.describe_load_balancers()["LoadBalancers"]}
    ports = {}
    for name in ("front", "api-old", "api-new"):
        (listener,) = aws_world.elbv2.describe_listeners(LoadBalancerArn=found[name]["LoadBalancerArn"])["Listeners"]
        group = listener["DefaultActions"][0]["TargetGroupArn"].split("/")[1]
        ports[name] = (listener["Port"], group)
    assert ports == {"front": (443, "front-old"), "api-old": (8443, "api-old"), "api-new": (8443, "api-new")}
    zones = {one["Name"]: one["Id"] for one in aws_world.route53.list_hosted_zones()["HostedZones"]}
    records = aws_world.route53.list_resource_record_sets(HostedZoneId=zones["else.example."])["ResourceRecordSets"]
    kept = {
        (one["Name"], one.get("SetIdentifier", "")): (one.get("Weight"), one["TTL"], one["ResourceRecords"][0]["Value"])
        for one in records
        if one["Type"] == "CNAME"
    }
    assert kept == {
        ("www.else.example.", ""): (None, 7, found["front"]["DNSName"]),
        ("api.else.example.", "old"): (100, 9, found["api-old"]["DNSName"]),
        ("api.else.example.", "new"): (0, 9, found["api-new"]["DNSName"]),
    }
    again = aws_world.route53.list_resource_record_sets(HostedZoneId=zones["else.example."])["ResourceRecordSets"]
    seed(blue_port=aws_world.blue.port, green_port=aws_world.green.port, sites=SITES)
    assert again == records, "what is there stays as it is"
