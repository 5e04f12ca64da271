"""Route 53 and ELBv2 of the local world refuse what AWS refuses, for every client."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from cutover.world import ready_file
from cutover.world.seed_aws import seed

_numbers = count()


@pytest.fixture
def zone(aws_world: Any) -> tuple[str, str]:
    """(id, name) of a zone of this test's own."""
    name = f"zone{next(_numbers)}.test."
    return aws_world.zone(name), name


@pytest.fixture
def calm(aws_world: Any) -> Iterator[None]:
    yield
    aws_world.control("DELETE", "/_world/faults")
    aws_world.control("POST", "/_world/lag", {"seconds": 0.2})


def weighted(name: str, identifier: str, weight: int, *, ttl: int = 5, value: str = "lb.example.", **more: Any) -> Any:
    return {
        "Name": name,
        "Type": "CNAME",
        "SetIdentifier": identifier,
        "Weight": weight,
        "TTL": ttl,
        "ResourceRecords": [{"Value": value}],
        **more,
    }


def simple(name: str, value: str = "192.0.2.1", kind: str = "A", ttl: int = 5) -> Any:
    return {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": value}]}


def change(world: Any, zone_id: str, *changes: tuple[str, Any]) -> str:
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
    return str(world.route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)["ChangeInfo"]["Id"])


def refused(world: Any, zone_id: str, *changes: tuple[str, Any]) -> str:
    before = listed(world, zone_id)
    with pytest.raises(ClientError) as caught:
        change(world, zone_id, *changes)
    assert caught.value.response["Error"]["Code"] == "InvalidChangeBatch"
    assert listed(world, zone_id) == before, "a refused batch must change nothing"
    return str(caught.value.response["Error"]["Message"])


def listed(world: Any, zone_id: str) -> list[Any]:
    records: list[Any] = world.route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
    return [record for record in records if record["Type"] not in ("NS", "SOA")]


def test_stale_delete_is_a_conflict_and_changes_nothing(aws_world: Any, zone: tuple[str, str]) -> None:
    at, name = zone
    api = f"api.{name}"
    change(aws_world, at, ("CREATE", weighted(api, "blue", 100)), ("CREATE", weighted(api, "green", 0)))
    message = refused(
        aws_world,
        at,
        ("DELETE", weighted(api, "blue", 90)),
        ("CREATE", weighted(api, "blue", 50)),
    )
    assert "values provided do not match the current values" in message
    assert "but it was not found" in refused(aws_world, at, ("DELETE", weighted(api, "red", 1)))


def test_exact_delete_and_create_is_a_compare_and_swap(aws_world: Any, zone: tuple[str, str]) -> None:
    at, name = zone
    api, other = f"api.{name}", f"other.{name}"
    change(aws_world, at, ("CREATE", weighted(api, "blue", 100)), ("CREATE", weighted(other, "blue", 1)))
    change(aws_world, at, ("DELETE", weighted(api, "blue", 100)), ("CREATE", weighted(api, "blue", 7)))
    assert [(record["Name"], record["Weight"]) for record in listed(aws_world, at)] == [(api, 7), (other, 1)]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (lambda zone: weighted(f"api.{zone}", "blue", 256), "Weight"),
        (lambda zone: weighted(f"api.{zone}", "red", 1, ttl=60), "weighted sets must contain the same TTL"),
        (lambda zone: simple(f"api.{zone}", "lb.example.", "CNAME"), "other RRSets exist with the same name and type"),
        (lambda zone: {**weighted(f"new.{zone}", "x", 1), "SetIdentifier": "x" * 129}, "SetIdentifier"),
        (lambda zone: {k: v for k, v in weighted(f"new.{zone}", "x", 1).items() if k != "SetIdentifier"}, "SetIdent"),
        (lambda zone: {k: v for k, v in weighted(f"new.{zone}", "x", 1).items() if k != "Weight"}, "Expected exactly"),
        (lambda zone: simple(f"api.{zone}"), "conflicts with other records"),
        (lambda zone: simple(zone, "lb.example.", "CNAME"), "not permitted at apex"),
        (lambda zone: simple("elsewhere.example."), "is not permitted in zone"),
        (lambda zone: simple(f"x{zone}"), "is not permitted in zone"),
        (lambda zone: simple(f"www.{zone}", "not-an-address"), "ARRDATAIllegal"),
        (lambda zone: {"Name": f"www.{zone}", "Type": "A", "TTL": 5}, "Expected exactly one of [AliasTarget"),
        (
            lambda zone: weighted(f"new.{zone}", "x", 1) | {"ResourceRecords": [{"Value": "a."}, {"Value": "b."}]},
            "exactly one ResourceRecord",
        ),
        (
            lambda zone: simple(f"www.{zone}") | {"ResourceRecords": [{"Value": "192.0.2.1"}, {"Value": "192.0.2.1"}]},
            "Duplicate Resource Record",
        ),
    ],
)
def test_a_bad_record_refuses_the_whole_batch(aws_world: Any, zone: tuple[str, str], record: Any, reason: str) -> None:
    at, name = zone
    change(aws_world, at, ("CREATE", weighted(f"api.{name}", "blue", 100)))
    message = refused(aws_world, at, ("CREATE", simple(f"fine.{name}")), ("UPSERT", record(name)))
    assert reason in message


