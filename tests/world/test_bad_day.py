"""AWS on a bad day: every call refused, reads that are late, changes that are accepted and have no effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from cutover.world.late_reads import MOST, LateReads

ZONE = "bad-day.test."


@pytest.fixture
def zone(aws_world: Any) -> Iterator[str]:
    yield aws_world.zone(ZONE)
    aws_world.control("DELETE", "/_world/faults")
    aws_world.control("POST", "/_world/late", {"seconds": 0})
    aws_world.control("POST", "/_world/effect", {"frozen": False})


def put(world: Any, zone: str, name: str, value: str) -> None:
    record = {"Name": name, "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": value}]}
    changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
    world.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def addresses(world: Any, zone: str) -> set[str]:
    found = world.route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {one["Value"] for record in found if record["Type"] == "A" for one in record["ResourceRecords"]}


def test_every_call_can_be_refused_until_the_order_is_taken_back(aws_world: Any, zone: str) -> None:
    aws_world.control("POST", "/_world/faults", {"operation": "*", "times": 100, "code": "ExpiredToken", "status": 403})
    for ask in (aws_world.route53.list_hosted_zones, aws_world.elbv2.describe_load_balancers):
        with pytest.raises(ClientError, match="ExpiredToken"):
            ask()
    aws_world.control("DELETE", "/_world/faults")
    assert aws_world.route53.list_hosted_zones()["HostedZones"]


def test_an_order_for_changes_leaves_reads_alone(aws_world: Any, zone: str) -> None:
    aws_world.control("POST", "/_world/faults", {"operation": "writes", "lose_response": True})
    assert addresses(aws_world, zone) == set()
    with pytest.raises(BotoCoreError):
        put(aws_world, zone, f"lost.{ZONE}", "192.0.2.1")
    assert addresses(aws_world, zone) == {"192.0.2.1"}, "it was made, and only its answer was lost"


def test_reads_are_late_for_as_long_as_was_ordered(aws_world: Any, zone: str, eventually: Any) -> None:
    before = addresses(aws_world, zone)
    aws_world.control("POST", "/_world/late", {"seconds": 0.5})
    put(aws_world, zone, f"late.{ZONE}", "192.0.2.7")
    assert addresses(aws_world, zone) == before
    eventually(lambda: "192.0.2.7" in addresses(aws_world, zone))


def test_what_is_accepted_has_no_effect_until_the_order_is_taken_back(
    aws_world: Any, zone: str, eventually: Any
) -> None:
    def shown() -> str:
        return str(aws_world.control("GET", "/_world/zones"))

    assert aws_world.control("POST", "/_world/effect", {"frozen": True, "only": "zones"}) == {"frozen": ["zones"]}
    put(aws_world, zone, f"idle.{ZONE}", "192.0.2.9")
    assert "192.0.2.9" in addresses(aws_world, zone), "it is read back"
    assert "192.0.2.9" not in shown()
    aws_world.control("POST", "/_world/effect", {"frozen": False})
    eventually(lambda: "192.0.2.9" in shown())


def test_answers_are_kept_for_the_last_questions_only() -> None:
    late = LateReads()
    late.seconds = 60
    for number in range(MOST + 1):
        late.answer("ListThings", number, f"old {number}")
    late.answer("ChangeThings", "change", "done")
    assert late.answer("ListThings", MOST, "new") == f"old {MOST}"
    assert late.answer("ListThings", 0, "new") == "new", "the oldest one is forgotten"