def test_the_same_record_twice_and_creating_what_exists_are_refused(aws_world: Any, zone: tuple[str, str]) -> None:
    at, name = zone
    www = f"www.{name}"
    twice = refused(aws_world, at, ("UPSERT", simple(www)), ("UPSERT", simple(www, "192.0.2.2")))
    assert "invalid set of changes" in twice
    change(aws_world, at, ("CREATE", simple(www)))
    assert "already exists" in refused(aws_world, at, ("CREATE", simple(www.upper().rstrip("."))))


def test_ttl_of_a_group_changes_in_one_batch_or_not_at_all(aws_world: Any, zone: tuple[str, str]) -> None:
    at, name = zone
    api = f"api.{name}"
    change(aws_world, at, ("CREATE", weighted(api, "blue", 9)), ("CREATE", weighted(api, "green", 1)))
    refused(aws_world, at, ("UPSERT", weighted(api, "blue", 9, ttl=60)))
    change(aws_world, at, ("UPSERT", weighted(api, "blue", 9, ttl=60)), ("UPSERT", weighted(api, "green", 1, ttl=60)))
    assert {record["TTL"] for record in listed(aws_world, at)} == {60}


def test_names_are_equal_whatever_their_case_dot_or_escape(aws_world: Any, zone: tuple[str, str]) -> None:
    at, name = zone
    change(aws_world, at, ("CREATE", simple(f"*.{name}".upper())))
    assert listed(aws_world, at)[0]["Name"] == f"\\052.{name}"
    change(aws_world, at, ("DELETE", simple(f"\\052.{name}".rstrip("."))))
    assert listed(aws_world, at) == []


def test_simple_becomes_weighted_in_one_batch(aws_world: Any, zone: tuple[str, str]) -> None:
    at, name = zone
    api = f"api.{name}"
    change(aws_world, at, ("CREATE", simple(api, "lb.example.", "CNAME")))
    change(
        aws_world,
        at,
        ("DELETE", simple(api, "lb.example.", "CNAME")),
        ("CREATE", weighted(api, "blue", 100)),
        ("CREATE", weighted(api, "green", 0)),
    )
    assert [record["SetIdentifier"] for record in listed(aws_world, at)] == ["blue", "green"]


def test_a_change_is_pending_first_and_unknown_ids_are_refused(
    aws_world: Any, zone: tuple[str, str], calm: None, eventually: Any
) -> None:
    at, name = zone
    aws_world.control("POST", "/_world/lag", {"seconds": 300})
    slow = change(aws_world, at, ("CREATE", simple(f"slow.{name}")))
    assert aws_world.route53.get_change(Id=slow)["ChangeInfo"]["Status"] == "PENDING"
    other_zone = aws_world.zone(f"other-{name}")
    aws_world.control("POST", "/_world/lag", {"seconds": 0.05})
    quick = change(aws_world, other_zone, ("CREATE", simple(f"quick.other-{name}")))
    assert quick != slow
    eventually(lambda: aws_world.route53.get_change(Id=quick)["ChangeInfo"]["Status"] == "INSYNC")
    with pytest.raises(ClientError, match="NoSuchChange"):
        aws_world.route53.get_change(Id="/change/C0000000000000")


def test_paging_inside_a_weighted_group_loses_nothing(aws_world: Any, zone: tuple[str, str]) -> None:
    at, name = zone
    names = [f"set{number:02}" for number in range(25)]
    change(aws_world, at, *(("CREATE", weighted(f"api.{name}", each, 1)) for each in names))
    pages = aws_world.route53.get_paginator("list_resource_record_sets").paginate(
        HostedZoneId=at, PaginationConfig={"PageSize": 4}
    )
    found = [record.get("SetIdentifier") for page in pages for record in page["ResourceRecordSets"]]
    assert [each for each in found if each] == names


def test_two_writers_and_one_old_value_make_one_winner(aws_world: Any, zone: tuple[str, str]) -> None:
    at, name = zone
    api = f"api.{name}"
    change(aws_world, at, ("CREATE", weighted(api, "blue", 100)))
    first = [("DELETE", weighted(api, "blue", 100)), ("CREATE", weighted(api, "blue", 50))]
    second = [("DELETE", weighted(api, "blue", 100)), ("CREATE", weighted(api, "blue", 10))]
    change(aws_world, at, *first)
    assert "do not match" in refused(aws_world, at, *second)


def test_faults_on_demand_refuse_before_or_lose_the_answer_after(
    aws_world: Any, zone: tuple[str, str], calm: None
) -> None:
    at, name = zone
    operation = "ChangeResourceRecordSets"
    aws_world.control("POST", "/_world/faults", {"operation": operation, "code": "PriorRequestNotComplete", "times": 2})
    for _ in range(2):
        with pytest.raises(ClientError, match="PriorRequestNotComplete"):
            change(aws_world, at, ("CREATE", simple(f"www.{name}")))
    assert listed(aws_world, at) == []
    aws_world.control("POST", "/_world/faults", {"operation": operation, "lose_response": True})
    with pytest.raises(BotoCoreError):
        change(aws_world, at, ("CREATE", simple(f"www.{name}")))
    assert len(listed(aws_world, at)) == 1


def test_every_call_is_noted_with_its_operation(aws_world: Any, zone: tuple[str, str]) -> None:
    at, name = zone
    log = aws_world.home / "aws-calls.jsonl"
    already = len(log.read_text().splitlines())
    change(aws_world, at, ("CREATE", simple(f"www.{name}")))
    listed(aws_world, at)
    aws_world.elbv2.describe_load_balancers()
    noted = [json.loads(line) for line in log.read_text().splitlines()[already:]]
    assert [(call["service"], call["operation"], call["status"], call["write"]) for call in noted] == [
        ("route53", "ChangeResourceRecordSets", 200, True),
        ("route53", "ListResourceRecordSets", 200, False),
        ("elbv2", "DescribeLoadBalancers", 200, False),
    ]
    assert all("Boto3" in call["user_agent"] and call["at"] for call in noted)


def test_seeding_again_writes_nothing(aws_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in aws_world.environment.items():
        monkeypatch.setenv(key, value)
    log = aws_world.home / "aws-calls.jsonl"
    already = len(log.read_text().splitlines())
    seed(blue_port=aws_world.blue.port, green_port=aws_world.green.port)
    noted = [json.loads(line) for line in log.read_text().splitlines()[already:]]
    assert noted and not [call["operation"] for call in noted if call["write"]]


@pytest.mark.parametrize(
    ("weight", "code"), [("256", "InvalidChangeBatch"), ("1.5", "InvalidInput"), ("ten", "InvalidInput")]
)
def test_a_client_without_any_checks_of_its_own_is_refused_too(
    aws_world: Any, zone: tuple[str, str], weight: str, code: str
) -> None:
    at, name = zone
    answer = raw(
        aws_world,
        "route53",
        f"/2013-04-01{at}/rrset/",
        f"""<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeBatch><Changes>
        <Change><Action>CREATE</Action><ResourceRecordSet><Name>api.{name}</Name><Type>CNAME</Type>
        <SetIdentifier>blue</SetIdentifier><Weight>{weight}</Weight><TTL>5</TTL>
        <ResourceRecords><ResourceRecord><Value>lb.example.</Value></ResourceRecord></ResourceRecords>
        </ResourceRecordSet></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>""",
    )
    assert answer[0] == 400
    assert f"<Code>{code}</Code>" in answer[1]
    assert listed(aws_world, at) == []


def raw(world: Any, service: str, path: str, body: str) -> tuple[int, str]:
    """One POST with nothing of an SDK in between; moto reads the service from the signature's scope."""
    scope = (
        f"AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
    connection = http.client.HTTPConnection("127.0.0.1", ready_file.facts_of(world.home, "aws")["port"], timeout=10)
    try:
        connection.request("POST", path, body, {"Authorization": scope, "Content-Type": "application/xml"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_a_protected_name_refuses_the_whole_batch_until_it_is_free(aws_world: Any, zone: tuple[str, str]) -> None:
    zone_id, name = zone
    api, other = f"api.{name}", f"other.{name}"
    change(aws_world, zone_id, ("CREATE", weighted(api, "blue", 100)))
    one = {"RecordName": api.upper(), "RecordType": "CNAME"}
    r53 = aws_world.route53
    r53.create_resource_record_set_protections(HostedZoneId=zone_id, Protections=[{**one, "Comment": "payroll"}])
    told = refused(aws_world, zone_id, ("UPSERT", weighted(api, "blue", 1)), ("CREATE", simple(other)))
    assert "is protected: payroll" in told
    found = r53.list_resource_record_set_protections(HostedZoneId=zone_id, StartRecordName=api)
    assert found["ResourceRecordSetProtections"] == [{"RecordName": api, "RecordType": "CNAME", "Comment": "payroll"}]
    with pytest.raises(ClientError, match="ProtectionAlreadyExists"):
        r53.create_resource_record_set_protections(HostedZoneId=zone_id, Protections=[one])
    more = [{"RecordName": f"n{number}.{name}", "RecordType": "A"} for number in range(3)]
    r53.create_resource_record_set_protections(HostedZoneId=zone_id, Protections=more)
    first = r53.list_resource_record_set_protections(HostedZoneId=zone_id, MaxResults="3")
    rest = r53.list_resource_record_set_protections(HostedZoneId=zone_id, MaxResults="3", NextToken=first["NextToken"])
    assert [one["RecordName"] for one in rest["ResourceRecordSetProtections"]] == [f"n2.{name}"]
    assert "NextToken" not in rest
    r53.delete_resource_record_set_protections(HostedZoneId=zone_id, Protections=[one])
    change(aws_world, zone_id, ("UPSERT", weighted(api, "blue", 1)))


def test_what_a_record_refers_to_has_to_be_there(aws_world: Any, zone: tuple[str, str]) -> None:
    zone_id, name = zone
    bare = zone_id.removeprefix("/hostedzone/")
    target = {"HostedZoneId": bare, "DNSName": f"nobody.{name}", "EvaluateTargetHealth": False}
    alias = {"Name": f"api.{name}", "Type": "A", "AliasTarget": target}
    assert "that target was not found" in refused(aws_world, zone_id, ("CREATE", alias))
    change(aws_world, zone_id, ("CREATE", simple(f"nobody.{name}")), ("CREATE", alias))
    checked = weighted(f"checked.{name}", "blue", 1, HealthCheckId="00000000-0000-0000-0000-000000000000")
    assert "Invalid health check" in refused(aws_world, zone_id, ("CREATE", checked))
    assert "quotation marks" in refused(aws_world, zone_id, ("CREATE", simple(f"t.{name}", "bare", "TXT")))


def test_zones_of_one_name_are_listed_page_by_page_and_private_ones_stay_inside(aws_world: Any) -> None:
    r53, name = aws_world.route53, "twice.test."
    public = aws_world.zone(name)
    vpc = {"VPCRegion": "us-east-1", "VPCId": "vpc-1"}
    made = r53.create_hosted_zone(
        Name=name, CallerReference="inside", VPC=vpc, HostedZoneConfig={"Comment": "", "PrivateZone": True}
    )
    inside = made["HostedZone"]["Id"].removeprefix("/hostedzone/")
    change(aws_world, inside, ("CREATE", simple(f"db.{name}")))
    first = r53.list_hosted_zones_by_name(DNSName=name, MaxItems="1")
    assert first["IsTruncated"] and first["NextDNSName"] == name
    rest = r53.list_hosted_zones_by_name(DNSName=name, HostedZoneId=first["NextHostedZoneId"], MaxItems="1")
    ids = {page["HostedZones"][0]["Id"].removeprefix("/hostedzone/") for page in (first, rest)}
    assert ids == {public.removeprefix("/hostedzone/"), inside}
    of_vpc = r53.list_hosted_zones_by_vpc(VPCId="vpc-1", VPCRegion="us-east-1")["HostedZoneSummaries"]
    assert [one["HostedZoneId"] for one in of_vpc] == [inside]
    shown = [each for each in aws_world.control("GET", "/_world/zones") if each["name"] == name]
    assert len(shown) == 1 and not [r for r in shown[0]["records"] if r["name"] == f"db.{name}"]
